"""What is gathered for one frame in which something happened: events, counts, and who crossed which line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from countline.analytics.native.arrays import Hit
from countline.analytics.native.counter import Counter, PendingEvent
from countline.analytics.native.source import FrameInput
from countline.analytics.native.table import TrackTable
from countline.types import CounterDelta, CounterKey, Event

__all__ = ["FrameResult"]


def repeated_text(what: str, other: int) -> str:
    """That what a track did was reported of another track already, in words for ``explain``."""
    return f"{what}, which was told of track {other} already, with which it is one object,"


class FrameResult:
    """See ``counter.FrameView``, which this is."""

    __slots__ = ("clock", "crossed", "deltas", "events", "input", "labels", "table")

    def __init__(self, frame: FrameInput, table: TrackTable, labels: Sequence[str]) -> None:
        self.input = frame
        self.table = table
        self.labels = labels
        self.clock = frame.source.clock
        self.events: list[PendingEvent] = []
        self.deltas: dict[CounterKey, int] = {}
        self.crossed: dict[int, list[str]] = {}

    @property
    def gone(self) -> int:
        """Index, behind those of all objects, for events of objects that are not in the frame."""
        return len(self.input)

    @property
    def whole(self) -> int:
        """Index, behind ``gone``, for events of no object."""
        return len(self.input) + 1

    def class_id(self, index: int) -> int:
        """Class of an object in the frame."""
        return int(self.input.item.tracks.class_id[index])

    def class_name(self, class_id: int) -> str:
        """Label of a class, its number where it has none."""
        return self.labels[class_id] if 0 <= class_id < len(self.labels) else str(class_id)

    def index(self, slot: int) -> int:
        """Index in the frame of an object that is in it."""
        frame = self.input
        at = frame.slots.index(slot)
        return at if frame.indices is None else frame.indices[at]

    def present(self) -> set[int]:
        """Slots of the objects in the frame."""
        return set(self.input.source.present_list)

    def others(self, slot: int) -> list[int]:
        """Slots of the other tracks of the same object, the oldest first."""
        source = self.input.source
        if not source.objects.known:
            return []
        track = int(self.table.track_id[slot])
        return [source.ids[one] for one in source.objects.members(track) if one != track and one in source.ids]

    def heir(self, slot: int, column: int, grace: int = -1) -> int | None:
        """Slot of another track of the same object that is in the area of this index among all areas: one in sight, or else one
        that has not been seen for at most ``grace`` ns; None: there is none. Those out of sight for longer are outside."""
        source, table = self.input.source, self.table
        inside = [one for one in self.others(slot) if table.inside[one, column]]
        lost = [one for one in inside if one in source.lost]
        if len(lost) < len(inside):
            return next(one for one in inside if one not in lost)
        for one in lost:
            last = int(table.clock[one])
            if self.clock - last <= grace:
                source.due = min(source.due, last + grace + 1)
                return one
            if grace >= 0:
                table.inside[one, column] = False
                table.low[one] = np.inf  # if it comes back, it enters anew
        return None

    def repeated(self, slot: int, rule: str, what: str, other: int) -> None:
        """What a track did was reported already, of another track, which shows the same object: note it for ``explain``."""
        self.input.source.objects.repeated += 1
        self.note(slot, rule, repeated_text(what, int(self.table.track_id[other])))

    def reported_before(self, counter: Counter, index: int, slot: int, hit: Hit) -> bool:
        """Whether what a counter is about to report was reported of another track of the same object already; then it is told
        so."""
        source = self.input.source
        way = (hit.value > 0) - (hit.value < 0)
        other = source.objects.reported_before(int(self.table.track_id[slot]), (counter.name, way), source.clock)
        if other is None:
            return False
        what = counter.repeated(self, index, slot, hit)
        source.objects.repeated += 1
        self.note(slot, counter.name, repeated_text(what, other))
        return True

    def count(self, counter: Counter, name: str, class_name: str) -> None:
        """Count one more; it becomes durable with the frame."""
        counter.add(name, class_name)
        key = CounterKey(self.input.source.info.name, counter.name, name, class_name)
        self.deltas[key] = self.deltas.get(key, 0) + 1

    def note(self, slot: int, rule: str, text: str) -> None:
        """Remember what happened to an object, for ``explain``."""
        self.input.source.note(slot, rule, text)

    def invalidate(self) -> None:
        """The status of the objects in the picture is to be made anew."""
        self.input.source.invalidate()

    def ticks_changed(self) -> None:
        """A counter has set its ``ticks``."""
        self.input.source.look_ticking()

    def keep(self, slot: int) -> None:
        """Take down what events tell of a slot that is about to be given back."""
        for event in self.events:
            if event.slot == slot:
                event.extra.update(self._object(event))

    def made_events(self) -> tuple[Event, ...]:
        """The events of the frame, in the order in which they are reported."""
        if len(self.events) > 1:
            self.events.sort(key=lambda e: (e.index, e.order))
        info = self.input.item.info
        return tuple([e.make(info, e.rule, n, **(self._object(e) | e.extra)) for n, e in enumerate(self.events)])

    def made_deltas(self) -> tuple[CounterDelta, ...]:
        """What was counted."""
        return tuple([CounterDelta(key, n) for key, n in self.deltas.items()]) if self.deltas else ()

    def _object(self, event: PendingEvent) -> dict[str, Any]:
        """What an event tells of its object."""
        frame, slot, table = self.input, event.slot, self.table
        if slot < 0 or "track_id" in event.extra:
            return {}
        tracks, source = frame.item.tracks, frame.source
        if event.index < len(frame):
            class_id = int(tracks.class_id[event.index])
            confidence = float(tracks.confidence[event.index])
            box = tracks.xyxy[event.index].tolist()
            track_id = int(tracks.track_id[event.index])
        else:
            scale = np.array([source.width, source.height] * 2)
            class_id, confidence = int(table.class_id[slot]), float(table.confidence[slot])
            box, track_id = (table.box[slot] * scale).tolist(), int(table.track_id[slot])
        if event.class_id is not None:
            class_id = event.class_id
        return {
            "track_id": track_id,
            "class_id": class_id,
            "class_name": self.class_name(class_id),
            "confidence": confidence,
            "box": tuple(box),
        }
