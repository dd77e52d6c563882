"""Real detections: the people that the default detector finds on the street clip of ``countline demo``, anew in each run."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from countline import detect, track, video
from countline.config import DetectorConfig, SourceConfig, TrackerConfig
from countline.demo import clip_path
from countline.protocols import Tracker
from countline.types import Detections

__all__ = ["Street"]


class Street(NamedTuple):
    """The whole clip."""

    frames: list[tuple[Detections, int]]
    """Detections and pts of each frame."""
    labels: tuple[str, ...]
    thresholds: NDArray[np.float32]

    @classmethod
    def detect(cls) -> Street:
        """Run the detector over the clip."""
        detector = detect.make(DetectorConfig(classes=["person"]))
        source = video.open_source(SourceConfig(name="street", uri=str(clip_path()), start="2026-01-01T00:00:00Z"), 0)
        frames = [(detector.detect([frame])[0], frame.info.pts) for frame in source]
        return cls(frames, tuple(detector.labels), detector.thresholds)

    @property
    def boxes(self) -> float:
        """Detections a frame."""
        return float(np.mean([len(detections) for detections, _ in self.frames]))

    def tracker(self, kernel: bool) -> Tracker:
        """As a worker makes it."""
        return track.make(TrackerConfig(), labels=self.labels, thresholds=self.thresholds, kernel=kernel)

    def track(self, kernel: bool) -> tuple[float, float]:
        """µs of this thread's CPU time a frame: the mean, and what 99 of 100 frames take at most."""
        update: Callable[..., Any] = self.tracker(kernel).update
        took = []
        for detections, pts in self.frames:
            begin = time.thread_time_ns()
            update(detections, pts)
            took.append(time.thread_time_ns() - begin)
        return float(np.mean(took)) / 1e3, float(np.percentile(took, 99)) / 1e3
