"""What the engine keeps of each source between frames, and how objects come and go."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from countline.analytics.native.books import JourneyBook, LineBook, RegionBook
from countline.analytics.native.motion import BASE_WINDOW, earliest
from countline.analytics.native.plan import Rule
from countline.analytics.native.rows import Arrival
from countline.analytics.native.table import TrackTable
from countline.types import UNTRACKED, LineState, SourceInfo

__all__ = ["MEMORY", "MOST_UNSEEN", "STITCH", "SourceState", "begin", "sift"]

MEMORY = int(8e9)
"""ns after which an object that is not seen any more is forgotten: longer than trackers keep lost objects."""
MOST_UNSEEN = 2000
"""Frames after which it is forgotten even if the source's clock stands still."""
STITCH = int(1e9)
"""ns within which a track that begins may continue one that ended. Detectors lose an object behind another for well
under a second; later, a person walking has gone farther than can be told apart from somebody else."""
STITCH_DISTANCE = 0.5
"""Farthest from the place where the ended track would be by now, in longer sides of its box."""
STITCH_SIZE = 1.6
"""Greatest ratio of the two boxes' longer sides."""
STITCH_MOVED = 0.2
"""Movement during the gap, in longer sides of the box, from which the new track must lie ahead, not behind."""
ENDED = 256
"""Ended tracks of a source that ``explain`` remembers."""
ENDED_AGE = int(120e9)
"""And for how long, ns."""


KINDS = ("line", "region", "direction", "speed", "journey")
BOOKS: dict[str, type[LineBook] | type[RegionBook] | type[JourneyBook]] = {
    "line": LineBook,
    "region": RegionBook,
    "journey": JourneyBook,
}


