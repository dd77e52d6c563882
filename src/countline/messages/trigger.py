"""When a definition makes messages. Triggers see every frame and keep what little memory they need per source."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from countline.config.messages import trigger_of
from countline.types import Analytics, Event

__all__ = ["Trigger", "make_trigger"]


class Trigger(Protocol):
    """Decides for each frame."""

    def hits(self, analytics: Analytics) -> Sequence[Event] | None:
        """None: no message. Else the events behind it: those that fired an event trigger, all of the frame for others."""
        ...


class Events:
    """Fires at events of some kinds, rules and classes."""

    def __init__(self, kinds: Sequence[str], rules: Sequence[str], classes: Sequence[str]) -> None:
        self.kinds = frozenset(kinds)
        self.rules = frozenset(rules)
        self.classes = frozenset(classes)

    def hits(self, analytics: Analytics) -> Sequence[Event] | None:
        events = analytics.events
        if not events:
            return None
        kinds, rules, classes = self.kinds, self.rules, self.classes
        found = [
            e
            for e in events
            if e.kind in kinds and (not rules or e.rule in rules) and (not classes or e.class_name in classes)
        ]
        return found or None


class EveryFrame:
    """Fires at each frame."""

    def hits(self, analytics: Analytics) -> Sequence[Event] | None:
        return analytics.events


class Change:
    """Fires when a count of the frame's source has changed: cumulative counts of lines, regions and journeys, occupancy,
    crowding, and the number of objects that head a direction. What counts a source begins with is 0, so the first frame
    fires if something is counted already (after a restart that goes on with its counts)."""

    def __init__(self, rules: Sequence[str]) -> None:
        self.rules = frozenset(rules)
        self.last: dict[str, tuple[Any, ...]] = {}

    def hits(self, analytics: Analytics) -> Sequence[Event] | None:
        state = self._state(analytics)
        source = analytics.frame.source.name
        before = self.last.get(source)
        self.last[source] = state
        if before is None:
            return analytics.events if any(any(values[1:]) for values in state) else None
        return None if state == before else analytics.events

    def _state(self, a: Analytics) -> tuple[Any, ...]:
        rules = self.rules
        found: list[Any] = [(n, x.cumulative) for n, x in a.lines.items() if not rules or n in rules]
        found += [
            (n, x.occupancy, x.entered.cumulative, x.left.cumulative, x.crowded)
            for n, x in a.regions.items()
            if not rules or n in rules
        ]
        found += [(n, x.current) for n, x in a.directions.items() if not rules or n in rules]
        found += [(n, *x.items()) for n, x in a.journeys.items() if not rules or n in rules]
        return tuple(found)


class Interval:
    """Fires at the first frame of each window of event time, windows aligned to the Unix epoch, per source. A clock set
    back by more than one window begins anew; one that jitters around a boundary does not fire twice."""

    def __init__(self, ns: int) -> None:
        self.ns = ns
        self.last: dict[str, int] = {}

    def hits(self, analytics: Analytics) -> Sequence[Event] | None:
        window = analytics.frame.time // self.ns
        source = analytics.frame.source.name
        last = self.last.get(source)
        if last is not None and last - 1 <= window <= last:
            return None
        self.last[source] = window
        return analytics.events


def make_trigger(on: str | list[str], rules: Sequence[str], classes: Sequence[str]) -> Trigger:
    """The trigger of a definition's ``on:``."""
    kind, kinds, ns = trigger_of(on)
    if kind == "event":
        return Events(kinds, rules, classes)
    if kind == "change":
        return Change(rules)
    return Interval(ns) if kind == "interval" else EveryFrame()
