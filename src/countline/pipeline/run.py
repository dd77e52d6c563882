"""Life cycle of a run over video: sources, detector and the threads between them, in front of the engine."""

from __future__ import annotations

import logging
import queue
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from countline import video
from countline.config import Config, SourceConfig
from countline.config.loader import Document
from countline.pipeline import build, recordings
from countline.pipeline.away import Away
from countline.pipeline.changes import Changes
from countline.pipeline.control import Change, Control
from countline.pipeline.delivery.delivery import Delivery
from countline.pipeline.dispatch import Dispatcher
from countline.pipeline.engine import Engine
from countline.pipeline.frame_buffer import FrameBuffer
from countline.pipeline.heartbeats import SourceNews
from countline.pipeline.inference import Batch, Inference, depths
from countline.pipeline.overload import Overload
from countline.pipeline.program_sources import ProgramSources
from countline.pipeline.readers import Readers
from countline.pipeline.reloader import Reloader
from countline.pipeline.showing import Showing
from countline.pipeline.sources_swap import SourcesSwap
from countline.pipeline.stats import Summary
from countline.pipeline.worker import CommitSink, Consumer
from countline.protocols import BatchDetector, Detector, RuleSet, Source
from countline.source_status import SourceStats
from countline.types import ConfigChange, SourceInfo

__all__ = ["Run", "run"]

log = logging.getLogger("countline.pipeline")


