"""Order within one output while parts of it fail. Pure: time is an argument, no threads.

A queue is the messages of one topic. While nothing fails, all queues flow. Once an entry comes back to be sent again, its queue
stops: what is on its way is waited for, then everything that is not settled is sent again in the old order, the first one
alone, as a probe. Other queues flow on. So one topic without rights, or a message that is too large, neither holds up the
rest nor lets a later message of its key overtake it.

What a stopped queue holds in memory is bounded. Beyond that its messages are left where they are, in the outbox, and read again
when it flows: a topic that is refused for days costs the others nothing.
"""

from __future__ import annotations

import heapq
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from operator import attrgetter

from countline.protocols import Entry

__all__ = ["TopicQueue", "TopicQueues"]

FIRST_WAIT = 0.1
LONGEST_WAIT = 10.0
REPORTED_AFTER = 2.0
"""Seconds after which a queue that stands still is reported: what mends itself sooner is nobody's business."""
QUEUE_BYTES = 1 << 20
"""Memory that entries of one stopped queue may take; beyond that they stay in the outbox."""
ALL_BYTES = 32 << 20
"""Memory that those of all stopped queues of an output may take."""
_OVERHEAD = 600
"""Rough cost in bytes of an entry beside key and value."""
_POSITION, _TOPIC = attrgetter("position"), attrgetter("message.topic")


def _size(entry: Entry) -> int:
    message = entry.message
    return _OVERHEAD + len(message.value) + len(message.key or b"")


class TopicQueue:
    """One topic of one output."""

    __slots__ = (
        "again",
        "bytes",
        "held",
        "in_flight",
        "left",
        "not_before",
        "probing",
        "reason",
        "reported",
        "since",
        "stopped",
        "wait",
    )

    def __init__(self) -> None:
        self.in_flight = 0
        self.stopped = False
        self.probing = False
        self.again: list[tuple[int, Entry]] = []
        """Came back; a heap by position."""
        self.held: deque[Entry] = deque()
        """Not sent yet because the queue is stopped; all of them later than those in ``again``."""
        self.bytes = 0
        """Memory of those in ``held``."""
        self.left: int | None = None
        """All entries above this position were left in the outbox; None: none were."""
        self.not_before = 0.0
        self.wait = FIRST_WAIT
        self.since: float | None = None
        """When it was stopped; None while it flows."""
        self.reason = ""
        self.reported = False


