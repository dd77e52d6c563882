"""The fields that a template may name: what each is, what type it has, where it comes from.

Three levels: the frame (always), the event (in messages that are made per event and in loops over events), and the
items of loops (objects, lines, regions …). Nothing else can be reached from a template.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from countline.messages.attributes import ATTRIBUTES, event_attribute, object_attribute
from countline.messages.lists import BOX, DIGITS, EVENTS, OBJECTS, box_value, events_value, objects_value, speed_of
from countline.messages.scope import Scope
from countline.messages.shape import (
    BOOLEAN,
    INTEGER,
    NUMBER,
    STRING,
    TIME,
    TIME_TEXT,
    UINT64,
    Shape,
    list_of,
    map_of,
    record,
)
from countline.messages.time import rfc3339
from countline.types import Count, Gap, LineState, RegionState, Window

__all__ = ["EVENT_KINDS", "EVENT_ONLY", "FRAME", "LOOPS", "OBJECT", "Field", "event_fields"]

Get = Callable[[Scope], Any]


@dataclass(frozen=True)
class Field:
    """One field: its shape and the function that reads it."""

    get: Get
    shape: Shape
    level: str = "frame"
    """'frame', 'event' or the loop it belongs to."""


COUNT = record(current=INTEGER, cumulative=INTEGER)
LINE = Shape(
    "record",
    members=record(
        current=INTEGER, cumulative=INTEGER, directions=map_of(COUNT), classes=map_of(COUNT), epoch=INTEGER
    ).members,
)
REGION = record(
    occupancy=INTEGER,
    classes=map_of(INTEGER),
    entered=COUNT,
    left=COUNT,
    crowded=BOOLEAN,
    longest_dwell=NUMBER,
    epoch=INTEGER,
)
WINDOW = record(start=TIME_TEXT, end=TIME_TEXT, seconds=NUMBER, complete=BOOLEAN, counts=map_of(map_of(INTEGER)))
GAP = record(start=TIME_TEXT, end=TIME_TEXT, seconds=NUMBER, cause=STRING)
TRAJECTORY = list_of(list_of(NUMBER))
_TEXTS = list_of(STRING)


def counts(value: Count) -> dict[str, int]:
    """A Count as a plain mapping."""
    return {"current": value.current, "cumulative": value.cumulative}


def line_value(state: LineState) -> dict[str, Any]:
    """All of a line as a plain mapping (shape LINE)."""
    return {
        "current": state.current,
        "cumulative": state.cumulative,
        "directions": {k: counts(v) for k, v in state.directions.items()},
        "classes": {k: counts(v) for k, v in state.classes.items()},
        "epoch": state.epoch,
    }


def region_value(state: RegionState) -> dict[str, Any]:
    """All of a region as a plain mapping (shape REGION)."""
    return {
        "occupancy": state.occupancy,
        "classes": dict(state.classes),
        "entered": counts(state.entered),
        "left": counts(state.left),
        "crowded": state.crowded,
        "longest_dwell": round(state.longest_dwell, DIGITS["dwell"]),
        "epoch": state.epoch,
    }


def window_value(window: Window | None) -> dict[str, Any] | None:
    """All of a window as a plain mapping (shape WINDOW): what was counted by rule and counter, all classes together."""
    if window is None:
        return None
    counts: dict[str, dict[str, int]] = {}
    for key, amount in window.counts.items():
        own = counts.setdefault(key.rule, {})
        own[key.counter] = own.get(key.counter, 0) + amount
    return {
        "start": rfc3339(window.start), "end": rfc3339(window.end), "seconds": window.seconds,
        "complete": window.complete, "counts": counts,
    }  # fmt: skip


def gap_value(gap: Gap | None) -> dict[str, Any] | None:
    """All of a gap as a plain mapping (shape GAP)."""
    if gap is None:
        return None
    return {"start": rfc3339(gap.start), "end": rfc3339(gap.end), "seconds": gap.seconds, "cause": gap.cause}


def _object_count(s: Scope) -> int:
    found = s.analytics.object_count
    return sum(found.values()) if found else len(s.analytics.tracks)


def _class_counts(s: Scope) -> dict[str, int]:
    names = s.analytics.class_names
    return {names[c] if 0 <= c < len(names) else str(c): n for c, n in s.analytics.object_count.items()}


def _sum(which: str, attribute: str) -> Get:
    read = attrgetter(attribute)
    return lambda s: sum(read(state) for state in getattr(s.analytics, which).values())


def _of_gap(attribute: str) -> Get:
    return lambda s: None if s.analytics.gap is None else getattr(s.analytics.gap, attribute)


def _of_window(attribute: str) -> Get:
    return lambda s: getattr(s.analytics.window, attribute)


FRAME: Mapping[str, Field] = {
    "id": Field(lambda s: s.id, STRING),
    "time": Field(lambda s: s.info.time, TIME),
    "time_ns": Field(lambda s: s.info.time, INTEGER),
    "time_quality": Field(lambda s: s.info.time_quality.value, STRING),
    "window": Field(lambda s: window_value(s.analytics.window), WINDOW.or_null(), "window"),
    "window.start": Field(_of_window("start"), TIME, "window"),
    "window.end": Field(_of_window("end"), TIME, "window"),
    "window.seconds": Field(_of_window("seconds"), NUMBER, "window"),
    "window.complete": Field(_of_window("complete"), BOOLEAN, "window"),
    "gap": Field(lambda s: gap_value(s.analytics.gap), GAP.or_null(), "gap"),
    "gap.start": Field(_of_gap("start"), TIME.or_null(), "gap"),
    "gap.end": Field(_of_gap("end"), TIME.or_null(), "gap"),
    "gap.seconds": Field(_of_gap("seconds"), NUMBER.or_null(), "gap"),
    "gap.cause": Field(_of_gap("cause"), STRING.or_null(), "gap"),
    "source": Field(lambda s: s.source.name, STRING),
    "source_index": Field(lambda s: s.source.index, INTEGER),
    "device_id": Field(lambda s: s.source.device_id or s.source.name, STRING),
    "uri": Field(lambda s: s.source.uri, STRING),
    "frame": Field(lambda s: s.info.number, INTEGER),
    "stream": Field(lambda s: s.info.stream, STRING),
    "pts": Field(lambda s: s.info.pts, INTEGER),
    "width": Field(lambda s: s.info.width, INTEGER),
    "height": Field(lambda s: s.info.height, INTEGER),
    "objects": Field(objects_value, OBJECTS),
    "events": Field(events_value, EVENTS),
    "object_count": Field(_object_count, INTEGER),
    "class_counts": Field(_class_counts, map_of(INTEGER)),
    "lines": Field(lambda s: {k: line_value(v) for k, v in s.analytics.lines.items()}, map_of(LINE)),
    "lines.current_total": Field(_sum("lines", "current"), INTEGER),
    "lines.cumulative_total": Field(_sum("lines", "cumulative"), INTEGER),
    "regions": Field(lambda s: {k: region_value(v) for k, v in s.analytics.regions.items()}, map_of(REGION)),
    "regions.occupancy_total": Field(_sum("regions", "occupancy"), INTEGER),
    "regions.entered_total": Field(_sum("regions", "entered.cumulative"), INTEGER),
    "regions.left_total": Field(_sum("regions", "left.cumulative"), INTEGER),
    "directions": Field(lambda s: {k: v.current for k, v in s.analytics.directions.items()}, map_of(INTEGER)),
    "journeys": Field(lambda s: {k: dict(v) for k, v in s.analytics.journeys.items()}, map_of(map_of(INTEGER))),
}


def _of_box(read: Callable[[Scope], Any], level: str, nullable: bool) -> dict[str, Field]:
    """``box`` and its parts; ``read`` gives left, top, right, bottom or None."""

    def part(form: Callable[[Any], float]) -> Get:
        def get(s: Scope) -> float | None:
            box = read(s)
            return None if box is None else round(float(form(box)), 2)

        return get

    number = NUMBER.or_null() if nullable else NUMBER
    forms: dict[str, Callable[[Any], float]] = {
        "left": lambda b: b[0],
        "top": lambda b: b[1],
        "right": lambda b: b[2],
        "bottom": lambda b: b[3],
        "width": lambda b: b[2] - b[0],
        "height": lambda b: b[3] - b[1],
        "center_x": lambda b: (b[0] + b[2]) / 2,
        "center_y": lambda b: (b[1] + b[3]) / 2,
    }
    fields = {"box": Field(lambda s: box_value(read(s)), BOX.or_null() if nullable else BOX, level)}
    return fields | {f"box.{name}": Field(part(form), number, level) for name, form in forms.items()}


def _object_box(s: Scope) -> dict[str, float]:
    left, top, right, bottom = s.objects.boxes[s.i]  # rounded already, all at once
    return {"left": left, "top": top, "right": right, "bottom": bottom}


def _object_speed(s: Scope) -> float | None:
    track_id = s.objects.track_ids[s.i]
    return None if track_id is None else speed_of(s.objects, track_id)


OBJECT: Mapping[str, Field] = {
    "track_id": Field(lambda s: s.objects.track_ids[s.i], UINT64.or_null(), "objects"),
    "class": Field(lambda s: s.objects.classes[s.i], STRING, "objects"),
    "class_id": Field(lambda s: s.objects.class_ids[s.i], INTEGER, "objects"),
    "confidence": Field(lambda s: s.objects.confidence[s.i], NUMBER, "objects"),
    **_of_box(lambda s: s.objects.boxes[s.i], "objects", nullable=False),
    "box": Field(_object_box, BOX, "objects"),
    "speed": Field(_object_speed, NUMBER.or_null(), "objects"),
    "lines": Field(lambda s: s.objects.status[s.i].lines, _TEXTS, "objects"),
    "regions": Field(lambda s: s.objects.status[s.i].regions, _TEXTS, "objects"),
    "crowding": Field(lambda s: s.objects.status[s.i].crowding, _TEXTS, "objects"),
    "direction": Field(lambda s: s.objects.status[s.i].direction, STRING, "objects"),
    "text": Field(lambda s: s.objects.status[s.i].text, STRING, "objects"),
    "trajectory": Field(lambda s: s.state.trajectory(s, s.objects.track_ids[s.i]), TRAJECTORY.or_null(), "objects"),
    **{name: Field(object_attribute(name), shape, "objects") for name, shape in ATTRIBUTES.items()},
}

EVENT_KINDS = ("crossing", "enter", "leave", "dwell", "crowding", "heading", "speeding", "journey")
"""Kinds of event, which are the triggers that send a message for what happened."""

_EVENT: Mapping[str, Field] = {
    "rule": Field(lambda s: s.event.rule, STRING, "event"),
    "kind": Field(lambda s: s.event.kind, STRING, "event"),
    "sequence": Field(lambda s: s.event.sequence, INTEGER, "event"),
}


def _event_speed(s: Scope) -> float | None:
    own = getattr(s.event, "speed", None)
    found = s.analytics.speeds.get(s.event.track_id) if own is None else own
    return None if found is None else round(float(found), DIGITS["speed"])


def _event_objects() -> dict[str, Field]:
    return {
        "track_id": Field(lambda s: s.event.track_id, UINT64.or_null(), "event"),
        "class": Field(lambda s: s.event.class_name, STRING, "event"),
        "class_id": Field(lambda s: s.event.class_id, INTEGER.or_null(), "event"),
        "confidence": Field(lambda s: round(s.event.confidence, 4), NUMBER, "event"),
        **_of_box(lambda s: s.event.box, "event", nullable=True),
        "speed": Field(_event_speed, NUMBER.or_null(), "event"),
        "trajectory": Field(lambda s: s.state.trajectory(s, s.event.track_id), TRAJECTORY.or_null(), "event"),
        **{name: Field(event_attribute(name), shape, "event") for name, shape in ATTRIBUTES.items()},
    }


_OWN: Mapping[str, Mapping[str, Shape]] = {
    "crossing": {"direction": STRING},
    "enter": {},
    "leave": {"dwell": NUMBER},
    "dwell": {"dwell": NUMBER},
    "crowding": {"phase": STRING, "occupancy": INTEGER},
    "heading": {"direction": STRING},
    "speeding": {"speed": NUMBER},
    "journey": {"origin": STRING, "destination": STRING},
}
"""Fields that only some kinds of event have."""

EVENT_ONLY = ("rule", "kind", "sequence", "track_id", "class", "class_id", "confidence", "box", "direction", "dwell",
              "phase", "occupancy", "speed", "origin", "destination", "trajectory", *ATTRIBUTES)  # fmt: skip
"""Words that mean something of an event, for errors about triggers that have none."""


def event_fields(kinds: Sequence[str]) -> dict[str, Field]:
    """Fields of events of these kinds. A field that only some of them have may be null."""
    fields = dict(_EVENT)
    if any(k != "crowding" for k in kinds):
        fields |= _event_objects()
    for name in ("direction", "dwell", "phase", "occupancy", "speed", "origin", "destination"):
        having = [k for k in kinds if name in _OWN[k]]
        if not having:
            continue
        shape = _OWN[having[0]][name]
        if len(having) == len(kinds):
            fields[name] = Field(_attribute(name, shape), shape, "event")
        elif name != "speed":
            fields[name] = Field(_attribute(name, shape), shape.or_null(), "event")
    return fields


def _attribute(name: str, shape: Shape) -> Get:
    if shape.kind == "number":
        digits = DIGITS[name]

        def number(s: Scope) -> float | None:
            value = getattr(s.event, name, None)
            return None if value is None else round(float(value), digits)

        return number
    return lambda s: getattr(s.event, name, None)


def _direction(read: Callable[[Any], Any]) -> Get:
    return lambda s: read(s.direction)


def _journey(read: Callable[[Any], Any]) -> Get:
    return lambda s: read(s.journey)


def _class(read: Callable[[Any], Any]) -> Get:
    return lambda s: read(s.klass)


def _line(read: Callable[[Any], Any]) -> Get:
    return lambda s: read(s.line)


def _region(read: Callable[[Any], Any]) -> Get:
    return lambda s: read(s.region)


LOOPS: Mapping[str, Mapping[str, Field]] = {
    "objects": OBJECT,
    "lines": {
        "name": Field(_line(lambda x: x[0]), STRING, "lines"),
        "current": Field(_line(lambda x: x[1].current), INTEGER, "lines"),
        "cumulative": Field(_line(lambda x: x[1].cumulative), INTEGER, "lines"),
        "directions": Field(
            _line(lambda x: {k: counts(v) for k, v in x[1].directions.items()}), map_of(COUNT), "lines"
        ),
        "classes": Field(_line(lambda x: {k: counts(v) for k, v in x[1].classes.items()}), map_of(COUNT), "lines"),
        "epoch": Field(_line(lambda x: x[1].epoch), INTEGER, "lines"),
        "reset_at": Field(_line(lambda x: x[1].reset_at or None), TIME.or_null(), "lines"),
    },
    "regions": {
        "name": Field(_region(lambda x: x[0]), STRING, "regions"),
        "occupancy": Field(_region(lambda x: x[1].occupancy), INTEGER, "regions"),
        "classes": Field(_region(lambda x: dict(x[1].classes)), map_of(INTEGER), "regions"),
        "entered": Field(_region(lambda x: counts(x[1].entered)), COUNT, "regions"),
        "entered.current": Field(_region(lambda x: x[1].entered.current), INTEGER, "regions"),
        "entered.cumulative": Field(_region(lambda x: x[1].entered.cumulative), INTEGER, "regions"),
        "left": Field(_region(lambda x: counts(x[1].left)), COUNT, "regions"),
        "left.current": Field(_region(lambda x: x[1].left.current), INTEGER, "regions"),
        "left.cumulative": Field(_region(lambda x: x[1].left.cumulative), INTEGER, "regions"),
        "crowded": Field(_region(lambda x: x[1].crowded), BOOLEAN, "regions"),
        "longest_dwell": Field(_region(lambda x: round(x[1].longest_dwell, DIGITS["dwell"])), NUMBER, "regions"),
        "epoch": Field(_region(lambda x: x[1].epoch), INTEGER, "regions"),
        "reset_at": Field(_region(lambda x: x[1].reset_at or None), TIME.or_null(), "regions"),
    },
    "directions": {
        "name": Field(_direction(lambda x: x[0]), STRING, "directions"),
        "current": Field(_direction(lambda x: x[1].current), INTEGER, "directions"),
    },
    "journeys": {
        "name": Field(_journey(lambda x: x[0]), STRING, "journeys"),
        "origin": Field(_journey(lambda x: x[1]), STRING, "journeys"),
        "destination": Field(_journey(lambda x: x[2]), STRING, "journeys"),
        "cumulative": Field(_journey(lambda x: x[3]), INTEGER, "journeys"),
    },
    "classes": {
        "name": Field(_class(lambda x: x[0]), STRING, "classes"),
        "count": Field(_class(lambda x: x[1]), INTEGER, "classes"),
    },
}
"""Fields of one item, by what is looped over. ``events`` has those of :func:`event_fields`."""
