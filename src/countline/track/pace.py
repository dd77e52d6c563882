"""Whether a source is slow, by what comes of it."""

from __future__ import annotations

from collections import deque

__all__ = ["Pace"]

_SLOW = 160_000_000
"""ns between frames from which a source is slow: six frames a second."""
_QUICK = 130_000_000
"""The same, below which one that was slow is no longer: what lies between is left as it is."""
_LAST = 9
"""Intervals of which the middle one counts."""


class Pace:
    """Pure: the times come with the frames. ``step`` is the interval that is known beforehand, ns; 0: none."""

    def __init__(self, step: int) -> None:
        self.slow = step >= _SLOW
        self._gaps: deque[int] = deque([step] * (_LAST // 2) if step else (), maxlen=_LAST)
        self._long = [sum(gap >= limit for gap in self._gaps) for limit in (_QUICK, _SLOW)]
        """How many of them are of either limit at least: the middle one is, if half of them are."""

    def changes(self, gap: int) -> bool:
        """A frame came ``gap`` ns after the one before. Whether the source is slow now, and was not, or the other way round."""
        gaps, long = self._gaps, self._long
        gone = gaps[0] if len(gaps) == _LAST else 0
        gaps.append(gap)
        long[0] += (gap >= _QUICK) - (gone >= _QUICK)
        long[1] += (gap >= _SLOW) - (gone >= _SLOW)
        slow = 2 * (long[0] if self.slow else long[1]) >= len(gaps)
        changed, self.slow = slow != self.slow, slow
        return changed

    @property
    def step(self) -> int:
        """The middle interval, ns."""
        return sorted(self._gaps)[len(self._gaps) // 2] if self._gaps else 0
