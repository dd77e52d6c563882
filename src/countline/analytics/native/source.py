"""What the engine keeps of each source between frames."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from countline.analytics.native.counter import AreaCounter, Counter
from countline.analytics.native.objects import Objects
from countline.analytics.native.rule import Rule
from countline.analytics.native.table import Moves, TrackTable
from countline.types import FrameTracks, ObjectStatus, SourceInfo

__all__ = ["MEMORY", "MOST_UNSEEN", "FrameInput", "SourceState", "count_classes"]

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


def count_classes(class_id: NDArray[np.int32]) -> dict[int, int]:
    """How often each class occurs, by class id in ascending order."""
    found: dict[int, int] = {}
    if len(class_id) > MANY:
        low, high = int(class_id.min()), int(class_id.max())
        if high - low < MOST_CLASSES:
            counts = np.bincount(class_id - low)
            ids = np.flatnonzero(counts)
            return dict(zip((ids + low).tolist(), counts[ids].tolist()))
    each = class_id.tolist()
    if each and each.count(each[0]) == len(each):
        return {each[0]: len(each)}
    for c in each:
        found[c] = found.get(c, 0) + 1
    return dict(sorted(found.items())) if len(found) > 1 else found


class SourceState:
    """One source: its clock, its live tracks, its counters."""

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
        """(N, R) which of them are in which area; None: to be looked up. Never altered, since it is given out."""
        self.statuses: Sequence[ObjectStatus | None] | None = None
        """What the rules say of them in a frame without an event; None: to be made. Never altered, since it is given out."""
        self.classes: tuple[bytes, dict[int, int]] = (b"", {})
        """Classes of the last frame, and how many there were of each."""
        self.states: dict[str, dict[str, Any]] = {}
        """Kind of rule -> name -> state, of kinds whose state changes only with what happens."""
        self.stale = True
        """Whether the states that were published still tell of a frame in which something was counted."""
        self.scale = np.ones(4)
        """Width, height, width, height of the picture in pixels."""
        self.sampled = -(2**62)
        """Clock at which samples for the history were taken last."""
        self.shown: FrameInput | None = None
        """The last frame."""
        self.objects = Objects()
        """Which of its tracks are one object."""
        self.ids: dict[int, int] = {}
        """Track id -> slot, of all tracks that are remembered."""
        self.present: NDArray[np.intp] = np.empty(0, np.intp)
        """Slots seen in the last frame."""
        self.present_list: list[int] = []
        """The same as a list."""
        self.lost: dict[int, int] = {}
        """Slots not seen in the last frame -> frames of the source when they were missed first."""
        self.due = 0
        """Clock at which the first of them is due to leave an area or be forgotten."""
        self.due_frames = 0
        self.counters: list[Counter] = []
        """Of the rules that apply, in their order."""
        self.by_kind: dict[str, list[Counter]] = {}
        self.by_shape: dict[str, list[Counter]] = {}
        self.areas: list[AreaCounter] = []
        self.status_areas: list[AreaCounter] = []
        """Those that the status of an object names."""
        self.named_areas: list[tuple[str, bool]] = []
        """(name, whether it is among those) of all areas."""
        self.ticking: list[Counter] = []
        """Those of which something becomes true with time alone, now."""
        self.rules: list[Rule] = []
        """The rules that apply, in their order."""
        self.key: tuple[int, ...] = ()
        self.ended: OrderedDict[int, dict[str, Any]] = OrderedDict()
        self.renamed: OrderedDict[int, int] = OrderedDict()
        """Track id -> id of the track that continued it."""
        self.notes: dict[int, list[tuple[str, str, int, int]]] = {}
        """Slot -> (rule, what happened, frame number, clock), the last few, for ``explain``."""

    def open(self, rules: list[Rule], make: Callable[[Rule], Counter]) -> Moves:
        """Make counters for these rules; those of rules that are unchanged are kept. Returns where each stood before."""
        before = {(c.rule.kind, c.rule.identity): c for c in self.counters}
        kinds, shapes = self.by_kind, self.by_shape
        moves = Moves({}, {})
        self.rules, self.key = rules, tuple(r.order for r in rules)
        self.counters, self.by_kind, self.by_shape = [], {}, {}
        for rule in rules:
            counter = before.get((rule.kind, rule.identity))
            moves.kinds.setdefault(rule.kind, []).append(_index(kinds.get(rule.kind, ()), counter))
            moves.shapes.setdefault(rule.shape, []).append(_index(shapes.get(rule.shape, ()), counter))
            if counter is None:
                counter = make(rule)
            counter.rule = rule
            counter.column = len(self.by_kind.get(rule.kind, ()))
            self.counters.append(counter)
            self.by_kind.setdefault(rule.kind, []).append(counter)
            self.by_shape.setdefault(rule.shape, []).append(counter)
        self.areas = [c for c in self.by_shape.get("area", ()) if isinstance(c, AreaCounter)]
        self.status_areas = [c for c in self.areas if c.in_status]
        self.named_areas = [(c.name, c.in_status) for c in self.areas]
        self.look_ticking()
        self.objects.forget_reported()
        self.publish()
        return moves

    def look_ticking(self) -> None:
        """Find out of which rules something becomes true with time alone."""
        self.ticking = [c for c in self.counters if c.ticks]

    def part_with(self, rules: Collection[str]) -> None:
        """Forget what these rules have counted and know of objects: :meth:`open` makes their counters anew."""
        self.counters = [c for c in self.counters if c.name not in rules]

    def names(self, kind: str) -> list[str]:
        """Names of its rules of a kind."""
        return [c.name for c in self.by_kind.get(kind, ())]

    def publish(self) -> None:
        """Bring the states that change seldom up to date. What was given out is not altered."""
        self.states = {
            kind: {c.name: c.state(self.clock) for c in counters}
            for kind, counters in self.by_kind.items()
            if not counters[0].timed
        }

    def occupied(self) -> bool:
        """Whether anybody is in an area that the status of an object names."""
        for area in self.status_areas:  # noqa: SIM110 - asked in each frame, and a generator costs four times as much
            if area.inside:
                return True
        return False

    def invalidate(self) -> None:
        """The status of the objects in the picture is to be made anew."""
        self.within = self.statuses = None

    def lose(self, slot: int, at: int, table: TrackTable) -> None:
        """An object, number ``at`` of those in the frame before, is not in this one."""
        self.lost[slot] = self.frames
        self.settle(slot, at, table)
        wait: int | None = None
        for area in self.areas:
            if slot in area.inside and (wait is None or area.grace < wait):
                wait = area.grace
        due = int(table.clock[slot]) + (MEMORY if wait is None else wait) + 1
        if due < self.due:
            self.due = due
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
        index, tracks = at if shown.indices is None else shown.indices[at], shown.item.tracks
        table.class_id[slot] = tracks.class_id[index]
        table.confidence[slot] = tracks.confidence[index]
        table.clock[slot], table.number[slot], table.time[slot], frames = shown.moment
        table.frames[slot] = frames - table.base[slot]

    def drop(self, slot: int, table: TrackTable) -> None:
        """Forget a track."""
        track = int(table.track_id[slot])
        del self.ids[track]
        self.lost.pop(slot, None)
        record = table.row(slot)
        record["notes"] = self.notes.pop(slot, [])
        record["recalled"] = self.recall(slot)
        record["object_id"] = self.objects.object_of(track)
        self.objects.forget(track)
        self._remember_end(track, record)
        for counter in self.counters:
            counter.forget(slot)
        table.release([slot])

    def clear(self, table: TrackTable) -> None:
        """Forget all tracks: the stream ended or begins anew."""
        for at, slot in enumerate(self.present_list):
            self.settle(slot, at, table)
        for slot in list(self.ids.values()):
            self.drop(slot, table)
        self.present, self.present_list, self.shown = np.empty(0, np.intp), [], None
        self.present_ids = None
        self.invalidate()
        self.lost.clear()
        self.objects.clear()
        for counter in self.counters:
            counter.clear()
        self.pts = None

    def tick(self, pts: int) -> None:
        """A frame with this PTS has come."""
        if self.pts is not None and pts > self.pts:
            self.clock += pts - self.pts
        self.pts = pts
        self.frames += 1

    def recall(self, slot: int) -> dict[str, Any]:
        """What the counters keep of an object, by name of the rule, for ``explain``."""
        return {c.name: found for c in self.counters if (found := c.recall(slot)) is not None}

    def count_classes(self, class_id: NDArray[np.int32]) -> dict[int, int]:
        """How often each class occurs, by class id in ascending order. Classes seldom change, so it is kept."""
        now = class_id.tobytes()
        if now != self.classes[0]:
            self.classes = now, count_classes(class_id)
        return self.classes[1].copy()

    def note(self, slot: int, rule: str, text: str) -> None:
        """Remember for ``explain``; the last 16 of each object."""
        notes = self.notes.setdefault(slot, [])
        notes.append((rule, text, self.number, self.clock))
        if len(notes) > 16:
            del notes[0]

    def _remember_end(self, track_id: int, record: dict[str, Any]) -> None:
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


class FrameInput:
    """One frame on its way through a micro-batch."""

    __slots__ = ("fresh", "indices", "item", "moment", "same_ids", "slots", "source", "steady")

    def __init__(self, source: SourceState, item: FrameTracks) -> None:
        self.source = source
        self.item = item
        self.indices: list[int] | None = None
        """Indices in the frame of the objects that are evaluated; None: all."""
        self.same_ids = item.tracks.track_id.tobytes()
        """The ids of its objects, to be compared."""
        self.steady = self.same_ids == source.present_ids
        """The same objects in the same order as in the frame before."""
        self.slots = source.present_list
        """Those of its objects; where they are not those of the frame before, once they are looked up."""
        self.fresh = False
        """Whether somebody has no slot yet."""
        self.moment = (source.clock, source.number, source.time, source.frames)

    def look_up(self) -> None:
        """Find the slots of objects that are not those of the frame before."""
        get = self.source.ids.get
        self.slots = [get(i, -1) for i in self.ids]
        self.fresh = -1 in self.slots

    def __len__(self) -> int:
        return len(self.item.tracks.track_id)

    @property
    def ids(self) -> list[int]:
        """Track ids of the frame's objects."""
        ids: list[int] = self.item.tracks.track_id.tolist()
        return ids


def _index(counters: Sequence[Counter], counter: Counter | None) -> int:
    return -1 if counter is None else counters.index(counter)
