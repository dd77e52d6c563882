"""Scenes of boxes that move in known ways."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from countline.config import TrackerConfig
from countline.protocols import Tracker
from countline.track import make
from countline.types import Detections, Tracks

STEP = 100_000_000
"""10 frames a second."""

Walker = Callable[[int], tuple[float, float] | None]
"""Frame number -> left, top of the box, or None when it is not seen."""

Box = tuple[float, float, float, float, float]
"""Left, top, right, bottom, confidence."""

THRESHOLD = np.full(1, 0.45, np.float32)
"""Of the tracker that follows such boxes."""


def scene(
    walkers: Iterable[Walker],
    frame: int,
    *,
    size: tuple[float, float] = (30, 80),
    confidence: float = 0.9,
    class_id: int = 0,
) -> Detections:
    """What a perfect detector sees of the walkers."""
    places = [p for p in (walk(frame) for walk in walkers) if p is not None]
    boxes = np.array([[x, y, x + size[0], y + size[1]] for x, y in places], np.float32).reshape(-1, 4)
    return Detections(boxes, np.full(len(boxes), confidence), np.full(len(boxes), class_id))


def line(x: float, y: float, dx: float, dy: float = 0.0, start: int = 0, end: int = 10**9) -> Walker:
    """Steady motion in pixels a frame."""
    return lambda i: (x + dx * i, y + dy * i) if start <= i < end else None


def tracker(kind: str = "bytetrack", fps: float | None = 10, *, kernel: bool = True, **more: object) -> Tracker:
    """The tracker under test; ``kernel``: by the compiled kernel, where it is there."""
    thresholds = more.pop("thresholds", np.full(5, 0.5, np.float32))
    return make(TrackerConfig.model_validate({"kind": kind, **more}), fps=fps, thresholds=thresholds, kernel=kernel)  # type: ignore[arg-type]


def run(t: Tracker, walkers: list[Walker], frames: Iterable[int], **more: object) -> list[Tracks]:
    """Tracks of each frame."""
    return [t.update(scene(walkers, i, **more), i * STEP) for i in frames]  # type: ignore[arg-type]


def ids(tracks: Tracks) -> list[int]:
    """Ids by the left side of their boxes."""
    return [int(tracks.track_id[i]) for i in np.argsort(tracks.xyxy[:, 0])]


def seen(boxes: Sequence[Box]) -> Detections:
    """The boxes, all of one class."""
    table = np.array(boxes, np.float64).reshape(-1, 5)
    return Detections(table[:, :4], table[:, 4], np.zeros(len(table)))


def follow(frames: Sequence[Sequence[Box]], fps: float, kernel: bool) -> list[Tracks]:
    """What the default tracker makes of the boxes of each frame."""
    made = tracker("default", fps, kernel=kernel, thresholds=THRESHOLD)
    return [made.update(seen(boxes), round(i * 1e9 / fps)) for i, boxes in enumerate(frames)]
