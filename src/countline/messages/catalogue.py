"""Which fields exist for one definition: the rules, sources and labels of the configuration, by the trigger."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from countline.messages.fields import (
    COUNT,
    EVENT_KINDS,
    FRAME,
    LINE,
    LOOPS,
    REGION,
    Field,
    counts,
    event_fields,
    line_value,
    region_value,
)
from countline.messages.lists import DIGITS
from countline.messages.scope import Scope
from countline.messages.shape import BOOLEAN, INTEGER, NUMBER, STRING, TIME, Shape, map_of
from countline.messages.states import (
    counter_of,
    fields_of_state,
    kind_key,
    state_getter,
    state_keys,
    states_value,
    with_events,
)
from countline.types import Count, DirectionState, LineState, RegionState, RuleInfo, SourceInfo

__all__ = ["Catalogue"]

_SINGULAR = {"object": "objects", "line": "lines", "region": "regions", "event": "events"} | {
    key.removesuffix("s"): key for key in state_keys()
}
_GROUPS = {"line": "lines", "region": "regions", "direction": "directions"}
_EMPTY = Count()


@dataclass
class Catalogue:
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
    used: set[str] = field(default_factory=set)
    """Levels and fields used so far: 'event', 'trajectory', 'attachment', 'objects', 'gap' …"""

    def __post_init__(self) -> None:
        self.event = event_fields(self.kinds) if self.kinds else {}
        self.any_event = event_fields(self.kinds or EVENT_KINDS)
        self.states = kind_key(self.rules)
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
            found = own.get(rest) if _SINGULAR.get(head) == loop else own.get(path)
            if found:
                break
        if found is None:
            found = self.event.get(rest if head == "event" and rest else path) or self._frame(path)
        if found is not None:
            in_loop = "events" in loops and found.level == "event"
            self.used.add("loop" if in_loop else found.level)
            if "trajectory" in path:
                self.used.add("trajectory")
            if path.startswith("attachment"):
                self.used.add("attachment")
            if path.rpartition(".")[2] in ("epoch", "reset_at") or _holds_epoch(found.shape):
                self.used.add("epochs")
        return found

    def item_fields(self, loop: str) -> dict[str, Field]:
        """Fields of an item of this loop."""
        return dict(LOOPS[loop]) if loop in LOOPS else self.any_event

    def paths(self, loops: Sequence[str] = ()) -> Iterator[str]:
        """All valid paths, for errors; CLASS stands for any class name."""
        for loop in reversed(loops):
            yield from self.item_fields(loop)
        yield from self.event
        yield from (path for path in FRAME if self.interval or not path.startswith("window"))
        if self.attachment:
            yield "attachment"
        for rule in self.rules:
            name = rule.name
            if rule.kind == "line":
                yield from (f"lines.{name}.{leaf}".rstrip(".") for leaf in _LINE)
                if self.interval:
                    yield from (f"lines.{name}.{leaf}" for leaf in ("window", *(f"{d}.window" for d in rule.directions)))
                yield from (f"lines.{name}.{d}.{leaf}" for d in rule.directions for leaf in _COUNT)
                yield from (f"lines.{name}.classes.CLASS.{leaf}" for leaf in _COUNT)
            elif rule.kind == "region":
                yield from (f"regions.{name}.{leaf}".rstrip(".") for leaf in _REGION)
                if self.interval:
                    yield from (f"regions.{name}.{side}.window" for side in _SIDES)
                yield f"regions.{name}.classes.CLASS"
            elif rule.kind == "direction":
                yield f"directions.{name}.current"
            elif rule.kind == "journey":
                yield f"journeys.{name}"
            elif rule.key in self.states:
                yield from (f"{rule.key}.{name}.{leaf}".rstrip(".") for leaf in fields_of_state(rule.key))
                if self.interval:
                    yield from (f"{rule.key}.{name}.{leaf}.window" for leaf in fields_of_state(rule.key) if counter_of(rule.key, leaf))

    def _frame(self, path: str) -> Field | None:
        head, _, rest = path.partition(".")
        if rest and head == "lines":
            found = self._named("line", rest, self._line)
        elif rest and head == "regions":
            found = self._named("region", rest, self._region)
        elif rest and head == "directions":
            found = self._named("direction", rest, self._direction)
        elif rest and head == "journeys":
            found = self._named("journey", rest, self._journey)
        elif rest and head in self.states:
            found = self._named(self.states[head], rest, self._further)
        elif path in state_keys():
            found = Field(states_value(path), map_of(fields_of_state(path)[""][0]))
        elif rest and head in ("object_count", "class_counts"):
            found = self._class_count(rest)
        elif path == "attachment" and self.attachment:
            found = Field(lambda s: s.attachment, STRING.or_null())
        else:
            found = None
        if found is None and (self.interval or head != "window"):
            found = FRAME.get(path)
        if found is not None and path == "events":
            found = replace(found, shape=with_events(found.shape, self.rules))
        if found is not None and found.level == "gap" and self.gap:
            found = replace(found, shape=found.shape.not_null())
        return found

    def _windowed(self, rule: RuleInfo, counter: str | None = None, class_name: str | None = None) -> Field:
        """What a rule, one of its counters or one class of it counted in the window of an interval."""
        name = rule.name

        def read(s: Scope) -> int:
            window = s.analytics.window
            return 0 if window is None else window.count(name, counter, class_name)

        return Field(read, INTEGER, "window")

    def _named(self, kind: str, rest: str, make: Callable[[RuleInfo, str], Field | None]) -> Field | None:
        rules = self.by_kind.get(kind, {})
        for name in sorted(rules, key=len, reverse=True):  # a name may contain dots
            if rest == name or rest.startswith(name + "."):
                found = make(rules[name], rest[len(name) + 1 :])
                if found:
                    return found
        return None

    def _always(self, rule: RuleInfo) -> bool:
        """Whether the rule applies to every frame that this definition sees."""
        seen = set(self.only_sources) or {s.name for s in self.sources}
        having = self.applies[rule.kind, rule.name]
        return having is None or seen <= having

    def _state(self, rule: RuleInfo, read: Callable[[Any], Any], empty: Any) -> Callable[[Scope], Any]:
        return _state(_GROUPS[rule.kind], rule.name, self.applies[rule.kind, rule.name], read, empty)

    def _shape(self, rule: RuleInfo, shape: Shape) -> Shape:
        return shape if self._always(rule) else shape.or_null()

    def _line(self, rule: RuleInfo, leaf: str) -> Field | None:
        read = _LINE.get(leaf)
        if read:
            return Field(self._state(rule, read[1], LineState()), self._shape(rule, read[0]))
        which, _, last = leaf.rpartition(".")
        if self.interval and last == "window":
            if not which or which in rule.directions:
                return self._windowed(rule, which or None)
            if which.startswith("classes."):
                name, rest = self._class(which[8:])
                return self._windowed(rule, None, name) if name is not None and not rest else None
        if leaf in rule.directions:
            which, last = leaf, ""
        if which in rule.directions and (last in _COUNT or not last):
            return self._counted(rule, "directions", which, last)
        if leaf.startswith("classes."):
            name, last = self._class(leaf[8:])
            if name is not None and (last in _COUNT or not last):
                return self._counted(rule, "classes", name, last)
        return None

    def _class(self, text: str) -> tuple[str | None, str]:
        """'traffic light.current' -> ('traffic light', 'current'); any class where the labels are not known."""
        if not self.labels:
            head, dot, last = text.rpartition(".")
            return (head, last) if dot and last in _COUNT else (text, "")
        for label in sorted(self.labels, key=len, reverse=True):
            if text == label or text.startswith(label + "."):
                return label, text[len(label) + 1 :]
        return None, ""

    def _counted(self, rule: RuleInfo, which: str, name: str, last: str) -> Field:
        def read(state: Any) -> Any:
            found = getattr(state, which).get(name, _EMPTY)
            return getattr(found, last) if last else counts(found)

        return Field(self._state(rule, read, LineState()), self._shape(rule, INTEGER if last else COUNT))

    def _region(self, rule: RuleInfo, leaf: str) -> Field | None:
        read = _REGION.get(leaf)
        if read:
            return Field(self._state(rule, read[1], RegionState()), self._shape(rule, read[0]))
        side, _, last = leaf.partition(".")
        if self.interval and last == "window" and side in _SIDES:
            return self._windowed(rule, _SIDES[side])
        if leaf.startswith("classes."):
            name, last = self._class(leaf[8:])
            if name is not None and not last:
                return Field(
                    self._state(rule, lambda x: x.classes.get(name, 0), RegionState()), self._shape(rule, INTEGER)
                )
        return None

    def _direction(self, rule: RuleInfo, leaf: str) -> Field | None:
        if leaf != "current":
            return None
        return Field(self._state(rule, lambda x: x.current, DirectionState()), self._shape(rule, INTEGER))

    def _journey(self, rule: RuleInfo, leaf: str) -> Field | None:
        name = rule.name
        if not leaf:
            return Field(lambda s: dict(s.analytics.journeys.get(name, {})), map_of(INTEGER))
        if ">" not in leaf:
            return None
        return Field(lambda s: s.analytics.journeys.get(name, {}).get(leaf, 0), INTEGER)

    def _further(self, rule: RuleInfo, leaf: str) -> Field | None:
        """Of a rule whose kind brings its fields with it."""
        known = fields_of_state(rule.key).get(leaf)
        if known is not None:
            only = self.applies[rule.kind, rule.name]
            return Field(state_getter(rule.key, rule.name, only, known[1]), self._shape(rule, known[0]))
        name, _, last = leaf.rpartition(".")
        counter = counter_of(rule.key, name) if self.interval and last == "window" else None
        return None if counter is None else self._windowed(rule, counter)

    def _class_count(self, name: str) -> Field | None:
        if not self.labels:
            return Field(lambda s: _count_by_name(s, name), INTEGER)
        ids = [i for i, label in enumerate(self.labels) if label == name]
        if not ids:
            return None
        return Field(lambda s: sum(s.analytics.object_count.get(i, 0) for i in ids), INTEGER)


def _holds_epoch(shape: Shape) -> bool:
    if any(member.key == "epoch" for member in shape.members):
        return True
    return shape.items is not None and _holds_epoch(shape.items)


def _count_by_name(s: Scope, name: str) -> int:
    names = s.analytics.class_names
    return sum(n for c, n in s.analytics.object_count.items() if c < len(names) and names[c] == name)


def _state(
    group: str, name: str, only: frozenset[str] | None, read: Callable[[Any], Any], empty: Any
) -> Callable[[Scope], Any]:
    """Reads a rule's state; null on frames of sources that the rule does not apply to, and the state of a rule at rest
    where an engine reports only rules at which something happened."""
    zero = read(empty)

    if group == "lines":

        def line(s: Scope) -> Any:
            try:
                return read(s.analytics.lines[name])
            except KeyError:
                return zero if only is None or s.source.name in only else None

        return line

    def get(s: Scope) -> Any:
        state = getattr(s.analytics, group).get(name)
        if state is not None:
            return read(state)
        return zero if only is None or s.source.name in only else None

    return get


def _attributes(names: Iterable[str]) -> dict[str, Callable[[Any], Any]]:
    from operator import attrgetter

    return {name: attrgetter(name) for name in names}


_SIDES = {"entered": "enter", "left": "leave"}
"""Side of a region -> name of its counter."""
_COUNT = _attributes(("current", "cumulative"))
_LINE: dict[str, tuple[Shape, Callable[[Any], Any]]] = {
    "": (LINE, line_value),
    "current": (INTEGER, _COUNT["current"]),
    "cumulative": (INTEGER, _COUNT["cumulative"]),
    "epoch": (INTEGER, lambda x: x.epoch),
    "reset_at": (TIME.or_null(), lambda x: x.reset_at or None),
    "directions": (map_of(COUNT), lambda x: {k: counts(v) for k, v in x.directions.items()}),
    "classes": (map_of(COUNT), lambda x: {k: counts(v) for k, v in x.classes.items()}),
}
_REGION: dict[str, tuple[Shape, Callable[[Any], Any]]] = {
    "": (REGION, region_value),
    **{name: (INTEGER, read) for name, read in _attributes(("occupancy", "epoch")).items()},
    "entered": (COUNT, lambda x: counts(x.entered)),
    "left": (COUNT, lambda x: counts(x.left)),
    **{
        f"{side}.{leaf}": (INTEGER, read)
        for side in ("entered", "left")
        for leaf, read in (
            (leaf, _attributes((f"{side}.{leaf}",))[f"{side}.{leaf}"]) for leaf in ("current", "cumulative")
        )
    },
    "crowded": (BOOLEAN, lambda x: x.crowded),
    "longest_dwell": (NUMBER, lambda x: round(x.longest_dwell, DIGITS["dwell"])),
    "reset_at": (TIME.or_null(), lambda x: x.reset_at or None),
    "classes": (map_of(INTEGER), lambda x: dict(x.classes)),
}
