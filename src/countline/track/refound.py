"""Those who come out of hiding: a track that begins where one that was lost must be by now is that one.

Engines go on with a lost track by a filter that counts in frames: the more frames a second there are, the shorter the way from which
it takes the velocity, and the farther it has gone astray when somebody appears again. Here it is the way of the last second that
is continued, whatever the frame rate.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from math import inf
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from countline.track.memory import TrackMemory
from countline.track.overlap import overlap, singles
from countline.types import Tracks

__all__ = ["APART", "Refound", "append", "remember"]

APART = 90_000_000
"""ns at least between two frames that are remembered, but for the last two."""
BEFORE = 800_000_000
"""ns of the way before a track was lost that are continued."""
LEAST = 150_000_000
"""ns of it at least: else nothing is known of it, and the track is awaited where it was."""
STRAY = (0.4, 0.12)
"""Widths across and heights up and down by which a head may miss the place where it is awaited,"""
MORE = (0.7, 0.2)
"""and more of it for each second since it was seen."""
MOST_NEARER = 0.5
"""Part of the distance that somebody may have come nearer unseen: then he is twice as large."""
ALIKE = 1.5
"""Most by which widths differ."""

F4 = NDArray[np.float32]
Past = deque[tuple[int, Tracks]]
_Moment = TypeVar("_Moment", bound=tuple[Any, ...])


def append(past: deque[_Moment], moment: _Moment) -> None:
    """Another moment, whose first element is its pts in ns. Those remembered are :data:`APART` at least, but for the last two, so that at
    any frame rate as many of them tell of as long a time."""
    if len(past) > 1 and past[-1][0] - past[-2][0] < APART:
        past.pop()
    past.append(moment)


def remember(past: Past, pts: int, tracks: Tracks) -> None:
    """Another frame; see :func:`append`."""
    append(past, (pts, tracks))


def foot_before(past: Past, track: int) -> float:
    """Bottom of the last box of a track, pixels; minus infinity where it is not remembered."""
    for _, tracks in reversed(past):
        rows = (tracks.track_id == track).nonzero()[0]
        if len(rows):
            return float(tracks.xyxy[rows[0], 3])
    return -inf


class _Lost(NamedTuple):
    """A track that is not in this frame."""

    number: int
    """With the engine."""
    tracks: Tracks
    row: int
    """Where it is among those of the last frame that shows it."""
    pts: int
    """Of that frame."""

    @property
    def box(self) -> F4:
        """(4,) where it was."""
        box: F4 = self.tracks.xyxy[self.row]
        return box

    @property
    def class_id(self) -> int:
        """What it was."""
        return int(self.tracks.class_id[self.row])


class Refound:
    """Tells lost tracks of one source among those that begin. ``countline_kernels.Refound`` does the same.

    Parameters
    ----------
    patience: ns for which a lost track is awaited.
    iou: least overlap between where it must be and what is seen, with the height that it had.
    """

    def __init__(self, patience: int, iou: float) -> None:
        self._patience = patience
        self._iou = iou
        self._past: deque[tuple[int, Tracks, NDArray[np.int64]]] = deque(maxlen=2 + (patience + BEFORE) // APART)
        """pts, tracks, and their numbers with the engine."""

    def clear(self) -> None:
        """Nobody is to be found again."""
        self._past.clear()

    def remember(self, tracks: Tracks, numbers: NDArray[np.int64], pts: int) -> None:
        """The tracks of a frame and their numbers with the engine."""
        append(self._past, (pts, tracks, numbers))

    def admit(
        self,
        known: TrackMemory,
        boxes: F4,
        classes: NDArray[np.int32],
        rows: NDArray[np.intp],
        numbers: NDArray[np.int64],
        pts: int,
        found: bool,
    ) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
        """Rows and numbers of the tracks that have a public id or get one now: without second boxes
        (:func:`countline.track.overlap.singles`). Of those that begin, the lost ones are ``known`` by their new number from now
        on, if they are to be ``found``."""
        there = known.known(numbers)
        if not there.all():
            single = singles(boxes[rows], classes[rows], there)
            rows, numbers = rows[single], numbers[single]
            if found:
                self.rename(known, boxes, classes, (rows, numbers), ~there[single], pts)
        return rows, numbers

    def rename(
        self,
        known: TrackMemory,
        boxes: F4,
        classes: NDArray[np.int32],
        tracks: tuple[NDArray[np.intp], NDArray[np.int64]],
        fresh: NDArray[np.bool_],
        pts: int,
    ) -> None:
        """Those of the ``tracks`` (rows of the (N, 4) ``boxes``, the engine's numbers) that are ``fresh`` and are lost ones are
        ``known`` by their new number from now on."""
        rows, numbers = tracks[0][fresh], tracks[1][fresh].tolist()
        for row, number in self.find(boxes.take(rows, axis=0), classes.take(rows), tracks[1].tolist(), pts):
            if number in known:
                known.rename(number, numbers[row])

    def _awaited(self, here: set[int], pts: int) -> dict[int, _Lost]:
        """By public id, those seen within the patience whose numbers are not ``here``."""
        found: dict[int, _Lost] = {}
        for then, tracks, numbers in self._past:
            if 0 < pts - then <= self._patience:
                for at, (track, number) in enumerate(zip(tracks.track_id.tolist(), numbers.tolist())):
                    found[track] = _Lost(number, tracks, at, then)
        return {track: one for track, one in found.items() if one.number not in here}

    def find(self, boxes: F4, classes: NDArray[np.int32], present: Sequence[int], pts: int) -> list[tuple[int, int]]:
        """(row, number of the lost track) of those of the (N, 4) boxes, of tracks that begin, that are lost ones. ``present``: the
        engine's numbers of the tracks in this frame at ``pts`` ns."""
        awaited = self._awaited(set(present), pts) if len(boxes) else {}
        if not awaited:
            return []
        lost = list(awaited.values())
        cost = self._cost(boxes, classes, lost, self._ahead(awaited, pts), pts)
        nearest, towards = cost.argmin(axis=1).tolist(), cost.argmin(axis=0).tolist()
        return [(row, lost[at].number) for row, at in enumerate(nearest) if towards[at] == row and cost[row, at] < 1]

    def _ahead(self, awaited: dict[int, _Lost], pts: int) -> F4:
        """(M, 4) where they are now if they go on as they went."""
        first: dict[int, tuple[int, F4]] = {}
        for then, tracks, _ in self._past:
            for at, track in enumerate(tracks.track_id.tolist()):
                if track in awaited and track not in first and 0 <= awaited[track].pts - then <= BEFORE:
                    first[track] = then, tracks.xyxy[at]
        boxes = [_continued(one, *first.get(track, (one.pts, one.box)), pts) for track, one in awaited.items()]
        return np.array(boxes, np.float32)

    def _cost(
        self, boxes: F4, classes: NDArray[np.int32], lost: Sequence[_Lost], ahead: F4, pts: int
    ) -> NDArray[np.float64]:
        """(N, M) how far heads are from where they are awaited; up to 1 they may be the same."""
        since = np.array([pts - one.pts for one in lost]) / 1e9
        wide, high = ahead[:, 2] - ahead[:, 0], ahead[:, 3] - ahead[:, 1]
        across = np.abs(boxes[:, 0, None] + boxes[:, 2, None] - ahead[:, 0] - ahead[:, 2]) / (2 * wide)
        up = np.abs(boxes[:, 1, None] - ahead[:, 1]) / high
        cost: NDArray[np.float64] = np.hypot(across / (STRAY[0] + MORE[0] * since), up / (STRAY[1] + MORE[1] * since))
        ratio = (boxes[:, 2] - boxes[:, 0])[:, None] / wide
        cost[np.maximum(ratio, 1 / ratio) > ALIKE] = np.inf
        cost[classes[:, None] != np.array([one.class_id for one in lost])] = np.inf
        for at, (box, tall) in enumerate(zip(ahead, high)):
            completed = boxes.copy()  # the feet may be hidden still
            completed[:, 3] = np.maximum(completed[:, 3], completed[:, 1] + tall)
            cost[overlap(completed, box[None])[:, 0] < self._iou, at] = np.inf
        return cost


def _growth(before: F4, after: F4) -> float:
    """By how much somebody who came nearer has grown (below 1: shrunk, who went away): what width and height agree on. A box that is
    cut off, or strays, changes in one of them."""
    (wide, high), (wider, higher) = before[2:] - before[:2], after[2:] - after[:2]
    if not min(wide, high, wider, higher) > 0:
        return 1.0
    across, up = float(wider / wide), float(higher / high)
    return min(across, up) if min(across, up) > 1 else max(min(max(across, up), 1.0), 0.0)


def _continued(one: _Lost, then: int, box: F4, pts: int) -> F4:
    """(4,) where a track is at ``pts`` that was at ``box`` at ``then``, if it goes on over the ground as it went. What goes at an even
    pace over level ground has a distance that is linear in time; size is its inverse, and the place in the picture is linear
    in the size. Without growth, it goes on in the picture."""
    if one.pts - then < LEAST:
        return one.box
    growth, share = _growth(box, one.box), (pts - one.pts) / (one.pts - then)
    nearer = min((growth - 1) * share, MOST_NEARER)
    part, scale = share * growth / (1 - nearer), 1 / (1 - nearer)
    if nearer == MOST_NEARER:
        part = (scale - 1) * growth / (growth - 1)
    middle = (one.box[0] + one.box[2]) / 2
    across = middle + (middle - (box[0] + box[2]) / 2) * part
    top = one.box[1] + (one.box[1] - box[1]) * part
    wide, high = (one.box[2:] - one.box[:2]) * scale
    return np.array([across - wide / 2, top, across + wide / 2, top + high], np.float32)
