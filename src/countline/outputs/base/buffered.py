"""Base of the outputs that write to something local: entries are collected by ``send`` and written by ``poll``."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence

from countline.outputs.base.backoff import Backoff
from countline.outputs.base.errors import OutputFault, describe, explain
from countline.outputs.base.fitness import reason_against
from countline.outputs.base.in_flight import InFlight
from countline.protocols import Check, Entry, OutputStatus, Receipt
from countline.types import Message

__all__ = ["BufferedOutput"]


class BufferedOutput(ABC):
    """A subclass says how a batch is written: ``prepare`` imports what is needed, ``write`` takes entries from
    :attr:`queue` and answers for each with :meth:`acknowledge` or :meth:`refuse`, ``release`` closes files and
    connections, ``check`` is for ``countline check``. What ``write`` raises is a state: everything that has no answer is
    sent again, after a pause that grows.
    """

    secrets: Sequence[str | None] = ()
    """Passwords and tokens in use, as text: they are blanked out of errors and log lines."""

    def __init__(self, name: str, max_in_flight: int, max_bytes: int = 32 * 1024**2) -> None:
        self.name = name
        self.status = OutputStatus()
        self._most, self._most_bytes = max_in_flight, max_bytes
        self.in_flight = InFlight(self.status)
        self._backoff = Backoff(most=5.0)
        self.queue: deque[Entry] = deque()
        """What was accepted and not written yet, oldest first."""
        self._not_before = 0.0
        self._opened = self._polled = False

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}>"

    @abstractmethod
    def prepare(self) -> None:
        """Import what is needed. Raises OutputError, MissingExtra."""

    @abstractmethod
    def write(self, end: float, *, closing: bool) -> None:
        """Write from ``queue`` (removing what was taken), acknowledge or refuse, until ``end`` (monotonic clock).
        Raises OSError or OutputFault when nothing can be written now."""

    @abstractmethod
    def release(self) -> None:
        """Close files and connections; may be called twice."""

    @abstractmethod
    def check(self, *, send: bool = False, timeout: float = 5.0) -> list[Check]:
        """For ``countline check``."""

    def why_unfit(self, message: Message) -> str:
        """Why the message can never be written; '' if nothing speaks against it. What it raises of UNFIT is a reason."""
        return ""

    def acknowledge(self, *positions: int) -> None:
        """These are written for good."""
        self.in_flight.acknowledge(positions)
        self.status.connected = True
        if not self.in_flight.retry_pending:
            self.status.error = ""
            self._backoff.reset()

    def refuse(self, position: int, why: str) -> None:
        """It can never be written, which ``why`` says: a dead letter."""
        self.status.error = describe(why, self.secrets)
        self.in_flight.fail(position, self.status.error, retry=False)

    def mark_disconnected(self, error: BaseException) -> None:
        fault = explain(error, self.name)
        if isinstance(error, OSError) and not isinstance(error, OutputFault):
            place = f"{error.filename}: " if error.filename else ""
            fault = OutputFault(place + (error.strerror or str(error)))
        self.status.connected = False
        self.status.error = describe(fault.what, self.secrets)
        self.queue.clear()
        self.in_flight.fail_all(self.status.error)
        self._not_before = time.monotonic() + self._backoff.next()
        self.release()

    def open(self) -> None:
        """Nothing is opened yet: the first ``poll`` with something to write does."""
        self.prepare()
        self._opened, self._polled = True, False

    def send(self, entries: Sequence[Entry]) -> int:
        """Accepts as many as the bounds allow; none after a failure until the pause is over."""
        if not self._opened or self.in_flight.retry_pending or time.monotonic() < self._not_before:
            return 0
        accepted = 0
        for entry in entries:
            if not self.in_flight.has_room(entry, self._most, self._most_bytes):
                break
            self.in_flight.accept(entry)
            accepted += 1
            reason = reason_against(entry.message, self.why_unfit, "it cannot be written")
            if reason:
                self.in_flight.fail(entry.position, describe(reason, self.secrets), retry=False)
            else:
                self.queue.append(entry)
        return accepted

    def poll(self, timeout: float) -> list[Receipt]:
        """Writes what was collected; waits up to ``timeout`` s if there is nothing to say."""
        end = time.monotonic() + timeout
        self._polled = True
        self.attempt(end, closing=False)
        if not self.in_flight.has_receipts:
            time.sleep(max(0.0, end - time.monotonic()))
        return self.in_flight.take()

    def close(self, timeout: float) -> list[Receipt]:
        """Writes what was collected; what could not be written is to be sent again."""
        if self._opened:
            if self._polled or len(self.in_flight):  # one that was opened only to see whether it can be touches nothing
                self.attempt(time.monotonic() + timeout, closing=True)
            self.release()
        self._opened = False
        self.queue.clear()
        self.in_flight.fail_all("the output was closed before it was written")
        self.status.connected = False
        return self.in_flight.take()

    def attempt(self, end: float, *, closing: bool) -> None:
        if not self._opened or not (len(self.in_flight) or closing):
            return
        try:
            self.write(end, closing=closing)
        except (OSError, OutputFault) as error:
            self.mark_disconnected(error)
