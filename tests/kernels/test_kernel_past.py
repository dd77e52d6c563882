"""Group boxes, hidden heads and hidden feet are the same with the compiled kernel as without, bit for bit: on crowds in which couples are
seen as one, and people from the chest up."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kernel import compiled

from countline.config import TrackerConfig
from countline.track import make
from countline.track.memory import Memory
from countline.track.past import CompiledPast, Past
from countline.types import Detections, Tracks

kernel = compiled()
examples = settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
seeds = st.integers(0, 2**32 - 1)
LOST = 1_500_000_000
STREET = Path(__file__).parents[1] / "track/data/walkers.npz"

Crowd = list[tuple[np.ndarray, np.ndarray, np.ndarray]]
"""By frame: boxes, numbers of those whose they are (-1: of a couple), classes."""


def crowd(rng: np.random.Generator, couples: int, frames: int, grid: int) -> Crowd:
    """Couples who walk side by side, each other way, behind others. Some are not seen, some from the chest up, some couples as one, beside
    their own boxes or in their place. On a ``grid`` (pixels) many lie alike, so that ties must be broken."""
    n = 2 * couples
    tall = np.repeat(rng.uniform(50, 130, couples), 2) * rng.uniform(0.95, 1.05, n)
    wide = tall * rng.uniform(0.3, 0.5, n)
    left, foot = rng.uniform(0, 90 * couples, n), np.repeat(rng.uniform(90, 330, couples), 2)
    left[1::2] = left[::2] + wide[::2] * rng.uniform(0.6, 1.2, couples)
    pace = np.repeat(rng.normal(0, 6, couples), 2) * np.where(rng.random(n) < 0.1, -1, 1)
    classes = np.repeat(rng.random(couples) < 0.2, 2).astype(np.int32)
    found = []
    for _ in range(frames):
        left = left + pace + rng.normal(0, 0.7, n)
        shown = np.where(rng.random(n) < 0.2, rng.uniform(0.15, 0.75, n), 1) * tall
        boxes = np.stack([left, foot - tall, left + wide, foot - tall + shown], axis=1)
        one = np.concatenate([np.minimum(*_two(boxes))[:, :2], np.maximum(*_two(boxes))[:, 2:]], axis=1)
        as_one = rng.random(couples) < 0.15
        alone = (rng.random(n) > 0.12) & ~np.repeat(as_one & (rng.random(couples) < 0.5), 2)
        boxes = np.concatenate([boxes[alone], one[as_one]])
        if grid:
            boxes = np.round(boxes / grid) * grid
            boxes[:, 2:] = np.maximum(boxes[:, 2:], boxes[:, :2] + grid)
        whose = np.concatenate([np.flatnonzero(alone), np.full(as_one.sum(), -1)])
        of = np.concatenate([classes[alone], classes[::2][as_one]])
        order = rng.permutation(len(whose))
        found.append((boxes[order].astype(np.float32), whose[order], of[order]))
    return found


def _two(boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return boxes[::2], boxes[1::2]


def compared(seed: int, couples: int, grid: int) -> Counter[str]:
    """Both follow one crowd, frame after frame, and must agree. What happened, and how often."""
    rng, pts, happened = np.random.default_rng(seed), 0, Counter[str]()
    pasts: list[Past] = [CompiledPast(kernel), Past()]
    memories: list[Any] = [kernel.TrackMemory(), Memory()]
    steps = [-50_000_000, 0, 20_000_000, 33_333_333, 100_000_000, 480_000_000, 2_000_000_000]
    for boxes, whose, classes in crowd(rng, couples, 40, grid):
        pts += int(rng.choice(steps, p=[0.02, 0.02, 0.1, 0.5, 0.3, 0.04, 0.02]))
        far = bool(rng.random() < 0.1)
        mine, theirs = (past.groups(boxes, classes, pts, far) for past in pasts)
        assert mine == theirs
        happened["groups"] += len(mine)
        mine, theirs = (past.matched(boxes, memory, pts, LOST) for past, memory in zip(pasts, memories))
        assert (mine.dtype, mine.shape, mine.tobytes()) == (theirs.dtype, theirs.shape, theirs.tobytes())
        happened["heads"] += int((mine[:, 3] > boxes[:, 3]).sum())
        rows = np.flatnonzero(whose >= 0)
        given = boxes, np.full(len(boxes), 0.9, np.float32), classes, rows, whose[rows], (pts, LOST), True
        seen = [memory.remember(*given) for memory in memories]
        mine, theirs = (past.complete(s[0], s[4], s[3], pts, LOST) for past, s in zip(pasts, seen))
        assert mine.tobytes() == theirs.tobytes()
        assert (mine is seen[0][0]) == (theirs is seen[1][0]), "what is not completed is not copied"
        happened["feet"] += int((mine[:, 3] > boxes[rows, 3]).sum())
        tracks = Tracks(mine, seen[1][1], seen[1][2], seen[1][3])
        cleared = bool(rng.random() < 0.01)
        for past in pasts:
            past.remember(tracks, pts)
            if cleared:
                past.clear()
        assert memories[0].heights(-1.0) == memories[1].heights(-1.0)
    return happened


@examples
@given(seeds, st.integers(0, 12), st.sampled_from([0, 4, 16]))
def test_group_boxes_heads_and_feet_are_the_same_to_the_bit_ties_included(seed: int, couples: int, grid: int) -> None:
    compared(seed, couples, grid)


@pytest.mark.parametrize("grid", [0, 8])
def test_the_crowds_have_group_boxes_heads_and_feet_to_compare(grid: int) -> None:
    happened = sum((compared(seed, 8, grid) for seed in range(6)), Counter())
    assert min(happened[what] for what in ("groups", "heads", "feet")) > 30, happened


def bits(tracks: Tracks) -> tuple[bytes, ...]:
    twins = () if tracks.twin_of is None else (tracks.twin_of,)
    return tuple(a.tobytes() for a in (tracks.xyxy, tracks.confidence, tracks.class_id, tracks.track_id, *twins))


@examples
@given(seeds, st.integers(1, 10), st.sampled_from([0, 8]), st.sampled_from([10.0, 3.0, None]))
def test_tracks_of_crowds_are_the_same_to_the_bit(seed: int, couples: int, grid: int, fps: float | None) -> None:
    rng, pts = np.random.default_rng(seed), 0
    limits = np.array([0.4], np.float32)
    both = [make(TrackerConfig(), fps=fps, thresholds=limits, kernel=with_it) for with_it in (True, False)]
    for boxes, _, classes in crowd(rng, couples, 50, grid):
        pts += int(1e9 / (fps or 10) * rng.choice([1, 1, 1, 2, 0.5]))
        sure = rng.choice([0.1, 0.35, 0.45, 0.9], len(boxes), p=[0.05, 0.1, 0.15, 0.7])
        mine, theirs = (bits(tracker.update(Detections(boxes, sure, classes), pts)) for tracker in both)
        assert mine == theirs
        if rng.random() < 0.01:
            for tracker in both:
                tracker.forget()


@pytest.mark.parametrize("step", [33_333_333, 100_000_000, 333_333_333])
def test_tracks_of_a_street_are_the_same_to_the_bit(step: int) -> None:
    """Detections of a real video (tests/track/test_track_real_people.py tells of what), also played quicker and slower."""
    data = np.load(STREET)
    ends = np.cumsum(data["count"].astype(int))[:-1]
    parts = (np.split(data[key], ends)[:400] for key in ("xyxy", "confidence", "class_id"))
    limits = np.where(np.arange(80) == 0, np.float32(0.45), np.float32(0.35))
    both = [make(TrackerConfig(), thresholds=limits, kernel=with_it) for with_it in (True, False)]
    for at, (boxes, sure, classes) in enumerate(zip(*parts)):
        mine, theirs = (bits(t.update(Detections(boxes / 10, sure / 1e4, classes), at * step)) for t in both)
        assert mine == theirs, f"frame {at}"


def test_what_does_not_fit_together_is_an_error_and_nothing_is_remembered() -> None:
    past, memory = kernel.Past(), kernel.TrackMemory()
    boxes = np.array([[0, 0, 40, 100], [45, 0, 85, 100]], np.float32)
    classes, ids, group = np.zeros(2, np.int32), np.array([1, 2], np.uint64), np.array([[0, 0, 86, 101]], np.float32)
    with pytest.raises(ValueError, match="one length"):
        past.remember(boxes, classes[:1], ids, 0)
    assert past.groups(group, classes[:1], 0, False) == []
    past.remember(boxes, classes, ids, 0)
    assert past.groups(group, classes[:1], 0, False) == [0]
    with pytest.raises(ValueError, match="one length"):
        past.groups(group, classes, 0, False)
    with pytest.raises(ValueError, match="left, top, right, bottom"):
        past.matched(boxes[:, :3], memory, 0, LOST)
    for pts in (0, 100_000_000, 200_000_000, 300_000_000):
        shown = boxes if pts < 300_000_000 else boxes / 2
        low = memory.remember(shown, np.ones(2, np.float32), classes, np.arange(2), np.arange(2), (pts, LOST), True)[4]
    assert len(low) == 2, "both are cut off"
    with pytest.raises(IndexError):
        past.complete(boxes[:0], low, ids, 0, LOST)