class SourceState:
    """One source: its clock, its live tracks, its books."""

    def __init__(self, info: SourceInfo) -> None:
        self.info = info
        self.plan = -1
        self.aspect = 0.0
        self.pts: int | None = None
        self.clock = 0
        """Steady clock in ns: grows by the differences of PTS, and stands still where PTS goes backward."""
        self.frames = 0
        self.number = 0
        self.time = 0
        self.width = 0
        self.height = 0
        self.present_ids: list[int] | None = None
        """Their track ids; None if objects were left out of that frame."""
        self.line_states: dict[str, LineState] = {}
        self.journey_states: dict[str, dict[str, int]] = {}
        self.stale = True
        """Whether the states that were published still tell of a frame in which something was counted."""
        self.names: dict[str, list[str]] = {}
        """Names of the rules of each kind."""
        self.scale = np.ones(4)
        """Width, height, width, height of the picture in pixels."""
        self.sampled = -(2**62)
        """Clock at which samples for the history were taken last."""
        self.shown: Arrival | None = None
        """The last frame."""
        self.ids: dict[int, int] = {}
        """Track id -> slot, of all tracks that are remembered."""
        self.present: NDArray[np.intp] = np.empty(0, np.intp)
        """Slots seen in the last frame."""
        self.present_list: list[int] = []
        """The same as a list."""
        self.lost: dict[int, tuple[int, int]] = {}
        """Slots not seen in the last frame -> round in which they were seen last, frames of the source by then."""
        self.due = 0
        """Clock at which the first of them is due to leave a region or be forgotten."""
        self.due_frames = 0
        self.lines: list[LineBook] = []
        self.regions: list[RegionBook] = []
        self.journeys: list[JourneyBook] = []
        self.rules: list[Rule] = []
        """The rules that apply, in their order."""
        self.key: tuple[int, ...] = ()
        self.ended: OrderedDict[int, dict[str, Any]] = OrderedDict()
        self.renamed: OrderedDict[int, int] = OrderedDict()
        """Track id -> id of the track that continued it."""
        self.notes: dict[int, list[tuple[str, str]]] = {}
        """Slot -> (rule, what happened), the last few, for ``explain``."""

    def open(self, rules: list[Rule]) -> dict[str, list[int]]:
        """Make books for these rules; those of rules that are unchanged are kept. Returns, by kind, the index that each
        rule had among its kind before, -1 if it is new or changed."""
        old = {kind: [r for r in self.rules if r.kind == kind] for kind in KINDS}
        books = {(b.rule.kind, b.rule.name): b for b in self.books()}
        places = {(r.kind, r.identity): i for kind in KINDS for i, r in enumerate(old[kind])}
        columns: dict[str, list[int]] = {kind: [] for kind in KINDS}
        self.rules, self.key = rules, tuple(r.order for r in rules)
        self.lines, self.regions, self.journeys = [], [], []
        for rule in rules:
            column = places.get((rule.kind, rule.identity), -1)
            columns[rule.kind].append(column)
            if rule.kind in BOOKS:
                book = books[rule.kind, rule.name] if column >= 0 else BOOKS[rule.kind](rule)
                book.rule = rule
                getattr(self, rule.kind + "s").append(book)
        self.names = {kind: [r.name for r in rules if r.kind == kind] for kind in KINDS}
        self.publish()
        return columns

    def publish(self) -> None:
        """Bring the states of lines and journeys, which change seldom, up to date. What was given out is not altered."""
        self.line_states = {b.rule.name: b.state() for b in self.lines}
        self.journey_states = {b.rule.name: b.state() for b in self.journeys}

    def books(self) -> list[LineBook | RegionBook | JourneyBook]:
        """All that count."""
        return [*self.lines, *self.regions, *self.journeys]

    def lose(self, slot: int, at: int, table: TrackTable) -> None:
        """An object, number ``at`` of those in the frame before, is not in this one."""
        self.lost[slot] = (int(table.seen[slot]), self.frames)
        self.settle(slot, at, table)
        grace = [book.config.grace for book in self.regions if slot in book.inside]
        self.due = min(self.due, int(table.clock[slot]) + (int(min(grace) * 1e9) if grace else MEMORY) + 1)
        self.due_frames = min(self.due_frames, self.frames + MOST_UNSEEN + 1)

    def settle(self, slot: int, at: int, table: TrackTable) -> None:
        """Write down what is kept for lost objects only."""
        shown = self.shown
        if shown is None:
            return
        place = at if shown.places is None else shown.places[at]
        table.class_id[slot] = shown.item.tracks.class_id[place]
        table.confidence[slot] = shown.item.tracks.confidence[place]
        table.clock[slot], table.number[slot], table.time[slot] = shown.moment

    def drop(self, slot: int, table: TrackTable) -> None:
        """Forget a track."""
        track = int(table.track_id[slot])
        del self.ids[track]
        self.lost.pop(slot, None)
        record = table.row(slot)
        record["notes"] = self.notes.pop(slot, [])
        record["origins"] = {b.rule.name: b.origins.get(slot) for b in self.journeys}
        self.book_end(track, record)
        for region in self.regions:
            region.leave(slot)
        for journey in self.journeys:
            journey.origins.pop(slot, None)
        table.release([slot])

    def clear(self, table: TrackTable) -> None:
        """Forget all tracks: the stream ended or begins anew."""
        for at, slot in enumerate(self.present_list):
            self.settle(slot, at, table)
        for slot in list(self.ids.values()):
            self.drop(slot, table)
        self.present, self.present_list, self.shown = np.empty(0, np.intp), [], None
        self.present_ids = None
        self.lost.clear()
        for region in self.regions:
            region.clear()
        self.pts = None

    def tick(self, pts: int) -> None:
        """A frame with this PTS has come."""
        if self.pts is not None and pts > self.pts:
            self.clock += pts - self.pts
        self.pts = pts
        self.frames += 1

    def note(self, slot: int, rule: str, text: str) -> None:
        """Remember for ``explain``; the last 16 of each object."""
        notes = self.notes.setdefault(slot, [])
        notes.append((rule, text))
        if len(notes) > 16:
            del notes[0]

    def book_end(self, track_id: int, record: dict[str, Any]) -> None:
        """Remember an ended track for ``explain``."""
        self.ended.pop(track_id, None)
        self.ended[track_id] = record
        while len(self.ended) > ENDED:
            self.ended.popitem(last=False)

    def forget_old(self) -> None:
        """Drop what ``explain`` need not know any more."""
        while self.ended and self.clock - int(next(iter(self.ended.values()))["clock"]) > ENDED_AGE:
            self.ended.popitem(last=False)
        while len(self.renamed) > ENDED:
            self.renamed.popitem(last=False)


