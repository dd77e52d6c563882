"""Order within one output while parts of it fail. Pure: time is an argument, no threads.

A lane is the messages of one topic. While nothing fails, all lanes flow. Once an entry comes back to be sent again, its lane
stops: what is on its way is waited for, then everything that is not settled is sent again in the old order, the first one
alone, as a probe. Other lanes flow on. So one topic without rights, or a message that is too large, neither holds up the
rest nor lets a later message of its key overtake it.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable

from countline.protocols import Entry

__all__ = ["Lane", "Lanes"]

FIRST_WAIT = 0.1
LONGEST_WAIT = 10.0
MOST_HELD = 50_000
"""Entries of stopped lanes that are kept in memory; beyond that nothing more is read until they flow again."""


class Lane:
    """One topic of one output."""

    __slots__ = ("again", "held", "in_flight", "not_before", "probing", "stopped", "wait")

    def __init__(self) -> None:
        self.in_flight = 0
        self.stopped = False
        self.probing = False
        self.again: list[tuple[int, Entry]] = []
        """Came back; a heap by position."""
        self.held: deque[Entry] = deque()
        """Not sent yet because the lane is stopped; all of them later than those in ``again``."""
        self.not_before = 0.0
        self.wait = FIRST_WAIT


class Lanes:
    """All lanes of one output, and what is on its way."""

    def __init__(self) -> None:
        self._lanes: dict[str | None, Lane] = {}
        self.flying: dict[int, Entry] = {}
        self._kept = 0
        """Entries in ``again`` and ``held`` of all lanes."""

    @property
    def room(self) -> bool:
        """Whether more may be read."""
        return self._kept < MOST_HELD

    @property
    def waiting(self) -> int:
        """Entries that wait here to be sent (again)."""
        return self._kept

    def offer(self, entries: Iterable[Entry]) -> list[Entry]:
        """New entries in order of position; returns those that may be sent now, keeps the rest."""
        if not self._kept and not any(lane.stopped for lane in self._lanes.values()):
            return list(entries)
        free = []
        for entry in entries:
            lane = self._lanes.get(entry.message.topic)
            if lane is not None and (lane.stopped or lane.again or lane.held):
                lane.held.append(entry)
                self._kept += 1
            else:
                free.append(entry)
        return free

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

    def landed(self, position: int, *, again: bool, now: float) -> Entry | None:
        """A receipt came in; returns the entry. ``again``: it must be sent once more."""
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
            return lane.held.popleft()
        return None

    def put_back(self, entries: Iterable[Entry]) -> None:
        """Entries from :meth:`due` that the output did not accept."""
        for entry in entries:
            lane = self._lanes[entry.message.topic]
            heapq.heappush(lane.again, (entry.position, entry))
            lane.probing = False
            self._kept += 1
