"""The fields ``{objects}`` and ``{events}``: all objects of the frame, and the events behind the message, as lists."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from countline.messages.scope import Objects, Scope
from countline.messages.shape import INTEGER, NUMBER, STRING, UINT64, Member, Shape, list_of, record
from countline.messages.states import event_shapes

__all__ = ["BOX", "DIGITS", "EVENTS", "OBJECTS", "box_value", "events_value", "objects_value", "speed_of"]

BOX = record(left=NUMBER, top=NUMBER, right=NUMBER, bottom=NUMBER)
_TEXTS = list_of(STRING)
_OBJECT = {
    "track_id": UINT64.or_null(),
    "class": STRING,
    "class_id": INTEGER,
    "confidence": NUMBER,
    "box": BOX,
    "speed": NUMBER.or_null(),
    "lines": _TEXTS,
    "regions": _TEXTS,
}
OBJECTS = list_of(record(**_OBJECT))
_EVENT = {"kind": STRING, "rule": STRING, "sequence": INTEGER}
_OF_OBJECT: Mapping[str, Shape] = {
    "track_id": UINT64,
    "class": STRING,
    "class_id": INTEGER.or_null(),
    "confidence": NUMBER,
    "box": BOX.or_null(),
}
_OWN: Mapping[str, Shape] = {
    "direction": STRING,
    "dwell": NUMBER,
    "phase": STRING,
    "occupancy": INTEGER,
    "speed": NUMBER,
    "origin": STRING,
    "destination": STRING,
}
EVENTS = list_of(
    Shape(
        "record",
        members=(
            *(Member(k, v) for k, v in _EVENT.items()),
            *(Member(k, v, required=False) for k, v in {**_OF_OBJECT, **_OWN}.items()),
        ),
    )
)
"""A key that an event does not have is left out."""


DIGITS: Mapping[str, int] = {"dwell": 3, "speed": 2}
"""Decimal places: ms, and 0.01 km/h."""


def box_value(box: Any) -> dict[str, float] | None:
    """Left, top, right, bottom in pixels to 0.01, or None."""
    if box is None:
        return None
    left, top, right, bottom = box
    return {
        "left": round(float(left), 2),
        "top": round(float(top), 2),
        "right": round(float(right), 2),
        "bottom": round(float(bottom), 2),
    }


def speed_of(objects: Objects, track_id: int) -> float | None:
    """Speed of a track in km/h, None without a speed rule."""
    found = objects.speeds.get(track_id)
    return None if found is None else round(float(found), DIGITS["speed"])


def objects_value(s: Scope) -> list[dict[str, Any]]:
    """All objects of the frame (shape OBJECTS)."""
    o = s.load_objects()
    return [
        {
            "track_id": track_id,
            "class": name,
            "class_id": class_id,
            "confidence": confidence,
            "box": {"left": box[0], "top": box[1], "right": box[2], "bottom": box[3]},
            "speed": None if track_id is None else speed_of(o, track_id),
            "lines": status.lines,
            "regions": status.regions,
        }
        for track_id, name, class_id, confidence, box, status in zip(
            o.track_ids, o.classes, o.class_ids, o.confidence, o.boxes, o.status
        )
    ]


def events_value(s: Scope) -> list[dict[str, Any]]:
    """The events behind the message (shape EVENTS)."""
    made = []
    for event in s.events:
        value: dict[str, Any] = {"kind": event.kind, "rule": event.rule, "sequence": event.sequence}
        if event.track_id is not None:
            value["track_id"] = event.track_id
            value["class"] = event.class_name
            value["class_id"] = event.class_id
            value["confidence"] = round(float(event.confidence), 4)
            value["box"] = box_value(event.box)
        for name, shape in (event_shapes().get(event.kind) or _OWN).items():
            found = getattr(event, name, None)
            if found is not None:
                value[name] = round(float(found), DIGITS.get(name, 3)) if shape.kind == "number" else found
        made.append(value)
    return made
