"""Makes tracks and runs rules over them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from countline.analytics.native import NativeRules
from countline.config.rules import RulesConfig
from countline.types import Analytics, Crossing, Event, FrameInfo, FrameTracks, SourceInfo, Tracks

FRAME = 33_333_333
CAM = SourceInfo("cam")
LABELS = ("person", "bicycle", "car")
MIDDLE = {"name": "middle", "points": [[0.1, 0.5], [0.9, 0.5]]}
"""A level line through the middle of the picture, from left to right: `in` is up the picture, `out` down."""

Object = tuple[Any, ...]


def rules(
    *lines: Any, labels: Sequence[str] = LABELS, sources: Sequence[SourceInfo] = (CAM,), **more: Any
) -> NativeRules:
    """A rule set with these lines and whatever else is given by keyword."""
    return NativeRules(RulesConfig.model_validate({"lines": list(lines), **more}), sources, labels)


def foot_box(x: float, y: float, w: float = 40, h: float = 80) -> tuple[float, float, float, float]:
    """A box whose bottom centre is (x, y)."""
    return (x - w / 2, y - h, x + w / 2, y)


def frame(
    number: int,
    objects: Iterable[Object],
    *,
    size: tuple[int, int] = (1920, 1080),
    source: SourceInfo = CAM,
    pts: int | None = None,
) -> FrameTracks:
    """A frame of objects (track id, x, y of the bottom centre, class id = 0, width = 40, height = 80)."""
    rows = [(*o, *(0, 40, 80)[len(o) - 3 :]) for o in objects]
    pts = number * FRAME if pts is None else pts
    info = FrameInfo(source, number, pts, 1_700_000_000_000_000_000 + pts, *size)
    boxes = np.array([foot_box(x, y, w, h) for _, x, y, _, w, h in rows], np.float32).reshape(-1, 4)
    classes = np.array([r[3] for r in rows], np.int32)
    ids = np.array([r[0] for r in rows], np.uint64)
    return FrameTracks(info, Tracks(boxes, np.full(len(rows), 0.9, np.float32), classes, ids))


def run(engine: NativeRules, frames: Iterable[FrameTracks]) -> list[Analytics]:
    """Frame by frame."""
    return [a for f in frames for a in engine.update([f])]


def walk(
    engine: NativeRules, path: Iterable[tuple[float, float]], *, track: int = 1, start: int = 0, **options: Any
) -> list[Analytics]:
    """One object along a path, a point a frame."""
    w, h = options.pop("box", (40, 80))
    class_id = options.pop("class_id", 0)
    return run(
        engine,
        (frame(start + i, [(track, x, y, class_id, w, h)], **options) for i, (x, y) in enumerate(path)),
    )


def events(results: Iterable[Analytics]) -> list[Event]:
    """All events in order."""
    return [e for a in results for e in a.events]


def ways(results: Iterable[Analytics]) -> list[str]:
    """Directions of all crossings in order."""
    return [e.direction for e in events(results) if isinstance(e, Crossing)]


def straight(a: tuple[float, float], b: tuple[float, float], frames: int) -> list[tuple[float, float]]:
    """A straight walk from a to b in so many frames."""
    return [(a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t) for t in np.linspace(0, 1, frames)]
