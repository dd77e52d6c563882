"""What a probe shows of itself: metrics, health and traces, as a run of video does."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from countline.config import Config
from countline.deepstream.bounded_queue import BoundedQueue
from countline.deepstream.streams import Round
from countline.observe.health import Health
from countline.observe.measured import Measured
from countline.observe.monitor import Monitor
from countline.observe.traces import Traces
from countline.pipeline import measuring
from countline.pipeline.control import Control
from countline.pipeline.engine import Engine
from countline.pipeline.page import Page
from countline.types import SourceInfo

__all__ = ["Showing"]


class Showing:
    """The part of an attachment that follows :class:`countline.observe.monitor.Watched`."""

    control: Control
    sources: Sequence[SourceInfo]
    monitor: Monitor | None = None
    """Metrics and health over HTTP, OpenTelemetry, where the configuration asks for them."""
    page: Page | None = None
    """The page in the browser, where it asks for that: without pictures, which stay in the pipeline."""
    _engine: Engine
    _queue: BoundedQueue[Any]

    def measured(self) -> Measured:
        """Numbers as of now, for metrics. From any thread."""
        return measuring.measured(self._engine, {}, queued=len(self._queue), control=self.control)

    def health(self) -> Health:
        """Whether it is alive and of use, as of now. From any thread."""
        notes = self._engine.notes
        return measuring.healthy(self._engine, {s.name: measuring.state_of(notes.of(s.name)) for s in self.sources})

    def trace(self, traces: Traces) -> None:
        """Tell what becomes of messages; before anything is delivered."""
        self._engine.trace(traces)

    def _open_monitor(self, config: Config, outbox: Path | None, resources: ExitStack) -> None:
        """Listen from now on: health can be asked for while the rest is made. ``outbox``: its file. Raises ConfigError, MissingExtra."""
        self.monitor = Monitor.of(config)
        if self.monitor is not None:
            resources.callback(self.monitor.close)
        self.page = Page.of(config, outbox)
        if self.page is not None:
            resources.callback(self.page.close)

    def _show(self, file: Path | None) -> None:
        """All is made, and nothing is delivered yet. ``file``: of the configuration."""
        if self.monitor is not None:
            self.monitor.watch(self)
        if self.page is not None:
            sources = lambda: [(source, None) for source in self.sources]  # noqa: E731
            self.page.show(self._engine, self.control, sources, self.health, file, None)

    def _evaluate(self, one: Round, arrived: int) -> None:
        """Rules and messages of a round, and how old it was then. ``arrived``: by the wall clock, ns."""
        since = time.monotonic() - max(0, time.time_ns() - arrived) / 1e9
        notes = self._engine.notes
        notes.begin(since)
        notes.found()  # elsewhere
        self._engine.tracked([tracks for _, tracks in one])
        notes.done([(tracks.info.source.name, since) for _, tracks in one])
