"""ByteTrack (Zhang et al., ECCV 2022) whose filter counts in time, for more than thirteen frames a second.

The filter of the paper's implementation counts in frames: by its figures somebody strays from an even way by as much between two
frames, however close they follow each other. They suit some ten frames a second. At thirty a velocity is learned from a third of the
time, and follows what the detector's boxes do, which err alike for some frames: tracks leave those they follow, and take others. So

* the noise of the motion is by time: in a step of a part ``pace`` of a tenth of a second, the place strays by that part of what it does
  in a tenth, and the velocity, which goes its way at random, by the part's 3/2nd power (a root for the time, and a part for the unit,
  pixels a step). What a box is measured with, and what is not known of a velocity at first, stay as they are: brief and fast things are
  caught as quickly as ever;
* one that turns quicker than that leaves the place where it is awaited. Between two such steps nobody moves far. So detections that
  are left are compared with where the tracks that found none were a step ago.

With a pace of 1 it is ByteTrack as it is, of ``pyxtrackers``, to the bit. For crowds it does without its first association, at any pace:
:mod:`countline.track.crowds`. ``countline_kernels.ByteTrack`` does the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray

from countline.track.crowds import distances, pairing, surer
from countline.track.jonker_volgenant import solve

__all__ = ["ABOUT_A_TENTH", "TimedByteTrack", "pace_of"]

_TENTH: Final = 100_000_000
"""ns of the step for which the figures are."""
ABOUT_A_TENTH: Final = 75_000_000
"""ns from which a step is taken for one: up to thirteen frames a second."""
_POSITION, _VELOCITY = 1.0 / 20.0, 1.0 / 160.0
"""Noise of place and velocity, heights (a step of a tenth of a second)."""
_CONFIRMS = _NEAR = 0.7
"""Distance (1 - IoU) up to which a detection is the second sighting of a track, and is one where a track was a step ago."""
_CONTINUES = 0.5
"""The same for weak detections."""
_LATE = 5.0
"""Tenths of a second for which a track that is not seen may be in a box that is that of two."""
_DOUBLE = 0.15
"""The same, below which a lost track and one that is seen are one."""
_ROW = 2**40 - 1
"""Bits of a score that hold the number of the row."""
_NEW, _TRACKED, _LOST, _REMOVED = range(4)
_ASPECT, _HEIGHT = 2, 3
_X, _V, _P00, _P01, _P10, _P11 = range(6)

F8 = NDArray[np.float64]
Rows = tuple[NDArray[np.intp], NDArray[np.int64]]


def pace_of(step: int) -> float:
    """Length of a step of so many ns in tenths of a second; 1 for about that and for longer ones."""
    return step / _TENTH if step < ABOUT_A_TENTH else 1.0


class _Track:
    """A track, or a detection that may become one."""

    __slots__ = ("activated", "corners", "frame", "origin", "score", "start", "state", "status", "track_id")

    def __init__(self, row: Sequence[float]) -> None:
        self.origin = (row[0], row[1], row[2] - row[0], row[3] - row[1])
        """Left, top, width, height where it began."""
        left, top, width, height = self.origin
        self.corners = (left, top, left + width, top + height)
        """Left, top, right, bottom where it was seen last."""
        self.score = row[4]
        self.state = np.zeros((6, 4))
        """Value, velocity and their covariance (00, 01, 10, 11) of x, y of the middle, aspect ratio, height."""
        self.status = _NEW
        self.activated = False
        self.track_id = -1
        self.frame = self.start = 0

    @property
    def tlwh(self) -> F8:
        """(4,) left, top, width, height."""
        return np.array(self._extent())

    @property
    def tlbr(self) -> F8:
        """(4,) left, top, right, bottom."""
        return np.array(self.place())

    def _extent(self) -> tuple[float, float, float, float]:
        x, y, aspect, height = self.state[_X].tolist()
        if x == 0.0 and y == 0.0:
            return self.origin
        width = aspect * height
        return x - width / 2.0, y - height / 2.0, width, height

    def place(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom where it is awaited."""
        left, top, width, height = self._extent()
        return left, top, left + width, top + height

    def measured(self) -> list[float]:
        """Middle, aspect ratio and height of the detection."""
        left, top, width, height = self.origin
        return [left + width / 2.0, top + height / 2.0, width / height, height]

    def activate(self, frame: int, number: int) -> None:
        """It begins a track."""
        measured = self.measured()
        position, velocity = 2.0 * _POSITION * measured[_HEIGHT], 10.0 * _VELOCITY * measured[_HEIGHT]
        self.state[_X] = measured
        self.state[_P00], self.state[_P11] = position * position, velocity * velocity
        self.state[[_P00, _P11], _ASPECT] = 1e-2 * 1e-2, 1e-5 * 1e-5
        self.track_id, self.status, self.activated = number, _TRACKED, frame == 1
        self.frame = self.start = frame


