"""How objects come and go: who of a frame can be evaluated, who continues whom, who is new and who is gone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from countline.analytics.native.arrays import sound
from countline.analytics.native.history import BASE_WINDOW, earliest
from countline.analytics.native.source import FrameInput, SourceState
from countline.analytics.native.table import TrackTable
from countline.types import UNTRACKED

__all__ = ["STITCH", "change_presence", "ingest", "update_presence"]

STITCH = int(1e9)
"""ns within which a track that begins may continue one that ended. Detectors lose an object behind another for well
under a second; later, a person walking has gone farther than can be told apart from somebody else."""
STITCH_DISTANCE = 0.5
"""Farthest from where the ended track would be by now, in longer sides of its box."""
STITCH_SIZE = 1.6
"""Greatest ratio of the two boxes' longer sides."""
STITCH_MOVED = 0.2
"""Movement during the gap, in longer sides of the box, from which the new track must lie ahead, not behind."""


def filter_objects(
    source: SourceState, ids: list[int], fine: NDArray[np.bool_] | None, metrics: dict[str, int]
) -> tuple[list[int], list[int]]:
    """Slots (-1: a new track) of the objects that can be evaluated, and their indices in the frame.

    Left out and counted: objects without a track, boxes that are no boxes, and all but the first object of an id.
    """
    slots: list[int] = []
    indices: list[int] = []
    used: set[int] = set()
    for index, track in enumerate(ids):
        if track == UNTRACKED:
            metrics["untracked"] += 1
            source.untracked += 1
        elif fine is not None and not fine[index]:
            metrics["bad_boxes"] += 1
        elif track in used:
            metrics["duplicate_ids"] += 1
        else:
            used.add(track)
            slots.append(source.ids.get(track, -1))
            indices.append(index)
    return slots, indices


def ingest(
    frames: list[FrameInput],
    table: TrackTable,
    metrics: dict[str, int],
    boxes: NDArray[np.float64],
    classes: NDArray[np.int32],
) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """Find out who is there in this micro-batch, who is gone, and give slots to new tracks. Returns boxes and classes of those
    who can be evaluated."""
    fine = sound(boxes)
    good = bool(fine.all())
    start = 0
    complete = True
    for a in frames:
        end = start + len(a)
        # One -1 may be a new track or an object without one, so the whole frame is looked at.
        if not (a.steady and good) and (a.fresh or not good or len(set(a.slots)) != len(a.slots)):
            a.slots, a.indices = filter_objects(a.source, a.ids, None if good else fine[start:end], metrics)
            a.fresh = -1 in a.slots
            a.steady = False
            complete = complete and len(a.indices) == len(a)
        start = end
    if not complete:
        boxes, classes = _kept(frames, boxes, classes)
    start = 0
    for a in frames:
        end = start + len(a.slots)
        if not a.steady:
            update_presence(a, table)
            if a.fresh:
                _register(a, table, metrics, boxes[start:end], classes[start:end])
            a.source.present = np.array(a.slots, np.intp)
        start = end
    return boxes, classes


def _kept(
    frames: list[FrameInput], boxes: NDArray[np.float64], classes: NDArray[np.int32]
) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """Those of all rows that were not filtered out."""
    keep: list[int] = []
    start = 0
    for a in frames:
        keep += [start + p for p in (range(len(a)) if a.indices is None else a.indices)]
        start += len(a)
    return boxes[keep], classes[keep]


def update_presence(frame: FrameInput, table: TrackTable) -> None:
    """A frame whose objects are not those of the frame before it: who is gone, who is back. What is left to do is
    ``source.present``, once all of them have slots."""
    before, now = set(frame.source.present_list), set(frame.slots)
    gone = [(at, slot) for at, slot in enumerate(frame.source.present_list) if slot not in now]
    change_presence(frame, table, gone, [slot for slot in now - before if slot >= 0])


def change_presence(frame: FrameInput, table: TrackTable, gone: Sequence[tuple[int, int]], back: Sequence[int]) -> None:
    """The same where it is known who is ``gone``, with their places in the frame before in ascending order, and who is ``back``."""
    source = frame.source
    for at, slot in gone:
        source.lose(slot, at, table)
    for slot in back:
        source.come(slot, table)
    # Where objects were left out, the next frame must be filtered too.
    complete = frame.indices is None or len(frame.indices) == len(frame)
    source.present_ids = frame.same_ids if complete else None
    source.present_list = frame.slots
    source.invalidate()


