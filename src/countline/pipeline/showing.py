"""What a run of video shows of itself."""

from __future__ import annotations

import queue
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeAlias

from countline.config import Config
from countline.observe.health import Health
from countline.observe.measured import Measured
from countline.observe.monitor import Monitor
from countline.observe.traces import Traces
from countline.pipeline import measuring
from countline.pipeline.control import Control
from countline.pipeline.engine import Engine
from countline.pipeline.frame_buffer import FrameBuffer
from countline.pipeline.inference import Inference
from countline.pipeline.overload import Overload
from countline.pipeline.page import Page
from countline.protocols import Source, SourceStats
from countline.types import SourceInfo

__all__ = ["Showing", "Shown", "SourcesShown"]

SourcesShown: TypeAlias = "Sequence[tuple[SourceInfo, SourceStats | None]]"
"""Sources, and what is known of their reading; None: others read them."""


class Shown(ABC):
    """Whatever is shown by metrics, health and the page: a run of video, or a probe. Follows
    :class:`countline.observe.monitor.Watched`."""

    control: Control
    monitor: Monitor | None = None
    """Metrics and health over HTTP, OpenTelemetry, where the configuration asks for them."""
    page: Page | None = None
    """The page in the browser, where the configuration asks for it."""

    @abstractmethod
    def measured(self) -> Measured:
        """Numbers as of now, for metrics. From any thread."""

    @abstractmethod
    def health(self) -> Health:
        """Whether it is alive and of use, as of now. From any thread."""

    @abstractmethod
    def trace(self, traces: Traces) -> None:
        """Tell what becomes of messages; before anything is delivered."""

    @abstractmethod
    def _shown_sources(self) -> SourcesShown:
        """What the page is told of the sources, as they are then."""

    def _listen(self, config: Config, outbox: Path | None, resources: ExitStack) -> None:
        """From now on: health can be asked for while the rest is made. ``outbox``: its file. Raises ConfigError, MissingExtra."""
        self.monitor = Monitor.of(config)
        if self.monitor is not None:
            resources.callback(self.monitor.close)
        self.page = Page.of(config, outbox)
        if self.page is not None:
            resources.callback(self.page.close)

    def _show(self, engine: Engine, file: Path | None, read: Callable[[str], Config] | None) -> None:
        """All is made, and nothing has begun. ``file``, ``read``: as of :class:`countline.view.desk.Desk`."""
        if self.monitor is not None:
            self.monitor.watch(self)
        if self.page is not None:
            self.page.show(engine, self.control, self._shown_sources, self.health, file, read)


class Showing(Shown):
    """The part of a run that is shown."""

    engine: Engine
    sources: list[Source]
    _latency: float
    _overload: Overload | None
    _frames: FrameBuffer
    _inference: Inference
    _batches: queue.Queue[Any]
    _playing: threading.Event
    _beat: float
    """When the loop that looks after the run went round last: seconds of the monotonic clock; 0: it does not."""

    def measured(self) -> Measured:
        """Numbers of this run as of now, for metrics. From any thread."""
        stats = {source.info.name: source.stats for source in self.sources}
        queued = self._frames.depth() + self._batches.qsize()
        return measuring.measured(
            self.engine, stats, queued=queued, control=self.control, away=bool(self._inference.away.text)
        )

    def health(self) -> Health:
        """Whether it is alive and of use, as of now. From any thread."""
        states = {source.info.name: source.stats.state for source in self.sources}
        started, away = self._playing.is_set(), self._inference.away.text
        return measuring.healthy(self.engine, states, started=started, beat=self._beat, away=away)

    def trace(self, traces: Traces) -> None:
        """Tell what becomes of messages; before it is executed."""
        self.engine.trace(traces)

    def _shown_sources(self) -> SourcesShown:
        return [(source.info, source.stats) for source in self.sources]

    def snapshot(self) -> dict[str, Any]:
        """The present state, for progress displays. From any thread."""
        summary = self.engine.refresh()
        return {
            "seconds": round(summary.seconds, 3),
            "frames": summary.frames,
            "fps": round(summary.fps, 2),
            "latency_ms": round(self._latency * 1000, 1),
            "queued": self._frames.depth() + self._batches.qsize(),
            "dropped": sum(s.stats.dropped + s.stats.undetected for s in self.sources),
            "away": self._inference.away.text,
            "sources": {s.info.name: s.stats.as_dict() for s in self.sources},
            "overload": self._overload.words if self._overload is not None else "",
            "messages": summary.messages,
            "outputs": {name: output.as_dict() for name, output in list(summary.outputs.items())},
            "counts": {name: dict(s.lines) for name, s in list(summary.sources.items())},
            "errors": [s.error for s in list(summary.sources.values()) if s.error],
        }
