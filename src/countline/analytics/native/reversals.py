"""A reversal must last: of crossings of one line by one track, which are taken at once, which later, and which never.

A box that flutters (between two false boxes, say) lies on one side of a line, for a few frames on the other, and on the first
again, each time beyond the band. What it does first is taken at once, always. The opposite within ``least`` of what was taken last
waits until ``least`` has passed since then. If the track comes back meanwhile, neither is taken. Else the reversal is taken in the
first frame from then on in which the track is seen. So two that were taken, one against the other, are never less than ``least`` apart;
no crossing is taken more than ``least`` late, while its track is seen; and what was taken in one direction less what was taken in the
other is what it would be without, once nothing waits. A track that is not seen again leaves its reversal untaken.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import NamedTuple

from countline.analytics.native.arrays import Hit

__all__ = ["Reversals"]


class Taken(NamedTuple):
    """The last crossing of a track that was taken."""

    value: float
    """As in a ``Hit``: > 0 to the left-hand side."""
    clock: int
    """When, ns on the source's steady clock."""


class Reversals:
    """The crossings of one line, by slot of the track."""

    def __init__(self, least: int) -> None:
        self.least = least
        """ns for which a reversal must last; 0: each crossing is taken at once."""
        self.waiting: dict[int, list[Hit]] = {}
        """What was done since the last crossing that was taken, net of what cancelled: all one way, against it."""
        self._taken: dict[int, Taken] = {}

    def take(self, slot: int, hit: Hit, clock: int) -> bool:
        """A track has crossed. Whether that is to be told now."""
        waiting, last = self.waiting.get(slot), self._taken.get(slot)
        if waiting:
            if waiting[-1].value == hit.value:  # again the same way, round the end of the line
                waiting.append(hit)
            else:
                waiting.pop()
            if not waiting:
                del self.waiting[slot]
            return False
        # Where time stands still nothing can be said of how long it lasts.
        if last is not None and last.value != hit.value and 0 < clock - last.clock < self.least:
            self.waiting[slot] = [hit]
            return False
        if self.least:
            self._taken[slot] = Taken(hit.value, clock)
        return True

    def due(self, clock: int, present: Collection[int]) -> list[tuple[int, Hit]]:
        """(slot, crossing) of those that have lasted, of tracks that are in the picture now; they are taken."""
        found: list[tuple[int, Hit]] = []
        for slot, hits in list(self.waiting.items()):
            if clock - self._taken[slot].clock >= self.least and slot in present:
                # It passed the line in a frame before, so ahead of whatever it does in this one.
                found += [(slot, replace(hit, along=0.0)) for hit in hits]
                self._taken[slot] = Taken(hits[-1].value, clock)
                del self.waiting[slot]
        return found

    def forget(self, slot: int) -> None:
        """A track is forgotten."""
        self.waiting.pop(slot, None)
        self._taken.pop(slot, None)

    def clear(self) -> None:
        """All tracks are gone."""
        self.waiting.clear()
        self._taken.clear()
