"""countline at work inside somebody's pipeline."""

from __future__ import annotations

import atexit
import logging
import threading
import time
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from countline.config import Config
from countline.deepstream import settings
from countline.deepstream.bindings import choose
from countline.deepstream.bounded_queue import BoundedQueue
from countline.deepstream.changing import Changing
from countline.deepstream.errors import DeepStreamError
from countline.deepstream.inline import Evaluation, InlineDelivery
from countline.deepstream.payload import Payloads
from countline.deepstream.probe import Probe, find_pad
from countline.deepstream.reader import FrameCopy, MemoryReader, Reader
from countline.deepstream.showing import Showing
from countline.deepstream.streams import Round, Streams
from countline.errors import ConfigError, CountlineError
from countline.pipeline import build
from countline.pipeline.control import Control
from countline.pipeline.delivery.delivery import Delivery
from countline.pipeline.engine import Engine
from countline.pipeline.stats import Summary
from countline.pipeline.worker import Consumer
from countline.types import FrameTracks

__all__ = ["Attachment", "ProbeCounts", "Publish", "attach"]

log = logging.getLogger("countline.deepstream")

Publish = Literal["countline", "nvmsgbroker"]


@dataclass
class ProbeCounts:
    """What the probe has seen. Written by the streaming thread only."""

    buffers: int = 0
    frames: int = 0
    objects: int = 0
    without_meta: int = 0
    """Buffers without batch metadata."""
    dropped: int = 0
    """Frames that were not evaluated, because countline's thread was behind and the queue was full, or had ended."""
    errors: int = 0
    """Buffers that could not be read or evaluated; the first is in the log."""


Batch = tuple[list[FrameCopy], int, int]
"""Frames of a buffer, its time of arrival, and its number."""


