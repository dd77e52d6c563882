"""A compiled piece of a template: a function of the scope, and the shape of what it gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from countline.messages.scope import Scope
from countline.messages.shape import TIME_TEXT, Shape, shape_of_value
from countline.messages.time import rfc3339

__all__ = ["OMIT", "Node", "TemplateFault", "constant", "to_text"]


class _Omit:
    def __repr__(self) -> str:
        return "OMIT"


OMIT: Any = _Omit()
"""Value of a key or element whose condition does not hold: it is left out."""


class TemplateFault(Exception):
    """A fault inside one template; the caller adds the place."""

    def __init__(self, what: str, fix: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.fix = fix


@dataclass(frozen=True)
class Node:
    """``get(scope)`` gives the value. ``constant`` nodes ignore the scope."""

    get: Callable[[Scope], Any]
    shape: Shape
    constant: bool = False

    @property
    def value(self) -> Any:
        """Value of a constant node."""
        return self.get(None)  # type: ignore[arg-type]


def constant(value: Any) -> Node:
    """A node that always gives ``value``."""
    return Node(lambda s: value, shape_of_value(value), constant=True)


def to_text(node: Node) -> Node:
    """Times, which are ns inside an expression, become RFC 3339 text where they leave it."""
    if node.shape.kind != "time":
        return node
    get = node.get
    if not node.shape.nullable:
        return Node(lambda s: rfc3339(get(s)), TIME_TEXT)

    def text(s: Scope) -> str | None:
        ns = get(s)
        return None if ns is None else rfc3339(ns)

    return Node(text, TIME_TEXT.or_null())
