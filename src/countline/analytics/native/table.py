"""Track memory: one row ("slot") per object, as a struct of arrays that grows by doubling."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "BLOCKS",
    "FIRST_SEEN_IN_BAND",
    "OUTSIDE",
    "PENDING",
    "UNSEEN",
    "Column",
    "Columns",
    "Layout",
    "Moves",
    "TrackTable",
]

OUTSIDE, PENDING, FIRST_SEEN_IN_BAND, UNSEEN = 0, 1, 2, 3
"""Phase of an object at a line: outside the band; inside, of a known side; inside since its first sighting near the line (so that where
it came from is unknown); not looked at yet."""


class Column(NamedTuple):
    """What is kept of each object for each rule of a kind."""

    dtype: Any
    fresh: Any
    """Value for a new track."""


Columns = Mapping[str, Column]

BLOCKS: Mapping[str, Columns] = {
    "line": {
        "phase": Column(np.int8, UNSEEN),
        "net": Column(np.int8, 0),
        "begun": Column(np.bool_, False),
        "passed": Column(np.float32, np.nan),
        "entry": Column(np.complex128, np.nan),
    },
    "area": {"inside": Column(np.bool_, False)},
}
"""Columns of rules by shape, which are attributes of :class:`TrackTable`."""


class Moves(NamedTuple):
    """Where the rules of a source stood before: for each of them the index that it had, -1 if it is new or changed."""

    kinds: dict[str, list[int]]
    """By kind, among the rules of that kind."""
    shapes: dict[str, list[int]]
    """By shape, among the rules of that shape."""


@dataclass(frozen=True)
class Layout:
    """How wide a table is."""

    lines: int = 0
    segments: int = 0
    areas: int = 0
    history: int = 1
    """Boxes that are kept of each object."""
    own: Mapping[str, tuple[Columns, int]] = field(default_factory=dict)
    """Kind of rule -> its own columns, and the number of its rules."""


class TrackTable:
    """State of all live objects of all sources.

    Memory per object is fixed by the number of rules, whatever its age. ``history`` holds a box every few frames
    over the longest time window of any rule.
    """

    def __init__(self, layout: Layout, capacity: int = 64) -> None:
        n = self.capacity = capacity
        self.layout = layout
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
        """Its safe region (see ``safe_region``): bounds of its box, normalised, within which no line or area has news of it."""
        self.looked = np.zeros(n, np.int64)
        """Class as which it was looked at last: what an area thinks of an object may change with its class."""
        self.confidence = np.zeros(n, np.float32)
        self.left = np.zeros((n, layout.segments), bool)
        """Whether it was on the left-hand side of each segment's line."""
        lines = layout.lines
        self.phase = np.full((n, lines), UNSEEN, np.int8)
        self.net = np.zeros((n, lines), np.int8)
        """Passages of the line since it was last outside the band, to the left minus to the right."""
        self.begun = np.zeros((n, lines), bool)
        """Whether it was first seen so far within the band that its side was not known."""
        self.passed = np.full((n, lines), np.nan, np.float32)
        """Distance from the line's end, in picture heights, at which it last passed beyond it; NaN: it did not."""
        self.entry = np.full((n, lines), np.nan, np.complex128)
        """Where it last was before it came into the band, or was first seen in its outer half: x + iy, in picture heights."""
        self.inside = np.zeros((n, layout.areas), bool)
        self.sample_clock = np.zeros((n, layout.history), np.int64)
        self.sample_box = np.zeros((n, layout.history, 4))
        self.samples = np.zeros(n, np.int64)
        """How many samples have been taken; sample i stands at index i modulo the length of the history."""
        self.own: dict[str, dict[str, NDArray[Any]]] = {
            kind: {name: np.full((n, width), column.fresh, column.dtype) for name, column in columns.items()}
            for kind, (columns, width) in layout.own.items()
        }
        """Kind of rule -> its own columns by name, each (slots, rules)."""
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
        self.left[slots] = True  # as padding is for everybody; the rest is known when it is looked at
        self.phase[slots] = UNSEEN
        self.net[slots] = 0
        self.begun[slots] = False
        self.passed[slots] = np.nan
        self.entry[slots] = np.nan
        self.inside[slots] = False
        for kind, (columns, _) in self.layout.own.items():
            for name, column in columns.items():
                self.own[kind][name][slots] = column.fresh
        self.samples[slots] = 0
        return slots

    def release(self, slots: list[int]) -> None:
        """Give slots back."""
        self._free.extend(slots)

    def _grow(self) -> None:
        old = self.capacity
        for name, array in self._arrays().items():
            setattr(self, name, np.concatenate([array, np.zeros_like(array)]))
        for block in self.own.values():
            for name, array in block.items():
                block[name] = np.concatenate([array, np.zeros_like(array)])
        self.capacity = 2 * old
        self._free = list(range(self.capacity - 1, old - 1, -1)) + self._free

    def _arrays(self) -> dict[str, NDArray[Any]]:
        return {name: value for name, value in vars(self).items() if isinstance(value, np.ndarray)}

    def row(self, slot: int) -> dict[str, Any]:
        """A copy of all that is known of one object, by column; columns of a kind of rules as 'kind.column'."""
        found = {name: array[slot].copy() for name, array in self._arrays().items()}
        for kind, block in self.own.items():
            for name, array in block.items():
                found[f"{kind}.{name}"] = array[slot].copy()
        return found

    def relayout(self, layout: Layout) -> TrackTable:
        """A table of another layout with the same rows. Columns per rule stay at their index; ``left`` is
        to be computed anew if the number of segments is another. ``self`` is not to be used for new rows afterwards."""
        wide = TrackTable(layout, self.capacity)
        wide._free = self._free
        for name, array in self._arrays().items():
            target = getattr(wide, name)
            if name.startswith("sample") or name in ("low", "high"):
                continue  # under other rules nobody is in a safe region
            if array.ndim == 1 or name == "box":
                target[...] = array
            else:
                _copy_columns(array, target)
        for kind, block in self.own.items():
            for name, array in block.items():
                if kind in wide.own:
                    _copy_columns(array, wide.own[kind][name])
        self._keep_samples(wide)
        return wide

    def _keep_samples(self, wide: TrackTable) -> None:
        """Copy the latest samples of the history, as many as fit."""
        size, space = self.sample_clock.shape[1], wide.sample_clock.shape[1]
        each = np.arange(self.capacity)
        kept = np.minimum(self.samples, min(size, space))
        wide.samples[:] = kept
        for back in range(min(size, space)):
            source, target = (self.samples - 1 - back) % size, (kept - 1 - back) % space
            wide.sample_clock[each, target] = self.sample_clock[each, source]
            wide.sample_box[each, target] = self.sample_box[each, source]

    def take_columns(self, old: TrackTable, moves: Iterable[tuple[list[int], Moves]]) -> None:
        """Columns per rule from an older table of the same rows, for the slots of each source."""
        for slots, (kinds, shapes) in moves:
            for shape, block in BLOCKS.items():
                for name, column in block.items():
                    _move(getattr(old, name), getattr(self, name), slots, shapes.get(shape, []), column.fresh)
            for kind, (own, _) in self.layout.own.items():
                before = old.own.get(kind, self.own[kind])
                for name, column in own.items():
                    _move(before[name], self.own[kind][name], slots, kinds.get(kind, []), column.fresh)


def _copy_columns(array: NDArray[Any], target: NDArray[Any]) -> None:
    width = min(array.shape[1], target.shape[1])
    target[:, :width] = array[:, :width]


def _move(old: NDArray[Any], new: NDArray[Any], slots: list[int], columns: list[int], fresh: Any) -> None:
    new[slots] = fresh
    for to, come in enumerate(columns):
        if come >= 0:
            new[slots, to] = old[slots, come]
