"""Life cycle of a run: threads, hand-overs, stopping, summary."""

from __future__ import annotations

import logging
import queue
import threading
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from countline import video
from countline.config import Config
from countline.errors import CountlineError, SourceError
from countline.pipeline import build
from countline.pipeline.analyst import Analyst, Consumer
from countline.pipeline.delivery.delivery import Delivery
from countline.pipeline.delivery.failure_file import FailureFile
from countline.pipeline.inbox import Inbox
from countline.pipeline.inference import Inference, Round
from countline.pipeline.roles import refuse_collisions
from countline.pipeline.stats import SourceSummary, StageClock, Summary, output_summaries
from countline.protocols import Source
from countline.redaction import redact

__all__ = ["Run", "run"]

log = logging.getLogger("countline.pipeline")


class Run:
    """One run of a configuration. Make it, ``execute()`` it once; ``stop()`` may come from any thread or signal. A context
    manager: one that is not executed lets go of its outbox and outputs by ``close()``, or when it is dropped.

    Parameters
    ----------
    config: Config, mapping or path of a YAML file.
    messages: message functions made with ``@countline.message``.
    detector: a Detector, or a callable ``list[ndarray BGR] -> list[Detections]``, instead of the configured one.
    consumers: called with every frame and its analytics, in order, on the analyst's thread.
    state: outbox file where the configuration names none.
    fresh: do not resume files that an earlier run was cut short in.

    Raises
    ------
    ConfigError, DetectorError, OutputError, OutboxError, MissingExtra: before anything has started.
    """

    def __init__(
        self,
        config: Config | Mapping[str, Any] | str | Path,
        messages: Sequence[Any] = (),
        *,
        detector: Any = None,
        consumers: Sequence[Consumer] = (),
        state: Path | None = None,
        fresh: bool = False,
    ) -> None:
        self.started = time.monotonic()
        self.config = build.as_config(config)
        self.clock = StageClock()
        self.summary = Summary()
        with ExitStack() as resources:
            self._build(config, messages, detector, consumers, state, fresh, resources)
            # Closed at the end of ``execute``; or when nobody holds this run any more, or the program ends.
            self._release = weakref.finalize(self, resources.pop_all().close)
        self._rounds: queue.Queue[Round | None] = queue.Queue(maxsize=4)
        self._ended: dict[str, bool] = {}
        self._fatal: BaseException | None = None
        self._stopping = threading.Event()
        self._latency = 0.0
        self._closers: list[Callable[[], None]] = []

    def _build(
        self,
        config: Config | Mapping[str, Any] | str | Path,
        messages: Sequence[Any],
        detector: Any,
        consumers: Sequence[Consumer],
        state: Path | None,
        fresh: bool,
        resources: ExitStack,
    ) -> None:
        """Make and open all stages; what must be closed again goes onto ``resources``."""
        with ThreadPoolExecutor(1) as pool:  # the model is compiled while the other rooms are entered
            loading = pool.submit(build.detector, self.config, detector)
            build.enter(self.config)
            self.detector = loading.result()
        resources.callback(self.detector.close)
        self.sources: list[Source] = [video.open_source(s, i) for i, s in enumerate(self.config.sources)]
        infos = [s.info for s in self.sources]
        self.rules = build.rules(self.config, infos, self.detector.labels)
        definitions = build.definitions(self.config, self.rules, infos, self.detector.labels, messages)
        outputs = build.outputs(self.config)
        path = build.state_path(self.config, config, state)
        refuse_collisions(self.config, config, path)
        self.delivery = Delivery(
            self.config.outbox, path, outputs, live=any(s.info.live for s in self.sources), fresh=fresh
        )
        resources.callback(self.delivery.abandon)
        self.inbox = Inbox([s.info.live for s in self.sources])
        for source in self.sources:
            self.summary.sources[source.info.name] = SourceSummary()
        self._failures = FailureFile(path)
        self.analyst = Analyst(
            {
                s.info.name: build.tracker(self.config, c, self.detector)
                for s, c in zip(self.sources, self.config.sources)
            },
            self.rules,
            definitions,
            self.delivery,
            policies={
                s.info.name: c.counts or ("continue" if s.info.live or c.loop else "restart")
                for s, c in zip(self.sources, self.config.sources)
            },
            mark=build.mark(self.config, self.rules.rules),
            summary=self.summary,
            clock=self.clock,
            consumers=consumers,
            schedule=build.reset_schedule(self.config),
            on_failure=self._failures.write,
            on_begin=self._failures.begun,
            started=self.started,
        )
        self._inference = Inference(
            self.detector,
            batch=self.config.detector.batch,
            every=self.config.detector.interval + 1,
            ahead=0 if any(s.info.live for s in self.sources) else 1,
        )
        resources.callback(self._inference.close)

    def add_consumer(self, consumer: Consumer, *, close: Callable[[], None] | None = None) -> None:
        """Another consumer, before ``execute``; ``close`` (or its own method ``close``) is called at the end."""
        self.analyst.consumers.append(consumer)
        close = close or getattr(consumer, "close", None)
        if close is not None:
            self._closers.append(close)

    def stop(self) -> None:
        """Take no more frames; what is in flight is still counted and delivered. Safe in a signal handler."""
        self._stopping.set()

    def execute(self, *, drain_timeout: float = 30.0) -> Summary:
        """Run to the end of all sources, or until ``stop``. Raises nothing but what cannot go on: the summary holds the
        error and the exit code."""
        try:
            return self._execute(drain_timeout)
        finally:
            self.close()

    def close(self) -> None:
        """Let go of outbox, outputs and detector. For a run that is not executed; harmless at any time after that."""
        self._release()
        while self._closers:
            self._closers.pop()()

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _execute(self, drain_timeout: float) -> Summary:
        self.delivery.start()
        threads = [
            threading.Thread(target=self._read, args=(i,), name=f"countline-read-{s.info.name}", daemon=True)
            for i, s in enumerate(self.sources)
        ]
        workers = [
            threading.Thread(target=self._guard, args=(self._detect,), name="countline-detect", daemon=True),
            threading.Thread(target=self._guard, args=(self._analyse,), name="countline-analyse", daemon=True),
        ]
        for thread in threads + workers:
            thread.start()
        analyst = workers[1]
        while analyst.is_alive():
            if self._stopping.wait(0.1):
                break
        if self._stopping.is_set():
            self.inbox.stop()
        for source in self.sources:
            source.close()
        for worker in workers:
            worker.join()
        self.analyst.finish(self._ended)
        self.summary.seconds = time.monotonic() - self.started
        self.delivery.stop(drain_timeout if self._fatal is None else min(drain_timeout, 5.0))
        self._failures.close()
        self.summary.failures_dropped = self._failures.let_go
        self.summary.failure_file = str(self._failures.path) if self.summary.failures else ""
        while self._closers:
            self._closers.pop(0)()
        return self._conclude()

    def _guard(self, work: Any) -> None:
        try:
            work()
        except BaseException as error:  # a stage that dies must stop the run, whatever it died of
            if self._fatal is None:
                self._fatal = error
            if not isinstance(error, CountlineError):
                log.exception("unforeseen error")
            self._stopping.set()
            self.inbox.stop()
            self._rounds_drain()

    def _rounds_drain(self) -> None:
        """Wake whoever waits at the queue between detector and analyst."""
        try:
            while True:
                self._rounds.get_nowait()
        except queue.Empty:
            self._rounds.put(None)

    def _read(self, index: int) -> None:
        source = self.sources[index]
        name = source.info.name
        whole = False
        try:
            frames = iter(source)
            while True:
                with self.clock.measure(f"decode {name}"):
                    frame = next(frames, None)
                if frame is None:
                    whole = not self._stopping.is_set()
                    break
                if not self.inbox.put(index, frame, source.stats):
                    break
        except SourceError as error:
            self.summary.sources[name].error = str(error)
            log.error("%s", error)
        except Exception as error:
            self.summary.sources[name].error = redact(f"unforeseen error: {error!r}")
            log.exception("source '%s'", name)
        finally:
            self._ended[name] = whole
            self.inbox.end(index)

    def _detect(self) -> None:
        while True:
            self._inference.ready()
            frames = self.inbox.take()
            if not frames or self._fatal is not None:
                break
            self._rounds.put(self._inference.begin(frames))
        self._rounds.put(None)

    def _analyse(self) -> None:
        while True:
            item = self._rounds.get()
            if item is None:
                return
            found, seconds = item.wait()
            self.clock.seconds["detect"] += seconds
            self.analyst.work(item.frames, found)
            self._latency = time.monotonic() - min(f.arrived for f in item.frames)

    def snapshot(self) -> dict[str, Any]:
        """The present state, for progress displays. From any thread."""
        self.analyst.snapshot()
        # After the last frame the run only waits for its outputs: its rate is what it was.
        seconds = self.summary.seconds or time.monotonic() - self.started
        return {
            "seconds": round(seconds, 3),
            "frames": self.summary.frames,
            "fps": round(self.summary.frames / seconds, 2) if seconds else 0.0,
            "latency_ms": round(self._latency * 1000, 1),
            "queued": self.inbox.depth() + self._rounds.qsize(),
            "dropped": sum(s.stats.dropped for s in self.sources),
            "messages": self.summary.messages,
            "outputs": {k: vars(v) for k, v in output_summaries(self.delivery.stats()).items()},
            "counts": {name: dict(s.lines) for name, s in list(self.summary.sources.items())},
            "errors": [s.error for s in list(self.summary.sources.values()) if s.error],
        }

    def _conclude(self) -> Summary:
        summary = self.summary
        summary.stages = {k: round(v, 4) for k, v in self.clock.seconds.items()}
        summary.outputs = output_summaries(self.delivery.stats())
        summary.durable = self.delivery.outbox.durable
        summary.interrupted = self._stopping.is_set() and self._fatal is None
        for source in self.sources:
            s = summary.sources[source.info.name]
            s.dropped, s.corrupt, s.reconnects = source.stats.dropped, source.stats.corrupt, source.stats.reconnects
            s.corrupt_by = dict(getattr(source.stats, "lost", {}))
            s.untracked = self.rules.untracked(source.info.name)
            s.never_tracked = getattr(self.analyst.trackers.get(source.info.name), "never_tracked", 0)
        errors = [s.error for s in summary.sources.values() if s.error]
        if self._fatal is not None:
            summary.error = str(self._fatal)
            summary.exit_code = getattr(self._fatal, "exit_code", 1)
        elif self.delivery.failure is not None:
            summary.error = "; ".join([str(self.delivery.failure), *errors])
            summary.exit_code = self.delivery.failure.exit_code
        elif errors:
            summary.error = "; ".join(errors)
            summary.exit_code = 3
        elif summary.pending or any(o.dead for o in summary.outputs.values()):
            summary.exit_code = 4
        return summary


def run(
    config: Config | Mapping[str, Any] | str | Path,
    messages: Sequence[Any] = (),
    *,
    detector: Any = None,
    consumers: Sequence[Consumer] = (),
    drain_timeout: float = 30.0,
) -> Summary:
    """Run a configuration to its end and return the summary; raises CountlineError where it cannot run.

    ``countline.run("countline.yaml", messages=[payload])`` is the whole of it. Parameters as in :class:`Run`.
    """
    this = Run(config, messages, detector=detector, consumers=consumers)
    summary = this.execute(drain_timeout=drain_timeout)
    if this._fatal is not None:
        raise this._fatal
    return summary
