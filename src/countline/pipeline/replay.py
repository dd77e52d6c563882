"""A source that goes on from a seam: what is gone through again without being sent leads to what is stored."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from countline.types import CounterDelta, CounterKey

if TYPE_CHECKING:
    from countline.outbox.types import Counted

__all__ = ["Replay"]

State = tuple[Mapping[CounterKey, int], Mapping[tuple[str, str], tuple[int, int]]]
"""Counters, and (epoch, reset_at) by (source, rule): what :meth:`countline.protocols.RuleSet.restore` takes."""


class Replay:
    """The counters at each seam on the way are those that were stored there: of who was in the picture at the first one not all is
    known, so that what is counted again may be less.

    Parameters
    ----------
    states: in order; the last is where what is sent begins.
    """

    def __init__(self, states: Sequence[Counted]) -> None:
        self._states = deque(states)
        self._zeros: dict[CounterKey, int] = {}

    def see(self, deltas: Sequence[CounterDelta]) -> None:
        """What is counted again. A counter that is not stored was 0."""
        for key, _ in deltas:
            self._zeros[key] = 0

    def due(self, number: int) -> State | None:
        """What the counters are to be before the frame with this number; None: as they are."""
        found = None
        while self._states and self._states[0].number <= number:
            found = self._states.popleft()
        return None if found is None else ({**self._zeros, **found.counters}, found.resets)
