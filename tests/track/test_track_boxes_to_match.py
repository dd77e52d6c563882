"""Somebody of whom only the head shows keeps the id, and takes nobody else's box."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from track_world import STEP, tracker

from countline.track.boxes_to_match import boxes_to_match
from countline.types import Detections, Tracks

TALL = 120.0


def crossing_paths(seen: float, back: int, gap: int, top: float) -> list[np.ndarray]:
    """One walks to the right; four others, nearer to the camera, walk the other way in front of him, ``back`` pixels a frame and ``gap``
    apart. Then he is seen from the head down by ``seen`` of his height, and they begin ``top`` of it lower."""
    result = []
    for i in range(60):
        x = 60 + 5 * i
        front = [420 + gap * k - back * i for k in range(4)]
        hidden = any(abs(left - x) < 32 for left in front)
        boxes = [[x, 100, x + 40, 100 + TALL * (seen if hidden else 1)]]
        boxes += [[left, 100 + TALL * top, left + 44, 100 + TALL * (top + 1.15)] for left in front]
        result.append(np.array(boxes, np.float32))
    return result


@pytest.mark.parametrize(
    ("seen", "back", "gap", "top"), [(0.2, 4, 70, 0.15), (0.25, 7, 100, 0.25), (0.3, 4, 100, 0.25), (0.4, 7, 100, 0.35)]
)
def test_who_is_cut_off_by_several_in_front_keeps_the_id(seen: float, back: int, gap: int, top: float) -> None:
    follower, ids = tracker(), set()
    for i, boxes in enumerate(crossing_paths(seen, back, gap, top)):
        n = len(boxes)
        tracks = follower.update(Detections(boxes, np.full(n, 0.9), np.zeros(n)), i * STEP)
        here = np.abs(tracks.xyxy[:, 0] - boxes[0, 0]) + np.abs(tracks.xyxy[:, 1] - 100) < 3
        ids |= set(tracks.track_id[here].tolist())
    assert len(ids) == 1


def test_who_is_hidden_stays_hidden_while_the_one_in_front_is_missed() -> None:
    follower, bottoms = tracker(), []
    for i in range(40):
        hidden = 20 <= i < 30
        boxes = [[200, 100, 240, 145 if hidden else 220]]
        if i not in (23, 24, 27):  # the detector misses the one in front
            boxes.append([195, 150, 245, 290])
        n = len(boxes)
        tracks = follower.update(Detections(np.array(boxes, np.float32), np.full(n, 0.9), np.zeros(n)), i * STEP)
        bottoms += tracks.xyxy[tracks.xyxy[:, 1] == 100, 3].tolist()
    assert len(bottoms) > 35
    assert set(bottoms) == {220.0}


def test_a_second_box_on_a_part_of_somebody_begins_no_track_until_it_leaves() -> None:
    follower, counts = tracker(), []
    for i in range(40):
        x = 100 + 4 * i
        part = x + 5 if i < 30 else x + 5 + 30 * (i - 29)
        boxes = [[x, 100, x + 50, 250]] + ([[part, 105, part + 34, 190]] if i > 5 else [])
        n = len(boxes)
        found = follower.update(Detections(np.array(boxes, np.float32), np.full(n, 0.9), np.zeros(n)), i * STEP)
        counts.append(len(found))
    assert set(counts[2:30]) == {1}
    assert counts[-1] == 2, "it has become a thing of its own"


def test_who_walks_before_another_and_is_smaller_is_no_part_of_him() -> None:
    """A child in front of a grown-up: within his box, but the feet are nearer to the camera."""
    follower = tracker()
    for i in range(6):
        x = 100 + 4 * i
        boxes = np.array([[x, 100, x + 60, 250], [x + 10, 170, x + 45, 262]], np.float32)
        found = follower.update(Detections(boxes, np.array([0.9, 0.85]), np.zeros(2)), i * STEP)
    assert len(found) == 2


boxes_of = st.lists(
    st.tuples(st.integers(0, 300), st.integers(0, 300), st.integers(5, 90), st.integers(5, 160)), min_size=0, max_size=8
)


@given(boxes_of, boxes_of)
def test_boxes_are_only_ever_completed_downward_to_known_heights(
    now: list[tuple[int, ...]], before: list[tuple[int, ...]]
) -> None:
    def table(rows: list[tuple[int, ...]]) -> np.ndarray:
        return np.array([(x, y, x + w, y + h) for x, y, w, h in rows], np.float32).reshape(-1, 4)

    n = len(before)
    heights = dict.fromkeys(range(n), 100.0)
    past = [(0, Tracks(table(before), np.ones(n), np.zeros(n), np.arange(n)))] if n else []
    found, given_ = (
        boxes_to_match(table(now), past, lambda least: heights if least < 100 else {}, STEP, 10 * STEP),
        table(now),
    )
    assert found.shape == given_.shape
    np.testing.assert_array_equal(found[:, :3], given_[:, :3])
    grown = found[:, 3] - given_[:, 3]
    assert (grown >= 0).all()
    assert (found[grown > 0, 3] - found[grown > 0, 1] <= 100.01).all()
