"""How high things of a class are by where they are in the picture, learned while running.

To a camera above the ground one who walks away becomes smaller as he rises in the picture: along a level ground heights go evenly with
the place (Hoiem, Efros and Hebert, "Putting Objects in Perspective", IJCV 2008, of the feet; so they do with the upper edge, which
is seen when feet are hidden). It is a line through what was seen, by least squares, where what is long ago weighs less, and
what is not known yet is that all are of one height.
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["Perspective"]

KEEPS = 1.0 - 1.0 / 5000.0
"""Part of its weight that what was seen keeps with each height that is learned: the last few thousand tell."""
PRIOR = 50.0
"""Heights that would have to be seen as far up or down as they are high to outweigh that all are of one height."""
LEAST = 0.25
"""Part of the middle height below which nothing is expected, up at the horizon and beyond it."""
SPAN = 4.0
"""How many times as high, or as low, somebody may become by where he is."""


class Perspective:
    """Of one class, for one source."""

    __slots__ = ("_count", "_high", "_highs", "_product", "_slope", "_square", "_top", "_tops")

    def __init__(self) -> None:
        self._count = self._tops = self._highs = self._square = self._product = 0.0
        self._top = self._high = self._slope = 0.0

    def learn(self, top: float, high: float) -> None:
        """A box that was seen whole: its upper edge and its height, pixels."""
        self._count = self._count * KEEPS + 1.0
        self._tops = self._tops * KEEPS + top
        self._highs = self._highs * KEEPS + high
        self._square = self._square * KEEPS + top * top
        self._product = self._product * KEEPS + top * high
        self._top, self._high = self._tops / self._count, self._highs / self._count
        spread = self._square - self._tops * self._top
        self._slope = (self._product - self._tops * self._high) / (spread + PRIOR * self._high * self._high)

    def scaled(self, seen: Iterable[tuple[float, float]], here: float) -> list[float]:
        """Heights of somebody, with the upper edge that he had with each, as they are with the upper edge ``here``, pixels."""
        high, slope, middle, least = self._high, self._slope, self._top, LEAST * self._high
        if not slope:
            return [height for height, _ in seen]
        now = max(high + slope * (here - middle), least)
        ratios = [(height, now / max(high + slope * (there - middle), least)) for height, there in seen]
        return [height * min(max(ratio, 1.0 / SPAN), SPAN) for height, ratio in ratios]
