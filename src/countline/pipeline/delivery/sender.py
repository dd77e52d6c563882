"""The thread that carries messages from the outbox to one output."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from operator import attrgetter
from typing import TYPE_CHECKING

from countline.errors import CountlineError
from countline.observe.histogram import Histogram
from countline.outbox import Outbox
from countline.pipeline.delivery.dead_letters import DeadLetters
from countline.pipeline.delivery.output_log import OutputLog
from countline.pipeline.delivery.topic_queues import TopicQueues
from countline.protocols import Entry, Output, Receipt
from countline.redaction import redact

if TYPE_CHECKING:
    from countline.observe.traces import Traces

__all__ = ["Sender"]

log = logging.getLogger("countline.delivery")

BATCH = 1000
POLL = 0.01
IDLE = 0.2
_POSITION, _MADE = attrgetter("position"), attrgetter("made")
STRIKES = 3
"""Times that one message may make an output raise an unforeseen error before it becomes a dead letter."""


class Sender:
    """Reads in order, sends, acknowledges; sends again what came back; puts aside what was refused for good.

    Parameters
    ----------
    outbox, output: from where and to where.
    """

    def __init__(self, outbox: Outbox, output: Output) -> None:
        self.output = output
        self.sent = 0
        """Messages that the output has taken, each time that it has."""
        self.acknowledged = 0
        self.retried = 0
        self.latency = Histogram()
        """Seconds from the commit of a message to its acknowledgement."""
        self.traces: Traces | None = None
        self.error = ""
        """Trouble of the sender itself; the output's own stands in its status."""
        self._outbox = outbox
        self._queues = TopicQueues()
        self._buffer: list[Entry] = []
        self._after = 0
        self._wake = threading.Event()
        self._stop_at: float | None = None
        self._log = OutputLog(output.name, lambda: outbox.pending(output.name))
        self._careful = 0
        """Entries that go one by one, because one of them made the output raise what it should not."""
        self._strikes: dict[int, int] = {}
        self._dead_letters = DeadLetters(outbox, output)
        self._thread = threading.Thread(target=self._work, name=f"countline-deliver-{output.name}", daemon=True)

    @property
    def dead(self) -> int:
        """Messages refused for good."""
        return self._dead_letters.count

    @property
    def in_flight(self) -> int:
        """Messages that the output has taken and not yet answered for."""
        return len(self._queues.in_flight)

    def count_on(self, before: Sender) -> None:
        """Go on with the counts of the sender that had this output before."""
        self.sent, self.acknowledged, self.retried = before.sent, before.acknowledged, before.retried
        self.latency, self.traces = before.latency, before.traces
        self._dead_letters.count = before.dead

    def start(self) -> None:
        """Begin to deliver."""
        self._thread.start()

    def wake(self) -> None:
        """There may be something new."""
        self._wake.set()

    def stop(self, deadline: float) -> None:
        """Ask to end once nothing waits, or at ``deadline`` (``time.monotonic``); :meth:`join` waits for it."""
        self._stop_at = deadline
        self._wake.set()

    def join(self) -> None:
        """Wait for the end. An output that no thread was started for is closed here."""
        if self._thread.ident is None:
            self.output.close(0.0)
        elif self._thread.is_alive():
            self._thread.join()

    # -- on its own thread ----------------------------------------------------------------------------------------

    def _work(self) -> None:
        wait = 0.5
        while not self._over():
            try:
                self._round()
                self._watch()
                wait, self.error = 0.5, ""
                self._log.well()
            except CountlineError as error:
                self._failed(str(error), wait)
                wait = min(wait * 2, 30.0)
            except Exception as error:  # one output's fault must not end delivery for good, here or elsewhere
                self._failed(f"unforeseen error: {error!r}", wait, error)
                wait = min(wait * 2, 30.0)
        self._finish()

    def _over(self) -> bool:
        if self._stop_at is None:
            return False
        empty = not self._outbox.pending(self.output.name)
        return empty or time.monotonic() >= self._stop_at

    def _round(self) -> None:
        now = time.monotonic()
        full = False
        due = self._queues.due(now, BATCH)
        if due:
            full = self._send(due) < len(due)
        if not full:
            full = self._send_new()
        busy = bool(self._queues.in_flight)
        receipts = self.output.poll(POLL if busy and (full or not self._more) else 0.0)
        if receipts:
            self._book(receipts)
        elif not busy and (full or not self._more):
            self._wake.wait(IDLE if not full and not self._queues.waiting else 0.05)
            self._wake.clear()

    @property
    def _more(self) -> bool:
        return bool(self._buffer) or self._after < self._outbox.last or bool(self._queues.hungry())

    def _send_new(self) -> bool:
        """Send what is new; True if the output takes no more for now."""
        self._refill()
        if len(self._buffer) < BATCH:
            entries, self._after = self._outbox.read(self.output.name, self._after, limit=BATCH)
            self._buffer += entries
        self._buffer = self._queues.offer(self._buffer)
        if not self._buffer:
            return False
        accepted = self._give(self._buffer)
        del self._buffer[:accepted]
        return bool(self._buffer)

    def _give(self, entries: list[Entry]) -> int:
        """Give entries to the output, in order; how many it is done with. After an error that no output should raise they go one
        by one, until it is known which of them it is: that one becomes a dead letter, and does not hold up the rest for ever."""
        alone = self._careful > 0
        part = entries[:1] if alone else entries
        try:
            accepted = self.output.send(part)
        except CountlineError:
            raise
        except Exception as error:
            if not alone:
                self._careful = len(entries)
                raise
            return self._strike(part[0], error)
        self._queues.sent(part[:accepted])
        self.sent += accepted
        if alone:
            self._careful -= accepted
            self._strikes.clear()
        return accepted

    def _strike(self, entry: Entry, error: Exception) -> int:
        """An entry that was sent alone raised an error: how many entries are done with now, 0 or 1."""
        count = self._strikes[entry.position] = self._strikes.get(entry.position, 0) + 1
        if count < STRIKES:
            raise error
        self._careful -= 1
        del self._strikes[entry.position]
        self._log.unforeseen(f"message {entry.message.id} cannot be sent", error)
        name = type(error).__name__
        self._refuse([(entry, Receipt(entry.position, f"cannot be sent: {name}: {error}", kind=name))])
        return 1

    def _refill(self) -> None:
        """Read what topics that flow again have left in the outbox."""
        for topic, after in self._queues.hungry():
            entries, upto = self._outbox.read(self.output.name, after, limit=BATCH)
            all_read = upto <= after or upto >= self._after
            self._queues.refill(topic, [e for e in entries if e.position <= self._after], upto, all_read=all_read)

    def _send(self, due: list[Entry]) -> int:
        try:
            accepted = self._give(due)
        except BaseException:
            self._queues.put_back(due)
            raise
        self._queues.put_back(due[accepted:])
        return accepted

    def _book(self, receipts: Sequence[Receipt]) -> None:
        positions = [receipt.position for receipt in receipts if not receipt.error]
        if len(positions) == len(receipts):  # nearly always
            self._fine(self._queues.settled(positions))
            return
        now = time.monotonic()
        fine: list[Entry] = []
        dead_letters: list[tuple[Entry, Receipt]] = []
        for receipt in receipts:
            again = bool(receipt.error) and receipt.retry
            entry = self._queues.answered(receipt.position, again=again, now=now, reason=receipt.error)
            if entry is None:
                continue
            if not receipt.error:
                fine.append(entry)
            elif again:
                self.retried += 1
            else:
                dead_letters.append((entry, replace(receipt, error=redact(receipt.error))))
        self._fine(fine)
        if dead_letters:
            self._refuse(dead_letters)

    def _refuse(self, dead_letters: list[tuple[Entry, Receipt]]) -> None:
        if self.traces is not None:
            for entry, receipt in dead_letters:
                self.traces.answered(self.output.name, entry, self._outbox.age(entry.made), receipt.error)
        instead = self._dead_letters.refuse(dead_letters)
        if instead:
            self._queues.put_back(instead)

    def _fine(self, entries: list[Entry]) -> None:
        if entries:
            self._measure(entries)
            positions = list(map(_POSITION, entries))
            self.acknowledged += len(positions) - self._dead_letters.arrived(positions)
            self._outbox.ack(self.output.name, positions)

    def _measure(self, entries: list[Entry]) -> None:
        """Those that were stored together have waited equally long: one observation for all of them."""
        ages = {}
        for made, count in Counter(map(_MADE, entries)).items():
            age = ages[made] = self._outbox.age(made)
            if age is not None:
                self.latency.observe(age, count)
        if self.traces is not None:
            for entry in entries:
                self.traces.answered(self.output.name, entry, ages[entry.made])

    def _watch(self) -> None:
        """Log when the output or one of its topics goes away and when it is back."""
        now = time.monotonic()
        self._dead_letters.tell(now)
        self._log.state(self.output.status.error, self._queues.changes(now))

    @property
    def last_error(self) -> str:
        """What stands in the way: of the sender, the output, or one of its topics."""
        return self.error or self.output.status.error or self._queues.last_error

    def _failed(self, error: str, wait: float, unforeseen: Exception | None = None) -> None:
        """The output failed in a way it should not: begin anew with it after a while; nothing is lost."""
        self.error = error
        self._log.failure(error, unforeseen)
        now = time.monotonic()
        try:
            self._book(self.output.close(0.0))
        except Exception:
            log.debug("output '%s': error while closing", self.output.name, exc_info=True)
        for position in sorted(self._queues.in_flight):
            self._queues.answered(position, again=True, now=now)
        limit = self._stop_at if self._stop_at is not None else now + wait
        while time.monotonic() < min(now + wait, limit):
            self._wake.wait(0.1)
            limit = self._stop_at if self._stop_at is not None else limit
        try:
            self.output.open()
        except Exception as failure:
            self.error = str(failure)

    def _finish(self) -> None:
        self._dead_letters.tell(time.monotonic(), last=True)
        rest = max(0.2, (self._stop_at or 0.0) - time.monotonic())
        try:
            self._book(self.output.close(min(rest, 5.0)))
        except Exception:
            log.exception("output '%s': error while closing", self.output.name)
        self._log.close()
