"""A run whose frames the test lets through one by one, so that it knows between which two of them something changes."""

from __future__ import annotations

import contextlib
import json
import queue
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from countline.pipeline.run import Run
from countline.pipeline.stats import Summary
from countline.protocols import SourceStats
from countline.testing import Scene, Walk
from countline.types import Analytics, Frame, SourceInfo

WAIT = 60.0
"""Seconds after which a test gives up."""

SCENE = Scene(
    [
        Walk((0.2 + 0.15 * (n % 4), 0.25), (0.2 + 0.15 * (n % 4), 0.95), begin=4.0 * n, until=4.0 * n + 3.0)
        for n in range(6)
    ],
    seconds=24.0,
    fps=10.0,
    size=(320, 180),
)
"""Every 4 s one person walks down, for 3 s; then for a second nobody is there."""
PAUSE = 40
"""Frames from one person to the next: before each multiple of it nobody is in the picture."""


class Steps:
    """A source (protocol ``countline.protocols.Source``) that gives a frame for each permit."""

    def __init__(
        self, name: str = "gate", index: int = 0, *, live: bool = True, first: int = 0, stream: str = ""
    ) -> None:
        self.info = SourceInfo(name, index, name, f"scene:{name}", live)
        self.stats = SourceStats()
        self.first = first
        self.stream = stream or f"{name}-{first}"
        self.permits: queue.SimpleQueue[bool] = queue.SimpleQueue()

    def __iter__(self) -> Iterator[Frame]:
        for frame in SCENE.source(self.info.name, self.info.index):
            if frame.info.number < self.first:
                continue
            if not self.permits.get():
                return
            self.stats.frames += 1
            yield Frame(replace(frame.info, source=self.info, stream=self.stream), frame.picture)

    def close(self) -> None:
        self.permits.put(False)


class Stepping:
    """A run in a thread of its own. ``frames``: analytics of every frame that went through, in order."""

    def __init__(self, config: Any, sources: Sequence[Steps], state: Path, **more: Any) -> None:
        self.frames: list[Analytics] = []
        self._seen: queue.SimpleQueue[Analytics] = queue.SimpleQueue()
        self.sources = list(sources)
        self.run = Run(config, sources=sources, detector=SCENE.detector(), consumers=[self._see], state=state, **more)
        self.summary: Summary | None = None
        self._thread = threading.Thread(target=self._play, daemon=True)
        self._thread.start()

    def _see(self, _: Any, analytics: Analytics) -> None:
        self._seen.put(analytics)

    def _play(self) -> None:
        self.summary = self.run.execute(drain_timeout=10.0)

    def step(self, frames: int = 1) -> None:
        """Let so many frames of each source through, and wait until they are worked off."""
        for _ in range(frames):
            for source in self.sources:
                source.permits.put(True)
                self.frames.append(self._seen.get(timeout=WAIT))

    def end(self) -> Summary:
        """Stop, deliver, and give the summary."""
        self.run.stop()
        for source in self.sources:
            source.close()
        self._thread.join(WAIT)
        assert self.summary is not None
        return self.summary


@contextlib.contextmanager
def stepping(config: Any, sources: Sequence[Steps], state: Path, **more: Any) -> Iterator[Stepping]:
    run = Stepping(config, sources, state, **more)
    try:
        yield run
    finally:
        run.end()


def line(name: str = "l", y: float = 0.6, **more: Any) -> dict[str, Any]:
    """A line across the picture that persons walking down cross outward."""
    return {"name": name, "points": [[0.05, y], [0.95, y]], **more}


def config(tmp: Path, lines: Sequence[dict[str, Any]] = (line(),), **more: Any) -> dict[str, Any]:
    """One that writes each crossing to ``out.jsonl``."""
    value = {"rule": "{rule}", "to": "{direction}", "frame": "{frame}", "track": "{track_id}", "id": "{id}"}
    return {
        "rules": {"lines": list(lines)},
        "messages": [{"name": "m", "on": "crossing", "value": value}],
        "outputs": [{"file": {"path": str(tmp / "out.jsonl")}}],
        **more,
    }


def written(path: Path) -> list[dict[str, Any]]:
    """What stands in a file of JSON lines."""
    return [json.loads(text) for text in path.read_text().splitlines()] if path.exists() else []
