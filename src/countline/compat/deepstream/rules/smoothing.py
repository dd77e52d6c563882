"""Smoothed object counts: for each class the most frequent count of the last window.

Ties go to the first one in the order of libstdc++'s ``unordered_map``, which is reproduced.
"""

from __future__ import annotations

from collections import deque

__all__ = ["ClassCounts"]

_BUCKETS = (13, 29, 59, 127, 257, 541, 1109, 2357, 5087, 10273, 20753, 42043, 85229, 172933, 351061, 712697, 1447153)


class _Histogram:
    """Count -> how often, iterated as a hash map with identity hash and chained buckets would be."""

    __slots__ = ("_grown", "_order", "times")

    def __init__(self) -> None:
        self.times: dict[int, int] = {}
        self._order: list[int] = []
        self._grown = 0

    def add(self, key: int) -> None:
        if key in self.times:
            self.times[key] += 1
            return
        self.times[key] = 1
        if len(self._order) >= _BUCKETS[self._grown]:
            self._grown += 1
            old, self._order = self._order, []
            for known in old:
                self._link(known)
        self._link(key)

    def _link(self, key: int) -> None:
        """To the front of the list, or before the first member of its bucket."""
        size = _BUCKETS[self._grown]
        bucket = key % size
        at = next((i for i, known in enumerate(self._order) if known % size == bucket), 0)
        self._order.insert(at, key)

    def most_frequent(self) -> int:
        times = self.times
        if len(self._order) == 1:
            return self._order[0]
        return max(self._order, key=times.__getitem__)


class _ClassHistory:
    __slots__ = ("histogram", "last", "ordered", "past")

    def __init__(self) -> None:
        self.histogram = _Histogram()
        self.past: deque[tuple[int, int]] = deque()
        """(pts, count), pts ascending while ``ordered``."""
        self.ordered = True
        self.last = -1

    def vote(self, count: int, pts: int, window: int) -> int:
        """Take this frame's count, leave out what is older than ``window`` ms, and return the most frequent count. ``pts``
        is unsigned 64-bit."""
        self.histogram.add(count)
        past, times = self.past, self.histogram.times
        if self.ordered and (not past or past[-1][0] <= pts):
            while past and (pts - past[0][0]) / 1e6 > window:
                times[past.popleft()[1]] -= 1
        else:
            kept = deque[tuple[int, int]]()
            for entry in past:
                if ((pts - entry[0]) % 2**64) / 1e6 > window:
                    times[entry[1]] -= 1
                else:
                    kept.append(entry)
            self.past = past = kept
            times_of = [entry[0] for entry in past]
            self.ordered = all(a < b for a, b in zip(times_of, [*times_of[1:], pts + 1]))
        answer = self.histogram.most_frequent()
        self._store(pts, count)
        self.last = pts
        return answer

    def _store(self, pts: int, count: int) -> None:
        past = self.past
        if self.ordered:
            if past and past[-1][0] == pts:
                past.pop()
        else:
            for at, entry in enumerate(past):
                if entry[0] == pts:
                    past[at] = (pts, count)
                    return
        past.append((pts, count))


class ClassCounts:
    """Smoothed counts of one stream."""

    def __init__(self, window: int) -> None:
        self.window = window
        self._classes: dict[int, _ClassHistory] = {}

    def update(self, raw: dict[int, int], pts: int) -> dict[int, int]:
        """``raw``: objects by class id in this frame. Classes seen before and absent now are voted on with 0, unless they
        were last seen at this very pts."""
        pts %= 2**64
        result = {}
        for class_id, count in raw.items():
            history = self._classes.get(class_id)
            if history is None:
                history = self._classes[class_id] = _ClassHistory()
            result[class_id] = history.vote(count, pts, self.window)
        if len(result) < len(self._classes):
            for class_id, history in self._classes.items():
                if history.last != pts:
                    result[class_id] = history.vote(0, pts, self.window)
        return result
