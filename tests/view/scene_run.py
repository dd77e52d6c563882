"""A run with a page over live scenes, as a process of its own that can be killed. Argument: the configuration, whose sources it plays.

Each scene is endless: one person walks to the right, one to the left, one comes down, over and over.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import countline as cl
from countline.config import load
from countline.protocols import SourceStats
from countline.testing import Scene, Walk
from countline.types import Detections, Frame, SourceInfo

FPS = 10.0
SCENE = Scene(
    [
        Walk((0.1, 0.8), (0.9, 0.8), until=3.0, size=(0.08, 0.3)),
        Walk((0.9, 0.6), (0.1, 0.6), begin=0.5, until=3.5, size=(0.08, 0.3)),
        Walk((0.7, 0.35), (0.7, 0.98), begin=1.0, until=4.0, label="car", size=(0.16, 0.2)),
    ],
    seconds=4.5,
    fps=FPS,
    size=(480, 270),
)


class Endless:
    """A live source (protocol ``countline.protocols.Source``) of the scene, with a frame after each ``pause`` in seconds."""

    def __init__(self, name: str, index: int, pause: float) -> None:
        self.info = SourceInfo(name, index, name, f"scene:{index}", True)
        self.stats = SourceStats()
        self._closed = threading.Event()
        self._pause = pause

    def __iter__(self) -> Iterator[Frame]:
        stream, number = str(time.time_ns()), 0
        self.stats.connections = 1
        while True:
            for frame in SCENE.source(self.info.name, self.info.index):
                if self._closed.wait(self._pause):
                    self.stats.enter("ended")
                    return
                now = time.time_ns()
                self.stats.frames += 1
                self.stats.last_frame = time.monotonic()
                self.stats.sample(time.monotonic())
                self.stats.enter("live")
                info = replace(frame.info, source=self.info, number=number, pts=now, time=now, stream=stream)
                yield Frame(info, frame.picture)
                number += 1

    def close(self) -> None:
        self._closed.set()


class Known:
    """A detector (protocol ``countline.protocols.Detector``) that knows where the boxes of the scene are by the number of the frame."""

    labels: Sequence[str] = SCENE.labels

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        return [SCENE.detections(frame.info.number % len(SCENE)) for frame in frames]

    def close(self) -> None:
        """Nothing is held."""


if __name__ == "__main__":
    path = Path(sys.argv[1])
    names = [source.name for source in load(path).sources]
    pause = 1 / FPS if len(names) < 10 else 1.0  # many are there to be looked at
    sources = [Endless(name, i, pause) for i, name in enumerate(names)]
    cl.Run(path, sources=sources, detector=Known()).execute(drain_timeout=1.0)