def _predict(tracks: Sequence[_Track], pace: float) -> None:
    """All go on for a step."""
    if not tracks:
        return
    x, v, p00, p01, p10, p11 = np.stack([track.state for track in tracks], axis=1)
    v[[track.status != _TRACKED for track in tracks], _HEIGHT] = 0.0
    high = x[:, _HEIGHT]
    position, velocity = np.empty_like(x), np.empty_like(x)
    position[:], velocity[:] = (_POSITION * high)[:, None], (_VELOCITY * high)[:, None]
    position[:, _ASPECT], velocity[:, _ASPECT] = 1e-2, 1e-5
    position *= pace
    velocity *= pace * sqrt(pace)
    t00, t01 = p00 + p10, p01 + p11
    made = (x + v, v, t00 + t01 + position * position, t01, p10 + p11, p11 + velocity * velocity)
    for track, state in zip(tracks, np.stack(made, axis=1)):
        track.state = state


def _sight(pairs: Sequence[tuple[_Track, _Track]], frame: int) -> None:
    """Each track took a detection."""
    if not pairs:
        return
    x, v, p00, p01, p10, p11 = np.stack([track.state for track, _ in pairs], axis=1)
    noise = np.empty_like(x)
    noise[:] = (_POSITION * x[:, _HEIGHT])[:, None]
    noise[:, _ASPECT] = 1e-1
    spread = p00 + noise * noise
    inverse = 1.0 / (spread + 1e-9)
    g0, g1 = p00 * inverse, p10 * inverse
    innovation = np.array([detection.measured() for _, detection in pairs]) - x
    c0, c1 = g0 * spread, g1 * spread
    made = (x + g0 * innovation, v + g1 * innovation, p00 - c0 * g0, p01 - c0 * g1, p10 - c1 * g0, p11 - c1 * g1)
    for (track, detection), state in zip(pairs, np.stack(made, axis=1)):
        track.state, track.corners, track.score = state, detection.corners, detection.score
        track.frame, track.status, track.activated = frame, _TRACKED, True


Corners = Sequence[tuple[float, float, float, float]]


def _places(tracks: Sequence[_Track]) -> F8:
    """(n, 4) where they are awaited."""
    return np.array([track.place() for track in tracks]).reshape(-1, 4)


def _pairs(a: Corners, b: Corners, most: float) -> list[tuple[int, int]]:
    """(index of a, index of b), in the order of a, of those no farther apart than ``most``."""
    if not a or not b:
        return []
    cost = distances(np.array(a), np.array(b))
    return [(i, j) for i, j in solve(cost) if cost[i, j] <= most]


