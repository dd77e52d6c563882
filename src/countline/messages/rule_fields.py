"""Fields of the states of rules. They follow from the dataclasses: a new field of a state is a field of messages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from operator import attrgetter, itemgetter
from typing import Any

from countline.analytics.native.kinds import state_types
from countline.config.rules import rule_models
from countline.messages.scope import Scope
from countline.messages.shape import INTEGER, STRING
from countline.messages.table import Entry, Group, Loop, entries_of, item_fields
from countline.types import Analytics, DirectionState, LineState, RegionState

__all__ = ["GROUPS", "further_groups", "journeys"]


def _states_of(key: str) -> Callable[[Analytics], Mapping[str, Any]]:
    return lambda a: a.states.get(key, {})


def further_groups() -> Iterable[Group]:
    """Of kinds of rules that bring their states with them."""
    models = rule_models()
    for key, state in state_types().items():
        yield Group(key, models[key].kind, entries_of(state), state(), _states_of(key))


GROUPS: tuple[Group, ...] = (
    Group("lines", "line", entries_of(LineState), LineState(), attrgetter("lines"), counted=True),
    Group("regions", "region", entries_of(RegionState), RegionState(), attrgetter("regions")),
    Group(
        "directions",
        "direction",
        entries_of(DirectionState),
        DirectionState(),
        attrgetter("directions"),
        alone="current",
    ),
    *further_groups(),
)


def _pairs(s: Scope) -> Iterable[tuple[str, tuple[str, str, int]]]:
    for name, matrix in s.analytics.journeys.items():
        for pair, count in matrix.items():
            origin, _, destination = pair.partition(">")
            yield name, (origin, destination, count)


def journeys() -> Loop:
    """Over all pairs of all journeys, whose states are matrices: 'A>B' -> count."""
    entries = (
        Entry("origin", STRING, itemgetter(0)),
        Entry("destination", STRING, itemgetter(1)),
        Entry("cumulative", INTEGER, itemgetter(2)),
    )
    return Loop(_pairs, item_fields("journeys", entries))
