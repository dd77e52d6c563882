"""Objects that move so far between two frames that their boxes do not overlap: followed by motion and distance.

The engines associate by overlap alone, so an object that moves by about its own size from frame to frame (a fast one, or
any at one or two frames a second) never becomes a track with them. The sure detections that an engine leaves are joined
here: two of one class and about one size, each the other's nearest and nobody else nearly as near, and from then on by
where constant velocity puts the object. What is not joined is counted.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["Leaps"]

_REACH = 3.0
"""Longer sides of its box that an object may move between its first two sightings."""
_CLEAR = 1.5
"""How many times farther than the nearest the next one must be, for the nearest to be the same object for sure."""
_ALIKE = 1.5
"""Most by which the width and the height of a box change from one sighting to the next."""
_STRAY = 0.5
"""Longer sides of its box, or lengths of its last step, by which an object may miss the place where its velocity puts it."""
_SLOW = 160_000_000
"""Time between two frames (ns) from which two sightings make a track; below, three that lie on a way are asked for: false
detections that come and go lie near each other by chance, and at higher rates there is time for a third."""
_PATIENCE = 2.5
"""Of its last intervals for which an object that is not seen is looked for."""


class _Leap:
    """One object, or a sure detection that may be one."""

    __slots__ = ("box", "class_id", "interval", "number", "pts", "seen", "shown", "velocity")

    def __init__(self, number: int, box: NDArray[np.float64], class_id: int, pts: int, shown: bool) -> None:
        self.number = number
        self.box = box
        self.class_id = class_id
        self.pts = pts
        self.velocity: NDArray[np.float64] | None = None
        """(2,) pixels a ns, from the second sighting on."""
        self.interval = 0
        """ns between the last two sightings."""
        self.seen = 1
        self.shown = shown
        """Whether it is a track."""

    def sight(self, box: NDArray[np.float64], pts: int) -> None:
        self.interval = max(1, pts - self.pts)
        self.velocity = (_centres(box[None]) - _centres(self.box[None]))[0] / self.interval
        self.box, self.pts = box, pts
        self.seen += 1
        self.shown = self.shown or self.seen > 2 or self.interval >= _SLOW


class Leaps:
    """Implements the joining for one source. Numbers of its tracks are negative; those of engines are not."""

    def __init__(self) -> None:
        self.never = 0
        """Sure detections that became part of no track."""
        self._open: list[_Leap] = []
        self._count = 0
        self._before = 0
        """pts of the frame before."""

    def __len__(self) -> int:
        return len(self._open)

    def begin_anew(self) -> None:
        """Forget all objects."""
        self._drop(self._open)
        self._open = []

    def adopt(self, box: NDArray[np.float32], class_id: int, pts: int) -> int:
        """Number for a track that an engine began with one sighting, which may be all that it finds of it."""
        self._before = pts
        return self._add(box.astype(np.float64), class_id, pts, shown=True)

    def _add(self, box: NDArray[np.float64], class_id: int, pts: int, shown: bool) -> int:
        self._count += 1
        self._open.append(_Leap(-self._count, box, class_id, pts, shown))
        return -self._count

    def step(
        self,
        boxes: NDArray[np.float32],
        classes: NDArray[np.int32],
        pts: int,
        tracks: NDArray[np.float32],
        fresh: int = 0,
    ) -> list[tuple[int, int]]:
        """(row of ``boxes``, number of its track), for those that belong to one.

        ``boxes`` (n, 4) xyxy in pixels: sure detections, of which the engine has just begun a track with the first
        ``fresh`` and left the others; ``tracks`` (m, 4): boxes of the tracks that it found. A fresh one only continues
        an object, which from then on is the engine's.
        """
        if self._open:
            self._expire(pts, np.concatenate([tracks, boxes[:fresh]]))
        if not self._open and len(boxes) == fresh:  # nobody to go on with, and nobody who may be one
            self._before = pts
            return []
        box = boxes.astype(np.float64)
        found: list[tuple[int, int]] = []
        free = np.ones(len(box), bool)
        for moving in (True, False):
            if not moving:
                free[:fresh] = False  # those began where nobody was going
            of = [leap for leap in self._open if (leap.velocity is not None) is moving and leap.pts < pts]
            rows = np.flatnonzero(free)
            for leap, row in _pairs(of, box[rows], classes[rows], pts):
                at = int(rows[row])
                free[at] = False
                if at < fresh:
                    self._open.remove(leap)
                else:
                    leap.sight(box[at], pts)
                if leap.shown:
                    found.append((at, leap.number))
        for at in np.flatnonzero(free).tolist():
            self._add(box[at], int(classes[at]), pts, shown=False)
        self._before = pts
        return found

    def _expire(self, pts: int, tracks: NDArray[np.float32]) -> None:
        """Without those that an engine follows, and those not seen for too long."""
        if len(tracks):
            follows = _overlapping(np.array([leap.box for leap in self._open]), tracks.astype(np.float64))
            self._open = [
                leap for leap, one in zip(self._open, follows.tolist()) if not one or leap.velocity is not None
            ]
        self._drop([leap for leap in self._open if not self._awaited(leap, pts)])
        self._open = [leap for leap in self._open if self._awaited(leap, pts)]

    def _awaited(self, leap: _Leap, pts: int) -> bool:
        if leap.velocity is None:
            return leap.pts == self._before  # only the frame after it can tell where it goes
        return pts - leap.pts <= _PATIENCE * leap.interval

    def _drop(self, gone: list[_Leap]) -> None:
        self.never += sum(leap.seen for leap in gone if not leap.shown)


def _centres(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    return (boxes[:, :2] + boxes[:, 2:]) / 2


def _pairs(
    leaps: list[_Leap], boxes: NDArray[np.float64], classes: NDArray[np.int32], pts: int
) -> list[tuple[_Leap, int]]:
    """Objects and rows that belong together without doubt."""
    if not leaps or not len(boxes):
        return []
    before = np.array([leap.box for leap in leaps])
    moved = np.array([(0, 0) if leap.velocity is None else leap.velocity * (pts - leap.pts) for leap in leaps])
    size, sizes = before[:, 2:] - before[:, :2], boxes[:, 2:] - boxes[:, :2]
    side = size.max(axis=1)
    known = np.array([leap.velocity is not None for leap in leaps])
    radius = np.where(known, _STRAY * np.maximum(side, np.hypot(*moved.T)), _REACH * side)
    apart = _centres(boxes)[None] - (_centres(before) + moved)[:, None]
    distance = np.hypot(apart[..., 0], apart[..., 1])
    ratio = sizes[None] / size[:, None]
    alike = (np.maximum(ratio, 1 / ratio) <= _ALIKE).all(axis=2)
    alike &= np.array([leap.class_id for leap in leaps])[:, None] == classes[None]
    distance[~alike | (distance > radius[:, None])] = np.inf
    nearest, towards = distance.argmin(axis=1), distance.argmin(axis=0)
    result = []
    for index, row in enumerate(nearest.tolist()):
        least = distance[index, row]
        if not np.isfinite(least) or towards[row] != index:
            continue
        others = min(
            np.delete(distance[index], row).min(initial=np.inf), np.delete(distance[:, row], index).min(initial=np.inf)
        )
        if others >= _CLEAR * least:
            result.append((leaps[index], row))
    return result


def _overlapping(boxes: NDArray[np.float64], tracks: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(n,) which boxes share a part with one of the tracks."""
    low = np.maximum(boxes[:, None, :2], tracks[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], tracks[None, :, 2:])
    shared: NDArray[np.bool_] = (high[..., 0] > low[..., 0]) & (high[..., 1] > low[..., 1])
    return np.asarray(shared.any(axis=1))
