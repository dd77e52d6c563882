"""A box round two who are followed takes neither's id: on generated scenes, with the tracker as it is made for users."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from track_world import tracker

from countline.track.groups import Groups
from countline.types import Detections, Tracks

FPS = 10


def walk(
    beside: float, speed: float, seed: int, around: set[int], *, own: bool, kind: str = "default"
) -> tuple[list[Tracks], list[np.ndarray | None]]:
    """Two who walk side by side; in the frames ``around``, a box round both, beside their ``own`` or in their place."""
    rng, t = np.random.default_rng(seed), tracker(kind, fps=FPS)
    seen, groups = [], []
    for i in range(30):
        x = 100 + speed * i / FPS
        two = np.array([[x, 100, x + 40, 200], [x + 40 * beside, 102, x + 40 * beside + 40, 203]])
        two += rng.normal(0, 0.5, two.shape)
        group = np.concatenate([two[:, :2].min(axis=0), two[:, 2:].max(axis=0)]) if i in around else None
        boxes = two if group is None else np.vstack([two, group]) if own else group[None]
        n = len(boxes)
        seen.append(t.update(Detections(boxes, np.full(n, 0.9), np.zeros(n)), i * 1_000_000_000 // FPS))
        groups.append(group)
    return seen, groups


def near(tracks: Tracks, box: np.ndarray) -> list[int]:
    """Ids of tracks that have this box."""
    return tracks.track_id[(np.abs(tracks.xyxy - box).max(axis=1) < 2)].tolist()


worlds = (st.floats(0.8, 1.3), st.floats(-60, 60), st.integers(0, 2**31), st.integers(6, 20), st.integers(1, 4))


@pytest.mark.parametrize("kind", ["default", "buffered"])
@pytest.mark.parametrize("own", [True, False], ids=["beside their own", "in their place"])
@settings(max_examples=40, deadline=None)
@given(*worlds)
def test_a_box_round_two_takes_neithers_id(
    own: bool, kind: str, beside: float, speed: float, seed: int, begin: int, long: int
) -> None:
    seen, groups = walk(beside, speed, seed, set(range(begin, begin + long)), own=own, kind=kind)
    ids = seen[5].track_id.tolist()
    assert len(ids) == 2
    for tracks, group in zip(seen, groups):
        if group is not None:
            assert near(tracks, group) == []
            assert not own or tracks.track_id.tolist() == ids
    assert seen[-1].track_id.tolist() == ids, "and both go on as who they were"


def test_who_stands_before_two_small_ones_keeps_his_own_box() -> None:
    t = tracker("default", fps=FPS)
    far = np.array([[100.0, 100, 120, 150], [160, 100, 180, 150]])
    for i in range(20):
        large = np.array([[-160 + 18.0 * i, 20, 10 + 18.0 * i, 240]])
        boxes = np.vstack([far, large]) if i < 13 or i > 15 else large
        n = len(boxes)
        tracks = t.update(Detections(boxes, np.full(n, 0.9), np.zeros(n)), i * 1_000_000_000 // FPS)
        assert i == 0 or len(near(tracks, large[0])) == 1
    assert len(set(tracks.track_id.tolist())) == 3


@pytest.mark.parametrize(
    ("tracks", "classes", "what"),
    [
        ([[0, 0, 40, 100], [45, 0, 85, 100]], (0, 1), "of two classes"),
        ([[0, 0, 40, 100], [2, 0, 42, 100]], (0, 0), "one before the other"),
        ([[0, 0, 40, 100], [60, 0, 100, 100]], (0, 0), "one not within"),
        ([[0, 0, 84, 100], [45, 0, 85, 100]], (0, 0), "the box of the one"),
        ([[0, 0, 40, 100], [60, 5, 70, 20]], (0, 0), "one a crumb"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_group_box(tracks: list[list[int]], classes: tuple[int, int], what: str) -> None:
    groups = Groups()
    now = Tracks(np.array(tracks), np.ones(2), np.array(classes), np.array([1, 2], np.uint64))
    groups.remember(now, 0)
    box = np.array([[0, 0, 86, 101]], np.float32)
    assert groups.find(box, np.zeros(1, np.int32), 100_000_000, lambda track: np.zeros(2)) == [], what


def test_two_who_pass_each_other_may_be_seen_as_one_box() -> None:
    groups = Groups()
    now = Tracks(np.array([[0, 0, 40, 100], [45, 0, 85, 100]]), np.ones(2), np.zeros(2), np.array([1, 2], np.uint64))
    groups.remember(now, 0)
    box, classes = np.array([[0, 0, 86, 101]], np.float32), np.zeros(1, np.int32)
    assert groups.find(box, classes, 100_000_000, lambda track: np.zeros(2)) == [0]
    assert groups.find(box, classes, 100_000_000, lambda track: np.array([80.0 if track == 1 else -80.0, 0])) == []
