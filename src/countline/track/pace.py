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

    def changes(self, gap: int) -> bool:
        """A frame came ``gap`` ns after the one before. Whether the source is slow now, and was not, or the other way round."""
        self._gaps.append(gap)
        middle = sorted(self._gaps)[len(self._gaps) // 2]
        slow = middle >= (_QUICK if self.slow else _SLOW)
        changed, self.slow = slow != self.slow, slow
        return changed

    @property
    def step(self) -> int:
        """The middle interval, ns."""
        return sorted(self._gaps)[len(self._gaps) // 2] if self._gaps else 0
