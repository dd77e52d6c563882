"""Gaps that no message of a definition has reported yet."""

from __future__ import annotations

import copy

from countline.types import Analytics, Gap

__all__ = ["Missed"]


class Missed:
    """By source, the gaps since the last message of one definition, as one. ``kept`` false: the definition does not tell of
    gaps, or is sent for each of them."""

    def __init__(self, kept: bool) -> None:
        self.kept = kept
        self._gaps: dict[str, Gap] = {}

    def take_over(self, before: Missed) -> None:
        """Go on with the gaps that another has not reported yet."""
        if self.kept:
            self._gaps = dict(before._gaps)

    def add(self, source: str, gap: Gap | None) -> None:
        """Something of a source was missed."""
        if gap is not None and self.kept:
            before = self._gaps.get(source)
            self._gaps[source] = gap if before is None else before.joined(gap)

    def untold(self, source: str) -> Gap | None:
        """The gap that no message has reported yet."""
        return self._gaps.get(source)

    def into(self, analytics: Analytics) -> Analytics:
        """The analytics for a message: with the gap since the last one."""
        gap = self._gaps.get(analytics.frame.source.name) if self.kept else analytics.gap
        if analytics.gap is gap:
            return analytics
        with_gap = copy.copy(analytics)
        with_gap.gap = gap
        return with_gap

    def message_made(self, source: str) -> None:
        """A message was made, which reports the gap: it is forgotten."""
        self._gaps.pop(source, None)
