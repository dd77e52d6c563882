"""Association at low frame rates, by motion: cascaded buffered IoU (Yang et al., "Hard to Track Objects with Irregular Motions
and Similar Appearances? Make It Easier by Buffering the Matching Space", WACV 2023), and what is needed below six frames a second.

At two frames a second a person walks by about his own width from frame to frame, and a car on a road by several lengths. A
Kalman filter learns a velocity in some ten frames; here there are three. So

* a track goes on as it went between its last sightings, with no filter;
* boxes are compared after each was made larger by a part of its size, first a little, then more; the part grows for one who was
  not seen for a while;
* one whose velocity is known does not turn about within a frame, and is matched before those that were seen once;
* who is seen is there from the first sighting on, since to wait for a second one would cost half a second of his way;
* one that was seen once is looked for where others of its size went from there, if they all went the same way (a road); else
  near where it was; and at last, as far as it takes, where nobody else is near (as in :mod:`countline.track.leaps`).
"""

from __future__ import annotations

from collections import deque
from math import hypot

import numpy as np
from numpy.typing import NDArray

from countline.track.assign import assign
from countline.track.engines import BEGINS, CONTINUES, FINDS, Rows

__all__ = ["BufferedEngine"]

F8 = NDArray[np.float64]

_BUFFERS = (0.3, 0.5)
"""Parts of its width and height by which a box is made larger at each side, in the first and in the second association."""
_GROWTH = 0.1
"""What comes to that for each step in which one was not seen; also the cost of it."""
_MOST_BUFFER = 0.8
_LATEST = 0.65
"""Share of the latest of the last two velocities."""
_TURN = 0.3
"""Cost of going the other way, against that of boxes that do not overlap (1)."""
_STEADY = 0.5
"""Mean side of its box by which one moves in a step whose direction is known."""
_ALIKE = 4.0
"""Most by which width and height change from one sighting to the next: one comes into the picture, or out from behind another."""
_UNLIKE = 0.2
"""Cost of a change of width and height by half, for each of them."""
_ONCE = 2
"""Steps for which one that was seen once is looked for."""
_STANDS = 0.2
"""Part of the motion of the opposite side up to which a side stands."""
_REACH = 3.0
"""Longer sides of its box that one seen once may have moved if nobody else is near."""
_CLEAR = 1.5
"""How many times farther the next one must be than the nearest, for the nearest to be the same for sure."""
_LEAP_ALIKE = 1.5
"""As :data:`_ALIKE`, for those found so."""


class _Track:
    """One object, or what may be one."""

    __slots__ = ("number", "places", "seen")

    def __init__(self, number: int, box: F8, step: int) -> None:
        self.number = number
        self.places: deque[tuple[int, F8]] = deque([(step, box)], maxlen=3)
        """Step and box of the last sightings."""
        self.seen = 1

    @property
    def last(self) -> int:
        """Step of the last sighting."""
        return self.places[-1][0]

    @property
    def box(self) -> F8:
        """The last one."""
        return self.places[-1][1]

    def sight(self, box: F8, step: int) -> None:
        self.places.append((step, box))
        self.seen += 1

    def velocity(self) -> F8 | None:
        """(2,) pixels a step of its centre; None for one that was seen once."""
        if len(self.places) < 2:
            return None
        steps = [(b - a, _centre(q) - _centre(p)) for (a, p), (b, q) in zip(self.places, list(self.places)[1:])]
        each = [moved / max(1, passed) for passed, moved in steps]
        latest: F8 = each[-1]
        return latest if len(each) == 1 else _LATEST * latest + (1 - _LATEST) * each[0]

    def growth(self) -> F8 | None:
        """(4,) pixels a step of each side, where one of two opposite sides stood: it comes into the picture, or goes out."""
        if len(self.places) < 2:
            return None
        (before, p), (now, q) = self.places[-2], self.places[-1]
        moved = q - p
        least = np.minimum(np.abs(moved[:2]), np.abs(moved[2:]))
        stands = least < _STANDS * np.maximum(np.abs(moved[:2]), np.abs(moved[2:]))
        return moved / max(1, now - before) if stands.any() else None


