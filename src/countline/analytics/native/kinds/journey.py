"""Journeys: from where to where objects go, between lines and regions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from countline.analytics.native.counter import Counter, FrameView, PendingEvent
from countline.analytics.native.kind import Part, RuleKind
from countline.analytics.native.rule import Rule
from countline.analytics.native.source import SourceState
from countline.analytics.native.track_record import TrackRecord
from countline.config.kinds.journey import JourneyConfig
from countline.types import Analytics, Crossing, Enter, Journey

__all__ = ["KIND", "JourneyCounter", "JourneyKind"]


class JourneyCounter(Counter):
    """Origin-destination matrix."""

    def __init__(self, rule: Rule) -> None:
        super().__init__(rule)
        assert isinstance(rule.config, JourneyConfig)
        self.waypoints = frozenset(rule.config.places)
        self.origins: dict[int, str] = {}
        """Slot -> the waypoint it was at last."""
        self._state: dict[str, int] = {}

    def knows(self, counter: str) -> bool:
        """'A>B' for any two of its waypoints."""
        origin, _, destination = counter.partition(">")
        return origin in self.waypoints and destination in self.waypoints

    def waypoint_hit(self, slots: Sequence[int], waypoint: str) -> str | None:
        """The object of these slots is at a waypoint now; the one it comes from, if it is another one."""
        if waypoint not in self.waypoints:
            return None
        origin = next((self.origins[slot] for slot in slots if slot in self.origins), None)
        self.origins.update(dict.fromkeys(slots, waypoint))
        return origin if origin != waypoint else None

    def recall(self, slot: int) -> Any:
        """The waypoint it was at last."""
        return self.origins.get(slot)

    def forget(self, slot: int) -> None:
        """A track is forgotten."""
        self.origins.pop(slot, None)

    def clear(self) -> None:
        """All tracks are gone."""
        self.origins.clear()

    def state(self, clock: int) -> dict[str, int]:
        """'A>B' -> cumulative count."""
        if self.dirty:
            matrix: dict[str, int] = {}
            for (counter, _), n in self.counts.items():
                matrix[counter] = matrix.get(counter, 0) + n
            self._state = matrix
            self.dirty = False
        return self._state


class JourneyKind(RuleKind):
    """See the module."""

    config = JourneyConfig
    key = "journeys"
    finishes = True

    def counter(self, rule: Rule) -> Counter:
        """Counts journeys by origin and destination."""
        return JourneyCounter(rule)

    def finish(self, frame: FrameView, counters: Sequence[Counter]) -> None:
        """Who crossed a line or entered a region has been at a waypoint, in the order of its path."""
        hits = [e for e in frame.events if e.make is Crossing or e.make is Enter]
        hits.sort(key=lambda e: (e.index, e.along, e.order))
        for hit in hits:
            class_id = frame.class_id(hit.index)
            slots = [hit.slot, *frame.others(hit.slot)]
            for counter in counters:
                assert isinstance(counter, JourneyCounter)
                origin = counter.waypoint_hit(slots, hit.rule) if counter.rule.accepts(class_id) else None
                if origin is None:
                    continue
                rule = counter.rule
                frame.count(counter, f"{origin}>{hit.rule}", frame.class_name(class_id))
                frame.note(hit.slot, rule.name, f"counted {origin}>{hit.rule}")
                extra = {"origin": origin, "destination": hit.rule}
                frame.events.append(PendingEvent(hit.index, rule.order, Journey, rule.name, hit.slot, extra))

    def publish(self, analytics: Analytics, source: SourceState, part: Part | None) -> None:
        """``Analytics.journeys``."""
        analytics.journeys = source.states["journey"]

    def explain(self, track: TrackRecord) -> str:
        """Why no journey was counted."""
        waypoint = track.recalled()
        return f"has been at {waypoint} only" if waypoint else "has been at none of the journey's places"


KIND = JourneyKind()
