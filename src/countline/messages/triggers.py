"""When a definition makes messages. Triggers see every frame and keep what little memory they need per source."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo
from typing import Any

from countline.config.messages import trigger_of, zone_of
from countline.messages.trigger import Fired, Trigger
from countline.messages.windows import Interval
from countline.types import Analytics

__all__ = ["make_trigger"]


class Events(Trigger):
    """Fires at events of some kinds, rules and classes."""

    def __init__(self, kinds: Sequence[str], rules: Sequence[str], classes: Sequence[str]) -> None:
        self.kinds = frozenset(kinds)
        self.rules = frozenset(rules)
        self.classes = frozenset(classes)

    def fire(self, analytics: Analytics) -> Fired | None:
        events = analytics.events
        if not events:
            return None
        kinds, rules, classes = self.kinds, self.rules, self.classes
        found = [
            e
            for e in events
            if e.kind in kinds and (not rules or e.rule in rules) and (not classes or e.class_name in classes)
        ]
        return (analytics, found) if found else None


class EveryFrame(Trigger):
    """Fires at each frame."""

    def fire(self, analytics: Analytics) -> Fired | None:
        return analytics, analytics.events


class Change(Trigger):
    """Fires when a count of the frame's source has changed: cumulative counts of lines, regions and journeys, occupancy,
    crowding, and the number of objects that head a direction. What counts a source begins with is 0, so the first frame
    fires if something is counted already (after a restart that goes on with its counts)."""

    def __init__(self, rules: Sequence[str]) -> None:
        self.rules = frozenset(rules)
        self.last: dict[str, tuple[Any, ...]] = {}

    def fire(self, analytics: Analytics) -> Fired | None:
        state = self._state(analytics)
        source = analytics.frame.source.name
        before = self.last.get(source)
        self.last[source] = state
        if before is None:
            return (analytics, analytics.events) if any(any(values[1:]) for values in state) else None
        return None if state == before else (analytics, analytics.events)

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
        for states in a.states.values():
            found += [(n, *x.watched()) for n, x in states.items() if not rules or n in rules]
        return tuple(found)


class Gaps(Trigger):
    """Fires at each frame before which something is missing."""

    def fire(self, analytics: Analytics) -> Fired | None:
        return None if analytics.gap is None else (analytics, analytics.events)


class Changes(Trigger):
    """Fires where the configuration was changed, or that was refused: at no frame."""

    of_changes = True

    def fire(self, analytics: Analytics) -> Fired | None:
        return None if analytics.change is None else (analytics, ())


class States(Trigger):
    """Fires where a source got into another state: at no frame."""

    of_states = True

    def fire(self, analytics: Analytics) -> Fired | None:
        return None if analytics.status is None else (analytics, ())


class Heartbeats(Trigger):
    """Fires by the clock, for each source: at no frame."""

    def __init__(self, ns: int) -> None:
        self.every = ns

    def fire(self, analytics: Analytics) -> Fired | None:
        beat = analytics.heartbeat
        return None if beat is None else (analytics, ())

    def take_over(self, before: Trigger) -> Trigger:
        return self


def make_trigger(
    on: str | list[str], rules: Sequence[str], classes: Sequence[str], zone: tzinfo | None = None
) -> Trigger:
    """The trigger of a definition's ``on:``. ``zone``: whose hours and days intervals follow that name none."""
    kind, kinds, ns = trigger_of(on)
    if kind == "event":
        return Events(kinds, rules, classes)
    if kind == "change":
        return Change(rules)
    if kind == "gap":
        return Gaps()
    if kind == "config":
        return Changes()
    if kind == "status":
        return States()
    if kind == "heartbeat":
        return Heartbeats(ns)
    if kind == "interval":
        return Interval(ns, zone_of(on) or zone)
    return EveryFrame()
