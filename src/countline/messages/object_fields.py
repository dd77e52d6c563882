"""Fields of the objects of a frame: ``{for: objects}`` and ``{objects}``."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any

from countline.messages.attributes import OBJECT_ATTRIBUTES
from countline.messages.scope import Objects, Scope
from countline.messages.shape import INTEGER, NUMBER, STRING, UINT64, list_of, record
from countline.messages.table import Entry, member_reader

__all__ = ["BOX", "OBJECT", "TRAJECTORY", "box_entries", "objects_reader"]

BOX = record(left=NUMBER, top=NUMBER, right=NUMBER, bottom=NUMBER)
TRAJECTORY = list_of(list_of(NUMBER)).or_null()
SPEED_DIGITS = 2
"""0.01 km/h."""
_TEXTS = list_of(STRING)
_FORMS: dict[str, Callable[[Any], float]] = {
    "left": lambda b: b[0],
    "top": lambda b: b[1],
    "right": lambda b: b[2],
    "bottom": lambda b: b[3],
    "width": lambda b: b[2] - b[0],
    "height": lambda b: b[3] - b[1],
    "center_x": lambda b: (b[0] + b[2]) / 2,
    "center_y": lambda b: (b[1] + b[3]) / 2,
}


def box_entries(
    read: Callable[[Scope], Any], mapping: Callable[[Scope], Any], level: str, *, nullable: bool, column: Any = None
) -> tuple[Entry, ...]:
    """``box`` and its parts, in pixels to 0.01. ``read`` gives left, top, right, bottom or None; ``mapping`` gives the mapping,
    ``column`` that of all objects."""

    def part(form: Callable[[Any], float]) -> Callable[[Scope], float | None]:
        def get(s: Scope) -> float | None:
            box = read(s)
            return None if box is None else round(float(form(box)), 2)

        return get

    number, shape = (NUMBER.or_null(), BOX.or_null()) if nullable else (NUMBER, BOX)
    parts = (Entry(f"box.{name}", number, part(form), level, in_record=False) for name, form in _FORMS.items())
    return Entry("box", shape, mapping, level, column=column), *parts


def _box(s: Scope) -> dict[str, float]:
    left, top, right, bottom = s.objects.boxes[s.i]  # rounded already, all at once
    return {"left": left, "top": top, "right": right, "bottom": bottom}


def _boxes(objects: Objects) -> list[dict[str, float]]:
    return [{"left": box[0], "top": box[1], "right": box[2], "bottom": box[3]} for box in objects.boxes]


def _status_column(what: str) -> Callable[[Objects], list[Any]]:
    get = attrgetter(what)
    return lambda objects: [get(status) for status in objects.status]


def _speed(s: Scope) -> float | None:
    objects: Objects = s.objects
    track_id = objects.track_ids[s.i]
    found = None if track_id is None else objects.speeds.get(track_id)
    return None if found is None else round(float(found), SPEED_DIGITS)


def _speeds(objects: Objects) -> list[float | None]:
    if not objects.speeds:
        return [None] * objects.length
    found = [None if track_id is None else objects.speeds.get(track_id) for track_id in objects.track_ids]
    return [None if speed is None else round(float(speed), SPEED_DIGITS) for speed in found]


def _entry(name: str, shape: Any, read: Callable[[Scope], Any], **more: Any) -> Entry:
    return Entry(name, shape, read, "objects", **more)


OBJECT: tuple[Entry, ...] = (
    _entry("track_id", UINT64.or_null(), lambda s: s.objects.track_ids[s.i], column=attrgetter("track_ids")),
    _entry("class", STRING, lambda s: s.objects.classes[s.i], column=attrgetter("classes")),
    _entry("class_id", INTEGER, lambda s: s.objects.class_ids[s.i], column=attrgetter("class_ids")),
    _entry("confidence", NUMBER, lambda s: s.objects.confidence[s.i], column=attrgetter("confidence")),
    *box_entries(lambda s: s.objects.boxes[s.i], _box, "objects", nullable=False, column=_boxes),
    _entry("speed", NUMBER.or_null(), _speed, column=_speeds),
    _entry("lines", _TEXTS, lambda s: s.objects.status[s.i].lines, column=_status_column("lines")),
    _entry("regions", _TEXTS, lambda s: s.objects.status[s.i].regions, column=_status_column("regions")),
    _entry("crowding", _TEXTS, lambda s: s.objects.status[s.i].crowding, in_record=False),
    _entry("direction", STRING, lambda s: s.objects.status[s.i].direction, in_record=False),
    _entry("text", STRING, lambda s: s.objects.status[s.i].text, in_record=False),
    _entry(
        "trajectory", TRAJECTORY, lambda s: s.state.trajectory(s, s.objects.track_ids[s.i]),
        uses=frozenset({"trajectory"}), in_record=False,
    ),
    *OBJECT_ATTRIBUTES,
)  # fmt: skip


def objects_reader(entries: tuple[Entry, ...]) -> Callable[[Scope], list[dict[str, Any]]]:
    """Reads all objects of the frame, each with its entries that have ``in_record``: column by column, an entry without ``column``
    object by object."""
    members = [entry for entry in entries if entry.in_record]
    names = [entry.name for entry in members]

    def get(s: Scope) -> list[dict[str, Any]]:
        objects = s.load_objects()
        columns = [_each(s, member_reader(e)) if e.column is None else e.column(objects) for e in members]
        return [dict(zip(names, row)) for row in zip(*columns)]

    return get


def _each(s: Scope, read: Callable[[Scope], Any]) -> list[Any]:
    before, made = s.i, []
    for i in range(s.objects.length):
        s.i = i
        made.append(read(s))
    s.i = before
    return made
