"""Typed classes: their shapes, and classes that are filled from fields."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints
from uuid import UUID

from countline.messages.faults import Loc
from countline.messages.node import Node
from countline.messages.scope import Scope
from countline.messages.shape import (
    ANY,
    BOOLEAN,
    BYTES,
    INTEGER,
    NULL,
    NUMBER,
    STRING,
    TIME_TEXT,
    Member,
    Shape,
    list_of,
    map_of,
    merge,
    shape_of_value,
)
from countline.messages.template import Compiler
from countline.types import utc

__all__ = ["class_node", "is_class_of_fields", "shape_of_type"]

_SCALARS: Mapping[Any, Shape] = {
    str: STRING,
    int: INTEGER,
    float: NUMBER,
    bool: BOOLEAN,
    bytes: BYTES,
    datetime: TIME_TEXT,
    UUID: STRING,
    type(None): NULL,
    None: NULL,
    Any: ANY,
}


def _is_record(cls: Any) -> bool:
    return isinstance(cls, type) and (
        dataclasses.is_dataclass(cls)
        or hasattr(cls, "model_fields")
        or hasattr(cls, "__struct_fields__")
        or typing.is_typeddict(cls)
    )


def is_class_of_fields(target: Any) -> bool:
    """Whether a class is to be filled field by field (it has no classmethod ``of``)."""
    return _is_record(target) and not hasattr(target, "of")


def hints(cls: Any) -> dict[str, Any]:
    """Fields of a record class with their types, class variables left out."""
    found = get_type_hints(cls, include_extras=True)
    if dataclasses.is_dataclass(cls):
        names: Sequence[str] = [f.name for f in dataclasses.fields(cls)]
    elif hasattr(cls, "model_fields"):
        names = list(cls.model_fields)
    else:
        names = getattr(cls, "__struct_fields__", None) or list(found)
    return {name: found[name] for name in names}


def _keys(cls: Any) -> dict[str, str]:
    """Field name -> key in the encoded value (aliases of pydantic, ``rename`` of msgspec)."""
    if hasattr(cls, "model_fields"):
        return {n: f.serialization_alias or f.alias or n for n, f in cls.model_fields.items()}
    if hasattr(cls, "__struct_encode_fields__"):
        return dict(zip(cls.__struct_fields__, cls.__struct_encode_fields__))
    return {}


def _optional(cls: Any) -> set[str]:
    """Keys that may be absent (TypedDict with total=False)."""
    return set(getattr(cls, "__optional_keys__", ()))


def shape_of_type(annotation: Any) -> Shape:
    """Shape of a type: scalars, Optional, Union, Literal, Enum, list, dict, dataclass, Struct, pydantic model, TypedDict."""
    if isinstance(annotation, typing.Hashable) and annotation in _SCALARS:
        return _SCALARS[annotation]
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return shape_of_type(args[0])
    if origin in (Union, types.UnionType):
        shape: Shape | None = None
        for arg in args:
            shape = shape_of_type(arg) if shape is None else merge(shape, shape_of_type(arg))
        return shape or ANY
    if origin is Literal:
        return shape_of_value(list(args)).items or ANY
    if isinstance(origin, type) and issubclass(origin, Mapping) and len(args) == 2:
        return map_of(shape_of_type(args[1]))
    if isinstance(origin, type) and issubclass(origin, (Sequence, set, frozenset)) and args:
        inner = [shape_of_type(a) for a in args if a is not Ellipsis]
        items = inner[0]
        for other in inner[1:]:
            items = merge(items, other)
        return list_of(items)
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return shape_of_value([member.value for member in annotation]).items or ANY
    if _is_record(annotation):
        keys, optional = _keys(annotation), _optional(annotation)
        return Shape(
            "record",
            members=tuple(
                Member(keys.get(n, n), shape_of_type(t), n not in optional) for n, t in hints(annotation).items()
            ),
        )
    return ANY


def _template(name: str, annotation: Any) -> str:
    if get_origin(annotation) is Annotated:
        for note in get_args(annotation)[1:]:
            if isinstance(note, str):
                return note
    return "{" + name.removesuffix("_") + "}"


def class_node(cls: Any, compiler: Compiler, loc: Loc) -> Node:
    """A node that makes an instance of a record class, field by field."""
    gets: list[tuple[str, Callable[[Scope], Any]]] = []
    for name, annotation in hints(cls).items():
        template = _template(name, annotation)
        plain = annotation if get_origin(annotation) is not Annotated else get_args(annotation)[0]
        if plain is datetime and template.strip("{}") in ("time", "event.time"):
            gets.append((name, _datetime))
        else:
            gets.append((name, compiler.text(template, (*loc, name)).get))
    build = (lambda **values: values) if typing.is_typeddict(cls) else _by_names(cls)
    return Node(lambda s: build(**{name: get(s) for name, get in gets}), shape_of_type(cls))


def _by_names(cls: Any) -> Any:
    if hasattr(cls, "model_fields"):
        keys = {n: f.validation_alias or f.alias or n for n, f in cls.model_fields.items()}
        return lambda **values: cls(**{keys[k]: v for k, v in values.items()})
    return cls


def _datetime(s: Scope) -> datetime:
    return utc(s.info.time)
