"""The threads that read the sources, one each: they come, end and are made anew while a run goes on."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable

from countline.errors import SourceError
from countline.pipeline import recordings
from countline.pipeline.frame_buffer import FrameBuffer
from countline.pipeline.stats import StageClock, Summary
from countline.protocols import Source
from countline.redaction import redact

__all__ = ["Readers"]

log = logging.getLogger("countline.pipeline")

CLOSING = 2.0
"""Seconds for which the thread of a source that was closed is waited for; one that waits for the network ends when that answers."""

_MOMENT = 0.5
"""The same at the end of a run, for all threads together."""


class _Reader:
    def __init__(self, source: Source, slot: int) -> None:
        self.source, self.slot = source, slot
        self.thread: threading.Thread | None = None


class Readers:
    """Reads sources into a buffer.

    Parameters
    ----------
    frames: the buffer.
    summary, clock: where errors and times are noted.
    stopping: whether no more frames are wanted.
    """

    def __init__(self, frames: FrameBuffer, summary: Summary, clock: StageClock, stopping: Callable[[], bool]) -> None:
        self._frames, self._summary, self._clock, self._stopping = frames, summary, clock, stopping
        self._readers: dict[str, _Reader] = {}
        self._started = False
        self.ended: dict[str, bool] = {}
        """By source: whether its input was read to the end."""

    def add(self, sources: Iterable[Source]) -> None:
        """More sources. One that has the name of another takes its place: no frame of the other comes behind the first of this."""
        for source in sources:
            before = self._readers.get(source.info.name)
            reader = self._readers[source.info.name] = _Reader(
                source, self._frames.add(source.info.live, recordings.waits(source))
            )
            if before is not None:
                # What waits of one that is gone through again is not lost.
                self._close(before, lost=before.source.info.live)
            self.ended.pop(source.info.name, None)
            if self._started:
                self._start(reader)

    def remove(self, names: Iterable[str]) -> None:
        """Close these sources. What waits of them is given up, and counted as dropped."""
        for name in names:
            reader = self._readers.pop(name, None)
            if reader is not None:
                self._close(reader)
                self.ended.pop(name, None)

    def start(self) -> None:
        """Begin to read."""
        self._started = True
        for reader in list(self._readers.values()):
            self._start(reader)

    def alive(self) -> bool:
        """Whether anything is still read, or was not begun."""
        return any(r.thread is None or r.thread.is_alive() for r in list(self._readers.values()))

    def close(self) -> None:
        """No more frames are taken in. For a thread that waits for the network it is waited a moment, so that the source's last state
        is told, and no longer."""
        if self.alive():
            self._frames.stop()
        readers = list(self._readers.values())
        for reader in readers:
            reader.source.close()
        until = time.monotonic() + _MOMENT
        for reader in readers:
            if reader.thread is not None and reader.thread.ident is not None:
                reader.thread.join(max(until - time.monotonic(), 0.0))

    def _close(self, reader: _Reader, lost: bool = True) -> None:
        source = reader.source
        source.close()
        dropped = self._frames.close(reader.slot)
        if reader.thread is not None and reader.thread is not threading.current_thread():
            reader.thread.join(CLOSING)
        noted = self._summary.sources[source.info.name]
        stats = source.stats
        noted.dropped += (dropped if lost else 0) + stats.dropped + stats.undetected
        noted.undetected += stats.undetected

    def _start(self, reader: _Reader) -> None:
        name = f"countline-read-{reader.source.info.name}"
        thread = threading.Thread(target=self._read, args=(reader,), name=name, daemon=True)
        try:
            thread.start()
        except RuntimeError:  # no more threads: nothing comes of this source, and nobody is to wait for it
            self._frames.end(reader.slot)
            raise
        reader.thread = thread

    def _read(self, reader: _Reader) -> None:
        source, slot = reader.source, reader.slot
        name = source.info.name
        complete = False
        error = ""
        try:
            frames = iter(source)
            while True:
                with self._clock.measure(f"decode {name}"):
                    frame = next(frames, None)
                if frame is None:
                    complete = not self._stopping() and not recordings.endless(source)
                    break
                if not self._frames.put(slot, frame, source.stats):
                    break
        except SourceError as failure:
            error = str(failure)
            log.error("%s", failure)
        except Exception as failure:
            error = redact(f"unforeseen error: {failure!r}")
            log.exception("source '%s'", name)
        finally:
            if self._readers.get(name) is reader:  # else another has its place, or it was taken away
                self.ended[name] = complete
                if error:
                    self._summary.sources[name].error = error
            self._frames.end(slot)