class TopicQueues:
    """All queues of one output, and what is on its way."""

    def __init__(self, queue_bytes: int = QUEUE_BYTES, all_bytes: int = ALL_BYTES) -> None:
        self._queue_bytes, self._all_bytes = queue_bytes, all_bytes
        self._bytes = 0
        """Memory of what all queues hold."""
        self._queues: dict[str | None, TopicQueue] = {}
        self.in_flight: dict[int, Entry] = {}
        self._kept = 0
        """Entries in ``again`` and ``held`` of all queues."""

    @property
    def waiting(self) -> int:
        """Entries that wait here to be sent (again)."""
        return self._kept

    @property
    def last_error(self) -> str:
        """Why a queue stands still that has done so for a while; empty if none does."""
        return next((queue.reason for queue in self._queues.values() if queue.reported), "")

    def offer(self, entries: Iterable[Entry]) -> list[Entry]:
        """New entries in order of position; returns those that may be sent now, keeps the rest."""
        if not self._kept and not any(queue.stopped or queue.left is not None for queue in self._queues.values()):
            return list(entries)
        free = []
        for entry in entries:
            queue = self._queues.get(entry.message.topic)
            if queue is not None and (queue.stopped or queue.again or queue.held or queue.left is not None):
                self._hold(queue, entry)
            else:
                free.append(entry)
        return free

    def _hold(self, queue: TopicQueue, entry: Entry) -> None:
        """Keep an entry, or leave it in the outbox: then all later ones of the queue, too."""
        if queue.left is not None:
            return
        size = _size(entry)
        if queue.held and (queue.bytes + size > self._queue_bytes or self._bytes + size > self._all_bytes):
            queue.left = entry.position - 1
            return
        queue.held.append(entry)
        queue.bytes += size
        self._bytes += size
        self._kept += 1

    def hungry(self) -> list[tuple[str | None, int]]:
        """(topic, position) of queues that flow and have nothing more in memory: above the position there is more in the outbox.
        To be read and given to :meth:`refill`."""
        return [
            (topic, queue.left)
            for topic, queue in self._queues.items()
            if queue.left is not None and not queue.stopped and not queue.held and not queue.again
        ]

    def refill(self, topic: str | None, entries: Iterable[Entry], upto: int, *, all_read: bool) -> None:
        """What was read of a queue that had left entries in the outbox: those of any topic up to position ``upto``, in order.
        ``all_read``: nothing that was offered lies above."""
        queue = self._queues[topic]
        queue.left = None if all_read else upto
        for entry in entries:
            if entry.message.topic == topic and entry.position not in self.in_flight:
                queue.held.append(entry)
                queue.bytes += _size(entry)
                self._bytes += _size(entry)
                self._kept += 1

    def sent(self, entries: Sequence[Entry]) -> None:
        """The output has accepted these."""
        self.in_flight.update(zip(map(_POSITION, entries), entries))
        for topic, count in Counter(map(_TOPIC, entries)).items():
            self._queues.setdefault(topic, TopicQueue()).in_flight += count

    def answered(self, position: int, *, again: bool, now: float, reason: str = "") -> Entry | None:
        """A receipt came in; returns the entry. ``again``: it must be sent once more, because of ``reason``."""
        entry = self.in_flight.pop(position, None)
        if entry is None:
            return None
        queue = self._queues[entry.message.topic]
        queue.in_flight -= 1
        if again:
            heapq.heappush(queue.again, (position, entry))
            self._kept += 1
            if not queue.stopped or queue.probing:
                queue.stopped, queue.probing = True, False
                queue.reason = reason
                if queue.since is None:
                    queue.since = now
                queue.not_before = now + queue.wait
                queue.wait = min(queue.wait * 2, LONGEST_WAIT)
        elif queue.probing:
            queue.probing = queue.stopped = False
            queue.wait = FIRST_WAIT
        return entry

    def settled(self, positions: Iterable[int]) -> list[Entry]:
        """Good receipts for these: as :meth:`answered` for each; returns the entries of those that were on their way."""
        pop = self.in_flight.pop
        known = [entry for position in positions if (entry := pop(position, None)) is not None]
        for topic, count in Counter(map(_TOPIC, known)).items():
            queue = self._queues[topic]
            queue.in_flight -= count
            if queue.probing:
                queue.probing = queue.stopped = False
                queue.wait = FIRST_WAIT
        return known

    def due(self, now: float, limit: int) -> list[Entry]:
        """Entries to send now out of queues that were stopped: a probe, or what was held behind one that went well. They must
        be given to the output in this order; what it does not accept goes to :meth:`put_back`."""
        out: list[Entry] = []
        for queue in self._queues.values():
            if queue.stopped and not queue.probing and queue.in_flight == 0 and now >= queue.not_before:
                entry = self._first(queue)
                if entry is None:
                    queue.stopped = False
                else:
                    queue.probing = True
                    out.append(entry)
            elif not queue.stopped:
                while (queue.again or queue.held) and len(out) < limit:
                    entry = self._first(queue)
                    assert entry is not None
                    out.append(entry)
        return out

    def _first(self, queue: TopicQueue) -> Entry | None:
        if queue.again:
            self._kept -= 1
            return heapq.heappop(queue.again)[1]
        if queue.held:
            self._kept -= 1
            entry = queue.held.popleft()
            queue.bytes -= _size(entry)
            self._bytes -= _size(entry)
            return entry
        return None

    def changes(self, now: float) -> list[tuple[str | None, str, float]]:
        """(topic, reason, since how many seconds) of queues that have stood still for a while, and of those that flow again (then
        the reason is empty): each change once."""
        found = []
        for topic, queue in self._queues.items():
            if queue.since is None:
                continue
            if queue.stopped and not queue.reported and now - queue.since >= REPORTED_AFTER:
                queue.reported = True
                found.append((topic, queue.reason or "refused", now - queue.since))
            elif not queue.stopped and not queue.again:
                if queue.reported:
                    found.append((topic, "", now - queue.since))
                queue.since, queue.reported, queue.reason = None, False, ""
        return found

    def put_back(self, entries: Iterable[Entry]) -> None:
        """Entries from :meth:`due` that the output did not accept, or that are to be sent in the stead of such as have answered."""
        for entry in entries:
            queue = self._queues.setdefault(entry.message.topic, TopicQueue())
            heapq.heappush(queue.again, (entry.position, entry))
            queue.probing = False
            self._kept += 1
