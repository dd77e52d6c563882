"""Other rules for an engine that is in use."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import replace

from countline.compat.deepstream.files.nvdsanalytics import NvdsAnalyticsConfig, StreamRules
from countline.compat.deepstream.rules.memory import TrackMemory
from countline.compat.deepstream.rules.stream import StreamState, Totals
from countline.errors import Place
from countline.protocols import RuleSet
from countline.types import RuleInfo

__all__ = ["Replaceable"]


class Replaceable(ABC):
    """The part of the engine that follows :class:`countline.protocols.ReplaceableRules`."""

    config: NvdsAnalyticsConfig
    rules: Sequence[RuleInfo]
    labels: tuple[str, ...]
    ignore_untracked: bool
    memory: TrackMemory
    streams: dict[int, StreamState]
    _totals: dict[tuple[str, str], Totals]
    _indices: dict[str, int]

    @abstractmethod
    def forget(self, source: str) -> None:
        """Drop all that is known of a source's tracks."""

    def take(self, other: RuleSet) -> Sequence[str]:
        """Go on with the rules of another set. Streams whose items are unchanged keep their tracks; of others (of all, where the
        window or the switch is another) everything begins anew but the counts, as when nvdsanalytics is made anew: their names."""
        assert isinstance(other, Replaceable)
        old, new = self.config, other.config
        all_anew = (old.enable, old.window, self.ignore_untracked) != (new.enable, new.window, other.ignore_untracked)
        indices = other._indices
        rebuilt = [
            state.name
            for index, state in self.streams.items()
            if all_anew
            or indices.get(state.name) != index
            or not _same_items(old.streams.get(index), new.streams.get(index))
        ]
        for name in rebuilt:
            self.forget(name)
        self.config, self.rules, self._indices = new, other.rules, indices
        self.labels, self.ignore_untracked = other.labels, other.ignore_untracked
        if all_anew:
            self.memory = other.memory
        return rebuilt

    def renew(self, source: str, rules: Collection[str]) -> None:
        """These rules begin anew at a source, at 0; and with them all that is known of its tracks."""
        for label in rules:
            self._totals.pop((source, label), None)
        self.forget(source)

    def close(self, source: str) -> None:
        """A source is gone, and all that is known of it."""
        self.forget(source)
        for place in [place for place in self._totals if place[0] == source]:
            del self._totals[place]


def _same_items(first: StreamRules | None, second: StreamRules | None) -> bool:
    """Whether two versions of a stream's rules say the same, wherever in their files it stands."""
    if first is None or second is None:
        return first is second
    return _content(first) == _content(second)


def _content(rules: StreamRules) -> list[object]:
    items = [*rules.rois, *rules.crowding, *rules.lines, *rules.directions]
    return [rules.width, rules.height, *(replace(item, place=Place()) for item in items)]
