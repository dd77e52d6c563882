"""Where everything stands in a YAML text: nodes with their first and last character, aliases left as they are.

PyYAML's events give the places; unlike its nodes they know an alias from what it stands for.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import yaml

__all__ = ["Node", "Tree"]

Kind = Literal["scalar", "mapping", "sequence", "alias"]


@dataclass(slots=True)
class Node:
    """A value or key. Places are indices of characters of the text."""

    kind: Kind
    start: int
    """Of its first character, anchor and tag included."""
    end: int = 0
    """Behind its last character; without comments, and without what follows a block."""
    flow: bool = True
    """Written in brackets or on its own, and not as a block of lines."""
    anchor: str = ""
    """Its own; of an alias the one that it names."""
    tagged: bool = False
    value: str = ""
    """Of a scalar."""
    style: str = ""
    """Of a scalar: '' for a plain one, else the character that begins it."""
    items: list[Node] = field(default_factory=list)
    """Of a sequence."""
    pairs: list[tuple[Node, Node]] = field(default_factory=list)
    """Of a mapping."""

    def walk(self) -> Iterator[Node]:
        """This node and all below it."""
        yield self
        for child in self.items:
            yield from child.walk()
        for key, value in self.pairs:
            yield from key.walk()
            yield from value.walk()


class Tree:
    """The nodes of a text that holds one YAML document, which was read without a fault before."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._events = iter(yaml.parse(text, Loader=yaml.SafeLoader))
        self.root: Node | None = None
        for event in self._events:
            if isinstance(event, yaml.NodeEvent):
                self.root = self._node(event)
                break

    @cached_property
    def _dashes(self) -> list[int]:
        return [
            _index(token.start_mark)
            for token in yaml.scan(self.text, Loader=yaml.SafeLoader)
            if isinstance(token, yaml.BlockEntryToken)
        ]

    def _node(self, event: yaml.Event) -> Node:
        start, end = _index(event.start_mark), _index(event.end_mark)
        anchor = getattr(event, "anchor", None) or ""
        tagged = getattr(event, "tag", None) is not None
        if isinstance(event, yaml.AliasEvent):
            return Node("alias", start, end, anchor=anchor)
        if isinstance(event, yaml.ScalarEvent):
            style = event.style or ""
            return Node("scalar", start, end, style not in ("|", ">"), anchor, tagged, event.value, style)
        flow = bool(getattr(event, "flow_style", False))
        if isinstance(event, yaml.SequenceStartEvent):
            made = Node("sequence", start, start, flow, anchor, tagged)
            while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
                made.items.append(self._node(event))
            last = made.items[-1] if made.items else None
        else:
            made = Node("mapping", start, start, flow, anchor, tagged)
            while not isinstance(event := next(self._events), yaml.MappingEndEvent):
                key = self._node(event)
                made.pairs.append((key, self._node(next(self._events))))
            last = made.pairs[-1][1] if made.pairs else None
        # The end of a block is only told by what follows it, behind comments and empty lines.
        made.end = _index(event.end_mark) if flow else (last.end if last is not None else end)
        return made

    def dash(self, item: Node, behind: int) -> int:
        """Place of the dash of an item of a block sequence, the first behind a place."""
        at = bisect_left(self._dashes, behind)
        found = self._dashes[at]
        assert found <= item.start
        return found

    def aliases(self, anchor: str, outside: Node) -> list[Node]:
        """Aliases of an anchor that do not stand in a node, in their order."""
        assert self.root is not None
        return [
            node
            for node in self.root.walk()
            if node.kind == "alias" and node.anchor == anchor and not outside.start <= node.start < outside.end
        ]

    # -- lines ----------------------------------------------------------------------------------------------------

    def column(self, at: int) -> int:
        """Characters before a place on its line."""
        return at - self.line_start(at)

    def line_start(self, at: int) -> int:
        """The beginning of the line."""
        return max(self.text.rfind("\n", 0, at), self.text.rfind("\r", 0, at)) + 1

    def line_end(self, at: int) -> int:
        """The end of the line on which what ends at ``at`` ends, without its line break: behind a comment that stands there."""
        if at and self.text[at - 1] in "\r\n":  # a block of text takes the line break along
            return at - (2 if self.text[at - 2 : at] == "\r\n" else 1)
        return self._break(at)

    def _break(self, at: int) -> int:
        """The next line break, or the end."""
        found = [i for i in (self.text.find("\n", at), self.text.find("\r", at)) if i >= 0]
        return min(found, default=len(self.text))

    def behind_comments(self, end: int, column: int) -> int:
        """As :meth:`line_end`; but where comments follow on lines of their own that are indented by more than ``column``, and so
        belong to what ends there, the end of the last of them."""
        found = at = self.line_end(end)
        while at < len(self.text):
            begin = self.next_line(at)
            at = self._break(begin)
            line = self.text[begin:at]
            words = line.lstrip(" ")
            if words.startswith("#") and len(line) - len(words) > column:
                found = at
            elif words:
                break
        return found

    def next_line(self, at: int) -> int:
        """Behind the line break at the end of a line."""
        if self.text[at : at + 2] == "\r\n":
            return at + 2
        return min(at + 1, len(self.text))

    @property
    def line_break(self) -> str:
        """As in the text's first line."""
        at = self._break(0)
        return "\r\n" if self.text[at : at + 2] == "\r\n" else "\n"


def _index(mark: Any) -> int:
    """Place of a mark; all that come of texts have one."""
    return int(mark.index)