class _Flow:
    """Which way objects went lately, and where from."""

    MEMORY = 400
    NEAR = 1.5
    """Longer sides of a box within which others tell of its way."""
    LIKE = 1.6
    """Most by which their sizes differ."""
    ENOUGH = 3
    """Others that are asked for, of two tracks at least."""
    ONE_WAY = 0.9
    """Length of their mean way, as a part of the mean length of their ways, from which they go one way."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, float, float, float, float, int]] = deque(maxlen=self.MEMORY)
        """Centre, longer side, way in one step, number of the track."""

    def learn(self, track: _Track) -> None:
        """It has been sighted another time."""
        (before, p), (now, q) = track.places[-2], track.places[-1]
        (x, y), (u, v), steps = _centre(p), _centre(q), max(1, now - before)
        self._seen.append((x, y, float(_size(p).max()), (u - x) / steps, (v - y) / steps, track.number))

    def way(self, box: F8) -> F8 | None:
        """(2,) the way that an object of this box goes in one step, as far as others tell."""
        if len(self._seen) < self.ENOUGH:
            return None
        known = np.array(self._seen)
        (x, y), side = _centre(box), float(_size(box).max())
        near = np.hypot(known[:, 0] - x, known[:, 1] - y) <= self.NEAR * side
        near &= np.maximum(known[:, 2] / side, side / known[:, 2]) <= self.LIKE
        ways = known[near, 3:5]
        if len(ways) < self.ENOUGH or len(np.unique(known[near, 5])) < 2:
            return None
        mean = np.asarray(ways.mean(axis=0))
        length = float(np.hypot(ways[:, 0], ways[:, 1]).mean())
        return mean if np.hypot(*mean) >= self.ONE_WAY * length and length > _STEADY * side / 2 else None


class BufferedEngine:
    """See the module; the interface is :class:`countline.track.engines.Engine`."""

    def __init__(self, iou: float, lost: int) -> None:
        self._iou = iou
        self._lost = max(1, lost)
        self._tracks: list[_Track] = []
        self._now = 0
        self._count = 0
        self._flow = _Flow()

    def keep(self, lost: int) -> None:
        self._lost = max(1, lost)

    def step(self, boxes: NDArray[np.float32], tiers: NDArray[np.intp], steps: int) -> Rows:
        self._now += steps
        self._tracks = [t for t in self._tracks if self._now - t.last <= (self._lost if t.seen > 1 else _ONCE)]
        box = boxes.astype(np.float64)
        free = set(np.flatnonzero(tiers >= CONTINUES).tolist())
        taken = self._associate(box, tiers, free)
        for track, row in taken:
            track.sight(box[row], self._now)
            self._flow.learn(track)
        found = [(row, track.number) for track, row in taken]
        for row in sorted(free):
            if tiers[row] == BEGINS:
                self._count += 1
                self._tracks.append(_Track(self._count, box[row], self._now))
                found.append((row, self._count))
        found.sort()
        return np.array([row for row, _ in found], np.intp), np.array([number for _, number in found], np.int64)

    def _associate(self, box: F8, tiers: NDArray[np.intp], free: set[int]) -> list[tuple[_Track, int]]:
        """Tracks and the rows that are theirs, which are taken out of ``free``."""
        taken: list[tuple[_Track, int]] = []
        left = list(self._tracks)
        known = [t for t in left if t.seen > 1]
        once = [t for t in left if t.seen == 1]
        believed = {row for row in free if tiers[row] >= FINDS}
        for tracks, rows, buffer in (
            (known, believed, _BUFFERS[0]),
            (known, believed, _BUFFERS[1]),
            ([t for t in known if t.last >= self._before()], free, _BUFFERS[0]),
            (once, believed, _BUFFERS[1]),
            ([t for t in once if t.last >= self._before()], free, _BUFFERS[1]),
        ):
            self._match(tracks, rows, buffer, box, taken, (left, free, believed))
        self._leap([t for t in left if t.velocity() is None], box, tiers, taken, free)
        return taken

    def _before(self) -> int:
        """The step before this one."""
        return max((t.last for t in self._tracks), default=0)

    def _match(
        self,
        tracks: list[_Track],
        rows: set[int],
        buffer: float,
        box: F8,
        taken: list[tuple[_Track, int]],
        open_: tuple[list[_Track], set[int], set[int]],
    ) -> None:
        """The pairs of one association are added to ``taken``, and taken out of what is ``open_``."""
        left, free, believed = open_
        tracks = [t for t in tracks if t in left]
        at = sorted(rows)
        if not tracks or not at:
            return
        cost = np.array([self._costs(track, box[at], buffer) for track in tracks])
        for i, j in assign(cost):
            taken.append((tracks[i], at[j]))
            left.remove(tracks[i])
            free.discard(at[j])
            believed.discard(at[j])

    def _costs(self, track: _Track, box: F8, buffer: float) -> F8:
        """(N,) what it costs that the track is seen at each of these; infinite where it cannot be."""
        passed = self._now - track.last
        velocity = track.velocity()
        way = velocity if velocity is not None else self._flow.way(track.box)
        aheads = [track.box if way is None else track.box + np.tile(way * passed, 2)]
        if (growth := track.growth()) is not None:
            aheads.append(track.box + growth * passed)
        missed = max(0, self._before() - track.last)
        grown = min(_MOST_BUFFER, buffer + _GROWTH * missed)
        larger = _buffered(box, grown)
        overlap = np.max([_overlap(_buffered(ahead, grown), larger) for ahead in aheads], axis=0)
        size = _size(track.box)
        unlike = np.abs(np.log2(_size(box) / size))
        cost: F8 = 1 - overlap + _GROWTH * missed + _UNLIKE * unlike.sum(axis=1)
        cost[(overlap <= self._iou) | (unlike.max(axis=1) > np.log2(_ALIKE))] = np.inf
        if velocity is not None and hypot(*velocity) >= _STEADY * float(size.mean()):
            moved = _centre(box) - _centre(track.box)
            length = np.maximum(np.hypot(moved[:, 0], moved[:, 1]), 1e-9)
            cosine = moved @ velocity / (length * hypot(*velocity))
            cost += _TURN * (1 - cosine) / 2
        return cost

    def _leap(
        self, tracks: list[_Track], box: F8, tiers: NDArray[np.intp], taken: list[tuple[_Track, int]], free: set[int]
    ) -> None:
        """Those seen once only, in the step before, and sure detections: each the other's nearest, and nobody else nearly as near."""
        tracks = [t for t in tracks if t.last == self._before()]
        rows = sorted(row for row in free if tiers[row] == BEGINS)
        if not tracks or not rows:
            return
        before = np.array([t.box for t in tracks])
        apart = _centre(box[rows])[None] - _centre(before)[:, None]
        distance = np.hypot(apart[..., 0], apart[..., 1])
        ratio = _size(box[rows])[None] / _size(before)[:, None]
        alike = (np.maximum(ratio, 1 / ratio) <= _LEAP_ALIKE).all(axis=2)
        distance[~alike | (distance > _REACH * _size(before).max(axis=1)[:, None])] = np.inf
        for i, j in enumerate(distance.argmin(axis=1).tolist()):
            least = distance[i, j]
            others = min(
                np.delete(distance[i], j).min(initial=np.inf), np.delete(distance[:, j], i).min(initial=np.inf)
            )
            if np.isfinite(least) and others >= _CLEAR * least:
                taken.append((tracks[i], rows[j]))
                free.discard(rows[j])


def _centre(box: F8) -> F8:
    """(..., 2) of (..., 4)."""
    centre: F8 = (box[..., :2] + box[..., 2:]) / 2
    return centre


def _size(box: F8) -> F8:
    """(..., 2) width and height of (..., 4)."""
    return np.maximum(box[..., 2:] - box[..., :2], 1e-6)


def _buffered(box: F8, part: float) -> F8:
    more = _size(box) * part
    larger: F8 = box + np.concatenate([-more, more], axis=-1)
    return larger


def _overlap(box: F8, others: F8) -> F8:
    """(N,) intersection over union of a box (4,) with others (N, 4)."""
    sides = np.maximum(np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2]), 0)
    shared = sides[:, 0] * sides[:, 1]
    union = float(np.prod(box[2:] - box[:2])) + (others[:, 2:] - others[:, :2]).prod(axis=1) - shared
    result: F8 = shared / union
    return result
