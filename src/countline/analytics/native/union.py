"""Tracks of one frame that become one object, or are two again (``objects`` says what follows)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from countline.analytics.native.arrays import Hit
from countline.analytics.native.counter import AreaCounter
from countline.analytics.native.frame_result import FrameResult
from countline.analytics.native.source import FrameInput, SourceState
from countline.types import UNTRACKED, Tracks

__all__ = ["Union", "classes_of", "firsts", "is_settled"]


def firsts(tracks: Tracks) -> list[int]:
    """Rows with which each object of a frame is seen first; untracked ones are each an object."""
    seen: set[int] = set()
    rows = []
    for row, one in enumerate(tracks.object_id().tolist()):
        if one not in seen:
            rows.append(row)
            if one != UNTRACKED:
                seen.add(one)
    return rows


def classes_of(source: SourceState, tracks: Tracks) -> dict[int, int]:
    """How many objects of each class a frame shows, by class id in ascending order."""
    if tracks.twin_of is None:
        return source.count_classes(tracks.class_id)
    ids = tracks.track_id.tolist()
    if len(set(ids)) < len(ids):
        return source.count_classes(tracks.class_id[firsts(tracks)])
    # Mostly there are a few twins: all rows, but for those of an object that another row shows already.
    shown: dict[int, int] = {}
    more = []
    for row in (tracks.twin_of != UNTRACKED).nonzero()[0].tolist():
        one = int(tracks.twin_of[row])
        if one != ids[row]:
            first = shown.get(one)
            if first is None and one in ids and tracks.twin_of[ids.index(one)] in (UNTRACKED, one):
                first = ids.index(one)
            shown[one] = row if first is None else min(first, row)
            if first is not None:
                more.append(max(first, row))
    return source.count_classes(np.delete(tracks.class_id, more))


def _resolved(source: SourceState, track: int) -> int:
    """Of a track that goes on under another id, that one."""
    for _ in range(len(source.renamed)):
        if track in source.ids or track not in source.renamed:
            break
        track = source.renamed[track]
    return track


def _handing(source: SourceState) -> set[int]:
    """Slots of tracks that belong together with another one and are out of sight: who of them is in an area may hand over."""
    ids, lost = source.ids, source.lost
    return {slot for track in source.objects.known if (slot := ids.get(track)) in lost and slot is not None}


def is_settled(frame: FrameInput) -> bool:
    """Whether a frame says of twins what is known already, and nobody hands over: then :class:`Union` would do nothing."""
    source, tracks = frame.source, frame.item.tracks
    if tracks.twin_of is None and not source.objects.known:
        return True
    if frame.indices is not None:
        return False
    links, told = source.objects.links, set()
    if tracks.twin_of is not None:
        rows = (tracks.twin_of != UNTRACKED).nonzero()[0]
        for track, twin_of in zip(tracks.track_id[rows].tolist(), tracks.twin_of[rows].tolist()):
            first, link = _resolved(source, twin_of), links.get(track)
            if first != track:
                if link is None or link.object_id != first:
                    return False
                told.add(track)
    for track in links:
        if track not in told and source.ids.get(track) not in source.lost:
            return False  # it is in the frame, and no twin any more
    handing = _handing(source) if source.lost else None
    return not handing or not any(slot in area.inside for slot in handing for area in source.areas)


class Union:
    """A frame of a source that has twins. ``passages``: who enters or leaves which area in it, told afterwards."""

    def __init__(self, result: FrameResult, passages: Sequence[Hit]) -> None:
        self.result = result
        self.frame = result.input
        self.source = result.input.source
        self.table = result.table
        self.passages = passages

    def update(self) -> None:
        """Take up what the frame says of twins."""
        source = self.source
        joined, parted = source.objects.update(self._declared_twins(), source.clock)
        handing = _handing(source) if source.lost else None
        for column, area in enumerate(source.areas):
            for track in joined:
                self._join(area, track)
            for tracks in parted:
                self._part(area, column, tracks)
            if area.inside and handing:
                self._hand_over(area, column, handing)

    def _declared_twins(self) -> dict[int, int]:
        """Track id -> what it is a twin of; of a track that goes on under another id, that one."""
        tracks, indices, source = self.frame.item.tracks, self.frame.indices, self.source
        ids = tracks.track_id.tolist()
        twins = [UNTRACKED] * len(ids) if tracks.twin_of is None else tracks.twin_of.tolist()
        found = {}
        for at in range(len(ids)) if indices is None else indices:
            found[ids[at]] = _resolved(source, twins[at])
        return found

    def _slots(self, track: int) -> list[int]:
        """Of all tracks of the object of a track."""
        ids = self.source.ids
        return [ids[one] for one in self.source.objects.members(track) if one in ids]

    def _join(self, area: AreaCounter, track: int) -> None:
        """If several tracks of an object have entered, it is inside since the first did."""
        inside = [slot for slot in self._slots(track) if slot in area.inside]
        if len(inside) < 2:
            return
        stays = min(inside, key=lambda slot: area.inside[slot].since)
        for slot in inside:
            if slot != stays:
                area.merged(self.result, self._index(slot), slot, f"track {int(self.table.track_id[stays])}")

    def _part(self, area: AreaCounter, column: int, tracks: tuple[int, int]) -> None:
        """Who is inside, and was so as a part of another object, enters now."""
        inside = self.table.inside
        for track in tracks:
            slots = self._slots(track)
            if any(slot in area.inside for slot in slots):
                continue
            here = [s for s in slots if inside[s, column] and (s, column) not in self.passing]
            seen = next((slot for slot in here if slot in self.present), None)
            if seen is not None:
                self.source.invalidate()
                area.enter(self.result, self.result.index(seen), seen)
            else:
                inside[here, column] = False
                self.table.low[here] = np.inf  # if one comes back, it enters anew

    @cached_property
    def present(self) -> set[int]:
        """Slots of the objects in the frame."""
        return self.result.present()

    @cached_property
    def passing(self) -> set[tuple[int, int]]:
        """(slot, index of the area) of those who enter or leave."""
        return {(self.frame.slots[hit.row], hit.column) for hit in self.passages}

    def _hand_over(self, area: AreaCounter, column: int, handing: set[int]) -> None:
        """An object of which one track is out of sight is inside by another one that is in the picture."""
        for slot in [slot for slot in area.inside if slot in handing]:
            heir = self.result.heir(slot, column)
            if heir is not None:
                area.hand_over(slot, heir)

    def _index(self, slot: int) -> int:
        return self.result.index(slot) if slot in self.present else self.result.gone
