"""Life cycle of a run over video: sources, detector and the threads between them, in front of the engine."""

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
from countline.config import Config, SourceConfig
from countline.errors import SourceError
from countline.pipeline import build
from countline.pipeline.delivery.delivery import Delivery
from countline.pipeline.engine import Engine
from countline.pipeline.frame_buffer import FrameBuffer
from countline.pipeline.given_sources import GivenSources
from countline.pipeline.inference import Batch, Inference
from countline.pipeline.overload import Overload
from countline.pipeline.stats import Summary
from countline.pipeline.worker import Consumer
from countline.protocols import BatchDetector, Detector, RuleSet, Source
from countline.redaction import redact
from countline.types import Frame

__all__ = ["Run", "run"]

log = logging.getLogger("countline.pipeline")


_DEPTHS = {"depth": 16, "live_depth": 8}
"""Frames of a source that may wait for a GPU, which takes many at a time: of a live one those of about a quarter of a second."""


class Run:
    """One run of a configuration. Make it, ``execute()`` it once; ``stop()`` may come from any thread or signal. A context
    manager: one that is not executed lets go of its outbox and outputs by ``close()``, or when it is dropped.

    Parameters
    ----------
    config: Config, mapping or path of a YAML file.
    messages: message functions made with ``@countline.message``.
    sources: objects that follow :class:`countline.protocols.Source`, in the place of the configured sources of their names, which
        then need no ``uri``; without ``sources:`` in the configuration they are all there are, in this order.
    detector: a Detector, or a callable ``list[ndarray BGR] -> list[Detections]``, instead of the configured one.
    consumers: called with every frame and its analytics, in order, on the worker's thread.
    state: outbox file where the configuration names none.
    fresh: do not resume files that an earlier run was cut short in.

    Raises
    ------
    ConfigError, SourceError, DetectorError, OutputError, OutboxError, MissingExtra: before anything has started.
    """

    def __init__(
        self,
        config: Config | Mapping[str, Any] | str | Path,
        messages: Sequence[Any] = (),
        *,
        sources: Sequence[Source] = (),
        detector: Any = None,
        consumers: Sequence[Consumer] = (),
        state: Path | None = None,
        fresh: bool = False,
    ) -> None:
        started = time.monotonic()
        given = GivenSources(sources)
        self.config = build.as_config(config, given.amend)
        self._batches: queue.Queue[Batch | None] = queue.Queue(maxsize=4)
        self._ended: dict[str, bool] = {}
        self._stopping = threading.Event()
        self._latency = 0.0
        self._overload: Overload | None = None
        with ExitStack() as resources:
            gpus = self.config.detector.gpus if detector is None else []
            with ThreadPoolExecutor(1) as pool:  # the model is compiled while the other packages are imported
                loading = pool.submit(build.detector, self.config, detector)
                build.enter(self.config)
                self.detector: Detector = loading.result()
            resources.callback(self.detector.close)

            def opened(source: SourceConfig, index: int) -> Source:
                made = video.open_source(source, index, gpu=gpus[index % len(gpus)] if gpus else None)
                resources.callback(made.close)  # those of other distributions may hold something from the beginning
                return made

            self.sources = given.open(self.config, opened)
            stages = build.stages(
                self.config,
                [s.info for s in self.sources],
                self.detector.labels,
                detector=self.detector,
                messages=messages,
                given=config,
                state=state,
            )
            self.engine = Engine(stages, consumers=consumers, fresh=fresh, started=started)
            resources.callback(self.engine.delivery.abandon)  # not the engine's own: its consumers may hold this run
            live = [s.info.live for s in self.sources]
            if any(live):
                self._overload = Overload(self.sources, time.monotonic)
            settings = self.config.detector
            self._batched = self.detector if isinstance(self.detector, BatchDetector) else None
            self._frames = FrameBuffer(live, **(_DEPTHS if self._batched is not None else {}))
            self._inference = Inference(
                self.detector, batch=settings.batch or 4, every=settings.interval + 1, ahead=0 if any(live) else 1
            )
            resources.callback(self._inference.close)
            # Closed at the end of ``execute``; or when nobody holds this run any more, or the program ends.
            self._release = weakref.finalize(self, resources.pop_all().close)

    @property
    def rules(self) -> RuleSet:
        """The rules that are evaluated."""
        return self.engine.stages.rules

    @property
    def delivery(self) -> Delivery:
        """Outbox, outputs and what lies between them."""
        return self.engine.delivery

    def add_consumer(self, consumer: Consumer, *, close: Callable[[], None] | None = None) -> None:
        """Another consumer, before ``execute``; ``close`` (or its own method ``close``) is called at the end."""
        self.engine.add_consumer(consumer, close=close)

    def stop(self) -> None:
        """Take no more frames; what is in flight is still counted and delivered. Safe in a signal handler."""
        self._stopping.set()

    def execute(self, *, drain_timeout: float = 30.0) -> Summary:
        """Run to the end of all sources, or until ``stop``. Raises nothing but what cannot go on: the summary holds the
        error and the exit code."""
        try:
            self._play()
            self.engine.finish(dict(self._ended), drain_timeout)
        finally:
            self.close()
        return self._conclude()

    def close(self) -> None:
        """Let go of sources, outbox, outputs and detector. For a run that is not executed; harmless at any time after that."""
        for source in self.sources:
            source.close()
        self.engine.close()
        self._release()

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _play(self) -> None:
        """All threads, from the first frame to the last. Whatever ends this, none of them is left at work."""
        self.engine.start()
        readers = [
            threading.Thread(target=self._read, args=(i,), name=f"countline-read-{s.info.name}", daemon=True)
            for i, s in enumerate(self.sources)
        ]
        detect = threading.Thread(target=self._guard, args=(self._detect,), name="countline-detect", daemon=True)
        worker = threading.Thread(target=self._guard, args=(self._work,), name="countline-worker", daemon=True)
        with ExitStack() as threads:
            # Ended in the reverse order: no more frames, then what waits for them.
            threads.callback(self._join, worker)
            worker.start()
            threads.callback(self._join, detect)
            threads.callback(self._end_reading, readers)
            detect.start()
            for reader in readers:
                reader.start()
            while worker.is_alive():
                if self._stopping.wait(0.1):
                    break
                if self._overload is not None:
                    self._overload.look()

    def _end_reading(self, readers: Sequence[threading.Thread]) -> None:
        """After the last frame, or earlier: then no more frames are taken in. A reader that waits for the network is not waited
        for; it ends when that answers."""
        if any(reader.is_alive() or reader.ident is None for reader in readers):
            self._frames.stop()
        for source in self.sources:
            source.close()

    def _join(self, thread: threading.Thread) -> None:
        if thread.ident is None:  # it could not be started, and nobody else tells the worker that all is over
            self._batches.put(None)
        else:
            thread.join()

    def _guard(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:  # a stage that dies must stop the run, whatever it died of
            self.engine.fail(error)
            self._stopping.set()
            self._frames.stop()
            self._wake_worker()

    def _wake_worker(self) -> None:
        """Wake whoever waits at the queue between detector and worker."""
        try:
            while True:
                self._batches.get_nowait()
        except queue.Empty:
            self._batches.put(None)

    def _read(self, index: int) -> None:
        source = self.sources[index]
        name = source.info.name
        summary, clock = self.engine.summary.sources[name], self.engine.clock
        complete = False
        try:
            frames = iter(source)
            while True:
                with clock.measure(f"decode {name}"):
                    frame = next(frames, None)
                if frame is None:
                    complete = not self._stopping.is_set()
                    break
                if not self._frames.put(index, frame, source.stats):
                    break
        except SourceError as error:
            summary.error = str(error)
            log.error("%s", error)
        except Exception as error:
            summary.error = redact(f"unforeseen error: {error!r}")
            log.exception("source '%s'", name)
        finally:
            self._ended[name] = complete
            self._frames.end(index)

    def _detect(self) -> None:
        while True:
            self._inference.ready()
            rounds = self._next()
            if not rounds or self.engine.failure is not None:
                break
            self._batches.put(self._inference.begin(*rounds))
        self._batches.put(None)

    def _next(self) -> list[list[Frame]]:
        """The frames to look at next; empty: all is over."""
        if self._batched is not None:
            return self._frames.take_rounds(self._batched.most, self._batched.patience)
        frames = self._frames.take()
        return [frames] if frames else []

    def _work(self) -> None:
        clock = self.engine.clock
        while True:
            batch = self._batches.get()
            if batch is None:
                return
            found, seconds = batch.wait()
            clock.seconds["detect"] += seconds
            for frames, detections in batch.by_round(found):
                self.engine.work(frames, detections)
            self._latency = time.monotonic() - min(f.arrived for f in batch.frames)

    def snapshot(self) -> dict[str, Any]:
        """The present state, for progress displays. From any thread."""
        summary = self.engine.refresh()
        return {
            "seconds": round(summary.seconds, 3),
            "frames": summary.frames,
            "fps": round(summary.fps, 2),
            "latency_ms": round(self._latency * 1000, 1),
            "queued": self._frames.depth() + self._batches.qsize(),
            "dropped": sum(s.stats.dropped for s in self.sources),
            "sources": {s.info.name: s.stats.as_dict() for s in self.sources},
            "overload": self._overload.words if self._overload is not None else "",
            "messages": summary.messages,
            "outputs": {name: output.as_dict() for name, output in list(summary.outputs.items())},
            "counts": {name: dict(s.lines) for name, s in list(summary.sources.items())},
            "errors": [s.error for s in list(summary.sources.values()) if s.error],
        }

    def _conclude(self) -> Summary:
        for source in self.sources:
            noted, stats = self.engine.summary.sources[source.info.name], source.stats
            noted.dropped, noted.corrupt, noted.reconnects = stats.dropped, stats.corrupt, stats.reconnects
            noted.corrupt_by = dict(stats.lost)
            noted.thinned, noted.state, noted.reason = stats.thinned, stats.state, stats.reason
            if source.info.live and not stats.connections and not noted.frames and stats.reason and not noted.error:
                noted.error = f"source '{source.info.name}' was never seen: {stats.reason}"
        summary = self.engine.conclude()
        summary.interrupted = self._stopping.is_set() and self.engine.failure is None
        return summary


def run(
    config: Config | Mapping[str, Any] | str | Path,
    messages: Sequence[Any] = (),
    *,
    sources: Sequence[Source] = (),
    detector: Any = None,
    consumers: Sequence[Consumer] = (),
    drain_timeout: float = 30.0,
) -> Summary:
    """Run a configuration to its end and return the summary; raises CountlineError where it cannot run.

    ``countline.run("countline.yaml", messages=[payload])`` is the whole of it. Parameters as in :class:`Run`.
    """
    this = Run(config, messages, sources=sources, detector=detector, consumers=consumers)
    summary = this.execute(drain_timeout=drain_timeout)
    if this.engine.failure is not None:
        raise this.engine.failure
    return summary
