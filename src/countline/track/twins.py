"""Twins: two tracks on one object.

Detectors leave second boxes: on a part of a lorry, or around it and its shadow. The tracker begins no track with them where it
can tell (:mod:`countline.track.overlap`), but some become tracks, and then one object crosses every line twice. Two tracks of
one class that cover the same for most of the last second, and move alike, are one object. It takes both: two who walk in step
move alike, and hide each other in part; one who overtakes another covers him for a moment, and moves otherwise.
"""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from countline.types import UNTRACKED, Tracks

__all__ = ["Twins", "covering"]

_WINDOW = 1_000_000_000
"""ns that are looked back."""
_LONG = 600_000_000
"""ns of them for which two must have been seen together."""
_MOST = 0.7
"""Share of the frames that show both in which they must cover the same."""
_LEAST = 3
"""Such frames."""
_SAME = 0.6
"""Overlap (IoU) from which two boxes cover the same: above what suppression leaves of one frame but seldom."""
_WITHIN = 0.9
"""Part of the smaller box that must lie in the larger one otherwise."""
_PART = 0.7
"""Area of the smaller box, as a part of the larger one's, up to which it can be a part of the same object: of two that are about
equal, which overlap as much as one within the other does, only the overlap tells."""
_CRUMB = 0.1
"""The same, from which: what is smaller is a thing of its own before the other."""
_FOOT = 0.02
"""Heights of the larger box by which the smaller one may reach farther down: what stands nearer to the camera than the other is
no part of it."""
_STRAY = 0.15
"""Lengths of the smaller box's diagonal by which the ways of two in the window may differ."""


def covering(boxes: NDArray[np.float32], classes: NDArray[np.int32]) -> NDArray[np.intp]:
    """(N, 4) xyxy in pixels and (N,) classes -> (pairs, 2) rows, the lower first, of those that cover the same."""
    if len(boxes) < 2:
        return np.empty((0, 2), np.intp)
    b = boxes.astype(np.float64)
    wide = np.minimum(b[:, None, 2], b[None, :, 2]) - np.maximum(b[:, None, 0], b[None, :, 0])
    high = np.minimum(b[:, None, 3], b[None, :, 3]) - np.maximum(b[:, None, 1], b[None, :, 1])
    near = np.triu((wide > 0) & (high > 0) & (classes[:, None] == classes[None, :]), 1)
    if not near.any():
        return np.empty((0, 2), np.intp)
    first, second = near.nonzero()
    shared = (wide * high)[first, second]
    area = (b[:, 2] - b[:, 0]) * (b[:, 3] - b[:, 1])
    smaller, larger = np.minimum(area[first], area[second]), np.maximum(area[first], area[second])
    small = np.where(area[first] < area[second], first, second)
    large = first + second - small
    lower = b[small, 3] - b[large, 3] > _FOOT * (b[large, 3] - b[large, 1])
    part = (shared >= _WITHIN * smaller) & (smaller <= _PART * larger) & (smaller >= _CRUMB * larger) & ~lower
    same = (shared >= _SAME * (area[first] + area[second] - shared)) | part
    return np.stack([first[same], second[same]], 1)


class Twins:
    """Tells the twins among the tracks of one source. Pure: the time comes with the frames."""

    def __init__(self) -> None:
        self._pairs: dict[tuple[int, int], deque[tuple[int, bool]]] = {}
        """By the ids of two that covered the same lately: the frames that showed both, and whether they did."""
        self._ways: dict[int, deque[tuple[int, float, float]]] = {}
        """pts and centres of those in pairs."""
        self._began: dict[int, int] = {}
        """pts at which each track was seen first."""

    def update(self, tracks: Tracks, pts: int) -> dict[int, int]:
        """Id of a twin -> id of the track that it is the same object as, which is the older one, for the tracks of this frame.
        ``pts`` in ns."""
        ids = tracks.track_id.tolist()
        rows = {track: row for row, track in enumerate(ids) if track != UNTRACKED}
        for track in rows:
            self._began.setdefault(track, pts)
        now = {self._key(ids[a], ids[b]) for a, b in covering(tracks.xyxy, tracks.class_id).tolist()}
        for key in now:
            if UNTRACKED not in key:
                self._pairs.setdefault(key, deque())
        found: dict[int, int] = {}
        if self._pairs:
            self._watch(tracks, rows, pts)
            for key, seen in list(self._pairs.items()):
                if key[0] in rows and key[1] in rows:
                    seen.append((pts, key in now))
                while seen and seen[0][0] < pts - _WINDOW:
                    seen.popleft()
                if not any(covered for _, covered in seen):
                    del self._pairs[key]
                elif key[0] in rows and key[1] in rows and self._one(key, seen, tracks, rows):
                    found.setdefault(key[1], key[0])
        self._forget(rows, pts)
        return {twin: self._root(first, found) for twin, first in found.items()}

    def _key(self, a: int, b: int) -> tuple[int, int]:
        """The older one first."""
        return (a, b) if (self._began.get(a, 0), a) <= (self._began.get(b, 0), b) else (b, a)

    def _watch(self, tracks: Tracks, rows: dict[int, int], pts: int) -> None:
        paired = {track for key in self._pairs for track in key}
        self._ways = {track: way for track, way in self._ways.items() if track in paired}
        for track in paired & rows.keys():
            left, top, right, bottom = tracks.xyxy[rows[track]].tolist()
            way = self._ways.setdefault(track, deque())
            way.append((pts, (left + right) / 2, (top + bottom) / 2))
            while way[0][0] < pts - _WINDOW:
                way.popleft()

    def _one(self, key: tuple[int, int], seen: deque[tuple[int, bool]], tracks: Tracks, rows: dict[int, int]) -> bool:
        """Whether these two are one object: covered for most of the time, and moved alike since they did."""
        if len(seen) < _LEAST or seen[-1][0] - seen[0][0] < _LONG:
            return False
        if sum(covered for _, covered in seen) < _MOST * len(seen):
            return False
        since = seen[0][0]
        (ax, ay), (bx, by) = (self._moved(track, since) for track in key)
        left, top, right, bottom = tracks.xyxy[[rows[track] for track in key]].astype(np.float64).T
        diagonal = float(np.hypot(right - left, bottom - top).min())
        return bool(np.hypot(ax - bx, ay - by) <= _STRAY * diagonal)

    def _moved(self, track: int, since: int) -> tuple[float, float]:
        way = [place for place in self._ways[track] if place[0] >= since]
        return way[-1][1] - way[0][1], way[-1][2] - way[0][2]

    @staticmethod
    def _root(track: int, found: dict[int, int]) -> int:
        for _ in range(len(found)):
            if track not in found:
                break
            track = found[track]
        return track

    def _forget(self, rows: dict[int, int], pts: int) -> None:
        if len(self._began) > 4 * len(rows) + 256:
            kept = rows.keys() | {track for key in self._pairs for track in key}
            self._began = {track: began for track, began in self._began.items() if track in kept}
