"""What counts on given detections: countline's default, and its exact engine on the same tracks. Others: ``peers.py``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scoring import Report

from countline.analytics.native import NativeRules
from countline.compat.deepstream.files.nvdsanalytics import parse
from countline.compat.deepstream.rules import DeepStreamRules
from countline.config import TrackerConfig
from countline.config.rules import RulesConfig
from countline.track import make
from countline.types import Detections, FrameInfo, FrameTracks, SourceInfo, Tracks

__all__ = ["OWN", "Job", "Result", "exact", "native"]

Lines = dict[str, tuple[tuple[float, float], tuple[float, float]]]


@dataclass
class Job:
    """One scene or clip, as every contender gets it. Plain values: it is read by other interpreters, too."""

    name: str
    size: tuple[int, int]
    fps: float
    lines: Lines
    frames: list[np.ndarray]
    """(n, 6) each: xyxy, confidence, class id."""
    thresholds: dict[int, float]
    """Confidence by class id from which the detector is believed."""
    labels: tuple[str, ...]

    def plain(self) -> dict[str, Any]:
        return dict(vars(self))


@dataclass
class Result:
    """What a contender made of it."""

    reports: list[Report]
    tracks: list[np.ndarray]
    """(n, 5) for each frame: id, xyxy."""


def tracks_of(job: Job, **tracker: Any) -> list[Tracks]:
    """By countline's default tracker, as ``countline run`` makes it."""
    limits = np.array([job.thresholds.get(i, 0.45) for i in range(len(job.labels))], np.float32)
    follower = make(TrackerConfig.model_validate(tracker), fps=job.fps, labels=job.labels, thresholds=limits)
    result = []
    for i, frame in enumerate(job.frames):
        detections = Detections(frame[:, :4], frame[:, 4], frame[:, 5].astype(int))
        result.append(follower.update(detections, round(i * 1e9 / job.fps)))
    return result


def frames_of(job: Job, tracks: Sequence[Tracks], source: SourceInfo) -> list[FrameTracks]:
    pts = [round(i * 1e9 / job.fps) for i in range(len(tracks))]
    return [FrameTracks(FrameInfo(source, i, p, p, *job.size), t) for i, (p, t) in enumerate(zip(pts, tracks))]


def native(job: Job, tracks: Sequence[Tracks], **line: Any) -> list[Report]:
    """countline's default rules; ``line``: other options of its lines."""
    config = {
        "coordinates": "pixels",
        "resolution": list(job.size),
        "lines": [
            {"name": name, "points": [list(p) for p in ends], "names": {"in": "-", "out": "+"}, **line}
            for name, ends in job.lines.items()
        ],
    }
    source = SourceInfo("clip")
    rules = NativeRules(RulesConfig.model_validate(config), [source], job.labels)
    found = []
    for frame in frames_of(job, tracks, source):
        for event in rules.update([frame])[0].events:
            if event.kind == "crossing":
                found.append((frame.info.pts / 1e9, event.rule, event.direction))
    return found


def exact(job: Job, tracks: Sequence[Tracks]) -> list[Report]:
    """nvdsanalytics' rules, a line for each direction: it counts what moves along an arrow. Its lines end within the picture."""
    width, height = job.size
    text = f"[property]\nenable=1\nconfig-width={width}\nconfig-height={height}\n[line-crossing-stream-0]\nenable=1\nextended=0\n"
    keys: dict[str, tuple[str, str]] = {}
    for number, (name, ends) in enumerate(job.lines.items()):
        a, b = (np.clip(p, 0, (width - 1, height - 1)) for p in np.array(ends))
        middle, along = (a + b) / 2, b - a
        for sign, turn in (("+", 1), ("-", -1)):
            ahead = turn * np.array([-along[1], along[0]]) / np.hypot(*along) * 0.2 * height
            arrow = np.clip(np.concatenate([middle - ahead, middle + ahead]), 0, None)
            key = f"{'p' if turn > 0 else 'm'}{number}"
            keys[key] = (name, sign)
            text += f"line-crossing-{key}={';'.join(str(round(float(v))) for v in (*arrow, *a, *b))}\n"
    source = SourceInfo("clip")
    rules = DeepStreamRules(parse(text, "benchmark.txt"), [source], job.labels)
    found = []
    for frame in frames_of(job, tracks, source):
        for event in rules.update([frame])[0].events:
            if event.kind == "crossing":
                found.append((frame.info.pts / 1e9, *keys[event.rule]))
    return found


OWN: dict[str, Callable[..., list[Report]]] = {
    "countline": native,
    "exact engine (nvdsanalytics), same tracks": exact,
}


def run_own(job: Job, **line: Any) -> dict[str, Result]:
    """All of countline's; ``line``: other options of its lines."""
    tracks = tracks_of(job)
    table = [np.column_stack([t.track_id.astype(float), t.xyxy]) for t in tracks]
    options = {native: line}
    return {title: Result(count(job, tracks, **options.get(count, {})), table) for title, count in OWN.items()}
