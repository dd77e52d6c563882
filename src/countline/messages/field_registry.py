"""Which fields exist for one definition: the rules, sources and labels of the configuration, by the trigger."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from operator import attrgetter
from typing import Any

from countline.messages.fields import ATTACHMENT, TABLE, FieldTable
from countline.messages.scope import Scope
from countline.messages.shape import INTEGER, map_of
from countline.messages.table import COUNT, Entry, Field, Group, plain_mapping
from countline.types import Count, RuleInfo, SourceInfo

__all__ = ["FieldRegistry"]

_OF_SOURCES = ("id", "time", "time_ns", "source", "source_index", "device_id", "uri", "status")
"""Heads of the paths that there are where a message tells of a source, and of no frame."""
_COUNTS = {"current": attrgetter("current"), "cumulative": attrgetter("cumulative")}


@dataclass
class FieldRegistry:
    """Finds fields by path. ``kinds`` are the trigger's kinds of event; empty for frame, change and interval."""

    rules: Sequence[RuleInfo]
    sources: Sequence[SourceInfo]
    labels: Sequence[str] = ()
    kinds: Sequence[str] = ()
    only_sources: Sequence[str] = ()
    """The definition's own filter."""
    attachment: bool = False
    interval: bool = False
    """The trigger is an interval: there are fields of its window."""
    gap: bool = False
    """The trigger is a gap: it is never null."""
    config: bool = False
    """The trigger is a change of the configuration: there is no frame, and no source."""
    status: bool = False
    """The trigger is another state of a source: there is no frame."""
    heartbeat: bool = False
    """The trigger is the clock: there is no frame, but the source's state."""
    table: FieldTable = TABLE
    used: set[str] = field(default_factory=set)
    """Levels and memories used so far: 'event', 'trajectory', 'attachment', 'epochs', 'objects', 'gap' …"""

    def __post_init__(self) -> None:
        self.event = self.table.events.of(self.kinds) if self.kinds else {}
        self.any_event = self.table.events.of(self.kinds or tuple(self.table.events.types))
        self.by_kind: dict[str, dict[str, RuleInfo]] = {}
        self.applies: dict[tuple[str, str], frozenset[str] | None] = {}
        """(kind, name) -> names of the sources that have such a rule; None: all."""
        for rule in self.rules:
            own = self.by_kind.setdefault(rule.kind, {})
            first = own.setdefault(rule.name, rule)
            if first is not rule:  # one name at several sources: the directions of all of them
                both = tuple(dict.fromkeys(first.directions + rule.directions))
                own[rule.name] = replace(first, directions=both)
            place = (rule.kind, rule.name)
            before = self.applies.get(place, frozenset())
            self.applies[place] = None if before is None or rule.source is None else before | {rule.source}

    def find(self, path: str, loops: Sequence[str] = ()) -> Field | None:
        """The field of this path where these loops are open (outermost first); None if there is none."""
        head, _, rest = path.partition(".")
        found: Field | None = None
        for loop in reversed(loops):
            own = self.item_fields(loop)
            found = own.get(rest) if self.table.singular.get(head) == loop else own.get(path)
            if found:
                break
        if found is None:
            found = self.event.get(rest if head == "event" and rest else path) or self._frame(path)
        if found is not None:
            in_loop = "events" in loops and found.level == "event"
            self.used.add("loop" if in_loop else found.level)
            self.used |= found.uses
        return found

    def item_fields(self, loop: str) -> dict[str, Field]:
        """Fields of an item of this loop."""
        return dict(self.table.loops[loop].fields) if loop != "events" else self.any_event

    def paths(self, loops: Sequence[str] = ()) -> Iterator[str]:
        """All valid paths, for errors; CLASS stands for any class name."""
        for loop in reversed(loops):
            yield from self.item_fields(loop)
        yield from self.event
        yield from filter(self._offered, self.table.of_frame)
        if self._no_frame:
            return
        if self.attachment:
            yield "attachment"
        groups = {group.kind: group for group in self.table.groups}
        for rule in self.rules:
            group = groups.get(rule.kind)
            if group is not None:
                yield from group.paths(rule.name, rule.directions, interval=self.interval)
            elif rule.kind == "journey":
                yield f"journeys.{rule.name}"

    @property
    def _no_frame(self) -> bool:
        return self.config or self.status or self.heartbeat

    def _offered(self, path: str) -> bool:
        """Whether the trigger has this field of the frame."""
        head = path.partition(".")[0]
        if self.config:
            return head in ("id", "time", "time_ns", "config")
        if self.status or self.heartbeat:
            return head in _OF_SOURCES or (self.heartbeat and head == "heartbeat")
        return head not in ("config", "status", "heartbeat") and (self.interval or head != "window")

    def _frame(self, path: str) -> Field | None:
        if self._no_frame:
            return self.table.of_frame.get(path) if self._offered(path) else None
        head, _, rest = path.partition(".")
        group = self.table.by_key.get(head)
        found: Field | None = None
        if rest and group is not None:
            of_group = group
            found = self._named(group.kind, rest, lambda rule, leaf: self._of_rule(of_group, rule, leaf))
        elif rest and head == "journeys":
            found = self._named("journey", rest, self._journey)
        elif rest and head in ("object_count", "class_counts"):
            found = self._class_count(rest)
        elif path == "attachment" and self.attachment:
            found = ATTACHMENT.field
        if found is None and self._offered(path):
            found = self.table.of_frame.get(path)
        if found is not None and path == "events":
            found = replace(found, shape=self.table.events.list_shape(self.rules))
        if found is not None and found.level == "gap" and self.gap:
            found = replace(found, shape=found.shape.not_null())
        return found

    def _named(self, kind: str, rest: str, make: Callable[[RuleInfo, str], Field | None]) -> Field | None:
        rules = self.by_kind.get(kind, {})
        for name in sorted(rules, key=len, reverse=True):  # a name may contain dots
            if rest == name or rest.startswith(name + "."):
                found = make(rules[name], rest[len(name) + 1 :])
                if found:
                    return found
        return None

    # -- rules that have a state -----------------------------------------------------------------------------------

    def _of_rule(self, group: Group, rule: RuleInfo, leaf: str) -> Field | None:
        entry = group.by_name.get(leaf) if leaf else None if group.alone else group.full_entry
        if entry is not None:
            return self._state(group, rule, entry)
        name, _, last = leaf.rpartition(".")
        if self.interval and last == "window":
            return self._window(group, rule, name)
        for mapping in group.entries:
            found = self._key_in(mapping, rule, leaf) if mapping.by else None
            if found is not None:
                return self._state(group, rule, _of_key(mapping, *found))
        return None

    def _key_in(self, mapping: Entry, rule: RuleInfo, leaf: str) -> tuple[str, str] | None:
        """Key of a mapping that a path names, and what of its value: '' for all of it. Directions stand alone in a path,
        classes behind the name of their mapping."""
        parts: Sequence[str] = tuple(_COUNTS) if mapping.shape.items == COUNT else ()
        if mapping.by == "direction":
            which, _, last = leaf.rpartition(".")
            if leaf in rule.directions:
                return leaf, ""
            return (which, last) if which in rule.directions and last in parts else None
        if not leaf.startswith(mapping.name + "."):
            return None
        name, last = self._class(leaf[len(mapping.name) + 1 :], parts)
        return (name, last) if name is not None and (last in parts or not last) else None

    def _class(self, text: str, parts: Sequence[str]) -> tuple[str | None, str]:
        """'traffic light.current' -> ('traffic light', 'current'); any class where the labels are not known."""
        if not self.labels:
            head, dot, last = text.rpartition(".")
            return (head, last) if dot and last in parts else (text, "")
        for label in sorted(self.labels, key=len, reverse=True):
            if text == label or text.startswith(label + "."):
                return label, text[len(label) + 1 :]
        return None, ""

    def _window(self, group: Group, rule: RuleInfo, name: str) -> Field | None:
        """What a rule, one of its counters or one class of it counted in the window of an interval."""
        if group.counted:
            if not name or name in rule.directions:
                return _windowed(rule, name or None)
            if name.startswith("classes."):
                label, rest = self._class(name[8:], ())
                return _windowed(rule, None, label) if label is not None and not rest else None
        entry = group.by_name.get(name)
        return _windowed(rule, entry.counter) if entry is not None and entry.counter else None

    def _state(self, group: Group, rule: RuleInfo, entry: Entry) -> Field:
        only = self.applies[rule.kind, rule.name]
        seen = set(self.only_sources) or {s.name for s in self.sources}
        always = only is None or seen <= only  # it applies to every frame that this definition sees
        shape = entry.shape if always else entry.shape.or_null()
        return Field(_reader(group, rule.name, only, entry.read), shape, uses=entry.uses)

    # -- all else --------------------------------------------------------------------------------------------------

    def _journey(self, rule: RuleInfo, leaf: str) -> Field | None:
        name = rule.name
        if not leaf:
            return Field(lambda s: dict(s.analytics.journeys.get(name, {})), map_of(INTEGER))
        if ">" not in leaf:
            return None
        return Field(lambda s: s.analytics.journeys.get(name, {}).get(leaf, 0), INTEGER)

    def _class_count(self, name: str) -> Field | None:
        if not self.labels:
            return Field(lambda s: _count_by_name(s, name), INTEGER)
        ids = [i for i, label in enumerate(self.labels) if label == name]
        if not ids:
            return None
        return Field(lambda s: sum(s.analytics.object_count.get(i, 0) for i in ids), INTEGER)


