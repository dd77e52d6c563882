"""Recordings for tests: frames with tracks, and what a recorder makes of them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from countline.config.record import RecordConfig
from countline.record.recorder import Recorder
from countline.types import Analytics, FrameInfo, FrameTracks, SourceInfo, TimeQuality, Tracks

HOUR = 3600 * 10**9
BEGIN = 1_795_330_800 * 10**9
"""2026-11-22T07:00:00Z."""
LABELS = ("person", "car")


def frame(
    number: int,
    *,
    source: str = "entrance",
    time: int | None = None,
    live: bool = True,
    stream: str = "s",
    objects: int = 2,
) -> FrameTracks:
    """Objects that walk to the right, 10 frames a second unless ``time`` says."""
    when = BEGIN + number * 10**8 if time is None else time
    info = FrameInfo(
        SourceInfo(source, 0, source, live=live), number, when - BEGIN, when, 1920, 1080, TimeQuality.NTP, stream
    )
    if not objects:
        return FrameTracks(info, Tracks.empty())
    left = np.arange(objects, dtype=np.float32) * 100 + np.float32(number % 700) * np.float32(1.7)
    boxes = np.stack([left, left * 0 + 300, left + 41.3, left * 0 + 420.7], axis=1)
    ids = np.arange(objects, dtype=np.uint64) + 1
    return FrameTracks(info, Tracks(boxes, np.full(objects, 0.8), np.arange(objects) % 2, ids))


def record(path: Path, frames: Iterable[FrameTracks], **options: object) -> dict[str, object]:
    """Record frames as a run does; what the recorder says of it."""
    recorder = Recorder(RecordConfig(path=str(path), **options))
    for item in frames:
        recorder(None, Analytics(item.info, item.tracks, class_names=LABELS))
    recorder.close()
    return recorder.stats()


def same(one: FrameTracks, two: FrameTracks) -> bool:
    """Whether rules see the same, to the bit."""
    a, b = one.tracks, two.tracks
    facts = [
        (i.source.name, i.number, i.pts, i.time, i.width, i.height, i.time_quality, i.stream)
        for i in (one.info, two.info)
    ]
    arrays = ("xyxy", "confidence", "class_id", "track_id")
    twins = [t.twin_of.tolist() if t.twin_of is not None else None for t in (a, b)]
    return (
        facts[0] == facts[1]
        and all(np.array_equal(getattr(a, name), getattr(b, name)) for name in arrays)
        and twins[0] == twins[1]
    )
