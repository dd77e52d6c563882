"""A frame that says of twins what is known already is told without looking at each of them, with the same result."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countline.analytics.native import NativeRules, quiet, report, union
from countline.config.rules import RulesConfig
from countline.types import UNTRACKED, FrameInfo, FrameTracks, SourceInfo, Tracks

RULES = RulesConfig.model_validate(
    {
        "lines": [{"name": "line", "points": [[0.1, 0.5], [0.9, 0.5]]}],
        "regions": [{"name": "place", "points": [[0.2, 0.3], [0.8, 0.3], [0.8, 0.9], [0.2, 0.9]]}],
    }
)
GATE = SourceInfo("gate")


def world(seed: int, people: int) -> list[FrameTracks]:
    """Tracks that wander over the rules, are away for a while or for good, and now and then become twins or cease to be."""
    rng = np.random.default_rng(seed)
    at, twins, there = (
        rng.uniform(50, 500, (people, 2)),
        np.full(people, UNTRACKED, np.uint64),
        rng.random(people) < 0.8,
    )
    ids, last, frames, pts = np.arange(1, people + 1, dtype=np.uint64), people, [], 0
    for number in range(80):
        pts += int(rng.choice([40, 400, 3000, 9000], p=[0.85, 0.1, 0.03, 0.02])) * 1_000_000
        at = np.clip(at + rng.normal(0, 25, at.shape), 0, 560)
        for one in np.flatnonzero(rng.random(people) < 0.03).tolist():
            twins[one] = ids[int(rng.integers(one + 1))] if rng.random() < 0.7 else UNTRACKED
        for one in np.flatnonzero(~there & (rng.random(people) < 0.04)).tolist():  # it comes back under another id
            last += 1
            ids[one], twins[one] = last, UNTRACKED
        there ^= rng.random(people) < 0.05
        rows = rng.permutation(np.flatnonzero(there))
        boxes = np.concatenate([at[rows], at[rows] + 60], axis=1).astype(np.float32)
        told = None if (twins[rows] == UNTRACKED).all() else twins[rows]
        tracks = Tracks(boxes, np.ones(len(rows), np.float32), (rows % 2).astype(np.int32), ids[rows], twin_of=told)
        frames.append(FrameTracks(FrameInfo(GATE, number, pts, 10**18 + pts, 640, 640), tracks))
    return frames


def told(frames: list[FrameTracks]) -> list[Any]:
    rules = NativeRules(RULES, [GATE], ["person", "car"])
    made = []
    for frame in frames:
        (one,) = rules.update([frame])
        columns = [
            getattr(one, f.name) for f in dataclasses.fields(one) if f.name not in ("frame", "tracks", "objects")
        ]
        made.append(repr((columns, None if one.objects is None else list(one.objects))))
    return [*made, rules.metrics, rules.twins("gate")]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 9))
def test_what_is_told_is_the_same_where_every_frame_is_looked_at(seed: int, people: int) -> None:
    frames = world(seed, people)
    quickly = told(frames)
    with pytest.MonkeyPatch.context() as patch:
        for module in (report, quiet):
            patch.setattr(module, "is_settled", lambda _: False)
            patch.setattr(
                module,
                "classes_of",
                lambda source, tracks: source.count_classes(
                    tracks.class_id if tracks.twin_of is None else tracks.class_id[union.firsts(tracks)]
                ),
            )
        assert told(frames) == quickly


def test_first_rows_are_those_of_each_object_and_all_without_one() -> None:
    ids = np.array([5, 3, 9, UNTRACKED, UNTRACKED, 7], np.uint64)
    twins = np.array([3, UNTRACKED, 3, UNTRACKED, UNTRACKED, UNTRACKED], np.uint64)
    n = len(ids)
    tracks = Tracks(np.ones((n, 4), np.float32), np.ones(n, np.float32), np.zeros(n, np.int32), ids, twin_of=twins)
    assert union.firsts(tracks) == [0, 3, 4, 5]
