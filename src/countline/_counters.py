"""Names of cumulative counters. Re-exported by ``countline.types``."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["CounterDelta", "CounterKey"]


class CounterKey(NamedTuple):
    """Identity of one cumulative counter. Sums over classes and directions are derived, never stored."""

    source: str
    rule: str
    counter: str
    """'in' / 'out' (or the user's names) for lines, 'enter' / 'leave' for regions, 'A>B' for journeys, 'total' where
    the engine knows no direction."""
    class_name: str


class CounterDelta(NamedTuple):
    """A counter grew by ``amount`` in this frame."""

    key: CounterKey
    amount: int
