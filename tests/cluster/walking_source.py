"""Sources without cameras: one bright square after another walks across the middle of a small picture, every second one back.

``walking://NAME?walkers=40&began=NS&fps=10`` is a recording that is still being written: the same frames for everybody, each no sooner
than its time has come, and its second half not before there is a file ``after``, if that is named. With ``live=1`` it is a camera:
whoever comes sees what there is from now on.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np

from countline.config import SourceConfig
from countline.protocols import SourceStats
from countline.types import Frame, FrameInfo, SourceInfo, TimeQuality
from countline.video import ArrayPicture

STEPS = 12
"""Frames of a walker; in the last two the picture is dark."""


class WalkingSource:
    def __init__(self, config: SourceConfig, index: int, stop: threading.Event | None) -> None:
        asked = {key: values[0] for key, values in parse_qs(urlsplit(config.uri).query).items()}
        self.began = int(asked["began"])
        self.frames = int(asked.get("walkers", "10")) * STEPS
        self.fps = float(asked.get("fps", "10"))
        self.after = Path(asked["after"]) if "after" in asked else None
        live = asked.get("live") == "1"
        self.info = SourceInfo(config.name, index, config.device_id or config.name, config.uri, live)
        self.stats = SourceStats()
        self.closed, self.stop = threading.Event(), stop

    def ended(self) -> bool:
        return self.closed.is_set() or (self.stop is not None and self.stop.is_set())

    def __iter__(self) -> Iterator[Frame]:
        first = max(0, round((time.time_ns() - self.began) / 1e9 * self.fps)) if self.info.live else 0
        stream = f"seen-{time.time_ns()}" if self.info.live else f"walk-{self.began}-{self.frames}"
        quality = TimeQuality.ARRIVAL if self.info.live else TimeQuality.FILE_START
        for place in range(first, self.frames):
            pts = round(place / self.fps * 1e9)
            while not self.ended() and (wait := (self.began + pts - time.time_ns()) / 1e9) > 0:
                self.closed.wait(min(wait, 0.2))
            while not self.ended() and self.after and place >= self.frames // 2 and not self.after.exists():
                self.closed.wait(0.05)
            if self.ended():
                return
            self.stats.frames += 1
            self.stats.enter("live")
            info = FrameInfo(self.info, place - first, pts, self.began + pts, 160, 120, quality, stream=stream)
            yield Frame(info, ArrayPicture(picture(place)), time.monotonic())

    def close(self) -> None:
        self.closed.set()


def picture(place: int) -> np.ndarray:
    """(120, 160, 3) uint8."""
    image = np.full((120, 160, 3), 10, np.uint8)
    walker, step = divmod(place, STEPS)
    if step < STEPS - 2:
        y = 20 + 7 * step if walker % 2 == 0 else 83 - 7 * step
        image[y : y + 20, 70:90] = 240
    return image


def open_source(config: SourceConfig, index: int, stop: threading.Event | None) -> WalkingSource:
    return WalkingSource(config, index, stop)
