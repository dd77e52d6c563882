"""Order within one output while parts of it fail. Pure: time is an argument, no threads.

A lane is the messages of one topic. While nothing fails, all lanes flow. Once an entry comes back to be sent again, its lane
stops: what is on its way is waited for, then everything that is not settled is sent again in the old order, the first one
alone, as a probe. Other lanes flow on. So one topic without rights, or a message that is too large, neither holds up the
rest nor lets a later message of its key overtake it.

What a stopped lane holds in memory is bounded. Beyond that its messages are left where they are, in the outbox, and read again
when it flows: a topic that is refused for days costs the others nothing.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable

from countline.protocols import Entry

__all__ = ["Lane", "Lanes"]

FIRST_WAIT = 0.1
LONGEST_WAIT = 10.0
TOLD_AFTER = 2.0
"""Seconds after which a lane that stands still is told: what mends itself sooner is nobody's business."""
LANE_BYTES = 1 << 20
"""Memory that entries of one stopped lane may take; beyond that they stay in the outbox."""
ALL_BYTES = 32 << 20
"""Memory that those of all stopped lanes of an output may take."""
_OVERHEAD = 600
"""Rough cost in bytes of an entry beside key and value."""


def _size(entry: Entry) -> int:
    message = entry.message
    return _OVERHEAD + len(message.value) + len(message.key or b"")


class Lane:
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
        "since",
        "stopped",
        "told",
        "wait",
    )

    def __init__(self) -> None:
        self.in_flight = 0
        self.stopped = False
        self.probing = False
        self.again: list[tuple[int, Entry]] = []
        """Came back; a heap by position."""
        self.held: deque[Entry] = deque()
        """Not sent yet because the lane is stopped; all of them later than those in ``again``."""
        self.bytes = 0
        """Memory of those in ``held``."""
        self.left: int | None = None
        """All entries above this position were left in the outbox; None: none were."""
        self.not_before = 0.0
        self.wait = FIRST_WAIT
        self.since: float | None = None
        """When it was stopped; None while it flows."""
        self.reason = ""
        self.told = False


