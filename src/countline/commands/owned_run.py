"""One source for as long as a worker owns it: a run of its own, over the worker's detector, outbox and outputs."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from countline import video
from countline.cluster.protocol import Claim
from countline.cluster.sink import Destination, OwnerSink
from countline.cluster.source import OwnedSource
from countline.cluster.tables import Definition, Tables
from countline.commands.cluster_setup import for_source, source_config
from countline.commands.shared_detector import SharedDetector
from countline.config import Config
from countline.errors import CountlineError
from countline.observe.monitor import Monitor
from countline.pipeline.delivery.delivery import Delivery
from countline.pipeline.run import Run
from countline.redaction import redact

__all__ = ["OwnedRun"]

log = logging.getLogger("countline.cluster")


class OwnedRun:
    """Reads one source under one claim, on a thread of its own.

    Parameters
    ----------
    claim, definition: by which it is owned, and what it is.
    config: of the worker; without sources that matter.
    tables, destination, sure: as of :class:`countline.cluster.sink.OwnerSink`.
    messages: functions made with ``@countline.message``.
    state: the worker's outbox file, beside which failures of messages are written.
    monitor: shows it, where the worker is shown.
    """

    def __init__(
        self,
        claim: Claim,
        definition: Definition,
        config: Config,
        *,
        detector: SharedDetector,
        delivery: Delivery,
        tables: Tables,
        destination: Destination,
        sure: Callable[[], bool],
        messages: Sequence[Any] = (),
        state: Path | None = None,
        monitor: Monitor | None = None,
    ) -> None:
        self.claim, self.definition = claim, definition
        self.error = ""
        """Why it ended before its time."""
        self.frames = 0
        self._config, self._detector, self._delivery, self._tables = config, detector, delivery, tables
        self._messages, self._state, self._monitor = messages, state, monitor
        self._sink = OwnerSink(delivery, tables, claim, definition, destination, sure)
        self._run: Run | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name=f"countline-own-{definition.name}", daemon=True)

    @property
    def alive(self) -> bool:
        """Whether it is still at work."""
        return self._thread.is_alive()

    @property
    def finished(self) -> bool:
        """Whether the source was read to its end."""
        return self._sink.finished_reading

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Take no more frames; :meth:`join` waits until what is in flight is counted."""
        self._stopping.set()
        run = self._run
        if run is not None:
            run.stop()

    def join(self, timeout: float) -> bool:
        """Whether it has ended within so many seconds."""
        self._thread.join(max(0.0, timeout))
        return not self._thread.is_alive()

    def _work(self) -> None:
        try:
            self._play()
        except CountlineError as error:
            self.error = str(error)
        except Exception as error:
            self.error = redact(f"unforeseen error: {error!r}")
            log.exception("source '%s'", self.definition.name)
        if self.error and not self._stopping.is_set():
            log.error("source '%s': %s", self.definition.name, self.error)

    def _play(self) -> None:
        name = self.definition.name
        config = for_source(self._config, source_config(self.definition))
        opened = video.open_source(config.sources[0], 0)
        try:
            source = OwnedSource(opened, self._tables.state(name).origin(), self.claim.generation)
            run = Run(
                config,
                self._messages,
                sources=[source],
                detector=self._detector,
                state=None
                if self._state is None
                else self._state.with_name(f"{self._state.name}.{quote(name, safe='')}"),
                delivery=self._delivery,
                sink=lambda _: self._sink,
            )
            with run:
                self._sink.restore = run.rules.restore
                run.add_consumer(lambda frame, analytics: self._count())
                self._run = run
                if self._monitor is not None:
                    self._monitor.watch(run)
                if self._stopping.is_set():
                    run.stop()
                summary = run.execute(drain_timeout=0.0)
        finally:
            opened.close()
            if self._monitor is not None and self._run is not None:
                self._monitor.leave(self._run)
        self._sink.last()
        self.error = summary.error

    def _count(self) -> None:
        self.frames += 1