def sift(
    source: SourceState, ids: list[int], sound: NDArray[np.bool_] | None, metrics: dict[str, int]
) -> tuple[list[int], list[int]]:
    """Slots (-1: a new track) of the objects that can be evaluated, and their places in the frame.

    Left out and counted: objects without a track, boxes that are no boxes, and all but the first object of an id.
    """
    slots: list[int] = []
    places: list[int] = []
    used: set[int] = set()
    for place, track in enumerate(ids):
        if track == UNTRACKED:
            metrics["untracked"] += 1
        elif sound is not None and not sound[place]:
            metrics["bad_boxes"] += 1
        elif track in used:
            metrics["duplicate_ids"] += 1
        else:
            used.add(track)
            slots.append(source.ids.get(track, -1))
            places.append(place)
    return slots, places


def begin(
    source: SourceState,
    table: TrackTable,
    tracks: list[int],
    boxes: NDArray[np.float64],
    classes: list[int],
    metrics: dict[str, int],
) -> list[int]:
    """Slots for new tracks: of an ended track that one continues, else fresh."""
    slots: list[int] = []
    ended = Ended(source, table)
    for track, box, class_id in zip(tracks, boxes, classes):
        slot = ended.take(box, class_id)
        if slot >= 0:
            old = int(table.track_id[slot])
            del source.ids[old]
            source.renamed.pop(old, None)
            source.renamed[old] = track
            metrics["stitched"] += 1
        else:
            slot = table.allocate(1)[0]
            table.samples[slot] = 1
            table.sample_clock[slot, 0], table.sample_box[slot, 0] = source.clock, box
            table.first[slot] = source.number
            table.first_time[slot] = source.time
        table.track_id[slot] = track
        source.ids[track] = slot
        slots.append(slot)
    return slots


class Ended:
    """Tracks of a source that ended within the last second, and where they would be by now."""

    def __init__(self, source: SourceState, table: TrackTable) -> None:
        lost = source.lost
        self.slots = np.array(
            [s for s, (mark, _) in lost.items() if table.seen[s] == mark and source.clock - table.clock[s] <= STITCH],
            np.intp,
        )
        self.aspect = source.aspect
        if not len(self.slots):
            return
        last = table.clock[self.slots]
        box = table.box[self.slots]
        sample_clock, sample = earliest(table, self.slots, last - BASE_WINDOW)
        gap, span = (source.clock - last) / 1e9, (last - sample_clock) / 1e9
        pace = np.divide(gap, span, out=np.zeros_like(gap), where=span > 0)
        self.foot = self._foot(box)
        self.ahead = (self.foot - self._foot(sample)) * pace[:, None]
        self.extent = np.maximum((box[:, 2] - box[:, 0]) * self.aspect, box[:, 3] - box[:, 1])
        self.moving = np.hypot(*self.ahead.T) >= STITCH_MOVED * self.extent
        self.class_id = table.class_id[self.slots]
        self.free = np.ones(len(self.slots), bool)

    def _foot(self, box: NDArray[np.float64]) -> NDArray[np.float64]:
        """(N, 2) bottom centre of (N, 4) normalised boxes, in picture heights."""
        return np.stack([(box[:, 0] + box[:, 2]) * (self.aspect / 2), box[:, 3]], axis=1)

    def take(self, box: NDArray[np.float64], class_id: int) -> int:
        """The slot of the track that a new box of this class continues, taken away from the others; -1 if none.

        It is the one whose extrapolated place is nearest, in sizes of its box; the gates are: near in place, of like
        size, of the same class, and not behind where it was going.
        """
        if not len(self.slots):
            return -1
        step = self._foot(box[None]) - self.foot
        size = max((box[2] - box[0]) * self.aspect, box[3] - box[1])
        error = np.hypot(*(step - self.ahead).T)
        good = self.free & (error <= STITCH_DISTANCE * self.extent) & (self.class_id == class_id)
        good &= np.maximum(self.extent, size) <= STITCH_SIZE * np.minimum(self.extent, size)
        good &= ~self.moving | ((step * self.ahead).sum(axis=1) > 0)
        if not good.any():
            return -1
        best = int(np.where(good, error / np.maximum(self.extent, 1e-12), np.inf).argmin())
        self.free[best] = False
        return int(self.slots[best])
