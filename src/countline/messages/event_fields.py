"""Fields of events. Those that only some kinds have follow from the events' dataclasses."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from countline.analytics.native.kinds import event_types
from countline.config.rules import rule_models
from countline.messages.attributes import EVENT_ATTRIBUTES
from countline.messages.object_fields import SPEED_DIGITS, TRAJECTORY, box_entries
from countline.messages.scope import Scope
from countline.messages.shape import INTEGER, NUMBER, STRING, UINT64, Member, Shape, list_of
from countline.messages.table import Entry, Field, entries_of
from countline.types import (
    Crossing,
    Crowding,
    Dwell,
    Enter,
    Event,
    Heading,
    Journey,
    Leave,
    RuleInfo,
    Speeding,
    ViewChange,
)

__all__ = ["EventFields"]

ALWAYS: Mapping[str, type[Event]] = {
    event.kind: event for event in (Crossing, Enter, Leave, Dwell, Crowding, Heading, Speeding, Journey)
}
"""Kinds whose fields ``{events}`` has whatever the rules are; those of others only where there are such rules, so that the
schemas of who has none stay as they are."""


def _box(s: Scope) -> dict[str, float] | None:
    if s.event.box is None:
        return None
    left, top, right, bottom = s.event.box
    return {
        "left": round(float(left), 2),
        "top": round(float(top), 2),
        "right": round(float(right), 2),
        "bottom": round(float(bottom), 2),
    }


def _speed(s: Scope) -> float | None:
    own = getattr(s.event, "speed", None)
    found = s.analytics.speeds.get(s.event.track_id) if own is None else own
    return None if found is None else round(float(found), SPEED_DIGITS)


def _entry(name: str, shape: Shape, read: Callable[[Scope], Any], **more: Any) -> Entry:
    return Entry(name, shape, read, "event", **more)


EVERY: tuple[Entry, ...] = (
    _entry("kind", STRING, lambda s: s.event.kind),
    _entry("rule", STRING, lambda s: s.event.rule),
    _entry("sequence", INTEGER, lambda s: s.event.sequence),
)
OF_OBJECT: tuple[Entry, ...] = (
    _entry("track_id", UINT64.or_null(), lambda s: s.event.track_id, record_shape=UINT64),
    _entry("class", STRING, lambda s: s.event.class_name),
    _entry("class_id", INTEGER.or_null(), lambda s: s.event.class_id),
    _entry("confidence", NUMBER, lambda s: round(s.event.confidence, 4)),
    *box_entries(lambda s: s.event.box, _box, "event", nullable=True),
    _entry("speed", NUMBER.or_null(), _speed, in_record=False),
    _entry(
        "trajectory", TRAJECTORY, lambda s: s.state.trajectory(s, s.event.track_id),
        uses=frozenset({"trajectory"}), in_record=False,
    ),
    *EVENT_ATTRIBUTES,
)  # fmt: skip


class EventFields:
    """Fields of events of all kinds.

    Parameters
    ----------
    types: kind -> class of event.
    every: what every event has.
    of_object: what events that happen to an object have besides.
    """

    def __init__(
        self,
        types: Mapping[str, type[Event]] | None = None,
        every: Sequence[Entry] = EVERY,
        of_object: Sequence[Entry] = OF_OBJECT,
    ) -> None:
        known: dict[str, type[Event]] = {**ALWAYS, ViewChange.kind: ViewChange, **event_types()}
        self.types = known if types is None else types
        self.every, self.of_object = every, of_object
        self.own: dict[str, dict[str, Entry]] = {
            kind: {entry.name: entry for entry in entries_of(cls, Event, "event.")} for kind, cls in self.types.items()
        }
        """Kind -> the fields that not all events have."""

    def of(self, kinds: Sequence[str]) -> dict[str, Field]:
        """Fields of events of these kinds. A field that only some of them have may be null."""
        kinds = [kind for kind in kinds if kind in self.types]  # of others their rules say that they cannot be used
        common = [*self.every, *(self.of_object if any(self.types[kind].of_object for kind in kinds) else ())]
        fields = {entry.name: entry.field for entry in common}
        for name in dict.fromkeys(name for own in self.own.values() for name in own):
            having = [kind for kind in kinds if name in self.own[kind]]
            if having and len(having) == len(kinds):
                entry = self.own[having[0]][name]
                fields[name] = Field(entry.read, entry.shape, "event")
            elif having and name not in fields:
                entry = self.own[having[0]][name]
                fields[name] = Field(_if_any(name, entry.read), entry.shape.or_null(), "event")
        return fields

    @property
    def words(self) -> list[str]:
        """Words that mean something of an event, for errors about triggers that have none."""
        common = [entry.name for entry in (*self.every, *self.of_object) if "." not in entry.name]
        return list(dict.fromkeys([*common, *(name for own in self.own.values() for name in own)]))

    def list_shape(self, rules: Iterable[RuleInfo]) -> Shape:
        """Shape of ``{events}``; a key that an event does not have is left out."""
        models = rule_models()
        named = dict.fromkeys(event for rule in rules if rule.key in models for event in models[rule.key].events)
        own: dict[str, Shape] = {}
        for kind in dict.fromkeys((*ALWAYS, *named)):
            own |= {name: entry.shape for name, entry in self.own.get(kind, {}).items() if name not in own}
        shapes = {e.name: e.record_shape or e.shape for e in self.of_object if e.in_record}
        members = [Member(e.name, e.shape) for e in self.every if e.in_record]
        members += [Member(name, shape, required=False) for name, shape in {**shapes, **own}.items()]
        return list_of(Shape("record", members=tuple(members)))

    def list_reader(self) -> Callable[[Scope], list[dict[str, Any]]]:
        """Reads the events behind the message (shape :meth:`list_shape`)."""
        every = [(e.name, e.read) for e in self.every if e.in_record]
        of_object = [(e.name, e.read) for e in self.of_object if e.in_record]
        own = {
            kind: [(e.name, _if_any(e.name, e.read)) for e in entries.values()]
            for kind, entries in self.own.items()
            if kind != ViewChange.kind  # no rule of the list's shape has it
        }

        def get(s: Scope) -> list[dict[str, Any]]:
            before, made = s.event, []
            for event in s.events:
                s.event = event
                value = {name: read(s) for name, read in every}
                if event.track_id is not None:
                    value |= {name: read(s) for name, read in of_object}
                for name, read in own.get(event.kind, ()):
                    found = read(s)
                    if found is not None:
                        value[name] = found
                made.append(value)
            s.event = before
            return made

        return get


def _if_any(name: str, read: Callable[[Scope], Any]) -> Callable[[Scope], Any]:
    """Null for an event that has no such field."""
    return lambda s: None if getattr(s.event, name, None) is None else read(s)
