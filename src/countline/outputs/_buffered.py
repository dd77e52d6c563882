"""Base of the outputs that write to something local: entries are collected by ``send`` and written by ``poll``."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence

from countline.outputs._fitness import UNFIT, unfit
from countline.outputs._ledger import Backoff, Ledger
from countline.outputs._words import Fault, explain, tell
from countline.protocols import Check, Entry, OutputStatus, Receipt
from countline.types import Message

__all__ = ["BufferedOutput"]


class BufferedOutput(ABC):
    """A subclass says how a batch is written. What fails is a state: everything is to be sent again, after a pause that
    grows."""

    secrets: Sequence[str | None] = ()

    def __init__(self, name: str, max_in_flight: int, max_bytes: int = 32 * 1024**2) -> None:
        self.name = name
        self.status = OutputStatus()
        self._most, self._most_bytes = max_in_flight, max_bytes
        self._ledger = Ledger(self.status)
        self._backoff = Backoff(most=5.0)
        self._queue: deque[Entry] = deque()
        self._not_before = 0.0
        self._opened = False

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}>"

    @abstractmethod
    def _prepare(self) -> None:
        """Import what is needed. Raises OutputError, MissingExtra."""

    @abstractmethod
    def _write(self, end: float, *, closing: bool) -> None:
        """Write from ``_queue`` (removing what was taken), acknowledge or refuse, until ``end`` (monotonic clock).
        Raises OSError or Fault when nothing can be written now."""

    @abstractmethod
    def _release(self) -> None:
        """Close files and connections; may be called twice."""

    @abstractmethod
    def check(self, *, send: bool = False, timeout: float = 5.0) -> list[Check]:
        """For the doctor."""

    def _unfit(self, message: Message) -> str:
        """Why the message can never be written; '' if nothing speaks against it. What it raises of UNFIT is a reason."""
        return ""

    def _acknowledge(self, positions: Sequence[int]) -> None:
        self._ledger.acknowledge(positions)
        self.status.connected = True
        if not self._ledger.holding:
            self.status.error = ""
            self._backoff.reset()

    def _refuse(self, position: int, why: str) -> None:
        """A dead letter."""
        self.status.error = tell(why, self.secrets)
        self._ledger.fail(position, self.status.error, retry=False)

    def _away(self, error: BaseException) -> None:
        fault = explain(error, self.name)
        if isinstance(error, OSError) and not isinstance(error, Fault):
            place = f"{error.filename}: " if error.filename else ""
            fault = Fault(place + (error.strerror or str(error)))
        self.status.connected = False
        self.status.error = tell(fault.what, self.secrets)
        self._queue.clear()
        self._ledger.fail_all(self.status.error)
        self._not_before = time.monotonic() + self._backoff.next()
        self._release()

    def open(self) -> None:
        """Nothing is opened yet: the first ``poll`` with something to write does."""
        self._prepare()
        self._opened = True

    def send(self, entries: Sequence[Entry]) -> int:
        """Accepts as many as the bounds allow; none after a failure until the pause is over."""
        if not self._opened or self._ledger.holding or time.monotonic() < self._not_before:
            return 0
        accepted = 0
        for entry in entries:
            if len(self._ledger) >= self._most:
                break
            if len(self._ledger) and self._ledger.bytes + len(entry.message.value) > self._most_bytes:
                break
            self._ledger.accept(entry)
            accepted += 1
            reason = self._reason_against(entry.message)
            if reason:
                self._ledger.fail(entry.position, tell(reason, self.secrets), retry=False)
            else:
                self._queue.append(entry)
        return accepted

    def _reason_against(self, message: Message) -> str:
        try:
            return unfit(message) or self._unfit(message)
        except UNFIT as error:
            return f"it cannot be written: {error}"

    def poll(self, timeout: float) -> list[Receipt]:
        """Writes what was collected; waits up to ``timeout`` s if there is nothing to say."""
        end = time.monotonic() + timeout
        self._attempt(end, closing=False)
        if not self._ledger.news:
            time.sleep(max(0.0, end - time.monotonic()))
        return self._ledger.take()

    def close(self, timeout: float) -> list[Receipt]:
        """Writes what was collected; what could not be written is to be sent again."""
        if self._opened:
            self._attempt(time.monotonic() + timeout, closing=True)
            self._release()
        self._opened = False
        self._queue.clear()
        self._ledger.fail_all("the output was closed before it was written")
        self.status.connected = False
        return self._ledger.take()

    def _attempt(self, end: float, *, closing: bool) -> None:
        if not self._opened or not (len(self._ledger) or closing):
            return
        try:
            self._write(end, closing=closing)
        except (OSError, Fault) as error:
            self._away(error)
