"""The table of message fields: each field is declared once, as an :class:`Entry`.

What templates may name, what ``countline schema --fields`` lists, the schemas of whole records (``{lines}``, ``{objects}``,
``{events}`` …) and the reading of values are all derived from the entries. Those of rules' states and of events follow from
their dataclasses (:func:`entries_of`), so there the field of the dataclass is the only place.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from operator import attrgetter
from typing import Any, get_args, get_origin, get_type_hints

from countline.messages.scope import Scope
from countline.messages.shape import (
    ANY,
    BOOLEAN,
    INTEGER,
    NUMBER,
    STRING,
    TIME,
    TIME_TEXT,
    Member,
    Shape,
    map_of,
    record,
)
from countline.messages.time import rfc3339
from countline.types import Analytics, Count

__all__ = [
    "COUNT",
    "DIGITS",
    "Entry",
    "Field",
    "Group",
    "Loop",
    "entries_of",
    "member_reader",
    "record_of",
    "record_reader",
]

Read = Callable[[Any], Any]
COUNT = record(current=INTEGER, cumulative=INTEGER)
DIGITS = 3
"""Decimal places of numbers, unless a dataclass says otherwise (``metadata={"digits": 2}``)."""
_SHAPES: Mapping[Any, Shape] = {bool: BOOLEAN, int: INTEGER, float: NUMBER, str: STRING, Count: COUNT}
_NOTHING: frozenset[str] = frozenset()
_EPOCHS = frozenset({"epochs"})


@dataclass(frozen=True)
class Field:
    """A field as one template names it: its shape, and the function that reads it from a scope."""

    get: Callable[[Scope], Any]
    shape: Shape
    level: str = "frame"
    """'frame', 'event', 'window', 'gap', 'attachment' or the loop it belongs to."""
    uses: frozenset[str] = _NOTHING
    """What definitions that name it must remember: 'epochs', 'trajectory', 'attachment'."""


@dataclass(frozen=True)
class Entry:
    """One field of the table."""

    name: str
    """Path behind that of what it is a part of."""
    shape: Shape
    """TIME: ns inside expressions, RFC 3339 text where it leaves them."""
    read: Read
    """From a scope; a field of a state, window or gap: from that."""
    level: str = "frame"
    uses: frozenset[str] = _NOTHING
    in_record: bool = True
    """Whether the record that it is a part of has it as a member."""
    record_shape: Shape | None = None
    """Shape there, if it is another one."""
    counter: str = ""
    """Name of the counter that it shows, for what it counted in a window."""
    column: Read | None = None
    """Reads it for all objects of a frame at once (from ``scope.Objects``), where that is quicker than one after the other."""
    by: str = ""
    """Of a mapping: 'class' or 'direction', whose names may stand in a path."""

    @property
    def field(self) -> Field:
        """As a template names it."""
        return Field(self.read, self.shape, self.level, self.uses)


def _counts(value: Count) -> dict[str, int]:
    return {"current": value.current, "cumulative": value.cumulative}


def plain_mapping(value: Mapping[str, Any]) -> dict[str, Any]:
    """A mapping of numbers or counts as plain values."""
    return {key: _counts(item) if isinstance(item, Count) else item for key, item in value.items()}


def entries_of(cls: type, beside: type | None = None, prefix: str = "") -> tuple[Entry, ...]:
    """The entries of a dataclass's fields, without those of ``beside``. Types: bool, int, float, str, Count, and mappings from
    text to int or Count; others are handed on as they are. ``metadata`` of a field: ``time`` (ns, 0 for never), ``digits``,
    ``counter`` (the counter that a Count shows), ``by`` (of a mapping: 'direction'; classes unless set), ``whole`` (False: no
    member of the whole record). ``prefix``: attribute path of the object within what entries read from, with its dot."""
    known = {item.name for item in dataclasses.fields(beside)} if beside is not None else set()
    hints = get_type_hints(cls)
    made: list[Entry] = []
    for item in dataclasses.fields(cls):
        if item.name not in known:
            made += _entries(item, hints[item.name], prefix)
    return tuple(made)


def _entries(item: dataclasses.Field[Any], type_: Any, prefix: str) -> Iterable[Entry]:
    name, notes = item.name, item.metadata
    get = attrgetter(prefix + name)
    uses = _EPOCHS if name in ("epoch", "reset_at") else _NOTHING
    in_record = notes.get("whole", True)
    if notes.get("time"):
        yield Entry(name, TIME.or_null(), lambda x: get(x) or None, uses=uses, in_record=in_record)
    elif get_origin(type_) is dict:
        shape = map_of(_SHAPES.get(get_args(type_)[1], ANY))
        yield Entry(name, shape, lambda x: plain_mapping(get(x)), in_record=in_record, by=notes.get("by", "class"))
    elif type_ is Count:
        yield Entry(name, COUNT, lambda x: _counts(get(x)), in_record=in_record, counter=notes.get("counter", ""))
        for part in ("current", "cumulative"):
            yield Entry(f"{name}.{part}", INTEGER, attrgetter(f"{prefix}{name}.{part}"), in_record=False)
    elif type_ is float:
        digits = notes.get("digits", DIGITS)
        yield Entry(name, NUMBER, lambda x: round(float(get(x)), digits), in_record=in_record)
    else:
        yield Entry(name, _SHAPES.get(type_, ANY), get, uses=uses, in_record=in_record)


def record_of(entries: Iterable[Entry]) -> Shape:
    """Shape of the record whose members are all entries with ``in_record``."""
    return Shape("record", members=tuple(Member(e.name, _member_shape(e)) for e in entries if e.in_record))


def _member_shape(entry: Entry) -> Shape:
    shape = entry.record_shape or entry.shape
    if shape.kind != "time":
        return shape
    return TIME_TEXT.or_null() if shape.nullable else TIME_TEXT


def member_reader(entry: Entry) -> Read:
    """Reads an entry as it stands in a record: times as text."""
    read = entry.read
    if entry.shape.kind != "time":
        return read

    def text(item: Any) -> str | None:
        ns = read(item)
        return None if ns is None else rfc3339(ns)

    return text


def record_reader(entries: Iterable[Entry]) -> Callable[[Any], dict[str, Any]]:
    """Reads that record (shape :func:`record_of`)."""
    members = [(entry.name, member_reader(entry)) for entry in entries if entry.in_record]
    return lambda item: {name: get(item) for name, get in members}


def uses_of(entries: Iterable[Entry]) -> frozenset[str]:
    """What a whole record uses."""
    return _NOTHING.union(*(entry.uses for entry in entries if entry.in_record))


@dataclass(frozen=True)
class Loop:
    """What ``{for: ...}`` goes through."""

    items: Callable[[Scope], Iterable[Any]]
    fields: Mapping[str, Field]


@dataclass(frozen=True)
class Group:
    """The states of the rules of one kind: ``{lines}``, ``{lines.NAME}``, ``{lines.NAME.current}``, ``{for: lines}``."""

    key: str
    """Head of their paths, and what loops name."""
    kind: str
    """Of the rules."""
    entries: Sequence[Entry]
    """Of one state."""
    empty: Any
    """State of a rule at rest."""
    states: Callable[[Analytics], Mapping[str, Any]]
    alone: str = ""
    """The one entry that stands for a state in the mapping of all (``{directions}``); the whole record unless set."""
    counted: bool = False
    """Whether there is what a rule counted in a window, over all its counters (``{lines.NAME.window}``)."""
    by_name: Mapping[str, Entry] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_name", {entry.name: entry for entry in self.entries})

    @cached_property
    def full_entry(self) -> Entry:
        """All of a state, or the one entry that stands for it."""
        if self.alone:
            return self.by_name[self.alone]
        return Entry("", record_of(self.entries), record_reader(self.entries), uses=uses_of(self.entries))

    @cached_property
    def all(self) -> Entry:
        """All states, by rule."""
        states, read = self.states, self.full_entry.read

        def get(s: Scope) -> dict[str, Any]:
            return {name: read(state) for name, state in states(s.analytics).items()}

        return Entry(self.key, map_of(self.full_entry.shape), get, uses=self.full_entry.uses)

    def paths(self, name: str, directions: Sequence[str], *, interval: bool) -> Iterable[str]:
        """All that may be named of one rule; CLASS stands for a class."""
        head = f"{self.key}.{name}"
        if not self.alone:
            yield head
        for entry in self.entries:
            yield f"{head}.{entry.name}"
            ends = [f".{leaf}" for leaf in ("current", "cumulative")] if entry.shape.items == COUNT else [""]
            if entry.by == "direction":
                yield from (f"{head}.{d}{end}" for d in directions for end in ends)
                if interval and self.counted:
                    yield from (f"{head}.{d}.window" for d in directions)
            elif entry.by == "class":
                yield from (f"{head}.{entry.name}.CLASS{end}" for end in ends)
            if interval and entry.counter:
                yield f"{head}.{entry.name}.window"
        if interval and self.counted:
            yield f"{head}.window"

    def loop(self) -> Loop:
        """Over all states: (name, state) each."""
        states = self.states
        return Loop(lambda s: states(s.analytics).items(), item_fields(self.key, self.entries))


def item_fields(key: str, entries: Iterable[Entry]) -> dict[str, Field]:
    """Fields of the items of a loop, which are (name, what the entries read from)."""

    def of_item(read: Read) -> Callable[[Scope], Any]:
        return lambda s: read(s.items[key][1])

    made = {"name": Field(lambda s: s.items[key][0], STRING, key)}
    return made | {e.name: Field(of_item(e.read), e.shape, key, e.uses) for e in entries}
