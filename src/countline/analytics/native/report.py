"""From findings to events, counts and the state of each rule."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from countline.analytics.native.books import Book, RegionBook, Stay
from countline.analytics.native.plan import Rule
from countline.analytics.native.rows import Arrival, Findings, Group
from countline.analytics.native.state import MEMORY, MOST_UNSEEN, SourceState
from countline.analytics.native.statuses import Statuses
from countline.analytics.native.table import TrackTable
from countline.config.rules import DirectionConfig, LineConfig, SpeedConfig
from countline.types import (
    Analytics,
    CounterDelta,
    CounterKey,
    Crossing,
    Crowding,
    DirectionState,
    Dwell,
    Enter,
    Event,
    Heading,
    Journey,
    Leave,
    Speeding,
)

__all__ = ["Report"]


@dataclass(slots=True)
class Entry:
    """An event in the making. Sorted by place of the object in the frame, then by rule."""

    place: int
    order: int
    make: type[Event]
    rule: str
    slot: int
    extra: dict[str, Any]
    along: float = 1.0
    """How far along the object's movement in this frame it happened, 0..1."""
    stay: Stay | None = None


@dataclass(slots=True)
class Slip:
    """What is gathered for one frame."""

    entries: list[Entry] = field(default_factory=list)
    deltas: dict[CounterKey, int] = field(default_factory=dict)
    crossed: dict[int, list[str]] = field(default_factory=dict)
    """Place of the object -> lines it crossed."""


