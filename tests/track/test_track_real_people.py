"""Identity on real detections: the default detector's (float) on the 795 frames of OpenCV's sample clip vtest.avi, as
numbers (tools/compare_trackers.py --save). The lines were counted by eye over the whole clip: A and D were looked at while
the trackers were chosen and set, the others not (benchmarks/accuracy.py tells where they lie)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from track_world import STEP, tracker

from countline.types import Detections, Tracks

LINES = {
    "A": ((300, 150), (300, 420), (15, 12)),
    "D": ((430, 560), (700, 180), (14, 19)),
    "path": ((120, 150), (120, 260), (4, 1)),
    "middle": ((520, 180), (520, 385), (19, 15)),
    "lawn": ((316, 608), (414, 338), (3, 3)),
    "road": ((520, 360), (735, 360), (5, 9)),
    "far": ((545, 190), (725, 190), (4, 3)),
}
THRESHOLDS = np.full(80, 0.35, np.float32)
THRESHOLDS[0] = 0.45


@pytest.fixture(scope="module")
def walkers() -> list[Detections]:
    data = np.load(Path(__file__).parent / "data/walkers.npz")
    ends = np.cumsum(data["count"].astype(int))[:-1]
    parts = (np.split(data[key], ends) for key in ("xyxy", "confidence", "class_id"))
    return [Detections(b / 10, c / 1e4, k) for b, c, k in zip(*parts)]


def follow(kind: str, detections: Sequence[Detections]) -> list[Tracks]:
    t = tracker(kind, fps=None, thresholds=THRESHOLDS)
    return [t.update(d, i * STEP) for i, d in enumerate(detections)]


def crossings(tracks: list[Tracks], a: tuple[int, int], b: tuple[int, int]) -> tuple[int, int]:
    """A plain rule with 3 pixels of hysteresis: the bottom centre changed sides, and its way cut the line."""
    start, along = np.array(a, float), np.subtract(b, a).astype(float)
    length = float(np.hypot(*along))
    last: dict[int, tuple[np.ndarray, float]] = {}
    counts = [0, 0]
    for frame in tracks:
        for number, box in zip(frame.track_id.tolist(), frame.xyxy.astype(float)):
            at = np.array([(box[0] + box[2]) / 2, box[3]])
            side = float(along[0] * (at - start)[1] - along[1] * (at - start)[0]) / length
            if abs(side) < 3:
                continue
            before = last.get(number)
            if before is not None and before[1] * side < 0:
                cut = before[0] + before[1] / (before[1] - side) * (at - before[0])
                if 0 <= float(np.dot(cut - start, along)) <= length**2:
                    counts[side < 0] += 1
            last[number] = (at, side)
    return counts[0], counts[1]


@pytest.mark.parametrize(("kind", "slack"), [("default", 1), ("bytetrack", 1), ("edgefirst", 3)])
@pytest.mark.parametrize("line", LINES)
def test_counts_are_those_made_by_eye(kind: str, slack: int, line: str, walkers: list[Detections]) -> None:
    pytest.importorskip({"default": "countline", "bytetrack": "pyxtrackers", "edgefirst": "edgefirst.tracker"}[kind])
    a, b, truth = LINES[line]
    counted = crossings(follow(kind, walkers), a, b)
    assert abs(counted[0] - truth[0]) <= slack, counted
    assert abs(counted[1] - truth[1]) <= slack, counted


@pytest.mark.parametrize("kind", ["default", "bytetrack"])
def test_people_are_not_broken_into_many_tracks(kind: str, walkers: list[Detections]) -> None:
    if kind == "bytetrack":
        pytest.importorskip("pyxtrackers")
    tracks = follow(kind, walkers)
    ids, lives = np.unique(np.concatenate([t.track_id for t in tracks]), return_counts=True)
    assert len(ids) <= 45
    assert (lives >= 10).sum() >= 25, "and they live for a second and more"
    assert sum(len(t) for t in tracks) > 6000
