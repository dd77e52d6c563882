"""Tracks of one frame that become one object, or are two again (``objects`` says what follows)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from countline.analytics.native.arrays import Hit
from countline.analytics.native.counter import AreaCounter
from countline.analytics.native.frame_result import FrameResult
from countline.types import UNTRACKED, Tracks

__all__ = ["Union", "firsts"]


def firsts(tracks: Tracks) -> NDArray[np.intp]:
    """Rows with which each object of a frame is seen first; untracked ones are each an object."""
    ids = tracks.object_id()
    rows = np.unique(ids, return_index=True)[1]
    return np.union1d(rows, np.flatnonzero(ids == UNTRACKED))


class Union:
    """A frame of a source that has twins. ``passages``: who enters or leaves which area in it, told afterwards."""

    def __init__(self, result: FrameResult, passages: Sequence[Hit]) -> None:
        self.result = result
        self.frame = result.input
        self.source = result.input.source
        self.table = result.table
        self.present = result.present()
        self.passing = {(self.frame.slots[hit.row], hit.column) for hit in passages}

    def update(self) -> None:
        """Take up what the frame says of twins."""
        source = self.source
        joined, parted = source.objects.update(self._declared_twins(), source.clock)
        for column, area in enumerate(source.areas):
            for track in joined:
                self._join(area, track)
            for tracks in parted:
                self._part(area, column, tracks)
            if area.inside and source.lost:
                self._hand_over(area, column)

    def _declared_twins(self) -> dict[int, int]:
        """Track id -> what it is a twin of; of a track that goes on under another id, that one."""
        tracks, indices, source = self.frame.item.tracks, self.frame.indices, self.source
        ids = tracks.track_id.tolist()
        twins = [UNTRACKED] * len(ids) if tracks.twin_of is None else tracks.twin_of.tolist()
        found = {}
        for at in range(len(ids)) if indices is None else indices:
            first = twins[at]
            for _ in range(len(source.renamed)):
                if first in source.ids or first not in source.renamed:
                    break
                first = source.renamed[first]
            found[ids[at]] = first
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

    def _hand_over(self, area: AreaCounter, column: int) -> None:
        """An object of which one track is out of sight is inside by another one that is in the picture."""
        for slot in [slot for slot in area.inside if slot in self.source.lost]:
            heir = self.result.heir(slot, column)
            if heir is not None:
                area.hand_over(slot, heir)

    def _index(self, slot: int) -> int:
        return self.result.index(slot) if slot in self.present else self.result.gone