def _of_key(mapping: Entry, key: str, last: str) -> Entry:
    """The value of one key of a mapping, or one part of it."""
    attribute = attrgetter(mapping.name)
    if mapping.shape.items != COUNT:
        return Entry(key, INTEGER, lambda state: attribute(state).get(key, 0))
    empty = Count()
    if not last:
        return Entry(key, COUNT, lambda state: plain_mapping({key: attribute(state).get(key, empty)})[key])
    part = _COUNTS[last]
    return Entry(key, INTEGER, lambda state: part(attribute(state).get(key, empty)))


def _windowed(rule: RuleInfo, counter: str | None = None, class_name: str | None = None) -> Field:
    name = rule.name

    def read(s: Scope) -> int:
        window = s.analytics.window
        return 0 if window is None else window.count(name, counter, class_name)

    return Field(read, INTEGER, "window")


def _count_by_name(s: Scope, name: str) -> int:
    names = s.analytics.class_names
    return sum(n for c, n in s.analytics.object_count.items() if c < len(names) and names[c] == name)


def _reader(group: Group, name: str, only: frozenset[str] | None, read: Callable[[Any], Any]) -> Callable[[Scope], Any]:
    """Reads a rule's state; null on frames of sources that the rule does not apply to, and the state of a rule at rest
    where an engine reports only rules at which something happened."""
    zero = read(group.empty)
    if group.key == "lines":  # what most messages tell, so without a call in between; the same as below

        def line(s: Scope) -> Any:
            try:
                return read(s.analytics.lines[name])
            except KeyError:
                return zero if only is None or s.source.name in only else None

        return line
    states = group.states

    def get(s: Scope) -> Any:
        state = states(s.analytics).get(name)
        if state is not None:
            return read(state)
        return zero if only is None or s.source.name in only else None

    return get
