"""The shape of a value: what a template or a typed function makes, known before the first message.

One small model from which JSON Schema, Avro schema and Protobuf descriptors are written (``schema.py``) and by which
values are encoded (``encode.py``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

__all__ = [
    "ANY",
    "BOOLEAN",
    "BYTES",
    "INTEGER",
    "NULL",
    "NUMBER",
    "STRING",
    "TIME",
    "TIME_TEXT",
    "UINT64",
    "Member",
    "Shape",
    "list_of",
    "map_of",
    "merge",
    "record",
    "shape_of_value",
]


@dataclass(frozen=True)
class Shape:
    """Type of one value.

    ``kind`` is one of string, integer (64-bit signed), uint64, number (64-bit float), boolean, bytes, time (integer
    nanoseconds inside, RFC 3339 text outside), null, any, list, map (string keys) and record.
    """

    kind: str
    nullable: bool = False
    items: Shape | None = None
    """Of a list or map."""
    members: tuple[Member, ...] = ()
    """Of a record, in order."""
    doc: str = ""
    """``date-time`` for RFC 3339 text."""

    def or_null(self) -> Shape:
        """The same, may be null."""
        return self if self.nullable or self.kind in ("any", "null") else replace(self, nullable=True)

    def not_null(self) -> Shape:
        """The same, never null."""
        return replace(self, nullable=False)

    def member(self, key: str) -> Member | None:
        """Member of a record by its key."""
        return next((m for m in self.members if m.key == key), None)


@dataclass(frozen=True)
class Member:
    """One key of a record. ``required`` is False where the key may be absent."""

    key: str
    shape: Shape
    required: bool = True


STRING = Shape("string")
INTEGER = Shape("integer")
UINT64 = Shape("uint64")
NUMBER = Shape("number")
BOOLEAN = Shape("boolean")
BYTES = Shape("bytes")
TIME = Shape("time")
TIME_TEXT = Shape("string", doc="date-time")
"""RFC 3339 text."""
NULL = Shape("null", nullable=True)
ANY = Shape("any", nullable=True)


def list_of(items: Shape) -> Shape:
    """A list whose elements have one shape."""
    return Shape("list", items=items)


def map_of(items: Shape) -> Shape:
    """An object with any keys, whose values have one shape."""
    return Shape("map", items=items)


def record(**members: Shape) -> Shape:
    """An object with these keys."""
    return Shape("record", members=tuple(Member(k, v) for k, v in members.items()))


def merge(a: Shape, b: Shape) -> Shape:
    """The narrowest shape that holds both (for list elements and the two branches of a condition)."""
    if a.kind == b.kind == "record":
        keys = list(dict.fromkeys([m.key for m in a.members] + [m.key for m in b.members]))
        members = []
        for key in keys:
            x, y = a.member(key), b.member(key)
            if x and y:
                members.append(Member(key, merge(x.shape, y.shape), x.required and y.required))
            else:
                only = x or y
                assert only is not None
                members.append(Member(key, only.shape, False))
        return Shape("record", a.nullable or b.nullable, members=tuple(members))
    if a.kind == b.kind and a.kind in ("list", "map"):
        items = a.items if b.items is None else b.items if a.items is None else merge(a.items, b.items)
        return Shape(a.kind, a.nullable or b.nullable, items=items)
    if a.kind == b.kind:
        same = a if a.doc == b.doc else replace(a, doc="")
        return same.or_null() if b.nullable else same
    if a.kind == "null":
        return b.or_null()
    if b.kind == "null":
        return a.or_null()
    if {a.kind, b.kind} <= {"integer", "number", "uint64"}:
        wide = NUMBER if "number" in (a.kind, b.kind) else INTEGER
        return wide.or_null() if a.nullable or b.nullable else wide
    if {a.kind, b.kind} <= {"string", "time"}:
        return STRING.or_null() if a.nullable or b.nullable else STRING
    return ANY


def shape_of_value(value: Any) -> Shape:
    """Shape of a constant (YAML scalars, lists and mappings)."""
    if value is None:
        return NULL
    if isinstance(value, bool):
        return BOOLEAN
    if isinstance(value, int):
        return INTEGER if -(2**63) <= value < 2**63 else UINT64
    if isinstance(value, float):
        return NUMBER
    if isinstance(value, str):
        return STRING
    if isinstance(value, bytes):
        return BYTES
    if isinstance(value, dict):
        return Shape("record", members=tuple(Member(str(k), shape_of_value(v)) for k, v in value.items()))
    if isinstance(value, (list, tuple)):
        items: Shape | None = None
        for element in value:
            shape = shape_of_value(element)
            items = shape if items is None else merge(items, shape)
        return list_of(items or ANY)
    return ANY
