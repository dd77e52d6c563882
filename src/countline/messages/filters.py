"""Filters: ``{speed|round(1)|default(0)}``. A null stays null through every filter but ``default``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from countline.messages.faults import suggest
from countline.messages.ids import uuid5_text
from countline.messages.node import Node, TemplateFault, to_text
from countline.messages.scope import Scope
from countline.messages.shape import ANY, INTEGER, NUMBER, STRING, TIME_TEXT, Shape, merge, shape_of_value
from countline.messages.time import rfc3339, strftime

__all__ = ["FILTERS", "apply", "text_of"]

_NUMERIC = ("integer", "uint64", "number", "any")
_SCALAR = ("string", "integer", "uint64", "number", "boolean", "time", "any")


def text_of(value: Any) -> str:
    """A value inside a longer text: null is empty, booleans are true/false, lists and mappings compact JSON."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, (dict, list, tuple)):
        return orjson.dumps(value).decode()
    return str(value)


@dataclass(frozen=True)
class Filter:
    """``make(args)`` gives the function of the value; ``kinds`` are the shapes it takes."""

    kinds: Sequence[str]
    least: int
    most: int
    make: Callable[[Node, Sequence[Any]], tuple[Callable[[Any], Any], Shape]]
    usage: str


def _round(node: Node, args: Sequence[Any]) -> tuple[Callable[[Any], Any], Shape]:
    digits = _integer(args[0], "round") if args else 0
    if digits <= 0 and not args:
        return round, INTEGER
    return (lambda v: round(v, digits)), node.shape.not_null()


