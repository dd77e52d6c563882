"""Clips on their way: cut by the readers, written on a thread of their own, delivered through the outbox."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from countline.errors import OutboxError
from countline.messages.clip import ClipOrder
from countline.observe.repeated import Repeated
from countline.pipeline.clip_journal import ClipJournal
from countline.protocols import RememberingSource
from countline.redaction import redact
from countline.types import CutPackets, Frame, Message

__all__ = ["Clips"]

log = logging.getLogger("countline.pipeline")

WAITING = 16
"""Clips that may wait to be written. Of files their readers wait then, of live sources further ones are given up."""
_LOOK = 0.2
_WHY = {
    "begin": "the stream began later",
    "end": "the stream ended before",
    "bytes": "its packets take more than max_bytes",
}


class Clips:
    """See :class:`countline.messages.clip.ClipMaker`. ``begin`` is called on the worker's thread."""

    def __init__(self) -> None:
        self._wanted: dict[str, tuple[float, int]] = {}
        self._tell: Callable[[Sequence[Message], int], None] = _nowhere
        self._journal = ClipJournal(None)
        self._lock = threading.Lock()
        self._pending: dict[int, Callable[[], None]] = {}
        """What ends the wait of each that is being waited for."""
        self._number = 0
        self._done: queue.Queue[tuple[CutPackets, ClipOrder] | None] = queue.Queue(WAITING)
        self._thread: threading.Thread | None = None
        self._over = False
        self._counts: Counter[str] = Counter()
        self._lines = {why: Repeated(log) for why in ("short", "lost", "impossible")}

    # -- before the run --------------------------------------------------------------------------------------------

    def want(self, sources: Sequence[str], before: float, max_bytes: int) -> None:
        """See :class:`countline.messages.clip.ClipMaker`; of several the most."""
        for name in sources:
            seconds, most = self._wanted.get(name, (0.0, 0))
            self._wanted[name] = max(seconds, before), max(most, max_bytes)

    def use(self, sources: Iterable[object]) -> None:
        """Have these sources remember what is wanted of them, from their next packet on."""
        for source in sources:
            if isinstance(source, RememberingSource):
                source.remember(*self._wanted.get(source.info.name, (0.0, 0)))

    def start(self, tell: Callable[[Sequence[Message], int], None], journal: ClipJournal) -> None:
        """``tell`` takes messages that belong to no frame, and their time; ``journal`` is written to."""
        self._tell, self._journal = tell, journal

    # -- while it runs ---------------------------------------------------------------------------------------------

    @property
    def counts(self) -> dict[str, int]:
        """By what became of them; empty where none was asked for."""
        return dict(self._counts)

    def impossible(self, frame: Frame) -> None:
        """See :class:`countline.messages.clip.ClipMaker`."""
        self._count("impossible")
        name = frame.info.source.name
        self._lines["impossible"].say(
            f"source '{name}': no clip can be cut: no key frame came yet, or it gives no packets"
        )

    def begin(self, frame: Frame, before: float, after: float, order: ClipOrder) -> None:
        """See :class:`countline.messages.clip.ClipMaker`."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="countline-clips", daemon=True)
            self._thread.start()
        assert frame.mark is not None
        self._journal.begin(order.name)
        with self._lock:
            number = self._number = self._number + 1
            self._pending[number] = _nothing
        live = frame.info.source.live
        end = frame.mark.cut(before, after, lambda cut: self._finished(number, cut, order, live))
        with self._lock:
            if number in self._pending:  # else it was there already
                self._pending[number] = end

    def _finished(self, number: int, cut: CutPackets, order: ClipOrder, live: bool) -> None:
        """On a reader's thread, or the worker's."""
        while not self._over:
            try:
                self._done.put((cut, order), timeout=_LOOK)
                break
            except queue.Full:
                if live:
                    self._lose(order, f"{WAITING} wait to be written already")
                    break
        else:
            self._lose(order, "the run has ended")
        with self._lock:
            self._pending.pop(number, None)

    def _work(self) -> None:
        while (item := self._done.get()) is not None:
            self._write(*item)

    def _write(self, cut: CutPackets, order: ClipOrder) -> None:
        try:
            message = order.deliver(cut.write())
            if message is not None:
                self._tell([message], message.time)
        except (ValueError, OSError, OutboxError) as error:
            self._lose(order, redact(str(error)))
            return
        except Exception as error:  # a library's: the other clips go on
            log.exception("clip %s", order.name)
            self._lose(order, redact(repr(error)))
            return
        self._journal.done(order.name)
        self._count("made")
        if cut.short:
            self._count("short")
            self._lines["short"].say(f"clip {order.name} holds less than was asked for: {_WHY[cut.short]}")

    def _lose(self, order: ClipOrder, why: str) -> None:
        self._journal.done(order.name)
        self._count("lost")
        self._lines["lost"].say(f"clip {order.name} is lost, though a message names it: {why}")

    def _count(self, what: str) -> None:
        with self._lock:
            self._counts[what] += 1

    # -- the end ---------------------------------------------------------------------------------------------------

    def finish(self, timeout: float) -> None:
        """No more frames will come: clips that are waited for end where they are, and all are written, for at most ``timeout`` s."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            with self._lock:
                ends = list(self._pending.values())
            if not ends:
                break
            for end in ends:
                end()
            time.sleep(0.01)
        if self._thread is not None:
            while time.monotonic() < deadline:
                try:
                    self._done.put(None, timeout=_LOOK)
                    break
                except queue.Full:
                    continue
            self._thread.join(max(0.0, deadline - time.monotonic()))
        self._over = True
        left = self._left()
        if left:
            self._counts["lost"] += left
            log.error("%d clips that messages name could not be written before the end", left)
        for lines in self._lines.values():
            lines.close()

    def _left(self) -> int:
        left = len(self._pending)
        while True:
            try:
                left += self._done.get_nowait() is not None
            except queue.Empty:
                return left


def _nothing() -> None:
    """It is being begun."""


def _nowhere(messages: Any, time: int) -> None:
    raise OutboxError("the run has not begun", where="clips")
