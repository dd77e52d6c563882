"""Durations in fixed buckets, at a price that every frame can pay."""

from __future__ import annotations

from bisect import bisect_left
from typing import NamedTuple

__all__ = ["BOUNDS", "Distribution", "Histogram"]

BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0)
"""Upper ends of the buckets in seconds: from the pause of one commit to an hour without a broker."""


class Distribution(NamedTuple):
    """What a histogram held at one moment."""

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    """By bucket, not added up; the last is of what lies above all bounds."""
    total: float
    """Sum of all values."""

    @property
    def number(self) -> int:
        """How many values there were."""
        return sum(self.counts)

    def __add__(self, other: object) -> Distribution:
        """Both together; of the same bounds."""
        if not isinstance(other, Distribution) or other.bounds != self.bounds:
            return NotImplemented
        counts = tuple(a + b for a, b in zip(self.counts, other.counts))
        return Distribution(self.bounds, counts, self.total + other.total)


class Histogram:
    """Counts values by bucket. One thread at a time observes, any thread reads.

    >>> ages = Histogram((0.1, 1.0))
    >>> for seconds in (0.1, 0.2, 5.0):
    ...     ages.observe(seconds)
    >>> ages.read().counts
    (1, 1, 1)
    """

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...] = BOUNDS) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float, times: int = 1) -> None:
        """A value came, so many times. A bound belongs to the bucket below it; less than nothing counts as nothing."""
        if value < 0.0:
            value = 0.0
        self.counts[bisect_left(self.bounds, value)] += times
        self.total += value * times

    def read(self) -> Distribution:
        """As it is now."""
        return Distribution(self.bounds, tuple(self.counts), self.total)
