"""A set of positions held as closed intervals. Pure."""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Iterable, Iterator

import numpy as np

__all__ = ["END", "Intervals"]

_PLAIN = 64
_PACKED = struct.pack("<q", -1)
"""No position is negative."""
END = 2**62
"""A position that no message ever gets."""


class Intervals:
    """Positions as ascending, disjoint, non-adjacent closed intervals: small as long as what is done is done mostly in
    order.

    >>> done = Intervals()
    >>> done.add_many([3, 1, 2, 7])
    4
    >>> list(done), done.low, 7 in done, 5 in done
    ([(1, 3), (7, 7)], 3, True, False)
    """

    __slots__ = ("_his", "_los")

    def __init__(self, intervals: Iterable[tuple[int, int]] = ()) -> None:
        self._los: list[int] = []
        self._his: list[int] = []
        for lo, hi in intervals:
            self.add(lo, hi)

    def add(self, lo: int, hi: int) -> int:
        """Add lo..hi, both included; returns how many of them were new."""
        if lo > hi:
            return 0
        his, los = self._his, self._los
        if not his or lo > his[-1] + 1:
            los.append(lo)
            his.append(hi)
            return hi - lo + 1
        if lo >= los[-1]:
            new = max(0, hi - max(his[-1], lo - 1))
            his[-1] = max(his[-1], hi)
            return new
        new = hi - lo + 1 - self.overlap(lo, hi)
        left = bisect_right(his, lo - 2)  # first interval that ends at lo - 1 or later
        right = bisect_right(los, hi + 1)  # one past the last that begins at hi + 1 or earlier
        if left < right:
            lo, hi = min(lo, los[left]), max(hi, his[right - 1])
        los[left:right] = [lo]
        his[left:right] = [hi]
        return new

    def add_many(self, positions: Iterable[int]) -> int:
        """Add single positions in any order; returns how many were new."""
        new = 0
        lo, hi = 0, -1
        following = 0  # hi + 1, once there is one
        for position in sorted(positions):
            if position == following:  # mostly: what is done is done in runs
                hi = position
                following += 1
            elif position != hi:
                new += self.add(lo, hi)
                lo = hi = position
                following = position + 1
        return new + self.add(lo, hi)

    def clip(self, last: int) -> None:
        """Forget all above ``last``."""
        while self._los and self._los[-1] > last:
            self._los.pop()
            self._his.pop()
        if self._his:
            self._his[-1] = min(self._his[-1], last)

    @property
    def low(self) -> int:
        """The highest position up to which nothing is missing (positions begin at 1); 0 if 1 is missing."""
        return self._his[0] if self._los and self._los[0] <= 1 else 0

    @property
    def high(self) -> int:
        """The highest position in the set; 0 for an empty set."""
        return self._his[-1] if self._his else 0

    def overlap(self, lo: int, hi: int) -> int:
        """How many of lo..hi are in the set."""
        count = 0
        for i in range(bisect_right(self._his, lo - 1), len(self._los)):
            if self._los[i] > hi:
                break
            count += min(hi, self._his[i]) - max(lo, self._los[i]) + 1
        return count

    def __contains__(self, position: int) -> bool:
        if not self._his or position > self._his[-1]:
            return False
        i = bisect_right(self._los, position) - 1
        return i >= 0 and position <= self._his[i]

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter(list(zip(self._los, self._his)))

    def __len__(self) -> int:
        """Number of intervals."""
        return len(self._los)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Intervals) and self._los == other._los and self._his == other._his

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Intervals({list(self)!r})"

    def __and__(self, other: Intervals) -> Intervals:
        """Positions in both."""
        both = Intervals()
        i = j = 0
        while i < len(self._los) and j < len(other._los):
            both.add(max(self._los[i], other._los[j]), min(self._his[i], other._his[j]))
            if self._his[i] < other._his[j]:
                i += 1
            else:
                j += 1
        return both

    def pack(self) -> bytes:
        """As bytes: pairs of 64-bit numbers; where they are many, behind a mark the steps between them in as few bytes as the
        widest of them needs."""
        count = len(self._los)
        if count <= _PLAIN:
            return struct.pack(f"<{2 * count}q", *[n for pair in zip(self._los, self._his) for n in pair])
        ends = np.empty(2 * count, np.int64)
        ends[::2], ends[1::2] = self._los, self._his
        steps = np.diff(ends, prepend=0)
        width = next(w for w in (1, 2, 4, 8) if int(steps.max()) < 1 << (8 * w - 1))
        return _PACKED + bytes([width]) + steps.astype(f"<i{width}").tobytes()

    @classmethod
    def unpack(cls, data: bytes) -> Intervals:
        """Inverse of :meth:`pack`. Raises ValueError for what is none."""
        numbers: list[int]
        if data.startswith(_PACKED):
            width = data[len(_PACKED)] if len(data) > len(_PACKED) else 0
            if width not in (1, 2, 4, 8):
                raise ValueError("no positions")
            numbers = np.cumsum(np.frombuffer(data, f"<i{width}", offset=len(_PACKED) + 1), dtype=np.int64).tolist()
        else:
            numbers = list(struct.unpack(f"<{len(data) // 8}q", data))
        return cls(zip(numbers[::2], numbers[1::2]))