def _integer(value: Any, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TemplateFault(f"{name} takes a whole number, not {value!r}")
    return value


def _int(value: Any) -> int:
    return int(float(value)) if isinstance(value, str) and not value.lstrip("+-").isdigit() else int(value)


def _simple(form: Callable[[Any], Any], shape: Shape) -> Callable[[Node, Sequence[Any]], Any]:
    return lambda node, args: (form, shape)


def _epoch(divisor: int) -> Callable[[Node, Sequence[Any]], Any]:
    return lambda node, args: ((lambda v: v // divisor), INTEGER)


def _rfc3339(node: Node, args: Sequence[Any]) -> tuple[Callable[[Any], Any], Shape]:
    digits = _integer(args[0], "rfc3339") if args else 3
    if not 0 <= digits <= 9:
        raise TemplateFault(f"rfc3339 takes 0 to 9 digits, not {digits}")
    return (lambda v: rfc3339(v, digits)), TIME_TEXT


def _strftime(node: Node, args: Sequence[Any]) -> tuple[Callable[[Any], Any], Shape]:
    zone = str(args[1]) if len(args) > 1 else "UTC"
    try:
        return strftime(str(args[0]), zone), STRING
    except (KeyError, ValueError, OSError):
        raise TemplateFault(f"there is no time zone '{zone}'", "use an IANA name such as Europe/Berlin") from None


def _truncate(node: Node, args: Sequence[Any]) -> tuple[Callable[[Any], Any], Shape]:
    n = _integer(args[0], "truncate")
    return (lambda v: v[:n]), STRING


def _last(node: Node, args: Sequence[Any]) -> tuple[Callable[[Any], Any], Shape]:
    n = _integer(args[0], "last")
    if n < 1:
        raise TemplateFault(f"last takes a number from 1, not {n}")
    return (lambda v: v[-n:]), node.shape.not_null()


def _map(node: Node, args: Sequence[Any]) -> tuple[Callable[[Any], Any], Shape]:
    """``map('in', 1, 'out', -1)``; a last odd argument is for all else, without it the value stays."""
    pairs, rest = args[: len(args) // 2 * 2], args[len(args) // 2 * 2 :]
    table = dict(zip(pairs[::2], pairs[1::2]))
    shape: Shape | None = None
    for value in [*table.values(), *rest]:
        shape = shape_of_value(value) if shape is None else merge(shape, shape_of_value(value))
    if rest:
        other = rest[0]
        return (lambda v: table.get(v, other)), shape or ANY
    return (lambda v: table.get(v, v)), merge(shape or ANY, node.shape.not_null())


FILTERS: dict[str, Filter] = {
    "round": Filter(_NUMERIC, 0, 1, _round, "round(digits): a number, whole without digits"),
    "int": Filter((*_SCALAR[:5], "any"), 0, 0, _simple(_int, INTEGER), "int: a whole number"),
    "float": Filter((*_SCALAR[:5], "any"), 0, 0, _simple(float, NUMBER), "float: a number with a fraction"),
    "string": Filter((*_SCALAR, "list", "map", "record"), 0, 0, _simple(text_of, STRING), "string: as text"),
    "upper": Filter(("string", "any"), 0, 0, _simple(lambda v: v.upper(), STRING), "upper"),
    "lower": Filter(("string", "any"), 0, 0, _simple(lambda v: v.lower(), STRING), "lower"),
    "title": Filter(("string", "any"), 0, 0, _simple(lambda v: v.title(), STRING), "title"),
    "truncate": Filter(("string", "any"), 1, 1, _truncate, "truncate(n): the first n characters"),
    "replace": Filter(
        ("string", "any"), 2, 2, lambda n, a: ((lambda v: v.replace(str(a[0]), str(a[1]))), STRING), "replace(old, new)"
    ),
    "length": Filter(("string", "list", "map", "any"), 0, 0, _simple(len, INTEGER), "length"),
    "join": Filter(
        ("list", "any"),
        0,
        1,
        lambda n, a: ((lambda v, sep=str(a[0]) if a else ",": sep.join(map(text_of, v))), STRING),
        "join(separator): a list of texts as one",
    ),
    "last": Filter(("list", "any"), 1, 1, _last, "last(n): the last n elements"),
    "json": Filter(
        (*_SCALAR, "list", "map", "record"),
        0,
        0,
        _simple(lambda v: orjson.dumps(v).decode(), STRING),
        "json: as JSON text",
    ),
    "map": Filter((*_SCALAR[:5], "any"), 2, 64, _map, "map(from, to, from, to …, else)"),
    "uuid": Filter(_SCALAR, 0, 0, _simple(lambda v: uuid5_text(text_of(v)), STRING), "uuid: a UUID v5 of the text"),
    "rfc3339": Filter(("time",), 0, 1, _rfc3339, "rfc3339(digits): UTC, e.g. 2026-11-22T08:00:00.000Z"),
    "epoch": Filter(("time",), 0, 0, _simple(lambda v: v / 1e9, NUMBER), "epoch: s since 1970 with a fraction"),
    "epoch_s": Filter(("time",), 0, 0, _epoch(1_000_000_000), "epoch_s: whole s since 1970"),
    "epoch_ms": Filter(("time",), 0, 0, _epoch(1_000_000), "epoch_ms: ms since 1970"),
    "epoch_us": Filter(("time",), 0, 0, _epoch(1_000), "epoch_us: µs since 1970"),
    "epoch_ns": Filter(("time",), 0, 0, _epoch(1), "epoch_ns: ns since 1970"),
    "strftime": Filter(("time",), 1, 2, _strftime, "strftime(pattern, zone): e.g. strftime('%H:%M', 'Europe/Berlin')"),
}
"""All filters but default, plus, minus, times and divided_by, whose arguments may be fields."""

_ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "plus": lambda a, b: a + b,
    "minus": lambda a, b: a - b,
    "times": lambda a, b: a * b,
    "divided_by": lambda a, b: a / b if b else None,
}

NAMES = (*FILTERS, "default", *_ARITHMETIC)


def apply(name: str, node: Node, args: Sequence[Node]) -> Node:
    """``node|name(args)``. Raises TemplateFault: unknown filter, wrong arguments, a value it cannot take."""
    if name == "default":
        return _default(node, args)
    if name in _ARITHMETIC:
        return _calculate(name, node, args)
    filter_ = FILTERS.get(name)
    if filter_ is None:
        raise TemplateFault(f"there is no filter '{name}'", suggest(name, NAMES, noun="filters"))
    if not filter_.least <= len(args) <= filter_.most:
        raise TemplateFault(f"the filter {name} is given {len(args)} arguments", f"write {filter_.usage}")
    if not all(a.constant for a in args):
        raise TemplateFault(f"arguments of the filter {name} must be fixed values", f"write {filter_.usage}")
    if node.shape.kind not in filter_.kinds and node.shape.kind != "null":
        fix = (
            "the time filters take {time} or a reset_at"
            if filter_.kinds == ("time",)
            else f"it takes {', '.join(filter_.kinds)}"
        )
        raise TemplateFault(f"the filter {name} cannot take a value of type {node.shape.kind}", fix)
    if node.shape.kind == "time" and "time" in filter_.kinds and filter_.kinds != ("time",):
        node = to_text(node)
    form, shape = filter_.make(node, [a.value for a in args])
    return _chain(node, form, shape)


def _chain(node: Node, form: Callable[[Any], Any], shape: Shape) -> Node:
    get = node.get
    if not node.shape.nullable:
        return Node(lambda s: form(get(s)), shape, node.constant)

    def careful(s: Scope) -> Any:
        value = get(s)
        return None if value is None else form(value)

    return Node(careful, shape.or_null(), node.constant)


def _default(node: Node, args: Sequence[Node]) -> Node:
    if len(args) != 1:
        raise TemplateFault("the filter default takes one argument", "write default(0)")
    get, other = node.get, args[0].get

    def default(s: Scope) -> Any:
        value = get(s)
        return other(s) if value is None else value

    shape = merge(node.shape.not_null() if node.shape.kind != "any" else node.shape, args[0].shape)
    if node.shape.kind == "null":
        shape = args[0].shape
    return Node(default, shape, node.constant and args[0].constant)


def _calculate(name: str, node: Node, args: Sequence[Node]) -> Node:
    if len(args) != 1:
        raise TemplateFault(f"the filter {name} takes one argument", f"write {name}(2) or {name}(another.field)")
    other = args[0]
    for operand in (node, other):
        if operand.shape.kind not in _NUMERIC:
            raise TemplateFault(f"the filter {name} takes numbers, not {operand.shape.kind}")
    form, left, right = _ARITHMETIC[name], node.get, other.get
    integral = name != "divided_by" and "number" not in (node.shape.kind, other.shape.kind)
    shape = (INTEGER if integral else NUMBER).or_null() if name == "divided_by" else INTEGER if integral else NUMBER

    def calculate(s: Scope) -> Any:
        a, b = left(s), right(s)
        return None if a is None or b is None else form(a, b)

    nullable = node.shape.nullable or other.shape.nullable
    return Node(calculate, shape.or_null() if nullable else shape, node.constant and other.constant)
