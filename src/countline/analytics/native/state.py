"""What the engine keeps of each source between frames."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from countline.analytics.native.books import JourneyBook, LineBook, RegionBook
from countline.analytics.native.plan import Rule
from countline.analytics.native.rows import Arrival
from countline.analytics.native.table import TrackTable
from countline.types import LineState, SourceInfo

if TYPE_CHECKING:
    from countline.analytics.native.statuses import Statuses

__all__ = ["MEMORY", "MOST_UNSEEN", "SourceState"]

MEMORY = int(8e9)
"""ns after which an object that is not seen any more is forgotten: longer than trackers keep lost objects."""
MOST_UNSEEN = 2000
"""Frames after which it is forgotten even if the source's clock stands still."""
ENDED = 256
"""Ended tracks of a source that ``explain`` remembers."""
ENDED_AGE = int(120e9)
"""And for how long, ns."""
MANY = 64
"""Objects from which counting with arrays is quicker than with plain Python."""
MOST_CLASSES = 10_000
"""Range of class ids up to which an array of counts is made."""


KINDS = ("line", "region", "direction", "speed", "journey")
BOOKS: dict[str, type[LineBook] | type[RegionBook] | type[JourneyBook]] = {
    "line": LineBook,
    "region": RegionBook,
    "journey": JourneyBook,
}


def tally(class_id: NDArray[np.int32]) -> dict[int, int]:
    """How often each class occurs, by class id in ascending order."""
    found: dict[int, int] = {}
    if len(class_id) > MANY:
        low, high = int(class_id.min()), int(class_id.max())
        if high - low < MOST_CLASSES:
            counts = np.bincount(class_id - low)
            ids = np.flatnonzero(counts)
            return dict(zip((ids + low).tolist(), counts[ids].tolist()))
    for c in class_id.tolist():
        found[c] = found.get(c, 0) + 1
    return dict(sorted(found.items())) if len(found) > 1 else found


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
        self.untracked = 0
        """Objects that came without a track id."""
        self.number = 0
        self.time = 0
        self.width = 0
        self.height = 0
        self.present_ids: bytes | None = None
        """Track ids of the last frame; None if objects were left out of it."""
        self.within: NDArray[np.bool_] | None = None
        """(N, R) which of them are in which region; None: to be looked up. Never altered, since it is given out."""
        self.statuses: Statuses | None = None
        """What the rules say of them in a frame without an event; None: to be made. Never altered, since it is given out."""
        self.timed: list[RegionBook] = []
        """Regions of which something becomes true with time alone."""
        self.classes: tuple[bytes, dict[int, int]] = (b"", {})
        """Classes of the last frame, and how many there were of each."""
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
        self.lost: dict[int, int] = {}
        """Slots not seen in the last frame -> frames of the source when they were missed first."""
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
        self.notes: dict[int, list[tuple[str, str, int, int]]] = {}
        """Slot -> (rule, what happened, frame number, clock), the last few, for ``explain``."""

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
        self.timed = [book for book in self.regions if book.timed]
        self.publish()
        return columns

    def publish(self) -> None:
        """Bring the states of lines and journeys, which change seldom, up to date. What was given out is not altered."""
        self.line_states = {b.rule.name: b.state() for b in self.lines}
        self.journey_states = {b.rule.name: b.state() for b in self.journeys}

    def disturb(self) -> None:
        """What the rules say of the objects in the picture is to be told anew."""
        self.within = self.statuses = None

    def occupied(self) -> bool:
        """Whether anybody is in a region."""
        for book in self.regions:  # noqa: SIM110 - asked in each frame, and a generator costs four times as much
            if book.inside:
                return True
        return False

    def books(self) -> list[LineBook | RegionBook | JourneyBook]:
        """All that count."""
        return [*self.lines, *self.regions, *self.journeys]

    def lose(self, slot: int, at: int, table: TrackTable) -> None:
        """An object, number ``at`` of those in the frame before, is not in this one."""
        self.lost[slot] = self.frames
        self.settle(slot, at, table)
        grace = [book.config.grace for book in self.regions if slot in book.inside]
        self.due = min(self.due, int(table.clock[slot]) + (int(min(grace) * 1e9) if grace else MEMORY) + 1)
        self.due_frames = min(self.due_frames, self.frames + MOST_UNSEEN + 1)

    def come(self, slot: int, table: TrackTable) -> None:
        """An object that was not in the frame before is in this one."""
        self.lost.pop(slot, None)
        table.base[slot] = self.frames - 1 - table.frames[slot]

    def settle(self, slot: int, at: int, table: TrackTable) -> None:
        """Write down what is kept for lost objects only."""
        shown = self.shown
        if shown is None:
            return
        place = at if shown.places is None else shown.places[at]
        table.class_id[slot] = shown.item.tracks.class_id[place]
        table.confidence[slot] = shown.item.tracks.confidence[place]
        table.clock[slot], table.number[slot], table.time[slot], frames = shown.moment
        table.frames[slot] = frames - table.base[slot]

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
        self.disturb()
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

    def tally(self, class_id: NDArray[np.int32]) -> dict[int, int]:
        """How often each class occurs, by class id in ascending order. Classes seldom change, so it is kept."""
        now = class_id.tobytes()
        if now != self.classes[0]:
            self.classes = now, tally(class_id)
        return self.classes[1].copy()

    def note(self, slot: int, rule: str, text: str) -> None:
        """Remember for ``explain``; the last 16 of each object."""
        notes = self.notes.setdefault(slot, [])
        notes.append((rule, text, self.number, self.clock))
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
