"""All fields that a template may name: those of the frame, of events, and of the items of loops. Nothing else can be reached
from a template. See ``table`` for what is derived from them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from typing import Any

from countline.messages.event_fields import EventFields
from countline.messages.object_fields import OBJECT, objects_reader
from countline.messages.rule_fields import GROUPS, journeys
from countline.messages.scope import Scope
from countline.messages.shape import BOOLEAN, INTEGER, NUMBER, STRING, TIME, list_of, map_of
from countline.messages.table import Entry, Field, Group, Loop, item_fields, record_of, record_reader
from countline.types import Window

__all__ = ["EVENT_ONLY", "FRAME", "TABLE", "FieldTable"]


def _counts(window: Window) -> dict[str, dict[str, int]]:
    """What was counted by rule and counter, all classes together."""
    counts: dict[str, dict[str, int]] = {}
    for key, amount in window.counts.items():
        own = counts.setdefault(key.rule, {})
        own[key.counter] = own.get(key.counter, 0) + amount
    return counts


WINDOW: tuple[Entry, ...] = (
    Entry("start", TIME, attrgetter("start")),
    Entry("end", TIME, attrgetter("end")),
    Entry("seconds", NUMBER, attrgetter("seconds")),
    Entry("complete", BOOLEAN, attrgetter("complete")),
    Entry("counts", map_of(map_of(INTEGER)), _counts),
)
GAP: tuple[Entry, ...] = (
    Entry("start", TIME, attrgetter("start")),
    Entry("end", TIME, attrgetter("end")),
    Entry("seconds", NUMBER, attrgetter("seconds")),
    Entry("cause", STRING, attrgetter("cause")),
)

CONFIG: tuple[Entry, ...] = (
    Entry("applied", BOOLEAN, attrgetter("applied")),
    Entry("changes", list_of(STRING), lambda change: list(change.changes)),
    Entry("by", STRING, attrgetter("by")),
    Entry("digest", STRING, attrgetter("digest")),
    Entry("error", STRING, attrgetter("error")),
)

STATUS: tuple[Entry, ...] = (
    Entry("state", STRING, attrgetter("state")),
    Entry("reason", STRING, attrgetter("reason")),
    Entry("before", STRING, attrgetter("before")),
    Entry("since", TIME, attrgetter("since")),
    Entry("fps", NUMBER, attrgetter("fps")),
    Entry("connections", INTEGER, attrgetter("connections")),
    Entry("reconnects", INTEGER, attrgetter("reconnects")),
    Entry("dropped", INTEGER, attrgetter("dropped")),
    Entry("thinned", INTEGER, attrgetter("thinned")),
    Entry("corrupt", INTEGER, attrgetter("corrupt")),
    Entry("clock_offset", NUMBER.or_null(), attrgetter("clock_offset")),
)

HEARTBEAT: tuple[Entry, ...] = (
    Entry("sequence", INTEGER, attrgetter("sequence")),
    Entry("seconds", NUMBER, attrgetter("seconds")),
    Entry("last", TIME.or_null(), attrgetter("last")),
    Entry("until", TIME.or_null(), attrgetter("until")),
    Entry("by", STRING, attrgetter("by")),
)


def _with_parts(
    name: str, entries: Sequence[Entry], read: Callable[[Scope], Any], *, nullable: bool
) -> Iterable[Entry]:
    """A record that may be absent, and its parts as fields of their own (``nullable``: which then are null)."""

    def behind(of_it: Callable[[Any], Any]) -> Callable[[Scope], Any]:
        def get(s: Scope) -> Any:
            found = read(s)
            return None if found is None else of_it(found)

        return get

    yield Entry(name, record_of(entries).or_null(), behind(record_reader(entries)), name)
    for entry in entries:
        shape = entry.shape.or_null() if nullable else entry.shape
        yield Entry(f"{name}.{entry.name}", shape, behind(entry.read), name)


def _object_count(s: Scope) -> int:
    found = s.analytics.object_count
    return sum(found.values()) if found else len(s.analytics.tracks)


def _by_class(s: Scope) -> list[tuple[str, int]]:
    names = s.analytics.class_names
    return [(names[c] if 0 <= c < len(names) else str(c), n) for c, n in s.analytics.object_count.items()]


def _sum(which: str, attribute: str) -> Callable[[Scope], Any]:
    read = attrgetter(attribute)
    return lambda s: sum(read(state) for state in getattr(s.analytics, which).values())


FRAME_ENTRIES: tuple[Entry, ...] = (
    Entry("id", STRING, lambda s: s.id),
    Entry("time", TIME, lambda s: s.info.time),
    Entry("time_ns", INTEGER, lambda s: s.info.time),
    Entry("time_quality", STRING, lambda s: s.info.time_quality.value),
    *_with_parts("window", WINDOW, lambda s: s.analytics.window, nullable=False),
    *_with_parts("gap", GAP, lambda s: s.analytics.gap, nullable=True),
    *_with_parts("config", CONFIG, lambda s: s.analytics.change, nullable=False),
    *_with_parts("status", STATUS, lambda s: s.analytics.status, nullable=False),
    *_with_parts("heartbeat", HEARTBEAT, lambda s: s.analytics.heartbeat, nullable=False),
    Entry("degraded", STRING.or_null(), lambda s: s.info.degraded or None),
    Entry("source", STRING, lambda s: s.source.name),
    Entry("source_index", INTEGER, lambda s: s.source.index),
    Entry("device_id", STRING, lambda s: s.source.device_id or s.source.name),
    Entry("uri", STRING, lambda s: s.source.uri),
    Entry("frame", INTEGER, lambda s: s.info.number),
    Entry("stream", STRING, lambda s: s.info.stream),
    Entry("pts", INTEGER, lambda s: s.info.pts),
    Entry("width", INTEGER, lambda s: s.info.width),
    Entry("height", INTEGER, lambda s: s.info.height),
    Entry("object_count", INTEGER, _object_count),
    Entry("class_counts", map_of(INTEGER), lambda s: dict(_by_class(s))),
    Entry("lines.current_total", INTEGER, _sum("lines", "current")),
    Entry("lines.cumulative_total", INTEGER, _sum("lines", "cumulative")),
    Entry("regions.occupancy_total", INTEGER, _sum("regions", "occupancy")),
    Entry("regions.entered_total", INTEGER, _sum("regions", "entered.cumulative")),
    Entry("regions.left_total", INTEGER, _sum("regions", "left.cumulative")),
    Entry(
        "journeys",
        map_of(map_of(INTEGER)),
        lambda s: {name: dict(matrix) for name, matrix in s.analytics.journeys.items()},
    ),
)
ATTACHMENT = Entry("attachment", STRING.or_null(), lambda s: s.attachment, "attachment", frozenset({"attachment"}))


_EVENTS = EventFields()


@dataclass(frozen=True)
class FieldTable:
    """Every field there is. A field is added by one entry, or by a field of a state's or an event's dataclass."""

    frame: Sequence[Entry] = FRAME_ENTRIES
    objects: tuple[Entry, ...] = OBJECT
    events: EventFields = _EVENTS
    groups: Sequence[Group] = GROUPS

    @cached_property
    def by_key(self) -> Mapping[str, Group]:
        """States of rules by the heads of their paths."""
        return {group.key: group for group in self.groups}

    @cached_property
    def of_frame(self) -> Mapping[str, Field]:
        """What every message may name, by path."""
        made = {entry.name: entry.field for entry in self.frame}
        made["objects"] = Field(objects_reader(self.objects), list_of(record_of(self.objects)))
        made["events"] = Field(self.events.list_reader(), self.events.list_shape(()))
        return made | {group.key: group.all.field for group in self.groups}

    @cached_property
    def loops(self) -> Mapping[str, Loop]:
        """What can be looped over, by name. Fields of events depend on the trigger: see ``EventFields.of``."""
        states = {group.key: group.loop() for group in self.groups}
        counts = item_fields("classes", (Entry("count", INTEGER, _itself),))
        first = ("lines", "regions", "directions")
        return {
            "objects": Loop(lambda s: (), {entry.name: entry.field for entry in self.objects}),
            **{key: states[key] for key in first if key in states},
            "journeys": journeys(),
            **{key: loop for key, loop in states.items() if key not in first},
            "classes": Loop(_by_class, counts),
            "events": Loop(lambda s: s.events, {}),
        }

    @cached_property
    def singular(self) -> Mapping[str, str]:
        """Word for the item of a loop -> its loop."""
        return {"object": "objects", "event": "events"} | {g.key.removesuffix("s"): g.key for g in self.groups}


def _itself(value: Any) -> Any:
    return value


TABLE = FieldTable()
FRAME: Mapping[str, Field] = TABLE.of_frame
EVENT_ONLY: Sequence[str] = TABLE.events.words