def _register(
    frame: FrameInput,
    table: TrackTable,
    metrics: dict[str, int],
    boxes: NDArray[np.float64],
    classes: NDArray[np.int32],
) -> None:
    """Give slots to the tracks of a frame that are new, after it is known who is gone."""
    source, slots, ids = frame.source, frame.slots, frame.ids
    new = [i for i, slot in enumerate(slots) if slot < 0]
    tracks = [ids[i if frame.indices is None else frame.indices[i]] for i in new]
    for i, slot in zip(new, new_tracks(source, table, tracks, boxes[new], classes[new].tolist(), metrics)):
        slots[i] = slot


def new_tracks(
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
            source.objects.rename(old, track)
            metrics["stitched"] += 1
        else:
            slot = table.allocate(1)[0]
            table.samples[slot] = 1
            table.sample_clock[slot, 0], table.sample_box[slot, 0] = source.clock, box
            table.first[slot] = source.number
            table.first_time[slot] = source.time
        source.come(slot, table)
        table.track_id[slot] = track
        source.ids[track] = slot
        slots.append(slot)
    return slots


class Ended:
    """Tracks of a source that ended within the last second, and where they would be by now."""

    def __init__(self, source: SourceState, table: TrackTable) -> None:
        self.slots = np.array(
            [s for s in source.lost if source.clock - table.clock[s] <= STITCH],
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
        self.bottom = self._bottom_centre(box)
        self.ahead = (self.bottom - self._bottom_centre(sample)) * pace[:, None]
        self.extent = np.maximum((box[:, 2] - box[:, 0]) * self.aspect, box[:, 3] - box[:, 1])
        self.moving = np.hypot(*self.ahead.T) >= STITCH_MOVED * self.extent
        self.class_id = table.class_id[self.slots]
        self.free = np.ones(len(self.slots), bool)
        self.taken = np.array([self._nearest_of_object(source, table, at) for at in range(len(self.slots))])

    def _bottom_centre(self, box: NDArray[np.float64]) -> NDArray[np.float64]:
        """(N, 2) bottom centre of (N, 4) normalised boxes, in picture heights."""
        return np.stack([(box[:, 0] + box[:, 2]) * (self.aspect / 2), box[:, 3]], axis=1)

    def _nearest_of_object(self, source: SourceState, table: TrackTable, at: int) -> float:
        """How far another track of the same object that is in sight is from where this one would be by now, in picture heights."""
        track = int(table.track_id[self.slots[at]])
        if track not in source.objects.known:
            return np.inf
        found = (source.ids.get(member) for member in source.objects.members(track) if member != track)
        here = [slot for slot in found if slot is not None and slot not in source.lost]
        if not here:
            return np.inf
        step = self._bottom_centre(table.box[here]) - self.bottom[at]
        return float(np.hypot(*(step - self.ahead[at]).T).min())

    def take(self, box: NDArray[np.float64], class_id: int) -> int:
        """The slot of the track that a new box of this class continues, taken away from the others; -1 if none.

        It is the one whose extrapolated position is nearest, in sizes of its box; the gates are: near, of like
        size, of the same class, and not behind where it was going.
        """
        if not len(self.slots):
            return -1
        step = self._bottom_centre(box[None]) - self.bottom
        size = max((box[2] - box[0]) * self.aspect, box[3] - box[1])
        error = np.hypot(*(step - self.ahead).T)
        good = self.free & (error <= STITCH_DISTANCE * self.extent) & (self.class_id == class_id)
        good &= np.maximum(self.extent, size) <= STITCH_SIZE * np.minimum(self.extent, size)
        good &= ~self.moving | ((step * self.ahead).sum(axis=1) > 0)
        good &= error < self.taken  # else its object is where it would be
        if not good.any():
            return -1
        best = int(np.where(good, error / np.maximum(self.extent, 1e-12), np.inf).argmin())
        self.free[best] = False
        return int(self.slots[best])
