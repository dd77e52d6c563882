"""Where somebody in front hides the feet of another, the box reaches down to where they stand."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from track_world import STEP, tracker

from countline.track.occlusion import HeightFilter, complete
from countline.types import Detections, Tracks

FOOT = 200.0
"""Bottom of the one behind, who walks level, 100 pixels high."""
HIDDEN = range(20, 25)
"""Frames in which only the upper half is seen."""


def passing(
    frames: int, hidden: range = HIDDEN, *, front: bool = True, stays: bool = False, step: int = STEP
) -> Iterator[tuple[Detections, int]]:
    """One walks to the right 2 pixels a frame; another, nearer to the camera, comes the other way and passes in front, or
    turns and walks along."""
    for i in range(frames):
        x = 100 + 2 * i
        boxes = [[x, FOOT - 100, x + 30, FOOT - (50 if i in hidden else 0)]]
        if front:
            before = 8 * (hidden.start + 2 - i)
            left = x - 5 + (max(before, 0) if stays else before)
            boxes.append([left, 140, left + 40, 260])
        n = len(boxes)
        yield Detections(np.array(boxes, np.float32), np.linspace(0.9, 0.8, n), np.zeros(n)), i * step


def bottoms(tracks: Tracks, x: float) -> float:
    """Bottom of the box whose left side is at x."""
    return float(tracks.xyxy[np.abs(tracks.xyxy[:, 0] - x).argmin(), 3])


def follow(scenes: Iterator[tuple[Detections, int]], **more: object) -> list[float]:
    """Bottom of the one who walks, in each frame in which somebody is reported."""
    t = tracker(**more)  # type: ignore[arg-type]
    return [bottoms(tracks, 100 + 2 * i) for i, tracks in enumerate(t.update(d, p) for d, p in scenes) if len(tracks)]


@pytest.mark.parametrize("kind", ["default", "bytetrack", "edgefirst"])
def test_hidden_feet_stay_where_they_are(kind: str) -> None:
    pytest.importorskip({"default": "countline", "bytetrack": "pyxtrackers", "edgefirst": "edgefirst.tracker"}[kind])
    found = follow(passing(40), kind=kind)
    assert len(found) > 35
    assert found == [FOOT] * len(found)


def test_hidden_feet_are_never_below_those_of_the_one_in_front() -> None:
    scenes = []
    for d, p in passing(40):
        box = d.xyxy.copy()
        box[1:, 3] = 190  # whoever stands in front reaches less far down than the whole box would
        scenes.append((Detections(box, d.confidence, d.class_id), p))
    found = follow(iter(scenes))
    assert sorted(set(found)) == [190, FOOT]


def test_feet_that_something_unseen_hides_stay_where_they_are_for_half_a_second() -> None:
    found = follow(passing(60, range(20, 35), front=False))
    assert found.count(FOOT - 50) == 15 - 7, "a bush in frames 20 to 26, later he sits"


def test_a_box_that_becomes_lower_by_and_by_stays_as_it_was_seen() -> None:
    t = tracker()
    for i in range(30):
        low = FOOT - max(0, i - 12) * 3
        tracks = t.update(Detections(np.array([[100, 100, 130, low]]), np.full(1, 0.9), np.zeros(1)), i * STEP)
        if len(tracks):
            assert tracks.xyxy[0, 3] == low


def test_a_lower_part_that_the_one_in_front_hides_while_he_is_missed_is_completed() -> None:
    scenes = []
    for i, (d, p) in enumerate(passing(150, range(100, 115), step=33_333_333)):
        scenes.append((d[:1] if 99 <= i < 103 else d, p))
    assert set(follow(iter(scenes), fps=30)) == {FOOT}


def test_who_stays_low_longer_than_one_can_be_out_of_sight_is_low() -> None:
    found = follow(passing(80, range(20, 80), stays=True))
    assert found[25] == FOOT
    assert found[-1] == FOOT - 50


def test_the_usual_height_is_that_of_a_second_at_any_frame_rate() -> None:
    # At 50 frames a second the shadow of the one in front creeps up for 0.2 s before half of the box is gone.
    scenes = []
    for i, (d, p) in enumerate(passing(150, range(100, 120), stays=True, step=20_000_000)):
        box = d.xyxy.copy()
        if 90 <= i < 100:
            box[0, 3] = FOOT - 2 * (i - 90)
        scenes.append((Detections(box, d.confidence, d.class_id), p))
    found = follow(iter(scenes), fps=50)
    assert found[-40:-35] == [FOOT] * 5, "half hidden in frames 110 to 115"


def test_who_leaves_over_the_upper_edge_becomes_lower_in_earnest() -> None:
    t = tracker()
    seen = []
    for i in range(30):
        low = 200.0 - max(0, i - 15) * 12  # a lorry leaves over the top, another follows close behind it
        boxes = np.array([[100, 0, 180, low], [100, low - 5, 180, low + 195]], np.float32)
        tracks = t.update(Detections(boxes, np.array([0.9, 0.8]), np.zeros(2)), i * STEP)
        seen.append((low, float(tracks.xyxy[tracks.xyxy[:, 1].argmin(), 3])))
    assert all(shown == pytest.approx(low) for low, shown in seen)


def test_hidden_feet_reach_as_far_as_those_of_the_one_in_front_whose_own_are_hidden_by_a_third() -> None:
    """Three in line, seen from the front: of the second one only the head shows between the first and the third."""
    known = []
    for high in (100.0, 120.0):
        height = HeightFilter()
        for i in range(5):
            height.seen(high, i * STEP)
        known.append(height)
    boxes = np.array([[100, 100, 140, 150], [95, 140, 145, 165], [90, 160, 150, 300]], np.float32)
    found = complete(boxes, [(0, known[0]), (1, known[1])], 5 * STEP, 10 * STEP)
    assert found[:, 3].tolist() == [200, 260, 300]
    again = complete(boxes, [(1, known[1]), (0, known[0])], 5 * STEP, 10 * STEP)
    assert np.array_equal(found, again)
