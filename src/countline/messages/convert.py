"""Made values as Avro and Protobuf want them: keys renamed, what has no fixed shape replaced."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable
from typing import Any

import orjson

from countline.messages.schema_names import safe_names
from countline.messages.shape import ANY, Shape

__all__ = ["converter", "plain_values"]

Convert = Callable[[Any], Any]


def plain_values(value: Any, default: Callable[[Any], Any]) -> Any:
    """Dataclasses, models, arrays, datetimes … as plain values, as JSON would have them."""
    return orjson.loads(
        orjson.dumps(value, default, orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS | orjson.OPT_UTC_Z)
    )


def json_text(value: Any) -> str:
    """What Avro gets for a value of no fixed shape."""
    return orjson.dumps(value).decode()


def _bytes(value: Any) -> Any:
    return b64decode(value) if isinstance(value, str) else value


def _float(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{value!r} is not a number")
    return float(value)


def converter(
    shape: Shape, any_: Convert, *, wrap: Callable[[Shape], Convert | None] = lambda shape: None
) -> Convert | None:
    """A function that converts a value of this shape, or None where nothing needs to be done.

    Parameters
    ----------
    any_: what is done with a value of no fixed shape.
    wrap: gives a converter for shapes that the encoding treats in its own way.
    """
    inner = wrap(shape) or _converter(shape, any_, wrap)
    if inner is None or not shape.nullable or shape.kind == "any":
        return inner
    convert = inner
    return lambda value: None if value is None else convert(value)


def _converter(shape: Shape, any_: Convert, wrap: Callable[[Shape], Convert | None]) -> Convert | None:
    if shape.kind == "any":
        return any_
    if shape.kind == "bytes":
        return _bytes
    if shape.kind == "number":
        return _float
    if shape.kind in ("list", "map"):
        items = converter(shape.items or ANY, any_, wrap=wrap)
        if items is None:
            return None
        each = items
        if shape.kind == "list":
            return lambda value: [each(v) for v in value]
        return lambda value: {k: each(v) for k, v in value.items()}
    if shape.kind == "record":
        return _record(shape, any_, wrap)
    return None


def _record(shape: Shape, any_: Convert, wrap: Callable[[Shape], Convert | None]) -> Convert:
    known = {m.key for m in shape.members}
    rows = [
        (m.key, name, converter(m.shape, any_, wrap=wrap), m.required)
        for m, name in zip(shape.members, safe_names(shape.members))
    ]

    def convert(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise TypeError(f"the schema wants an object, not {type(value).__name__}")
        if len(value) > len(rows) or not known.issuperset(value):
            extra = ", ".join(sorted(set(value) - known))
            raise ValueError(f"the schema has no field {extra}")
        made = {}
        for key, name, inner, required in rows:
            if key in value:
                found = value[key]
                made[name] = inner(found) if inner is not None else found
            elif required:
                raise ValueError(f"the field {key} is missing")
        return made

    return convert
