"""What a probe shows of itself: metrics, health and traces, as a run of video does."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from countline.deepstream.bounded_queue import BoundedQueue
from countline.deepstream.streams import Round
from countline.observe.health import Health
from countline.observe.measured import Measured
from countline.observe.traces import Traces
from countline.pipeline import measuring
from countline.pipeline.engine import Engine
from countline.pipeline.showing import Shown, SourcesShown
from countline.types import SourceInfo

__all__ = ["Showing"]


class Showing(Shown):
    """The part of an attachment that is shown; its page has no pictures, which stay in the pipeline."""

    sources: Sequence[SourceInfo]
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

    def _shown_sources(self) -> SourcesShown:
        return [(source, None) for source in self.sources]

    def _evaluate(self, one: Round, arrived: int) -> None:
        """Rules and messages of a round, and how old it was then. ``arrived``: by the wall clock, ns."""
        since = time.monotonic() - max(0, time.time_ns() - arrived) / 1e9
        notes = self._engine.notes
        notes.begin(since)
        notes.found()  # elsewhere
        self._engine.tracked([tracks for _, tracks in one])
        notes.done([(tracks.info.source.name, since) for _, tracks in one])
