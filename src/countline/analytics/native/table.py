"""Track memory: one row ("slot") per object, as a struct of arrays that grows by doubling."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["ARMED", "BORN", "NEW", "OUTSIDE", "TrackTable"]

OUTSIDE, ARMED, BORN, NEW = 0, 1, 2, 3
"""Where an object is with respect to a line: outside the band; inside, come from outside; inside since its first
sighting (so that where it came from is unknown); not looked at yet."""


class TrackTable:
    """State of all live objects of all sources.

    Memory per object is fixed by the number of rules, whatever its age. ``history`` holds a box every few frames
    over the longest time window of any rule.
    """

    def __init__(
        self, lines: int, segments: int, regions: int, headings: int, speeds: int, history: int, capacity: int = 64
    ) -> None:
        n = self.capacity = capacity
        self.track_id = np.zeros(n, np.uint64)
        self.class_id = np.zeros(n, np.int64)
        self.frames = np.zeros(n, np.int64)
        """Frames in which the object was seen, as of when ``clock`` was written."""
        self.base = np.zeros(n, np.int64)
        """Of an object in the picture: frames of its source less those in which it was seen."""
        self.clock = np.zeros(n, np.int64)
        """When it was last seen on the source's steady clock, ns."""
        self.number = np.zeros(n, np.int64)
        """Frame number of that."""
        self.time = np.zeros(n, np.int64)
        """Capture time of that, ns since the epoch."""
        self.first = np.zeros(n, np.int64)
        """Frame number in which it was first seen."""
        self.first_time = np.zeros(n, np.int64)
        self.box = np.zeros((n, 4))
        """Last box, normalised."""
        self.low = np.full((n, 4), np.inf)
        self.high = np.full((n, 4), -np.inf)
        """Its calm zone (see ``calm``): bounds of its box, normalised, within which no line or region has news of it."""
        self.looked = np.zeros(n, np.int64)
        """Class as which it was looked at last: what a region thinks of an object may change with its class."""
        self.confidence = np.zeros(n, np.float32)
        self.left = np.zeros((n, segments), bool)
        """Whether it was on the left-hand side of each segment's line."""
        self.phase = np.full((n, lines), NEW, np.int8)
        self.net = np.zeros((n, lines), np.int8)
        """Passages of the line since it was last outside the band, to the left minus to the right."""
        self.counted = np.zeros((n, lines), bool)
        self.begun = np.zeros((n, lines), bool)
        """Whether it was first seen within the band."""
        self.passed = np.full((n, lines), np.nan, np.float32)
        """Distance from the line's end, in picture heights, at which it last passed beyond it; NaN: it did not."""
        self.entry = np.full((n, lines), np.nan, np.complex128)
        """Where it last was before it came into the band: x + iy, in picture heights."""
        self.inside = np.zeros((n, regions), bool)
        self.heading = np.zeros((n, headings), bool)
        self.speeding = np.zeros((n, speeds), bool)
        self.sample_clock = np.zeros((n, history), np.int64)
        self.sample_box = np.zeros((n, history, 4))
        self.samples = np.zeros(n, np.int64)
        """How many samples have been taken; sample i stands at place i modulo the length of the history."""
        self._free = list(range(n - 1, -1, -1))

    def __len__(self) -> int:
        return self.capacity - len(self._free)

    def allocate(self, count: int) -> list[int]:
        """So many empty slots."""
        while len(self._free) < count:
            self._grow()
        slots = [self._free.pop() for _ in range(count)]
        self.frames[slots] = 0
        self.low[slots] = np.inf
        self.left[slots] = True  # as padding is for everybody; the rest is told when it is looked at
        self.phase[slots] = NEW
        self.net[slots] = 0
        self.counted[slots] = False
        self.begun[slots] = False
        self.passed[slots] = np.nan
        self.entry[slots] = np.nan
        self.inside[slots] = False
        self.heading[slots] = False
        self.speeding[slots] = False
        self.samples[slots] = 0
        return slots

    def release(self, slots: list[int]) -> None:
        """Give slots back."""
        self._free.extend(slots)

    def _grow(self) -> None:
        old = self.capacity
        for name, array in self.arrays().items():
            setattr(self, name, np.concatenate([array, np.zeros_like(array)]))
        self.capacity = 2 * old
        self._free = list(range(self.capacity - 1, old - 1, -1)) + self._free

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All arrays by name."""
        return {name: value for name, value in vars(self).items() if isinstance(value, np.ndarray)}

    def row(self, slot: int) -> dict[str, Any]:
        """A copy of all that is known of one object."""
        return {name: array[slot].copy() for name, array in self.arrays().items()}

    def relayout(self, lines: int, segments: int, regions: int, headings: int, speeds: int, history: int) -> TrackTable:
        """A table with other numbers of columns and the same rows. Columns per rule stay at their index; ``left`` is
        to be computed anew if the number of segments is another. ``self`` is not to be used for new rows afterwards."""
        wide = TrackTable(lines, segments, regions, headings, speeds, history, self.capacity)
        wide._free = self._free
        for name, array in self.arrays().items():
            target = getattr(wide, name)
            if name.startswith("sample") or name in ("low", "high"):
                continue  # under other rules nobody is calm
            if array.ndim == 1 or name == "box":
                target[...] = array
            else:
                width = min(array.shape[1], target.shape[1])
                target[:, :width] = array[:, :width]
        self._keep_samples(wide)
        return wide

    def _keep_samples(self, wide: TrackTable) -> None:
        """Copy the latest samples of the history, as many as fit."""
        size, room = self.sample_clock.shape[1], wide.sample_clock.shape[1]
        each = np.arange(self.capacity)
        kept = np.minimum(self.samples, min(size, room))
        wide.samples[:] = kept
        for back in range(min(size, room)):
            source, target = (self.samples - 1 - back) % size, (kept - 1 - back) % room
            wide.sample_clock[each, target] = self.sample_clock[each, source]
            wide.sample_box[each, target] = self.sample_box[each, source]

    def take_columns(self, old: TrackTable, moves: Iterable[tuple[list[int], Mapping[str, list[int]]]]) -> None:
        """Columns per rule from an older table of the same rows: for the slots of each source, by kind of rule, the old
        index for each new one (-1: a rule that begins anew)."""
        for slots, columns in moves:
            for kind, fields in FIELDS.items():
                for name, fresh in fields.items():
                    new, before = getattr(self, name), getattr(old, name)
                    new[slots] = fresh
                    for to, come in enumerate(columns[kind]):
                        if come >= 0:
                            new[slots, to] = before[slots, come]


FIELDS: dict[str, dict[str, Any]] = {
    "line": {"phase": NEW, "net": 0, "counted": False, "begun": False, "passed": np.nan, "entry": np.nan},
    "region": {"inside": False},
    "direction": {"heading": False},
    "speed": {"speeding": False},
}
"""Columns per rule, with the value they have for a new track."""