class Lanes:
    """All lanes of one output, and what is on its way."""

    def __init__(self, lane_bytes: int = LANE_BYTES, all_bytes: int = ALL_BYTES) -> None:
        self._lane_bytes, self._all_bytes = lane_bytes, all_bytes
        self._bytes = 0
        """Memory of what all lanes hold."""
        self._lanes: dict[str | None, Lane] = {}
        self.flying: dict[int, Entry] = {}
        self._kept = 0
        """Entries in ``again`` and ``held`` of all lanes."""

    @property
    def waiting(self) -> int:
        """Entries that wait here to be sent (again)."""
        return self._kept

    @property
    def trouble(self) -> str:
        """Why a lane stands still that has done so for a while; empty if none does."""
        return next((lane.reason for lane in self._lanes.values() if lane.told), "")

    def offer(self, entries: Iterable[Entry]) -> list[Entry]:
        """New entries in order of position; returns those that may be sent now, keeps the rest."""
        if not self._kept and not any(lane.stopped or lane.left is not None for lane in self._lanes.values()):
            return list(entries)
        free = []
        for entry in entries:
            lane = self._lanes.get(entry.message.topic)
            if lane is not None and (lane.stopped or lane.again or lane.held or lane.left is not None):
                self._hold(lane, entry)
            else:
                free.append(entry)
        return free

    def _hold(self, lane: Lane, entry: Entry) -> None:
        """Keep an entry, or leave it in the outbox: then all later ones of the lane, too."""
        if lane.left is not None:
            return
        size = _size(entry)
        if lane.held and (lane.bytes + size > self._lane_bytes or self._bytes + size > self._all_bytes):
            lane.left = entry.position - 1
            return
        lane.held.append(entry)
        lane.bytes += size
        self._bytes += size
        self._kept += 1

    def hungry(self) -> list[tuple[str | None, int]]:
        """(topic, position) of lanes that flow and have nothing more in memory: above the position there is more in the outbox.
        To be read and given to :meth:`refill`."""
        return [
            (topic, lane.left)
            for topic, lane in self._lanes.items()
            if lane.left is not None and not lane.stopped and not lane.held and not lane.again
        ]

    def refill(self, topic: str | None, entries: Iterable[Entry], upto: int, *, all_read: bool) -> None:
        """What was read of a lane that had left entries in the outbox: those of any topic up to position ``upto``, in order.
        ``all_read``: nothing that was offered lies above."""
        lane = self._lanes[topic]
        lane.left = None if all_read else upto
        for entry in entries:
            if entry.message.topic == topic and entry.position not in self.flying:
                lane.held.append(entry)
                lane.bytes += _size(entry)
                self._bytes += _size(entry)
                self._kept += 1

    def sent(self, entries: Iterable[Entry]) -> None:
        """The output has accepted these."""
        lanes = self._lanes
        for entry in entries:
            topic = entry.message.topic
            lane = lanes.get(topic)
            if lane is None:
                lane = lanes[topic] = Lane()
            lane.in_flight += 1
            self.flying[entry.position] = entry

    def landed(self, position: int, *, again: bool, now: float, reason: str = "") -> Entry | None:
        """A receipt came in; returns the entry. ``again``: it must be sent once more, because of ``reason``."""
        entry = self.flying.pop(position, None)
        if entry is None:
            return None
        lane = self._lanes[entry.message.topic]
        lane.in_flight -= 1
        if again:
            heapq.heappush(lane.again, (position, entry))
            self._kept += 1
            if not lane.stopped or lane.probing:
                lane.stopped, lane.probing = True, False
                lane.reason = reason
                if lane.since is None:
                    lane.since = now
                lane.not_before = now + lane.wait
                lane.wait = min(lane.wait * 2, LONGEST_WAIT)
        elif lane.probing:
            lane.probing = lane.stopped = False
            lane.wait = FIRST_WAIT
        return entry

    def settled(self, positions: Iterable[int]) -> list[int]:
        """Good receipts for these: as :meth:`landed` for each; returns those that were on their way."""
        flying, lanes = self.flying, self._lanes
        known = []
        for position in positions:
            entry = flying.pop(position, None)
            if entry is None:
                continue
            lane = lanes[entry.message.topic]
            lane.in_flight -= 1
            if lane.probing:
                lane.probing = lane.stopped = False
                lane.wait = FIRST_WAIT
            known.append(position)
        return known

    def due(self, now: float, limit: int) -> list[Entry]:
        """Entries to send now out of lanes that were stopped: a probe, or what was held behind one that went well. They must
        be given to the output in this order; what it does not accept goes to :meth:`put_back`."""
        out: list[Entry] = []
        for lane in self._lanes.values():
            if lane.stopped and not lane.probing and lane.in_flight == 0 and now >= lane.not_before:
                entry = self._first(lane)
                if entry is None:
                    lane.stopped = False
                else:
                    lane.probing = True
                    out.append(entry)
            elif not lane.stopped:
                while (lane.again or lane.held) and len(out) < limit:
                    entry = self._first(lane)
                    assert entry is not None
                    out.append(entry)
        return out

    def _first(self, lane: Lane) -> Entry | None:
        if lane.again:
            self._kept -= 1
            return heapq.heappop(lane.again)[1]
        if lane.held:
            self._kept -= 1
            entry = lane.held.popleft()
            lane.bytes -= _size(entry)
            self._bytes -= _size(entry)
            return entry
        return None

    def changes(self, now: float) -> list[tuple[str | None, str, float]]:
        """(topic, reason, since how many seconds) of lanes that have stood still for a while, and of those that flow again (then
        the reason is empty): each change once."""
        found = []
        for topic, lane in self._lanes.items():
            if lane.since is None:
                continue
            if lane.stopped and not lane.told and now - lane.since >= TOLD_AFTER:
                lane.told = True
                found.append((topic, lane.reason or "refused", now - lane.since))
            elif not lane.stopped and not lane.again:
                if lane.told:
                    found.append((topic, "", now - lane.since))
                lane.since, lane.told, lane.reason = None, False, ""
        return found

    def put_back(self, entries: Iterable[Entry]) -> None:
        """Entries from :meth:`due` that the output did not accept, or that are to be sent in the stead of such as have landed."""
        for entry in entries:
            lane = self._lanes.setdefault(entry.message.topic, Lane())
            heapq.heappush(lane.again, (entry.position, entry))
            lane.probing = False
            self._kept += 1
