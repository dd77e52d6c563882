"""The expression language of templates and conditions: paths, literals, filters, comparisons, and / or / not.

    expression := and ('or' and)*
    and        := not ('and' not)*
    not        := 'not' not | comparison
    comparison := pipe (('==' | '!=' | '<' | '<=' | '>' | '>=' | 'in' | 'not in') pipe)?
    pipe       := primary ('|' NAME ('(' arguments ')')?)*
    primary    := NUMBER | STRING | 'true' | 'false' | 'null' | '[' list ']' | '(' expression ')' | PATH
    PATH       := name ('.' name | '[' STRING ']')*     (a name may hold '-', '@', '#')

A parser of its own instead of Python's: nothing but the data can be reached, there is nothing to forbid.
Every path and every comparison of types is checked when it is parsed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from countline.messages.faults import nearest
from countline.messages.field_registry import FieldRegistry
from countline.messages.filters import apply
from countline.messages.node import Node, TemplateFault, constant, to_text
from countline.messages.scope import Scope
from countline.messages.shape import BOOLEAN, list_of, merge

__all__ = ["field_node", "parse"]

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.]))
    | (?P<string>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
    | (?P<op>==|!=|<=|>=|<|>|\(|\)|\[|\]|,|\|)
    | (?P<path>[^\W\d][\w@\#>-]*(?:\.[\w@\#>-]+|\[\s*(?:'[^']*'|"[^"]*")\s*\])*)
    | (?P<bad>\S)
    )""",
    re.VERBOSE,
)
_PLAIN = re.compile(r"[^\W\d]\w*(?:\.\w+)*")
_BRACKET = re.compile(r"\[\s*(?:'([^']*)'|\"([^\"]*)\")\s*\]")
_ESCAPE = re.compile(r"\\(.)")
_WORDS: dict[str, Any] = {"true": True, "false": False, "null": None, "True": True, "False": False, "None": None}
_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}
_GROUPS = {"integer": "number", "uint64": "number", "time": "time"}


def field_node(path: str, registry: FieldRegistry, loops: Sequence[str]) -> Node:
    """The field of a path. Raises TemplateFault with the valid paths."""
    found = registry.find(path, loops)
    if found is not None:
        return Node(found.get, found.shape)
    head = path.partition(".")[0]
    fix = nearest(path, registry.paths(loops))
    words = registry.table.events.words
    if head in words and not registry.kinds:
        fix = "this trigger has no event of its own: use a trigger such as crossing, or loop {for: events}; " + fix
    elif head in words:
        fix = f"events of kind {' and '.join(registry.kinds)} do not have it; " + fix
    where = [name for name, loop in registry.table.loops.items() if path in loop.fields]
    if where:
        fix = f"it exists inside {' / '.join(f'{{for: {name}}}' for name in where)}; " + fix
    raise TemplateFault(f"there is no field '{path}'", fix)


def parse(text: str, registry: FieldRegistry, loops: Sequence[str] = ()) -> Node:
    """Compile an expression. Raises TemplateFault."""
    stripped = text.strip()
    if not stripped:
        raise TemplateFault("an expression is empty", "name a field, e.g. {time}")
    if registry.find(stripped, loops) is not None:  # names of rules may hold blanks
        return field_node(stripped, registry, loops)
    parser = _Parser(text, registry, loops)
    head, bar, rest = text.partition("|")
    plain = head.strip()
    if bar and not _PLAIN.fullmatch(plain) and registry.find(plain, loops) is not None:
        parser = _Parser(bar + rest, registry, loops)
        parser.tokens.insert(0, ("field", plain))
    parser.scan()
    node = parser.either()
    parser.end()
    return node


