"""Templates: a tree of YAML values whose texts may name fields, compiled once into nested functions.

* ``"{field}"`` alone keeps the field's type; inside a longer text it is written as text; ``{{`` and ``}}`` are braces.
* ``{for: objects, if: condition, do: template}`` is a list; ``for`` is objects, lines, regions, directions, journeys,
  queues, wrong_ways, classes or events.
* ``{if: condition, then: template, else: template}``; without ``else`` the key or element is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from countline.messages.expr import parse
from countline.messages.faults import Loc, MessageFault, suggest
from countline.messages.field_registry import FieldRegistry
from countline.messages.filters import text_of
from countline.messages.node import OMIT, Node, TemplateFault, constant, to_text
from countline.messages.scope import Scope
from countline.messages.shape import NULL, STRING, Member, Shape, list_of, merge

__all__ = ["Compiler"]


class Compiler:
    """Compiles the templates of one definition. Faults are collected in ``faults``; look there when done."""

    def __init__(self, registry: FieldRegistry) -> None:
        self.registry = registry
        self.faults: list[MessageFault] = []

    def tree(self, value: Any, loc: Loc, loops: Sequence[str] = ()) -> Node:
        """A template of any nesting."""
        if isinstance(value, str):
            return self.text(value, loc, loops)
        if isinstance(value, Mapping):
            if "for" in value and "do" in value:
                return self._loop(value, loc, loops)
            if "if" in value and "then" in value:
                return self._condition(value, loc, loops)
            return self._mapping(value, loc, loops)
        if isinstance(value, (list, tuple)):
            return self._list(value, loc, loops)
        return constant(value)

    def text(self, text: str, loc: Loc, loops: Sequence[str] = ()) -> Node:
        """A text with or without fields."""
        try:
            return self._text(text, loops)
        except TemplateFault as fault:
            return self._report(fault, loc)

    def condition(self, text: Any, loc: Loc, loops: Sequence[str] = ()) -> Callable[[Scope], Any]:
        """A condition; braces around it are allowed."""
        try:
            if isinstance(text, bool):
                return constant(text).get
            if not isinstance(text, str):
                raise TemplateFault(f"a condition is a text, not {text!r}", "write e.g. if: class == 'person'")
            bare = text.strip()
            if bare.startswith("{") and bare.endswith("}"):
                bare = bare[1:-1]
            return parse(bare, self.registry, loops).get
        except TemplateFault as fault:
            return self._report(fault, loc).get

    def _report(self, fault: TemplateFault, loc: Loc) -> Node:
        self.faults.append(MessageFault(fault.what, loc, fault.fix))
        return constant(None)

    def _text(self, text: str, loops: Sequence[str]) -> Node:
        parts = [
            part if literal else to_text(parse(part, self.registry, loops)) for literal, part in split_fields(text)
        ]
        if all(isinstance(part, str) for part in parts):
            return constant("".join(part for part in parts if isinstance(part, str)))
        if len(parts) == 1 and isinstance(parts[0], Node):
            return parts[0]
        return _joined(parts)

    def _mapping(self, value: Mapping[Any, Any], loc: Loc, loops: Sequence[str]) -> Node:
        items: list[tuple[str, Node]] = []
        for key, child in value.items():
            if not isinstance(key, str):
                key = str(key)
            items.append((key, self.tree(child, (*loc, key), loops)))
        shape = Shape("record", members=tuple(Member(k, _present(n.shape), not _optional(n)) for k, n in items))
        if all(node.constant for _, node in items):
            fixed = {k: n.value for k, n in items}
            return Node(lambda s: fixed, shape, constant=True)
        gets = [(k, n.get) for k, n in items]
        if not any(_optional(n) for _, n in items):
            return Node(lambda s: {k: get(s) for k, get in gets}, shape)

        def build(s: Scope) -> dict[str, Any]:
            made = {}
            for k, get in gets:
                got = get(s)
                if got is not OMIT:
                    made[k] = got
            return made

        return Node(build, shape)

    def _list(self, value: Sequence[Any], loc: Loc, loops: Sequence[str]) -> Node:
        nodes = [self.tree(child, (*loc, i), loops) for i, child in enumerate(value)]
        if not nodes:
            return constant([])
        items = _present(nodes[0].shape)
        for node in nodes[1:]:
            items = merge(items, _present(node.shape))
        if all(node.constant for node in nodes):
            fixed = [node.value for node in nodes]
            return Node(lambda s: fixed, list_of(items), constant=True)
        gets = [node.get for node in nodes]
        if not any(_optional(node) for node in nodes):
            return Node(lambda s: [get(s) for get in gets], list_of(items))
        return Node(lambda s: [got for get in gets if (got := get(s)) is not OMIT], list_of(items))

    def _condition(self, value: Mapping[str, Any], loc: Loc, loops: Sequence[str]) -> Node:
        self._keys(value, ("if", "then", "else"), loc)
        test = self.condition(value["if"], (*loc, "if"), loops)
        then = self.tree(value["then"], (*loc, "then"), loops)
        if "else" not in value:
            yes = then.get
            return Node(lambda s: yes(s) if test(s) else OMIT, Shape("optional", items=then.shape))
        other = self.tree(value["else"], (*loc, "else"), loops)
        yes, no = then.get, other.get
        return Node(lambda s: yes(s) if test(s) else no(s), merge(then.shape, other.shape))

    def _keys(self, value: Mapping[str, Any], known: Sequence[str], loc: Loc) -> None:
        for key in value:
            if key not in known:
                self.faults.append(
                    MessageFault(f"'{key}' cannot stand beside '{known[0]}'", (*loc, key), suggest(key, known))
                )

    def _loop(self, value: Mapping[str, Any], loc: Loc, loops: Sequence[str]) -> Node:
        self._keys(value, ("for", "if", "do"), loc)
        what = value["for"]
        loops_known = self.registry.table.loops
        if what not in loops_known:
            self.faults.append(
                MessageFault(
                    f"there is nothing called '{what}' to loop over", (*loc, "for"), suggest(str(what), loops_known)
                )
            )
            return constant(None)
        inner = (*loops, what)
        body = self.tree(value["do"], (*loc, "do"), inner)
        test = self.condition(value["if"], (*loc, "if"), inner) if "if" in value else None
        shape = list_of(_present(body.shape))
        if what == "objects":
            return Node(_loop_over_objects(body, test), shape)
        if what == "events":
            return Node(_loop_over_events(body, test), shape)
        return Node(_loop_over(what, loops_known[what].items, body, test), shape)


def _loop_over_objects(body: Node, test: Callable[[Scope], Any] | None) -> Callable[[Scope], list[Any]]:
    get, optional = body.get, _optional(body)

    def build(s: Scope) -> list[Any]:
        before, made = s.i, []
        for i in range(s.load_objects().length):
            s.i = i
            if test is None or test(s):
                made.append(get(s))
        s.i = before
        return [x for x in made if x is not OMIT] if optional else made

    return build


def _loop_over_events(body: Node, test: Callable[[Scope], Any] | None) -> Callable[[Scope], list[Any]]:
    get, optional = body.get, _optional(body)

    def build(s: Scope) -> list[Any]:
        before, made = s.event, []
        for event in s.events:
            s.event = event
            if test is None or test(s):
                made.append(get(s))
        s.event = before
        return [x for x in made if x is not OMIT] if optional else made

    return build


def _loop_over(
    what: str, items: Callable[[Scope], Iterable[Any]], body: Node, test: Callable[[Scope], Any] | None
) -> Callable[[Scope], list[Any]]:
    get, optional = body.get, _optional(body)

    def build(s: Scope) -> list[Any]:
        before, made = s.items, []
        for item in items(s):
            s.items = {**before, what: item}
            if test is None or test(s):
                made.append(get(s))
        s.items = before
        return [x for x in made if x is not OMIT] if optional else made

    return build


def _optional(node: Node) -> bool:
    return node.shape.kind == "optional"


def _present(shape: Shape) -> Shape:
    return shape.items or NULL if shape.kind == "optional" else shape


def _joined(parts: Sequence[str | Node]) -> Node:
    gets: list[Callable[[Scope], Any]] = []
    for part in parts:
        if isinstance(part, str):
            gets.append(constant(part).get)
        elif part.shape.kind == "string" and not part.shape.nullable:
            gets.append(part.get)
        elif part.shape.kind in ("integer", "uint64") and not part.shape.nullable:
            gets.append(_as_number(part.get))
        else:
            gets.append(_as_text(part.get))
    return Node(lambda s: "".join([get(s) for get in gets]), STRING)


def _as_number(get: Callable[[Scope], Any]) -> Callable[[Scope], str]:
    return lambda s: str(get(s))


def _as_text(get: Callable[[Scope], Any]) -> Callable[[Scope], str]:
    return lambda s: text_of(get(s))


def split_fields(text: str) -> list[tuple[bool, str]]:
    """``"a {b} c"`` -> ``[(True, 'a '), (False, 'b'), (True, ' c')]``. Raises TemplateFault at a lone brace."""
    parts: list[tuple[bool, str]] = []
    literal = ""
    i = 0
    while i < len(text):
        c = text[i]
        if c in "{}" and text[i : i + 2] == c * 2:
            literal += c
            i += 2
        elif c == "{":
            close = _closing(text, i)
            if literal:
                parts.append((True, literal))
                literal = ""
            parts.append((False, text[i + 1 : close]))
            i = close + 1
        elif c == "}":
            raise TemplateFault(f"a '}}' without '{{' in '{text}'", "a brace that belongs to the text is doubled: }}")
        else:
            literal += c
            i += 1
    if literal or not parts:
        parts.append((True, literal))
    return parts


def _closing(text: str, start: int) -> int:
    quote = ""
    for i in range(start + 1, len(text)):
        c = text[i]
        if quote:
            quote = "" if c == quote and text[i - 1] != "\\" else quote
        elif c in "'\"":
            quote = c
        elif c == "}":
            return i
        elif c == "{":
            break
    raise TemplateFault(
        f"'{text[start:]}' is not closed", "write {field}; a brace that belongs to the text is doubled: {{"
    )