class Attachment(Changing, Showing):
    """One pipeline's probe with rules, messages and delivery behind it. Made by :func:`attach`; a context manager.

    ``counts`` says what passed. ``close()`` takes the probe off, evaluates what waits and delivers it.
    """

    def __init__(
        self,
        config: Config | Mapping[str, Any] | str | Path,
        reader: Reader,
        *,
        publish: Publish,
        messages: Sequence[Any],
        labels: Sequence[str] | None,
        lossless: bool,
        depth: int,
        size: tuple[int, int] | None,
        component: int,
        state: Path | None,
        consumers: Sequence[Consumer],
    ) -> None:
        self.reader = reader
        self.counts = ProbeCounts()
        started = time.monotonic()
        self._closed = False
        self._busy = threading.Lock()
        self._probe: Probe | None = None
        self._ended: deque[tuple[int, int | None]] = deque()
        """Ends of streams that the engine is still to hear of: the number of the buffer that came before, and the pad."""
        self.config = parsed = settings.as_config(config)
        self._live, self._origin, self._messages, self._state = not lossless, config, messages, state
        self.sources = build.source_infos(parsed, live=not lossless)
        self.labels: Sequence[str] = settings.labels_of(parsed, labels)
        self._classes: set[int] = set()
        self._warned_of: set[int] = set()
        self._streams = Streams(self.sources, exact=parsed.rules.file is not None, size=size)
        self._payloads = self._payloads_for(publish, reader, component)
        if self._payloads is not None and parsed.outputs:
            log.warning("the configuration's outputs are not used: nvmsgbroker sends the messages")
        stages = build.stages(
            parsed,
            self.sources,
            self.labels,
            messages=messages,
            origin=config,
            state=state,
            deliver=self._payloads is None,
        )
        self._inline: InlineDelivery | None = None
        with ExitStack() as resources:
            self._listen(parsed, stages.state, resources)
            self._engine = resources.enter_context(self._engine_for(stages, consumers, started))
            self._queue: BoundedQueue[Batch] = BoundedQueue(depth, lossless=lossless)
            file = Path(config) if isinstance(config, (str, Path)) else None
            self.control = Control(self, None if file is None else lambda: file)
            self._show(self._engine, file, None)
            self._engine.start()
            self._thread = Evaluation(self._work, self._queue, self._failed) if self._payloads is None else None
            resources.pop_all()
        if parsed.watch:
            self._watch_file()

    def _engine_for(self, stages: build.Stages, consumers: Sequence[Consumer], started: float) -> Engine:
        if self._payloads is None:
            return Engine(stages, consumers=consumers, started=started)

        def collect(delivery: Delivery) -> InlineDelivery:
            self._inline = InlineDelivery(delivery)
            return self._inline

        return Engine(stages, consumers=consumers, started=started, sink=collect)

    @staticmethod
    def _payloads_for(publish: str, reader: Reader, component: int) -> Payloads | None:
        if publish == "countline":
            return None
        if publish != "nvmsgbroker":
            raise ConfigError(
                f"cannot publish to '{publish}'", where="publish", fix="give 'countline' or 'nvmsgbroker'"
            )
        if not isinstance(reader, MemoryReader):
            raise DeepStreamError(
                f"payloads for nvmsgbroker cannot be attached through {reader.kind}",
                where="publish='nvmsgbroker'",
                fix="use publish='countline', or a DeepStream version whose layout is known",
            )
        return Payloads(reader, component)

    @property
    def left_out(self) -> dict[int, int]:
        """Frames of pads that no source of the configuration belongs to, by pad_index."""
        return dict(self._streams.unknown)

    # -- on the streaming thread ----------------------------------------------------------------------------------

    def feed_safely(self, handle: Any) -> None:
        """As :meth:`feed`, but whatever happens is counted and logged once instead of raised."""
        try:
            self.feed(handle)
        except BaseException:
            self.counts.errors += 1
            if self.counts.errors == 1:
                log.exception("a buffer passed without being evaluated")

    def feed(self, handle: Any) -> None:
        """Evaluate a buffer (its address), or what the reader's bindings give for a batch. The probe calls this."""
        counts = self.counts
        counts.buffers += 1
        if self._payloads is not None:
            self._publish_inline(handle)
            return
        frames = self._read(handle)
        if frames is None:
            self._without_meta()
            return
        dropped = self._queue.put((frames, time.time_ns(), counts.buffers))
        if dropped is not None:
            self._drop(dropped[0])

    def stream_ended(self, pad_index: int | None) -> None:
        """The stream of a pad of the muxer (None: of all) has ended. The probe calls this, in the order of the buffers."""
        self._ended.append((self.counts.buffers, pad_index))

    def _end_streams(self, before: int) -> None:
        """Let the tracks go of streams that ended before a buffer. Ends stand beside the queue, so that none takes a frame's
        place there, and none is lost with a buffer that was dropped."""
        while self._ended and self._ended[0][0] < before:
            for name in self._streams.end(self._ended.popleft()[1]):
                self._engine.forget(name)

    def _read(self, handle: Any) -> list[FrameCopy] | None:
        frames = self.reader.read(handle)
        if not frames:
            return frames
        self.counts.frames += len(frames)
        self.counts.objects += sum([len(frame.objects) for frame in frames])
        if not frames[0].size[0] and self._probe is not None:
            # Elements that copy metadata forget the muxer's size (NVIDIA's own copy function does); the pad knows it.
            size = self._probe.size()
            frames = [frame if frame.size[0] else frame._replace(size=size) for frame in frames]
        return frames

    def _drop(self, frames: Sequence[FrameCopy]) -> None:
        self.counts.dropped += len(frames)
        for frame in frames:
            if frame.pad_index < len(self.sources):
                self._engine.summary.sources[self.sources[frame.pad_index].name].dropped += 1

    def _without_meta(self) -> None:
        self.counts.without_meta += 1
        if self.counts.without_meta == 1:
            log.warning("a buffer has no batch metadata: put the probe behind nvstreammux (best behind nvtracker)")

    def _publish_inline(self, buffer: int) -> None:
        """Rules and messages here and now; the messages go onto the buffer."""
        reader, payloads, inline = self.reader, self._payloads, self._inline
        assert isinstance(reader, MemoryReader)
        assert payloads is not None
        assert inline is not None
        batch = reader.batch_of(buffer)
        if not batch:
            self._without_meta()
            return
        with self._busy:
            frames = self._read(buffer) or []
            if self._closed or self._engine.failure is not None:
                self._drop(frames)
                return
            self._engine.boundary()
            self._end_streams(self.counts.buffers)
            arrived = time.time_ns()
            for one in self._streams.rounds(frames, arrived):
                inline.begin_round()
                self._enter(one)
                try:
                    self._evaluate(one, arrived)
                except Exception as error:
                    self.counts.errors += 1
                    self._failed(error)
                    return
                reader.lock(batch)
                try:
                    for copy, (info, _) in one:
                        payloads.attach(batch, copy.address, inline.values(info.source.name))
                finally:
                    reader.unlock(batch)

    # -- on countline's thread ------------------------------------------------------------------------------------

    def _work(self, batch: Batch) -> None:
        frames, arrived, number = batch
        self._engine.boundary()
        if self._engine.failure is not None:
            self._drop(frames)
            return
        self._end_streams(number)
        for one in self._streams.rounds(frames, arrived):
            self._enter(one)
            self._evaluate(one, arrived)

    def _enter(self, one: Round) -> None:
        for name in one.anew:
            self._engine.forget(name)
        for _, tracks in one:
            self._watch_labels(tracks)

    def _watch_labels(self, tracks: FrameTracks) -> None:
        """Ask the reader for the label of classes not seen before; say where it differs from what rules and messages were
        made with."""
        for class_id in set(tracks.tracks.class_id.tolist()) - self._classes:
            self._classes.add(class_id)
            self.reader.wanted.add(class_id)
        if len(self.reader.labels) == len(self._warned_of):
            return
        for class_id, label in list(self.reader.labels.items()):
            if class_id in self._warned_of:
                continue
            self._warned_of.add(class_id)
            known = self.labels[class_id] if 0 <= class_id < len(self.labels) else ""
            if label and label.lower() != known.lower():
                log.warning(
                    "class %d is '%s' in the pipeline but %s here; set `detector: {labels: FILE}` to nvinfer's label file",
                    class_id,
                    label,
                    f"'{known}'" if known else "has no name",
                )

    def _failed(self, error: Exception) -> None:
        self._engine.fail(error)
        log.error("frames are no longer evaluated: %s", error if isinstance(error, CountlineError) else repr(error))

    def _wake(self) -> None:
        if self._payloads is None:
            self._queue.nudge(([], 0, 0))
        else:
            with self._busy:
                if not self._closed:
                    self._engine.boundary()

    # -- life -----------------------------------------------------------------------------------------------------

    def install(self, pad: Any) -> None:
        """Put the probe on a pad."""
        self._probe = Probe(pad, self.feed_safely, self.stream_ended)
        atexit.register(self.close, 5.0)

    def close(self, timeout: float = 30.0) -> Summary:
        """Take the probe off, evaluate what waits, deliver for at most ``timeout`` s, and give the summary. What is still
        undelivered stays in the outbox. May be called again."""
        if self._closed:
            return self.summary()
        atexit.unregister(self.close)
        if self._watching is not None:
            self._watching.set()
        if self._probe is not None:
            self._probe.remove()
        with self._busy:
            self._closed = True
        self._queue.close()
        if self._thread is not None:
            self._thread.join()
        self._engine.finish({s.name: True for s in self.sources}, timeout)
        for shown in (self.monitor, self.page):
            if shown is not None:
                shown.close()
        return self.summary()

    def summary(self) -> Summary:
        """Frames, counts, messages and outputs up to now, or at the end. From any thread."""
        return self._engine.conclude()

    def __enter__(self) -> Attachment:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def attach(
    pad_or_element: Any,
    config: Config | Mapping[str, Any] | str | Path,
    *,
    publish: Publish = "countline",
    messages: Sequence[Any] = (),
    labels: Sequence[str] | None = None,
    lossless: bool = False,
    depth: int = 64,
    size: tuple[int, int] | None = None,
    reader: Literal["auto", "memory", "pyds"] = "auto",
    component: int = 0,
    gie_unique_ids: Collection[int] = (),
    state: Path | None = None,
    consumers: Sequence[Consumer] = (),
) -> Attachment:
    """Evaluate rules on everything that passes a pad of a DeepStream pipeline, and publish messages.

    The probe copies the metadata it needs and lets the buffer go on; rules, messages and delivery run on countline's own
    threads. Put it behind nvtracker: objects without a tracker's id cannot be counted.

    Parameters
    ----------
    pad_or_element: a Gst.Pad; or a Gst.Element, of which the src pad is taken (the sink pad of a sink).
    config: path of a YAML file, mapping or Config. ``sources`` belong to the stream muxer's pads in their order.
    publish: 'countline': countline's outputs deliver. 'nvmsgbroker': rules and messages are evaluated in the probe, and the
        finished messages are attached to the frame for a following nvmsgbroker.
    messages: message functions made with ``@countline.message``.
    labels: class names by class id; else ``detector.labels`` of the configuration, else those of the sample detector.
    lossless: for pipelines that read files: the probe waits when ``depth`` batches are waiting. Otherwise the oldest batch
        is dropped and counted, and the pipeline never waits.
    size: width and height in pixels that the boxes refer to, where the metadata does not say (DeepStream before 6.0).
    reader: how metadata is read; 'auto' takes what works.
    component: componentId of attached payloads (nvmsgbroker's ``comp-id``).
    gie_unique_ids: only objects that these inferences have found (nvinfer's ``gie-unique-id``, the objects'
        unique_component_id) are looked at; all unless given. Class ids of a second detector are not those of the first.
    state: outbox file where the configuration names none.
    consumers: called with (None, analytics) for every frame, in order.

    Raises
    ------
    DeepStreamError: the libraries are absent or not known, or this is no pad. ConfigError and others as ``countline.run``.
    """
    pad = find_pad(pad_or_element)
    attachment = Attachment(
        config, choose(reader, gie_unique_ids), publish=publish, messages=messages, labels=labels, lossless=lossless, depth=depth,
        size=size, component=component, state=state, consumers=consumers,
    )  # fmt: skip
    try:
        attachment.install(pad)
    except BaseException:
        attachment.close(0.0)
        raise
    return attachment
