"""The engine: everything behind the door 'tracks in'. A run of video and a DeepStream probe stand in front of the same one."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from countline.errors import ConfigError, CountlineError
from countline.observe.notes import Notes
from countline.pipeline.build import Stages
from countline.pipeline.changes import Changes
from countline.pipeline.clip_journal import ClipJournal
from countline.pipeline.delivery.delivery import Delivery
from countline.pipeline.delivery.failure_file import FailureFile
from countline.pipeline.stats import SourceSummary, StageClock, Summary
from countline.pipeline.worker import CommitSink, Consumer, Worker
from countline.protocols import ClosingConsumer, CountingTracker, DoubtingTracker, ObjectRules
from countline.redaction import redact
from countline.types import Detections, Frame, FrameTracks

if TYPE_CHECKING:
    from countline.observe.traces import Traces
    from countline.record.recorder import Recorder

__all__ = ["Engine"]

log = logging.getLogger("countline.pipeline")

PATIENCE_FOR_CLIPS = 10.0
"""Seconds for which clips are still written at the end of a run, at most."""
PATIENCE_AFTER_FAILURE = 5.0
"""Seconds for which a run that failed still delivers, at most."""


class Engine:
    """Rules, messages, outbox and outputs of one run, and its summary. Making it opens outbox and outputs; :meth:`start` begins to
    deliver; :meth:`finish` ends it. A context manager: what is not finished is let go of.

    ``work`` and ``tracked`` are called from one thread, everything else from any.

    Parameters
    ----------
    stages: what :func:`countline.pipeline.build.stages` made.
    consumers: called with every frame and its analytics, in order, on the worker's thread.
    fresh: never resume a file's run that was cut short.
    started: ``time.monotonic()`` at which the run began.
    sink: gives what takes the commits in the place of the delivery, which it is given.
    delivery: one that several engines share, which others start and end; None: one of its own.

    Raises
    ------
    OutboxError, OutputError, ConfigError, MissingExtra: nothing is left open then.
    """

    def __init__(
        self,
        stages: Stages,
        *,
        consumers: Iterable[Consumer] = (),
        fresh: bool = False,
        started: float | None = None,
        sink: Callable[[Delivery], CommitSink] = lambda delivery: delivery,
        delivery: Delivery | None = None,
    ) -> None:
        self.stages = stages
        self.started = time.monotonic() if started is None else started
        self.clock = StageClock()
        self.notes = Notes()
        self.summary = Summary(sources={source.name: SourceSummary() for source in stages.sources})
        self.failure: BaseException | None = None
        """What the run cannot go on after; the first there was."""
        self._changes: deque[tuple[Callable[[], None], Future[None]]] = deque()
        self._thread = 0
        """Which calls :meth:`work`."""
        self._closers: list[Callable[[], None]] = []
        self._frames_over = self._closed = False
        self._summing = threading.Lock()
        with ExitStack() as resources:
            self._shared = delivery is not None
            self.delivery = delivery or Delivery(
                stages.config.outbox,
                stages.state,
                stages.outputs,
                live=any(s.live for s in stages.sources),
                fresh=fresh,
            )
            if not self._shared:
                resources.callback(self.delivery.abandon)
            self._failures = FailureFile(stages.state)
            self.worker = Worker(
                stages,
                sink(self.delivery),
                summary=self.summary,
                clock=self.clock,
                consumers=consumers,
                on_failure=self._failures.write,
                on_begin=self._failures.begun,
                started=self.started,
                notes=self.notes,
            )
            self._clips = [stages.clips]
            self._journal = ClipJournal(None if self._shared else stages.state)
            self._journal.tell()
            stages.clips.start(self.worker.delivery.tell, self._journal)
            self.recorder: Recorder | None = None
            if stages.config.record is not None:
                from countline.record.recorder import Recorder

                self.recorder = Recorder(stages.config.record)
                self.add_consumer(self.recorder)
            self._resources = resources.pop_all()

    def add_consumer(self, consumer: Consumer, *, close: Callable[[], None] | None = None) -> None:
        """Another consumer, before the first frame; ``close`` (or its own method ``close``) is called at the end."""
        self.worker.consumers.append(consumer)
        offered: object = consumer
        if close is None and isinstance(offered, ClosingConsumer):
            close = offered.close
        if close is not None:
            self._closers.append(close)

    def trace(self, traces: Traces) -> None:
        """Give what becomes of messages to ``traces``, before :meth:`start`."""
        self.notes.traces = self.delivery.traces = traces

    # -- while it runs --------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to deliver what an earlier run has left, and what comes."""
        if not self._shared:
            self.delivery.start()

    def abandon(self) -> None:
        """Let go of a delivery of its own at once; harmless after :meth:`finish`."""
        if not self._shared:
            self.delivery.abandon()

    def work(self, frames: Sequence[Frame], detections: Sequence[Detections | None]) -> None:
        """As :meth:`Worker.work`. Raises what a consumer raises, and OutboxError if the outbox has failed for good."""
        self._thread = threading.get_ident()
        if self._changes:
            self.boundary()
        self.worker.work(frames, detections)

    def tracked(self, batch: Sequence[FrameTracks]) -> None:
        """As :meth:`Worker.tracked`. Raises as :meth:`work`."""
        self._thread = threading.get_ident()
        if self._changes:
            self.boundary()
        self.worker.tracked(batch)

    def at_boundary(self, work: Callable[[], None]) -> Future[None]:
        """Have ``work`` done between two frames, on the thread of :meth:`work`; whoever asks sees to it that :meth:`boundary` is
        called where no frames come. From any other thread. What it raises is in the future; ConfigError if the run ends before it."""
        if threading.get_ident() == self._thread:
            raise ConfigError(
                "the configuration cannot be changed from within a frame",
                where="a consumer of frames",
                fix="ask for it from another thread; `run.reload()` may be called here",
            )
        done: Future[None] = Future()
        self._changes.append((work, done))
        if self._frames_over:
            self._refuse_changes()
        return done

    def boundary(self) -> None:
        """Between two frames: do what was asked for. From the thread that calls :meth:`work`."""
        while self._changes:
            work, done = self._changes.popleft()
            try:
                work()
            except Exception as error:
                done.set_exception(error)
            else:
                done.set_result(None)

    def _refuse_changes(self) -> None:
        while self._changes:
            try:
                _, done = self._changes.popleft()
            except IndexError:
                return
            done.set_exception(ConfigError("the run has ended", fix="start anew with the changed configuration"))

    def exchange(self, stages: Stages, plan: Changes) -> None:
        """Go on with other stages, whose outputs are seen to apart. At a boundary."""
        with self._summing:
            for source in stages.sources:
                self.summary.sources.setdefault(source.name, SourceSummary())
        self.worker.exchange(stages, plan)
        self._clips.append(stages.clips)  # those of the configuration before are brought to their end
        stages.clips.start(self.worker.delivery.tell, self._journal)
        self.stages = replace(stages, rules=self.worker.rules, trackers=self.worker.trackers)

    def forget(self, source: str) -> None:
        """The tracks of a source have ended, while others may go on; its counts stay. From the thread that calls ``tracked``."""
        self.worker.forget(source)

    def fail(self, error: BaseException) -> None:
        """The run cannot go on. What nobody foresaw is logged with its place in the code."""
        if self.failure is None:
            self.failure = error
        if not isinstance(error, CountlineError):
            log.error("unforeseen error", exc_info=error)

    # -- life -----------------------------------------------------------------------------------------------------

    def finish(self, ended: Mapping[str, bool], timeout: float) -> None:
        """No more frames will come: tell what was begun, deliver for at most ``timeout`` s, close everything. ``ended``: by source,
        whether its input was read to the end; of a run that has failed none was, as far as what comes next must know: what was read
        was not all counted. What goes wrong on the way is the run's failure, and the rest is done all the same.
        """
        if self._frames_over:
            return
        self._frames_over = True
        with ExitStack() as rest:
            rest.callback(self.close)
            self._refuse_changes()
            try:
                self.worker.finish(ended if self.failure is None else {})
            except Exception as error:
                self.fail(error)
            for clips in self._clips:
                clips.finish(min(timeout, PATIENCE_FOR_CLIPS))
            self.summary.seconds = time.monotonic() - self.started
            if self._shared:
                return
            try:
                self.delivery.stop(timeout if self.failure is None else min(timeout, PATIENCE_AFTER_FAILURE))
            except Exception as error:
                self.fail(error)

    def close(self) -> None:
        """Let go of everything, at once. Harmless the second time."""
        self._frames_over = True
        self._refuse_changes()
        with ExitStack() as rest:
            rest.callback(self._close_consumers)
            rest.callback(self._failures.close)
            rest.callback(self._journal.close)
            rest.callback(self._resources.close)
        self._closed = True

    def _close_consumers(self) -> None:
        while self._closers:
            try:
                self._closers.pop(0)()
            except Exception as error:
                self.fail(error)

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def refresh(self) -> Summary:
        """The summary with all numbers as of now."""
        with self._summing:
            return self._refresh()

    def _refresh(self) -> Summary:
        summary = self.summary
        if not self._frames_over:
            self.worker.snapshot()
            summary.seconds = time.monotonic() - self.started
        summary.stages = {k: round(v, 4) for k, v in dict(self.clock.seconds).items()}
        summary.outputs = self.delivery.stats()
        summary.clips = dict(sum((Counter(clips.counts) for clips in self._clips), Counter()))
        summary.durable = self.delivery.outbox.durable
        summary.failures_dropped = self._failures.let_go
        if self.recorder is not None:
            summary.recorded = self.recorder.stats()
        summary.failure_file = str(self._failures.path) if summary.failures else ""
        for name, source in summary.sources.items():
            source.untracked = self.stages.rules.untracked(name)
            rules = self.stages.rules
            source.twins = rules.twins(name) if isinstance(rules, ObjectRules) else 0
            tracker = self.worker.trackers.get(name)
            source.never_tracked = tracker.never_tracked if isinstance(tracker, CountingTracker) else 0
            source.doubtful = tracker.doubtful if isinstance(tracker, DoubtingTracker) else 0
        return summary

    def conclude(self) -> Summary:
        """The summary with error and exit code, too; they are final once :meth:`finish` is over."""
        with self._summing:
            summary = self._refresh()
            failure, undelivered = self.failure, self.delivery.failure
            errors = [s.error for s in summary.sources.values() if s.error]
            if failure is not None:
                foreseen = isinstance(failure, CountlineError)
                summary.error = str(failure) if foreseen else redact(f"unforeseen error: {failure!r}")
                summary.exit_code = failure.exit_code if isinstance(failure, CountlineError) else 1
            elif not self._closed:
                pass
            elif undelivered is not None:
                summary.error, summary.exit_code = "; ".join([str(undelivered), *errors]), undelivered.exit_code
            elif errors:
                summary.error, summary.exit_code = "; ".join(errors), 3
            elif summary.pending or any(o.dead for o in summary.outputs.values()):
                summary.exit_code = 4
            return summary
