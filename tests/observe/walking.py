"""A run that goes on until it is stopped: somebody walks up and down across a line, before a camera that is an array."""

from __future__ import annotations

import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import numpy as np

import countline as cl
from countline.protocols import SourceStats
from countline.source_status import SourceState
from countline.types import Detections, Frame, FrameInfo, SourceInfo
from countline.video import ArrayPicture

WIDTH, HEIGHT = 160, 120
PERIOD = 40
"""Frames from one crossing to the next."""


class Walker:
    """Fifty frames a second, none of which is dropped on a busy machine. ``frames``: after so many it ends."""

    def __init__(self, name: str = "gate", index: int = 0, frames: int = 1 << 30, pause: float = 0.02) -> None:
        self.info = SourceInfo(name, index, name)
        self.stats = SourceStats()
        self.closed = threading.Event()
        self._frames, self._pause = frames, pause
        self.state: tuple[SourceState, str] = ("live", "")
        """What it is in, with each frame, and why."""

    def __iter__(self) -> Iterator[Frame]:
        stream = str(time.time_ns())
        for number in range(self._frames):
            if self.closed.wait(self._pause):
                break
            image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
            image[0, 0, 0] = 60 + int(40 * np.sin(np.pi * number / PERIOD))
            self.stats.frames += 1
            self.stats.last_frame = time.monotonic()
            self.stats.connections = 1
            self.stats.enter(*self.state)
            now = time.time_ns()
            yield Frame(
                FrameInfo(self.info, number, number * 20_000_000, now, WIDTH, HEIGHT, stream=stream),
                ArrayPicture(image),
            )
        self.stats.enter("ended")

    def close(self) -> None:
        self.closed.set()


def people(images: list[Any]) -> list[Detections]:
    """One person, whose height in the picture its first pixel tells."""
    found = []
    for image in images:
        y = float(image[0, 0, 0])
        found.append(Detections(np.array([[60, y - 20, 80, y]]), np.array([0.9]), np.array([0])))
    return found


def configuration(folder: Path, **more: Any) -> dict[str, Any]:
    return {
        "detector": {"classes": ["person"]},
        "rules": {
            "lines": [{"name": "door", "points": [[0.1, 0.5], [0.9, 0.5]]}],
            "regions": [{"name": "hall", "points": [[0.1, 0.5], [0.9, 0.5], [0.9, 0.95], [0.1, 0.95]]}],
        },
        "messages": [{"name": "crossings", "on": "crossing", "value": {"id": "{id}", "way": "{direction}"}}],
        "outputs": [{"file": {"path": str(folder / "out.jsonl")}}],
        "outbox": {"path": str(folder / "o.outbox")},
        **more,
    }


@contextmanager
def running(config: dict[str, Any], *sources: Walker, detector: Any = people, after: int = 1) -> Iterator[cl.Run]:
    """A run at work, from its frame number ``after`` on."""
    seen, enough = [0], threading.Event()

    def see(*_: object) -> None:
        seen[0] += 1
        if seen[0] >= after:
            enough.set()

    run = cl.Run(config, sources=list(sources) or [Walker()], detector=detector, consumers=[see])
    thread = threading.Thread(target=run.execute, kwargs={"drain_timeout": 0.5})
    thread.start()
    try:
        assert not after or enough.wait(60)
        yield run
    finally:
        run.stop()
        thread.join(30)
        assert not thread.is_alive()


def get(address: str, path: str, **headers: str) -> tuple[int, str, str]:
    """Status, content type and body."""
    request = urllib.request.Request(f"http://{address}{path}", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read().decode()
    except HTTPError as error:
        with error:
            return error.code, error.headers["Content-Type"], error.read().decode()


def samples(text: str) -> dict[str, float]:
    """Value by series, as they are written."""
    return {
        line.rpartition(" ")[0]: float(line.rpartition(" ")[2])
        for line in text.splitlines()
        if line and not line.startswith("#")
    }


def address_of(run: cl.Run) -> str:
    assert run.monitor is not None
    return run.monitor.address


def wait_for(true: Callable[[], object]) -> None:
    """Wait for something that has no event."""
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)