class Report:
    """Makes one Analytics for each frame of a round."""

    def __init__(
        self,
        table: TrackTable,
        labels: Sequence[str],
        metrics: dict[str, int],
        arrivals: Sequence[Arrival],
        group: Group,
        findings: Findings,
    ) -> None:
        self.table = table
        self.labels = labels
        self.metrics = metrics
        self.arrivals = arrivals
        self.slots, self.starts = group.slots, group.starts
        self.findings = findings
        self.slips: dict[int, Slip] = {}
        """Index of the frame in the round -> what happened in it; most frames have none."""

    def make(self) -> list[Analytics]:
        """Count what was found and tell of it."""
        self._hits()
        headings = self.table.heading[self.slots] if self.table.heading.shape[1] else None
        return [self._frame(i, headings) for i in range(len(self.arrivals))]

    def class_name(self, class_id: int) -> str:
        """Label of a class, its number where it has none."""
        return self.labels[class_id] if 0 <= class_id < len(self.labels) else str(class_id)

    def _slip(self, i: int) -> Slip:
        slip = self.slips.get(i)
        if slip is None:
            slip = self.slips[i] = Slip()
        return slip

    # -- findings ------------------------------------------------------------------------------------------------

    def _hits(self) -> None:
        found = self.findings
        for hit in found.lines:
            self._crossing(*self._where(hit.row), hit.rule, hit.value, hit.along)
        for hit in found.regions:
            self._region(*self._where(hit.row), hit.rule, hit.value > 0)
        for hit in found.directions:
            i, place, slot = self._where(hit.row)
            rule = self._rule(i, DirectionConfig, hit.rule)
            self._slip(i).entries.append(Entry(place, rule.order, Heading, rule.name, slot, {"direction": rule.name}))
            self._note(i, slot, rule.name, "began to head this way")
        for hit in found.speeding:
            i, place, slot = self._where(hit.row)
            rule = self._rule(i, SpeedConfig, hit.rule)
            self._slip(i).entries.append(Entry(place, rule.order, Speeding, rule.name, slot, {"speed": hit.value}))
            self._note(i, slot, rule.name, f"went over the limit at {hit.value:.1f} km/h")

    def _where(self, row: int) -> tuple[int, int, int]:
        """(index of the frame in the round, place in the frame, slot) of a row."""
        i = bisect_right(self.starts, row) - 1
        at = row - self.starts[i]
        places = self.arrivals[i].places
        return i, at if places is None else places[at], int(self.slots[row])

    def _rule(self, i: int, kind: type, index: int) -> Rule:
        return [r for r in self.arrivals[i].source.rules if isinstance(r.config, kind)][index]

    def _note(self, i: int, slot: int, rule: str, text: str) -> None:
        self.arrivals[i].source.note(slot, rule, text)

    def _count(self, i: int, book: Book, counter: str, class_name: str) -> None:
        book.add(counter, class_name)
        key = CounterKey(self.arrivals[i].source.info.name, book.rule.name, counter, class_name)
        deltas = self._slip(i).deltas
        deltas[key] = deltas.get(key, 0) + 1

    def _crossing(self, i: int, place: int, slot: int, line: int, sense: float, along: float) -> None:
        book = self.arrivals[i].source.lines[line]
        config = book.rule.config
        assert isinstance(config, LineConfig)
        way = "in" if sense > 0 else "out"
        name = config.names.get("in" if sense > 0 else "out", way)
        class_id = int(self.arrivals[i].item.tracks.class_id[place])
        if not book.rule.accepts(class_id):
            self._note(i, slot, book.rule.name, f"crossed {name} but class filtered ({self.class_name(class_id)})")
            return
        if config.direction not in ("both", way):
            self._note(i, slot, book.rule.name, f"crossed {name}, which this line does not count,")
            return
        if config.count == "once" and self.table.counted[slot, line]:
            self._note(i, slot, book.rule.name, f"crossed {name} again, which `count: once` does not count,")
            return
        self.table.counted[slot, line] = True
        self._count(i, book, name, self.class_name(class_id))
        self._note(i, slot, book.rule.name, f"counted {name}")
        slip = self._slip(i)
        slip.entries.append(Entry(place, book.rule.order, Crossing, book.rule.name, slot, {"direction": name}, along))
        slip.crossed.setdefault(place, []).append(book.rule.name)

    def _region(self, i: int, place: int, slot: int, region: int, enters: bool) -> None:
        source = self.arrivals[i].source
        source.disturb()
        book = source.regions[region]
        if not enters:
            self._leave(i, place, slot, book, source.clock, "left")
            return
        class_id = int(self.arrivals[i].item.tracks.class_id[place])
        stay = Stay(source.clock, class_id, self.class_name(class_id))
        book.enter(slot, stay)
        self._count(i, book, "enter", stay.class_name)
        self._note(i, slot, book.rule.name, "entered")
        self._slip(i).entries.append(Entry(place, book.rule.order, Enter, book.rule.name, slot, {}))

    def _leave(self, i: int, place: int, slot: int, book: RegionBook, clock: int, how: str) -> None:
        stay = book.leave(slot)
        if stay is None:
            return
        seconds = (clock - stay.since) / 1e9
        self._count(i, book, "leave", stay.class_name)
        self._note(i, slot, book.rule.name, f"{how} after {seconds:.1f} s")
        entry = Entry(place, book.rule.order, Leave, book.rule.name, slot, {"dwell": seconds}, stay=stay)
        self._slip(i).entries.append(entry)

    # -- what time brings ----------------------------------------------------------------------------------------

    def _vanished(self, i: int) -> None:
        """Let objects that have not been seen for long leave regions, and forget those unseen for very long."""
        arrival = self.arrivals[i]
        source = arrival.source
        if source.clock < source.due and source.frames < source.due_frames:
            return
        table, clock = self.table, source.clock
        due, due_frames = clock + MEMORY, source.frames + MOST_UNSEEN
        for slot, frames in list(source.lost.items()):
            last = int(table.clock[slot])
            old = clock - last > MEMORY or source.frames - frames > MOST_UNSEEN
            for r, book in enumerate(source.regions):
                grace = int(book.config.grace * 1e9)
                if slot in book.inside and (old or clock - last > grace):
                    table.inside[slot, r] = False
                    table.low[slot] = np.inf  # if it comes back, it enters anew
                    self._leave(i, len(arrival), slot, book, last, "was seen no more and left")
                elif slot in book.inside:
                    due = min(due, last + grace + 1)
            if old:
                self._entries_now(i, slot)
                source.drop(slot, table)
                self.metrics["forgotten"] += 1
            else:
                due = min(due, last + MEMORY + 1)
                due_frames = min(due_frames, frames + MOST_UNSEEN + 1)
        source.due, source.due_frames = due, due_frames
        source.forget_old()

    def _entries_now(self, i: int, slot: int) -> None:
        """Take down what events tell of a slot that is about to be given back."""
        for entry in self._slip(i).entries:
            if entry.slot == slot:
                entry.extra.update(self._object(i, entry))

    def _stays(self, i: int, book: RegionBook) -> None:
        """Dwell and crowding events of a region."""
        source = self.arrivals[i].source
        if book.waiting and book.config.dwell is not None:
            present = set(source.present_list)
            for slot, stay in list(book.waiting.items()):
                seconds = (source.clock - stay.since) / 1e9
                if seconds < book.config.dwell:
                    break
                if slot in present:
                    del book.waiting[slot]
                    place = self._place(i, slot)
                    entry = Entry(place, book.rule.order, Dwell, book.rule.name, slot, {"dwell": seconds})
                    self._slip(i).entries.append(entry)
                    self._note(i, slot, book.rule.name, f"has stayed {seconds:.1f} s")
        if book.config.crowding or book.config.limits:
            self._crowding(i, book)

    def _crowding(self, i: int, book: RegionBook) -> None:
        source = self.arrivals[i].source
        clock = source.clock
        over = {name: (count, wait) for name, count, wait in book.over()}
        for name, (count, wait) in over.items():
            since = book.since.setdefault(name, clock)
            if name not in book.active and clock - since >= wait * 1e9:
                book.active.add(name)
                source.disturb()
                self._crowd(i, book, name, "begin", count)
        for name in [n for n in book.since if n not in over]:
            del book.since[name]
            if name in book.active:
                book.active.discard(name)
                source.disturb()
                self._crowd(i, book, name, "end", book.classes.get(name, 0) if name else len(book.inside))

    def _crowd(self, i: int, book: RegionBook, name: str, phase: str, count: int) -> None:
        extra = {"phase": phase, "occupancy": count, "class_name": name}
        if name in self.labels:
            extra["class_id"] = list(self.labels).index(name)
        place = len(self.arrivals[i]) + 1
        self._slip(i).entries.append(Entry(place, book.rule.order, Crowding, book.rule.name, -1, extra))

    def _place(self, i: int, slot: int) -> int:
        arrival = self.arrivals[i]
        at = arrival.slots.index(slot)
        return at if arrival.places is None else arrival.places[at]

    # -- the result ----------------------------------------------------------------------------------------------

    def _frame(self, i: int, headings: NDArray[np.bool_] | None) -> Analytics:
        arrival = self.arrivals[i]
        source, item = arrival.source, arrival.item
        if source.lost or source.ended:
            self._vanished(i)
        for book in source.timed:
            self._stays(i, book)
        slip = self.slips.get(i)
        events = self._events(i) if slip and slip.entries else ()
        deltas = slip.deltas if slip else {}
        if deltas or source.stale:
            source.publish()
        clock = source.clock
        result = Analytics(
            item.info,
            item.tracks,
            source.line_states,
            {name: book.state(clock) for name, book in zip(source.names["region"], source.regions)},
            {},
            source.journey_states,
            events,
            tuple([CounterDelta(key, n) for key, n in deltas.items()]) if deltas else (),
            source.tally(item.tracks.class_id),
            class_names=self.labels,
        )
        if headings is not None or self.findings.speeds is not None:
            self._motion(i, result, headings)
        crossed = slip.crossed if slip else {}
        if crossed or headings is not None:
            part = None if headings is None else headings[self.starts[i] : self.starts[i + 1]]
            result.objects = Statuses(arrival, self._within(source), part, crossed)
        elif source.occupied():
            if source.statuses is None:
                source.statuses = Statuses(arrival, self._within(source), None, {})
            result.objects = source.statuses
        if deltas or source.stale:
            for settled in source.books():
                settled.settle()
            source.stale = bool(deltas)
        return result

    def _within(self, source: SourceState) -> NDArray[np.bool_] | None:
        """(N, R) which of the objects in the picture are in which region."""
        if source.within is None and source.regions:
            source.within = self.table.inside[source.present]
        return source.within

    def _motion(self, i: int, result: Analytics, headings: NDArray[np.bool_] | None) -> None:
        part = slice(self.starts[i], self.starts[i + 1])
        if headings is not None:
            counts = headings[part].sum(axis=0).tolist()
            names = self.arrivals[i].source.names["direction"]
            result.directions = {name: DirectionState(n) for name, n in zip(names, counts)}
        if self.findings.speeds is not None:
            speeds = self.findings.speeds[part]
            at = np.flatnonzero(~np.isnan(speeds))
            result.speeds = dict(zip(self.table.track_id[self.slots[part][at]].tolist(), speeds[at].tolist()))

    def _events(self, i: int) -> tuple[Event, ...]:
        source, slip = self.arrivals[i].source, self._slip(i)
        entries = slip.entries
        if source.journeys:
            self._journeys(i)
        if len(entries) > 1:
            entries.sort(key=lambda e: (e.place, e.order))
        info = self.arrivals[i].item.info
        return tuple([e.make(info, e.rule, n, **(self._object(i, e) | e.extra)) for n, e in enumerate(entries)])

    def _journeys(self, i: int) -> None:
        source, slip = self.arrivals[i].source, self._slip(i)
        visits = [e for e in slip.entries if e.make is Crossing or e.make is Enter]
        visits.sort(key=lambda e: (e.place, e.along, e.order))
        for visit in visits:
            for book in source.journeys:
                class_id = int(self.arrivals[i].item.tracks.class_id[visit.place])
                origin = book.visit(visit.slot, visit.rule) if book.rule.accepts(class_id) else None
                if origin is not None:
                    self._count(i, book, f"{origin}>{visit.rule}", self.class_name(class_id))
                    self._note(i, visit.slot, book.rule.name, f"counted {origin}>{visit.rule}")
                    extra = {"origin": origin, "destination": visit.rule}
                    slip.entries.append(Entry(visit.place, book.rule.order, Journey, book.rule.name, visit.slot, extra))

    def _object(self, i: int, entry: Entry) -> dict[str, Any]:
        """What an event tells of its object."""
        arrival, slot = self.arrivals[i], entry.slot
        if slot < 0 or "track_id" in entry.extra:
            return {}
        tracks, source = arrival.item.tracks, arrival.source
        if entry.place < len(arrival):
            class_id = int(tracks.class_id[entry.place])
            confidence = float(tracks.confidence[entry.place])
            box = tracks.xyxy[entry.place].tolist()
            track_id = int(tracks.track_id[entry.place])
        else:
            scale = np.array([source.width, source.height] * 2)
            class_id, confidence = int(self.table.class_id[slot]), float(self.table.confidence[slot])
            box, track_id = (self.table.box[slot] * scale).tolist(), int(self.table.track_id[slot])
        if entry.stay is not None:
            class_id = entry.stay.class_id
        return {
            "track_id": track_id,
            "class_id": class_id,
            "class_name": self.class_name(class_id),
            "confidence": confidence,
            "box": tuple(box),
        }
