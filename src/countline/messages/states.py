"""Fields of messages that kinds of rules bring with them: of their states, and of their events. What there is follows from
the dataclasses; see ``countline.analytics.native.kind``."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, get_type_hints

from countline.analytics.native.kinds import event_types, state_types
from countline.config.rules import RULE_KEYS
from countline.messages.scope import Scope
from countline.messages.shape import BOOLEAN, INTEGER, NUMBER, STRING, TIME, TIME_TEXT, Member, Shape, map_of, record
from countline.messages.time import rfc3339
from countline.types import Count, Event, RuleInfo

__all__ = [
    "counter_of",
    "event_shapes",
    "fields_of_state",
    "kind_key",
    "state_getter",
    "state_keys",
    "states_value",
    "whole_events",
    "with_events",
]

_SHAPES: Mapping[Any, Shape] = {
    bool: BOOLEAN,
    int: INTEGER,
    float: NUMBER,
    str: STRING,
    Count: record(current=INTEGER, cumulative=INTEGER),
    dict[str, int]: map_of(INTEGER),
}
DIGITS = 3
"""Decimal places of numbers."""


def state_keys() -> Sequence[str]:
    """Words for all states of a kind: ``{queues}``, ``{queues.NAME}``, ``{for: queues}``."""
    return tuple(state_types())


def kind_key(rules: Iterable[RuleInfo]) -> dict[str, str]:
    """Key of states -> kind of rule, for the rules there are."""
    return {rule.key: rule.kind for rule in rules if rule.key in state_types()}


def _plain(value: Any) -> Any:
    """A field's value as messages say it."""
    if isinstance(value, Count):
        return {"current": value.current, "cumulative": value.cumulative}
    if isinstance(value, float):
        return round(value, DIGITS)
    return dict(value) if isinstance(value, dict) else value


def _reader(name: str, part: str = "") -> Callable[[Any], Any]:
    if part:
        return lambda state: getattr(getattr(state, name), part)
    return lambda state: _plain(getattr(state, name))


@cache
def fields_of_state(key: str) -> Mapping[str, tuple[Shape, Callable[[Any], Any]]]:
    """What messages may name of one state, with the function that reads it; '' is all of it."""
    kind = state_types()[key]
    found: dict[str, tuple[Shape, Callable[[Any], Any]]] = {"": (_record(key), lambda state: state_value(key, state))}
    hints = get_type_hints(kind)
    for item in dataclasses.fields(kind):
        if item.metadata.get("time"):
            found[item.name] = TIME.or_null(), _time(item.name)
            continue
        shape = _SHAPES[hints[item.name]]
        found[item.name] = shape, _reader(item.name)
        if hints[item.name] is Count:
            found |= {f"{item.name}.{part}": (INTEGER, _reader(item.name, part)) for part in ("current", "cumulative")}
    return found


def _time(name: str) -> Callable[[Any], Any]:
    return lambda state: getattr(state, name) or None


def _record(key: str) -> Shape:
    hints = get_type_hints(state_types()[key])
    items = dataclasses.fields(state_types()[key])
    return Shape(
        "record",
        members=tuple(
            Member(i.name, TIME_TEXT.or_null() if i.metadata.get("time") else _SHAPES[hints[i.name]]) for i in items
        ),
    )


def state_value(key: str, state: Any) -> dict[str, Any]:
    """All of a state as a plain mapping."""
    made: dict[str, Any] = {}
    for item in dataclasses.fields(state_types()[key]):
        value = getattr(state, item.name)
        made[item.name] = (rfc3339(value) if value else None) if item.metadata.get("time") else _plain(value)
    return made


def states_value(key: str) -> Callable[[Scope], Any]:
    """Reads all states of a kind, by rule."""
    return lambda s: {name: state_value(key, state) for name, state in s.analytics.states.get(key, {}).items()}


def counter_of(key: str, name: str) -> str | None:
    """Name of the counter that a field of a state shows; None if it shows none."""
    for item in dataclasses.fields(state_types()[key]):
        if item.name == name:
            found: str | None = item.metadata.get("counter")
            return found
    return None


# -- events --------------------------------------------------------------------------------------------------------


@cache
def event_shapes() -> Mapping[str, Mapping[str, Shape]]:
    """Kind of event -> the fields that only it has."""
    common = {item.name for item in dataclasses.fields(Event)}
    return {
        kind: {
            item.name: _SHAPES[get_type_hints(event)[item.name]]
            for item in dataclasses.fields(event)
            if item.name not in common
        }
        for kind, event in event_types().items()
    }


@cache
def whole_events() -> frozenset[str]:
    """Kinds of event that happen to no object."""
    return frozenset(kind for kind, event in event_types().items() if not event.of_object)


def with_events(shape: Shape, rules: Iterable[RuleInfo]) -> Shape:
    """The shape of ``{events}`` with what events of these rules have besides."""
    own = dict(_own_of(rules))
    assert shape.items is not None
    known = {member.key for member in shape.items.members}
    more = tuple(Member(name, own[name], required=False) for name in own if name not in known)
    if not more:
        return shape
    return dataclasses.replace(shape, items=dataclasses.replace(shape.items, members=(*shape.items.members, *more)))


def _own_of(rules: Iterable[RuleInfo]) -> Iterator[tuple[str, Shape]]:
    for key in dict.fromkeys(rule.key for rule in rules):
        for event in RULE_KEYS[key].events if key in RULE_KEYS else ():
            yield from event_shapes().get(event, {}).items()


def zero_state(key: str) -> Any:
    """The state of a rule at rest."""
    return state_types()[key]()


def state_getter(
    key: str, name: str, only: frozenset[str] | None, read: Callable[[Any], Any]
) -> Callable[[Scope], Any]:
    """Reads a rule's state; null on frames of sources that the rule does not apply to (``only``: names of those that it applies
    to, None: all)."""
    zero = read(zero_state(key))

    def get(s: Scope) -> Any:
        state = s.analytics.states.get(key, {}).get(name)
        if state is not None:
            return read(state)
        return zero if only is None or s.source.name in only else None

    return get
