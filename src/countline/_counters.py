"""Names of cumulative counters. Re-exported by ``countline.types``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import NamedTuple

__all__ = ["CounterDelta", "CounterKey", "RuleIdentity"]


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


class RuleIdentity(NamedTuple):
    """What a rule counts at a source, as it is stored beside its counters: a rule of the same name that counts something else has
    counters of another epoch."""

    digest: str
    """Of its points and conditions; not of its name, nor of how its directions are called."""
    kind: str = ""
    """Of rule, and the names of its counters where the user gave them: other counters cannot go on with its counts."""
    turned: str = ""
    """The digest that it would have with its points in the reverse order; empty where the order says nothing."""
    heading: tuple[float, float] = (0.0, 0.0)
    """From the first point to the last, 0..1 of the picture's width and height; (0, 0) where that says nothing."""
    reset: bool = False
    """Whether its counts begin at 0 when it is changed. No part of the identity."""

    @classmethod
    def of(
        cls,
        kind: str,
        outlines: Mapping[str, Sequence[tuple[float, float]]],
        conditions: str,
        *,
        directed: bool = False,
        reset: bool = False,
    ) -> RuleIdentity:
        """Of a rule with these points (0..1 of the picture) by field. ``directed``: the order of ``points`` is the way it faces."""
        rounded = {name: [(round(x, 9), round(y, 9)) for x, y in outline] for name, outline in outlines.items()}
        points = rounded.get("points", [])
        if not directed or len(points) < 2:
            return cls(_digest(kind, rounded, conditions), kind, reset=reset)
        turned = _digest(kind, rounded | {"points": points[::-1]}, conditions)
        heading = (points[-1][0] - points[0][0], points[-1][1] - points[0][1])
        return cls(_digest(kind, rounded, conditions), kind, turned, heading, reset)

    def faces_away_from(self, other: RuleIdentity) -> bool:
        """Whether what went one way for ``other`` goes the other way here: turned by more than a quarter."""
        if self.turned and self.turned == other.digest:
            return True
        return self.heading[0] * other.heading[0] + self.heading[1] * other.heading[1] < 0


def _digest(*what: object) -> str:
    return blake2b(repr(what).encode(), digest_size=8).hexdigest()
