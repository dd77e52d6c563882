"""Gaps that messages have still to tell of: a crash must not make them forgotten."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from countline.protocols import GapDefinition
from countline.types import Gap

__all__ = ["Untold"]

_NOTHING = Gap(0, 0)


class Untold:
    """Gaps that no message has reported yet, by source.

    Parameters
    ----------
    definitions: gives those that tell of gaps.
    """

    def __init__(self, definitions: Callable[[], Sequence[GapDefinition]]) -> None:
        self._definitions = definitions
        self._known: dict[str, Gap] = {}
        """As the outbox knows it."""

    def begin(self, name: str, gap: Gap) -> None:
        """An earlier run found a gap, and ended before all messages that tell of gaps had told it."""
        self._known[name] = gap
        for definition in self._definitions():
            definition.miss(name, gap)

    def now(self, name: str, found: Gap | None = None) -> Gap | None:
        """The gap that no message has reported yet, where that has changed: for the outbox. An empty gap: none any more."""
        before = self._known.get(name)
        if before is None and found is None:
            return None
        kept: list[Gap | None] = [d.untold(name) for d in self._definitions()]
        now = max((gap for gap in kept if gap is not None), key=lambda gap: gap.missed, default=None)
        if now == before:
            return None
        if now is not None:
            self._known[name] = now
            return now
        del self._known[name]
        return _NOTHING
