"""Windows of event time, of which ``on: interval`` tells. Re-exported by ``countline.types``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from countline._counters import CounterKey

__all__ = ["Window"]


@dataclass(frozen=True, slots=True)
class Window:
    """What was counted at one source from ``start`` (included) to ``end`` (excluded), ns since the Unix epoch. Counts are sums
    over the frames, so a reset within the window takes nothing away."""

    start: int
    end: int
    counts: Mapping[CounterKey, int]
    complete: bool = True
    """False where frames were seen for a part of it only: the first window of a run, and the last."""

    def count(self, rule: str, counter: str | None = None, class_name: str | None = None) -> int:
        """How often a rule counted; one of its counters only (``in``, ``enter``, ``A>B`` …), or one class."""
        return sum(
            n
            for key, n in self.counts.items()
            if key.rule == rule and counter in (None, key.counter) and class_name in (None, key.class_name)
        )

    @property
    def seconds(self) -> float:
        """Length; not always the interval's: days on which the clocks change are longer or shorter."""
        return (self.end - self.start) / 1e9