class _Parser:
    def __init__(self, text: str, registry: FieldRegistry, loops: Sequence[str]) -> None:
        self.text = text
        self.registry = registry
        self.loops = loops
        self.tokens: list[tuple[str, str]] = []
        self.at = 0

    def scan(self) -> None:
        """Split the text into tokens."""
        for match in _TOKEN.finditer(self.text):
            kind = match.lastgroup or ""
            if kind == "bad":
                raise TemplateFault(
                    f"'{match.group(kind)}' cannot stand in an expression (in '{self.text.strip()}')",
                    "there are paths, numbers, 'texts', filters, == != < <= > >= in not and or; a name with other signs "
                    "is written lines['the name'].current",
                )
            self.tokens.append((kind, match.group(kind)))

    def peek(self) -> tuple[str, str]:
        return self.tokens[self.at] if self.at < len(self.tokens) else ("end", "")

    def take(self, *values: str) -> str | None:
        kind, value = self.peek()
        if kind in ("op", "path") and value in values:
            self.at += 1
            return value
        return None

    def need(self, value: str) -> None:
        if self.take(value) is None:
            raise TemplateFault(f"'{value}' is missing in '{self.text.strip()}'")

    def end(self) -> None:
        kind, value = self.peek()
        if kind != "end":
            raise TemplateFault(f"'{value}' is not expected there in '{self.text.strip()}'")

    def either(self) -> Node:
        node = self.both()
        while self.take("or"):
            node = _logic(node, self.both(), any_=True)
        return node

    def both(self) -> Node:
        node = self.negation()
        while self.take("and"):
            node = _logic(node, self.negation(), any_=False)
        return node

    def negation(self) -> Node:
        if self.take("not"):
            node = self.negation()
            get = node.get
            return Node(lambda s: not get(s), BOOLEAN, node.constant)
        return self.comparison()

    def comparison(self) -> Node:
        left = self.pipe()
        op = self.take("==", "!=", "<", "<=", ">", ">=", "in", "not")
        if op is None:
            return left
        if op == "not":
            self.need("in")
            op = "not in"
        node = _compare(op, left, self.pipe(), self.text.strip())
        if self.take("==", "!=", "<", "<=", ">", ">=", "in"):
            raise TemplateFault(f"two comparisons in a row in '{self.text.strip()}'", "join them with 'and'")
        return node

    def pipe(self) -> Node:
        node = self.primary()
        while self.take("|"):
            kind, name = self.peek()
            if kind != "path":
                raise TemplateFault(f"the name of a filter is missing behind '|' in '{self.text.strip()}'")
            self.at += 1
            args: list[Node] = []
            if self.take("("):
                args = self.series(")")
            node = apply(name, node, args)
        return node

    def series(self, close: str) -> list[Node]:
        nodes: list[Node] = []
        if self.take(close):
            return nodes
        while True:
            nodes.append(self.either())
            if self.take(close):
                return nodes
            self.need(",")

    def primary(self) -> Node:
        kind, value = self.peek()
        self.at += 1
        if kind == "number":
            return constant(float(value) if any(c in value for c in ".eE") else int(value))
        if kind == "string":
            return constant(_ESCAPE.sub(r"\1", value[1:-1]))
        if kind == "field":
            return field_node(value, self.registry, self.loops)
        if kind == "path":
            if value in _WORDS:
                return constant(_WORDS[value])
            path = _BRACKET.sub(lambda m: "." + (m.group(1) if m.group(1) is not None else m.group(2)), value)
            return field_node(path, self.registry, self.loops)
        if value == "(" and kind == "op":
            node = self.either()
            self.need(")")
            return node
        if value == "[" and kind == "op":
            return _list(self.series("]"))
        what = f"'{value}' is not expected there" if kind != "end" else "something is missing at the end"
        raise TemplateFault(f"{what} in '{self.text.strip()}'")


def _list(nodes: Sequence[Node]) -> Node:
    shape = nodes[0].shape if nodes else None
    for node in nodes[1:]:
        assert shape is not None
        shape = merge(shape, node.shape)
    if all(n.constant for n in nodes):
        return constant([n.value for n in nodes])
    gets = [n.get for n in nodes]
    return Node(lambda s: [get(s) for get in gets], list_of(shape or BOOLEAN))


def _logic(a: Node, b: Node, *, any_: bool) -> Node:
    left, right = a.get, b.get
    if any_:
        return Node(lambda s: bool(left(s) or right(s)), BOOLEAN)
    return Node(lambda s: bool(left(s) and right(s)), BOOLEAN)


def _compare(op: str, a: Node, b: Node, text: str) -> Node:
    if op in ("in", "not in"):
        return _member(op, to_text(a), to_text(b), text)
    if "time" in (a.shape.kind, b.shape.kind) and a.shape.kind != b.shape.kind:
        a, b = to_text(a), to_text(b)  # RFC 3339 texts of one form sort like the times
    one, other = (_GROUPS.get(n.shape.kind, n.shape.kind) for n in (a, b))
    loose = {"any", "null"} & {one, other}
    if one != other and not loose:
        raise TemplateFault(
            f"'{text}' compares {one} with {other}", "compare values of one type; texts stand in quotes"
        )
    left, right = a.get, b.get
    if op == "==":
        return Node(lambda s: bool(left(s) == right(s)), BOOLEAN)
    if op == "!=":
        return Node(lambda s: bool(left(s) != right(s)), BOOLEAN)
    if not loose and one not in ("number", "string", "time"):
        raise TemplateFault(f"'{text}' asks which {one} is greater", "use == or !=")
    order = _ORDER[op]

    def compare(s: Scope) -> bool:
        x, y = left(s), right(s)
        return x is not None and y is not None and order(x, y)

    return Node(compare, BOOLEAN)


def _member(op: str, a: Node, b: Node, text: str) -> Node:
    if b.shape.kind not in ("list", "map", "string", "any"):
        raise TemplateFault(f"'{text}' looks into a {b.shape.kind}", "'in' takes a list such as ['car', 'bus']")
    if b.shape.kind in ("string", "map") and a.shape.kind not in ("string", "any"):
        raise TemplateFault(f"'{text}' looks for a {a.shape.kind} in a {b.shape.kind}", "use |string")
    left, inside = a.get, op == "in"
    if b.constant and b.shape.kind == "list":
        fixed = b.value
        return Node(lambda s: (left(s) in fixed) is inside, BOOLEAN)
    right = b.get

    def member(s: Scope) -> bool:
        x, where = left(s), right(s)
        return (where is not None and x is not None and x in where) is inside

    return Node(member, BOOLEAN)