class Run(Showing):
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
    reread: gives the configuration as it is now, for an edit that is applied while running; where ``config`` is a path, that file
        unless set.
    files: of the configuration, where ``reread`` is given: those that are watched for edits.
    read: gives the configuration that the first of ``files`` would give with another text: then the page edits rules there.
    watch: apply edits whatever the configuration says of it (``watch: true``).
    delivery, sink: as of :class:`countline.pipeline.engine.Engine`, for runs that share one outbox and its outputs.

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
        reread: Callable[[], Config | str | Path] | None = None,
        files: Sequence[Path] = (),
        read: Callable[[str], Config] | None = None,
        watch: bool = False,
        delivery: Delivery | None = None,
        sink: Callable[[Delivery], CommitSink] = lambda delivery: delivery,
    ) -> None:
        started = time.monotonic()
        self._program_sources = program_sources = ProgramSources(sources)
        self._messages, self._origin = messages, config
        self.config = build.as_config(config, program_sources.amend)
        self._batches: queue.Queue[Batch | None] = queue.Queue(maxsize=4)
        self._stopping = threading.Event()
        self._playing = threading.Event()
        self._latency = 0.0
        self._overload: Overload | None = None
        self._news = SourceNews()
        self._beat = 0.0
        with ExitStack() as resources:
            self.monitor = self.page = None
            if delivery is None:
                self._listen(self.config, build.state_path(self.config, config, state), resources)
            self._gpus = self.config.detector.gpus if detector is None else []
            with ThreadPoolExecutor(1) as pool:  # the model is compiled while the other packages are imported
                loading = pool.submit(build.detector, self.config, detector)
                build.enter(self.config)
                self.detector: Detector = loading.result()
            resources.callback(self.detector.close)

            def opened(source: SourceConfig, index: int) -> Source:
                made = video.open_source(source, index, gpu=self.gpu_for(index))
                resources.callback(made.close)  # those of other distributions may hold something from the beginning
                return made

            self.sources = program_sources.open(self.config, opened)
            stages = build.stages(
                self.config,
                [s.info for s in self.sources],
                self.detector.labels,
                detector=self.detector,
                messages=messages,
                origin=config,
                state=state,
                deliver=delivery is None,
            )
            self.engine = Engine(
                stages, consumers=consumers, fresh=fresh, started=started, sink=sink, delivery=delivery
            )
            resources.callback(self.engine.abandon)  # not the engine's own: its consumers may hold this run
            if delivery is None:  # of a shared one others may have read the sources since
                recordings.resume(self.sources, self.engine.delivery)
            stages.clips.use(self.sources)
            live = [s.info.live for s in self.sources]
            settings = self.config.detector
            batched = self.detector if isinstance(self.detector, BatchDetector) else None
            self._frames = FrameBuffer([], **depths(batched, len(self.sources)))
            self._readers = Readers(self._frames, self.engine.summary, self.engine.clock, self._stopping.is_set)
            self._readers.add(self.sources)
            self._inference = Inference(
                self.detector,
                batch=settings.batch or 4,
                every=settings.interval + 1,
                ahead=0 if any(live) else 1,
                away=Away(self._stats_of, self._stopping),
            )
            resources.callback(self._inference.close)
            self._dispatcher = Dispatcher(
                self._frames,
                self._inference,
                self._batches,
                begun=lambda batch: self.engine.notes.reached("detector", batch.frames, batch.taken),
                failed=lambda: self.engine.failure is not None,
                guard=self._guard,
            )
            self._watch_load()
            if reread is None and isinstance(config, (str, Path)):
                path = Path(config)
                reread, files = (lambda: path), [path]
            self.control = Control(self, reread)
            self._reloader = Reloader(self.control, files, lambda: watch or self.config.watch)
            self._show(self.engine, files[0] if files and (read or isinstance(config, (str, Path))) else None, read)
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

    def reload(self) -> None:
        """Read the configuration again, soon, and go on with what it says now: see :class:`countline.pipeline.control.Control`,
        which :attr:`control` is, for other ways. What is not right is refused and told in the log. Safe in a signal handler."""
        self._reloader.ask("signal")

    def execute(self, *, drain_timeout: float = 30.0) -> Summary:
        """Run to the end of all sources, or until ``stop``. Raises nothing but what cannot go on: the summary holds the
        error and the exit code."""
        try:
            self._play()
            if self.engine.failure is None:
                self._news.conclude(self.engine, self.sources)
            given_up = self._inference.away.given_up
            ended = {name: whole and name not in given_up for name, whole in self._readers.ended.items()}
            self.engine.finish(ended, drain_timeout)
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
        detect = threading.Thread(
            target=self._guard, args=(self._dispatcher.run,), name="countline-detect", daemon=True
        )
        worker = threading.Thread(target=self._guard, args=(self._work,), name="countline-worker", daemon=True)
        with ExitStack() as threads:
            # Ended in the reverse order: no more frames, then what waits for them.
            threads.callback(self._join, worker)
            worker.start()
            self._playing.set()
            threads.callback(self._join, detect)
            threads.callback(self._readers.close)
            detect.start()
            self._readers.start()
            threads.callback(setattr, self, "_beat", 0.0)
            while worker.is_alive():
                self._beat = time.monotonic()
                if self._stopping.wait(0.1):
                    break
                if self._overload is not None:
                    self._overload.look(away=bool(self._inference.away.text))
                self._reloader.look()
                self._news.look(self.engine, self.sources, self.wake)

    def _join(self, thread: threading.Thread) -> None:
        if thread.ident is None:  # it could not be started, and nobody else tells the worker that all is over
            self._batches.put(None)
        else:
            thread.join()

    def _guard(self, work: Callable[[], object]) -> None:
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

    def _work(self) -> None:
        clock, notes = self.engine.clock, self.engine.notes
        while True:
            batch = self._batches.get()
            if batch is None:
                return
            if not batch.frames:  # something is to be changed
                self.engine.boundary()
                continue
            notes.begin(batch.taken)
            found, seconds = batch.wait()
            self._inference.away.give_up(batch.given_up())
            clock.seconds["detect"] += seconds
            rounds = list(batch.by_round(found, self._inference.away.given_up))
            seen = [frame for frames, _ in rounds for frame in frames]
            notes.reached("worker", seen, notes.found())
            for frames, detections in rounds:
                if frames:
                    self.engine.work(frames, detections)
            self._latency = notes.done([(f.info.source.name, f.arrived) for f in seen]) or self._latency

    def _stats_of(self, name: str) -> SourceStats | None:
        return next((source.stats for source in self.sources if source.info.name == name), None)

    # -- change while running (countline.pipeline.control.Changeable) ----------------------------------------------

    def parse(self, origin: Config | Mapping[str, Any] | str | Path | Document) -> Config:
        """As at the start. Raises ConfigError."""
        return build.as_config(origin, self._program_sources.amend)

    def ready(self, config: Config, plan: Changes) -> Change:
        """See :class:`countline.pipeline.sources_swap.SourcesSwap`."""
        return SourcesSwap(self, config, plan, self._program_sources, self._messages)

    def gpu_for(self, index: int) -> int | None:
        """The GPU that decodes a source, by its place in the configuration; None: the CPU."""
        return self._gpus[index % len(self._gpus)] if self._gpus else None

    def stages_for(self, config: Config, infos: Sequence[SourceInfo]) -> build.Stages:
        """All behind the detector, for another configuration. Raises as :meth:`__init__`."""
        return build.stages(
            config,
            infos,
            self.detector.labels,
            detector=self.detector,
            messages=self._messages,
            origin=self._origin,
            state=self.engine.stages.state,
            aimed=False,
        )

    def use_sources(self, sources: Sequence[Source], opened: Sequence[Source]) -> None:
        """These are the sources from now on, of which some are to be read from their beginning. Behind the boundary."""
        build.aim(self.detector, self.rules.rules)
        self.engine.stages.clips.use(sources)
        self._readers.add(opened)
        self.sources = list(sources)
        self._watch_load()

    @contextmanager
    def held(self) -> Iterator[None]:
        """The run does not end meanwhile, though it may have no source."""
        held = self._frames.add(False)
        try:
            yield
        finally:
            self._frames.close(held)

    def end_sources(self, names: Sequence[str]) -> None:
        """These sources are read no more. Before the boundary."""
        self._readers.remove(names)

    def wake(self) -> None:
        """Have the worker come to a boundary, also where no frames come."""
        if self._playing.is_set():
            with suppress(queue.Full):  # then it is about to come to one
                self._batches.put_nowait(Batch([]))
        else:
            self.engine.boundary()

    def tell(self, change: ConfigChange) -> None:
        """Publish that something was applied or refused."""
        self.engine.at_boundary(lambda: self.engine.worker.tell(change))
        self.wake()

    def _watch_load(self) -> None:
        live = any(s.info.live for s in self.sources)
        self._overload = Overload(self.sources, time.monotonic, lambda: self._inference.busy) if live else None

    def _conclude(self) -> Summary:
        for source in self.sources:
            noted, stats = self.engine.summary.sources[source.info.name], source.stats
            noted.dropped += stats.dropped + stats.undetected
            noted.undetected += stats.undetected
            noted.corrupt, noted.reconnects = stats.corrupt, stats.reconnects
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