class TimedByteTrack:
    """The tracker of one source. Its interface is that of ``countline_kernels.ByteTrack``.

    Parameters
    ----------
    threshold: scores above it take part in the first association.
    most: greatest distance (1 - IoU) there.
    lost_for: steps for which a track that is out of sight is kept.
    pace: length of a step, in tenths of a second, at most 1; see :func:`pace_of`.
    crowds: whether detections are paired as :mod:`countline.track.crowds` tells, in place of the first association.
    """

    def __init__(self, threshold: float, most: float, lost_for: int, pace: float = 1.0, crowds: bool = False) -> None:
        self._threshold, self._most, self._lost_for, self._pace = threshold, most, lost_for, pace
        self._crowds = crowds
        self._frame = 0
        self.track_id_counter = 0
        """Tracks that were begun so far."""
        self._tracked: list[_Track] = []
        self.lost_stracks: list[_Track] = []
        """Tracks that are out of sight."""
        self.of_two: list[int] = []
        """Rows of the last step that are boxes of two tracks, for crowds."""

    def advance(self, table: F8, steps: int) -> Rows:
        """One step, ``steps`` steps after the last, with (n, 5) rows of xyxy and a score whose low 40 bits are the number of the row.
        Returns the (k,) rows that tracks took, in ascending order, and the (k,) ids of these tracks."""
        for _ in range(steps - 1):
            self._go_on()
        self._frame += 1
        detections = [_Track(row) for row in table.tolist()]
        strong = [one for one in detections if one.score > self._threshold]
        weak = [one for one in detections if 0.1 < one.score <= self._threshold]
        self._go_on()
        if self._crowds:
            strong, weak = self._find_in_crowd(strong, weak)
        else:
            strong = self._find_confirmed(strong)
        if self._pace < 1.0:
            waiting = self._open()
            strong = self._take(waiting, [track.corners for track in waiting], strong, _NEAR)
        self._continue_seen(weak)
        self._sort_out(self._confirm(strong))
        confirmed = [track for track in self._tracked if track.activated]
        scores = np.array([track.score for track in confirmed], np.float64)
        rows = scores.view(np.int64) & _ROW
        order = rows.argsort()
        numbers = np.array([track.track_id for track in confirmed], np.int64)
        return rows.take(order).astype(np.intp), numbers.take(order)

    def _go_on(self) -> None:
        _predict([*(track for track in self._tracked if track.activated), *self.lost_stracks], self._pace)

    def _open(self) -> list[_Track]:
        """Confirmed tracks of the step before that found nothing yet."""
        return [track for track in self._tracked if track.activated and track.frame != self._frame]

    def _take(self, tracks: Sequence[_Track], places: Corners, found: list[_Track], most: float) -> list[_Track]:
        """Pair tracks at these places with detections; those that are left."""
        pairs = _pairs(places, [one.corners for one in found], most)
        _sight([(tracks[i], found[j]) for i, j in pairs], self._frame)
        taken = {j for _, j in pairs}
        return [one for j, one in enumerate(found) if j not in taken]

    def _find_confirmed(self, strong: list[_Track]) -> list[_Track]:
        """First association: strong detections with confirmed and lost tracks. Returns the detections that are left."""
        pool = [*self._open(), *self.lost_stracks]
        return self._take(pool, [track.place() for track in pool], strong, self._most)

    def _find_in_crowd(self, strong: list[_Track], weak: list[_Track]) -> tuple[list[_Track], list[_Track]]:
        """In its place: strong detections with confirmed and lost tracks, and weak ones with confirmed ones. Returns the strong and
        the weak detections that are left."""
        seen = self._open()
        pool, found = [*seen, *self.lost_stracks], [*strong, *weak]
        self.of_two = []
        if not pool or not found:
            return strong, weak
        late = np.array([self._frame - track.frame for track in pool]) * self._pace <= _LATE
        detections = np.array([one.corners for one in found])
        pairs = pairing(_places(pool), len(seen), late, detections, len(strong), self._most)
        scores = np.array([one.score for one in found])
        self.of_two = (scores[pairs.both].view(np.int64) & _ROW).tolist()
        free = ~pairs.both
        taken = [(i, j) for i, j in solve(pairs.cost) if pairs.allowed[i, j]]
        free[[j for _, j in taken]] = False
        taken = surer(taken, pairs, detections, len(strong))  # the doubtful boxes in their place are nobody else's
        free[[j for _, j in taken]] = False
        _sight([(pool[i], found[j]) for i, j in taken], self._frame)
        left = free.tolist()
        return [one for one, it in zip(strong, left) if it], [one for one, it in zip(weak, left[len(strong) :]) if it]

    def _continue_seen(self, weak: list[_Track]) -> None:
        """Second: weak detections with tracks of the step before. Who gets none is out of sight."""
        waiting = self._open()
        self._take(waiting, [track.place() for track in waiting], weak, _CONTINUES)
        for track in self._open():
            track.status = _LOST

    def _confirm(self, strong: list[_Track]) -> list[_Track]:
        """Third: strong detections that are left with tracks of one sighting. What is left then begins tracks, which are returned."""
        fresh = [track for track in self._tracked if not track.activated]
        left = self._take(fresh, [track.place() for track in fresh], strong, _CONFIRMS)
        for track in fresh:
            if not track.activated:
                track.status = _REMOVED
        begun = [one for one in left if one.score >= self._threshold + 0.1]
        for one in begun:
            self.track_id_counter += 1
            one.activate(self._frame, self.track_id_counter)
        return begun

    def _sort_out(self, begun: list[_Track]) -> None:
        """Who is tracked and who is lost from now on."""
        again = [track for track in self.lost_stracks if track.status == _TRACKED]
        lost = [track for track in self.lost_stracks if track.status != _TRACKED]
        lost = [track for track in lost if self._frame - track.frame <= self._lost_for]
        lost += [track for track in self._tracked if track.status == _LOST]
        tracked = [*(track for track in self._tracked if track.status == _TRACKED), *begun, *again]
        self._tracked, self.lost_stracks = tracked, lost
        if not tracked or not lost:
            return
        # Of a tracked and a lost one that cover the same, the one that lived longer stays.
        near = distances(_places(tracked), _places(lost)) < _DOUBLE
        lived = np.array([track.frame - track.start for track in tracked])
        longer = lived[:, None] > np.array([track.frame - track.start for track in lost])
        gone = np.any(near & ~longer, axis=1).tolist()
        gone_lost = np.any(near & longer, axis=0).tolist()
        self._tracked = [track for at, track in enumerate(tracked) if not gone[at]]
        self.lost_stracks = [track for at, track in enumerate(lost) if not gone_lost[at]]
