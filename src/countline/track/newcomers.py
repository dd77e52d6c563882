"""Feet of those who come into sight behind somebody.

One whose feet are hidden from his first frame on has no height that he was seen with (:mod:`countline.track.occlusion`): his box ends at
the chest, and when he steps out, its bottom falls by half a person, over a line if one lies there. So his height is
guessed until it is seen: as many times his width as others of his class are high, lately, and no farther down than the one in
front.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from countline.track.occlusion import LINGERS, floor
from countline.types import Tracks

__all__ = ["Newcomers"]

SHORT = 0.7
"""Part of the guessed height up to which a box is cut off."""
OTHERS = 6
"""Boxes of others from which their shape is known."""
SLOWLY = 0.2
"""Weight of a frame in the guess: widths of people who walk change from frame to frame."""

F4 = NDArray[np.float32]


class _Newcomer:
    """One whose feet were not seen yet."""

    __slots__ = ("hidden", "high", "shape")

    def __init__(self, shape: float, high: float, pts: int) -> None:
        self.shape = shape
        """Height by width, as others have it."""
        self.high = high
        """Guessed height, pixels."""
        self.hidden = pts
        """pts at which somebody was last seen in front."""


class Newcomers:
    """Completes the boxes of the newcomers of one source."""

    def __init__(self) -> None:
        self._open: dict[int, _Newcomer] = {}
        """By public id."""
        self._last = 0
        """The highest public id so far."""

    def __len__(self) -> int:
        return len(self._open)

    def clear(self) -> None:
        """Nobody is a newcomer any more."""
        self._open.clear()

    def complete(self, tracks: Tracks, past: Sequence[tuple[int, Tracks]], pts: int) -> F4:
        """(N, 4) boxes of the tracks of a frame at ``pts`` ns, those of newcomers completed; where nothing is, the given array itself.

        ``past``: pts and tracks of frames before, oldest first. To be asked of each frame in which a track may begin or
        there are newcomers.
        """
        ids = tracks.track_id.tolist()
        boxes = tracks.xyxy
        begun = [row for row, track in enumerate(ids) if track > self._last]
        self._last = max(self._last, *ids, 0)
        rows = [row for row, track in enumerate(ids) if track in self._open]
        if not begun and not rows:
            self._open.clear()
            return boxes
        around = np.concatenate([boxes, _before(past, ids, pts)])
        for row in begun:
            self._begin(tracks, row, around, past, pts)
        here = {ids[row] for row in (*rows, *begun)}
        self._open = {track: one for track, one in self._open.items() if track in here or pts - one.hidden <= LINGERS}
        result = boxes
        for row in (*rows, *begun):
            bottom = self._bottom(ids[row], around, row, pts)
            if bottom is not None:
                if result is boxes:
                    result = boxes.copy()
                result[row, 3] = bottom
        return result

    def _begin(self, tracks: Tracks, row: int, around: F4, past: Sequence[tuple[int, Tracks]], pts: int) -> None:
        left, top, right, bottom = tracks.xyxy[row].tolist()
        if len(around) < 2 or floor(around, row, bottom - top) is None:
            return
        shape = _shape(past, int(tracks.class_id[row]), self._open)
        high = shape * (right - left)
        if bottom - top < SHORT * high and floor(around, row, high) is not None:
            self._open[int(tracks.track_id[row])] = _Newcomer(shape, high, pts)

    def _bottom(self, track: int, around: F4, row: int, pts: int) -> float | None:
        """Where the feet of a newcomer must be; None: they are seen, or he stays as he is."""
        one = self._open.get(track)
        if one is None:
            return None
        left, top, right, bottom = around[row].tolist()
        one.high += SLOWLY * (one.shape * (right - left) - one.high)
        lowest = floor(around, row, one.high)
        if lowest is not None:
            one.hidden = pts
        if bottom - top >= SHORT * one.high or pts - one.hidden > LINGERS:
            del self._open[track]
            return None
        return float(top + one.high if lowest is None else min(top + one.high, lowest))


def _before(past: Sequence[tuple[int, Tracks]], there: Iterable[int], pts: int) -> F4:
    """(M, 4) last boxes of those who were seen within :data:`LINGERS` and are not ``there``: who is in front may be missed at
    this very moment."""
    here, seen = set(there), dict[int, tuple[F4, int]]()
    for then, tracks in past:
        if pts - then <= LINGERS:
            for row, track in enumerate(tracks.track_id.tolist()):
                if track not in here:
                    seen[track] = tracks.xyxy, row
    return np.array([boxes[row] for boxes, row in seen.values()], np.float32).reshape(-1, 4)


def _shape(past: Sequence[tuple[int, Tracks]], class_id: int, but: Collection[int]) -> float:
    """Height by width of those of this class, the middle one; 0 while there are too few."""
    if not past:
        return 0.0
    rows = np.concatenate([tracks.class_id for _, tracks in past]) == class_id
    if but:
        ids = np.concatenate([tracks.track_id for _, tracks in past]).tolist()
        rows &= [track not in but for track in ids]
    box = np.concatenate([tracks.xyxy for _, tracks in past])[rows]
    shapes = sorted(((box[:, 3] - box[:, 1]) / (box[:, 2] - box[:, 0])).tolist())
    if len(shapes) < OTHERS:
        return 0.0
    half = len(shapes) // 2
    return float(shapes[half] if len(shapes) % 2 else (shapes[half - 1] + shapes[half]) / 2)
