"""What a worker notes of frames for metrics, health and traces: a few numbers for each, at less than a thousandth of a frame's cost."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from countline.observe.histogram import Histogram
from countline.types import UNTRACKED

if TYPE_CHECKING:
    from countline.observe.traces import Traces
    from countline.types import Analytics, Event, Frame

__all__ = ["STAGES", "Notes", "SourceNotes", "direction_of"]

STAGES = ("detector", "worker", "outbox")
"""Where the age of a frame is looked at: taken by the detector; its detections reached the worker; all that came of it was handed
to the outbox."""
_KNOWN = 4096
"""Tracks of a source that are remembered, at least, so that one that comes back is not a new one."""


class SourceNotes:
    """One source. Written by the worker's thread alone."""

    __slots__ = ("_before", "_ids", "_known", "age", "detections", "events", "last", "tracks", "tracks_begun")

    def __init__(self) -> None:
        self.detections = 0
        """Objects that were detected."""
        self.tracks = 0
        """Objects that were tracked in the last frame."""
        self.tracks_begun = 0
        self.age = 0.0
        """Seconds from the arrival of the last frame until all that came of it was handed over."""
        self.last = 0.0
        """When that was: seconds of the monotonic clock; 0: never."""
        self.events: dict[tuple[str, str, str], int] = {}
        """Events by kind, rule and direction."""
        self._ids: Sequence[int] = ()
        """Of the tracks of the last frame."""
        self._known: set[int] = set()
        self._before: set[int] = set()

    def see(self, ids: Sequence[int], events: Iterable[Event]) -> None:
        """A frame with tracks of these ids, and events."""
        if ids != self._ids:  # mostly they are those of the frame before
            self._begin(ids)
        for event in events:
            key = (event.kind, event.rule, direction_of(event))
            self.events[key] = self.events.get(key, 0) + 1

    def _begin(self, ids: Sequence[int]) -> None:
        self._ids, self.tracks = ids, len(ids)
        fresh = set(ids) - self._known
        if fresh:
            fresh.discard(UNTRACKED)
            self.tracks_begun += len(fresh - self._before)
            self._known |= fresh
            if len(self._known) > _KNOWN:
                self._known, self._before = set(ids), self._known


def direction_of(event: Event) -> str:
    """What there is of a direction: of a crossing or a heading its name, of a journey 'A>B', of crowding and queues their phase."""
    direction = getattr(event, "direction", "")
    if direction:
        return str(direction)
    origin = getattr(event, "origin", "")
    if origin:
        return f"{origin}>{getattr(event, 'destination', '')}"
    return str(getattr(event, "phase", "") or getattr(event, "change", ""))


class Notes:
    """All sources of an engine, the ages of its frames, and whether it is at work."""

    def __init__(self) -> None:
        self.sources: dict[str, SourceNotes] = {}
        self.ages = {stage: Histogram() for stage in STAGES}
        self.traces: Traces | None = None
        """Takes what was made, where messages are traced."""
        self.taken = self.detected = 0.0
        """When the frames that are worked on were taken by the detector, and their detections reached the worker: seconds of the
        monotonic clock; 0: not known."""
        self.busy_since = 0.0
        """Since when it has been waited for the frames that are worked on: seconds of the monotonic clock; 0: for none."""

    def of(self, source: str) -> SourceNotes:
        """Of one source, from its first frame on."""
        known = self.sources.get(source)
        if known is None:
            known = self.sources[source] = SourceNotes()
        return known

    def detections(self, source: str, count: int) -> None:
        """So many objects were detected in a frame."""
        self.of(source).detections += count

    def see(self, analytics: Analytics, *, again: bool) -> None:
        """What came of a frame. ``again``: an earlier run has reported its events."""
        self.of(analytics.frame.source.name).see(analytics.tracks.track_id.tolist(), () if again else analytics.events)

    def reached(self, stage: str, frames: Sequence[Frame], now: float) -> None:
        """These frames are at a stage now (seconds of the monotonic clock)."""
        ages = self.ages[stage]
        for frame in frames:
            ages.observe(now - frame.arrived)

    def begin(self, taken: float) -> None:
        """The next frames are worked on, or waited for."""
        self.busy_since, self.taken, self.detected = time.monotonic(), taken, 0.0

    def found(self) -> float:
        """Their detections are there; returns now, in seconds of the monotonic clock."""
        self.detected = time.monotonic()
        return self.detected

    def done(self, names: Sequence[tuple[str, float]]) -> float:
        """Sources and when their frames arrived (monotonic seconds): all that came of them was handed over. Returns the age of the
        oldest."""
        now = time.monotonic()
        self.busy_since = 0.0
        ages = self.ages["outbox"]
        for name, arrived in names:
            notes = self.of(name)
            notes.last, notes.age = now, now - arrived
            ages.observe(now - arrived)
        return now - min((arrived for _, arrived in names), default=now)
