"""Sightings that cannot be the track's.

Where people stand close together, or hide each other, an engine now and then gives a track the box of a neighbour, a second box, or one
round two. For rules this is somebody who was here and is there: over a line, if one lies between, and back when the track
has its own box again. But nobody moves like that. So a sighting whose foot (the bottom centre of the box, which rules go by) lies
farther from where its track must be than things move is *doubtful*, and is not told. If the track is seen there for a while, it
shows another object, which is one that begins: it gets an id of its own, or has the one of somebody who was lost.

Who was out of sight and comes back elsewhere than awaited is told from his second sighting on, as one who begins is.

Where a track must be is told by its way in the last 0.8 s, by the last step of it, for who turns about, and by the place where it was,
for who stops. Near enough to one of them is: within :data:`NEAR` of the longer side that the box had when it was seen last (a box round
two is longer), and so much more for each second since then (:data:`FASTER`, but :data:`MOST` at most), and half of the way that it must
have gone meanwhile (:data:`BEND`: what comes towards the camera gets faster in the picture). While the velocity is not known yet
(:data:`KNOWN`) it is :data:`ANY_WAY` for each second.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from countline.track.refound import append
from countline.types import Tracks

__all__ = ["Jumps", "Verdict"]

NEAR = 0.35
FASTER = 1.5
"""Longer sides a second."""
MOST = 0.8
BEND = 0.5
ANY_WAY = 9.0
KNOWN = 150_000_000
"""ns between the first and the last place from which a velocity is known."""
BEFORE = 800_000_000
"""ns of the way behind it from which it is taken."""
STAYS = 250_000_000
"""ns after which a track that jumped shows another object."""
GONE = 150_000_000
"""ns since the last sighting from which a track was out of sight, where more than one frame is in between,"""
QUICK = 250_000_000
"""and frames come at least this often, ns."""
AWAITED = 0.15
"""Longer sides from where it is awaited up to which somebody comes back where he must."""
AGAIN = 60_000_000
"""ns for which one who comes back elsewhere is seen before he is told."""

Place = tuple[int, float, float]
"""pts in ns, x and y of the foot in pixels."""
Verdict = tuple[NDArray[np.bool_], list[int]]
"""(N,) which rows are told; those of the others whose tracks show another object from now on."""


class _Way:
    """Where a track was."""

    __slots__ = ("doubts", "frame", "places", "size")

    def __init__(self, place: Place, size: float, frame: int) -> None:
        self.places: deque[Place] = deque([place])
        """Those of the last :data:`BEFORE`, oldest first; the last one is that of the last sighting that was told."""
        self.size = size
        """Longer side of the box then, pixels."""
        self.frame = frame
        """Number of that frame."""
        self.doubts: tuple[Place, Place] | None = None
        """First and last of the doubtful sightings that lie together."""

    def go_on(self, place: Place, size: float, frame: int) -> None:
        """It was seen where it must be."""
        append(self.places, place)
        while place[0] - self.places[0][0] > BEFORE:
            self.places.popleft()
        self.size, self.frame, self.doubts = size, frame, None

    def begin_anew(self) -> None:
        """Its way begins where it was doubted first."""
        assert self.doubts is not None
        self.places = deque([self.doubts[0]])

    def doubt(self, place: Place, size: float) -> int:
        """Another doubtful sighting: for how many ns the track was seen there; 0 with the first one."""
        pts, x, y = place
        first = place
        if self.doubts is not None:
            before, (then, u, v) = self.doubts
            near = size * (NEAR + FASTER * ((pts - then) / 1e9))
            if (x - u) * (x - u) + (y - v) * (y - v) <= near * near:
                first = before
        self.doubts = first, place
        return pts - first[0]


class Jumps:
    """Tells doubtful sightings of one source. ``countline_kernels.Jumps`` does the same.

    Parameters
    ----------
    patience: ns for which a track that is not seen keeps its id.
    """

    def __init__(self, patience: int) -> None:
        self._patience = patience
        self._ways: dict[int, _Way] = {}
        """By public id."""
        self._full = 256
        self._frame = 0
        self._pts = 0
        """Of the last frame."""

    def clear(self) -> None:
        """What comes is another scene."""
        self._ways.clear()

    def check(self, tracks: Tracks, pts: int, leaping: Collection[int] = ()) -> Verdict | None:
        """What of the tracks of a frame at ``pts`` ns is told; None: all of it. Rows that are ``leaping`` are not doubted: they have been
        found by their way (:mod:`countline.track.leaps`)."""
        self._frame += 1
        quick = pts - self._pts <= QUICK
        self._pts = pts
        hidden, others = [], []
        ids, boxes = tracks.track_id.tolist(), tracks.xyxy.tolist()
        for row, (track, (left, top, right, bottom)) in enumerate(zip(ids, boxes)):
            place, size = (pts, (left + right) / 2, bottom), max(right - left, bottom - top)
            way = self._ways.get(track)
            if way is None:
                self._ways[track] = _Way(place, size, self._frame)
                continue
            doubtful, jumped = self._judge(way, place, quick)
            if not doubtful or row in leaping:
                way.go_on(place, size, self._frame)
                continue
            seen = way.doubt(place, size)
            if jumped and seen >= STAYS:
                del self._ways[track]
                others.append(row)
            elif not jumped and seen >= AGAIN:
                way.begin_anew()
                way.go_on(place, size, self._frame)
                continue
            hidden.append(row)
        if len(self._ways) > self._full:
            oldest = pts - self._patience
            self._ways = {t: w for t, w in self._ways.items() if w.places[-1][0] >= oldest}
            self._full = 2 * len(self._ways) + 256
        if not hidden:
            return None
        told = np.ones(len(ids), bool)
        told[hidden] = False
        return told, others

    def _judge(self, way: _Way, place: Place, quick: bool) -> tuple[bool, bool]:
        """Whether a sighting is doubtful, and whether since the track has jumped."""
        (first, a, b), (last, c, d), (pts, x, y) = way.places[0], way.places[-1], place
        since = (pts - last) / 1e9
        long = way.size
        x, y = x - c, y - d
        if last - first < KNOWN:
            near = long * (NEAR + ANY_WAY * since)
            off = x * x + y * y
            jumped = off > near * near
        else:
            near = long * min(NEAR + FASTER * since, MOST)
            off, jumped = _beyond(x, y, c - a, d - b, since, (last - first) / 1e9, near)
            if jumped and x * x + y * y > near * near:  # he does not stand either
                then, a, b = way.places[-2]
                jumped = _beyond(x, y, c - a, d - b, since, (last - then) / 1e9, near)[1]
            else:
                jumped = False
        if jumped:
            return True, True
        gone = quick and self._frame - way.frame > 1 and pts - last > GONE
        return gone and off > AWAITED * AWAITED * long * long, False


def _beyond(x: float, y: float, across: float, up: float, since: float, span: float, near: float) -> tuple[float, bool]:
    """Of a step x, y in ``since`` seconds after one of across, up in ``span`` seconds: by how much it is another than that one goes on
    (squared), and whether that is more than ``near`` and what a way may bend."""
    u, v = across / span * since, up / span * since
    far = near + BEND * sqrt(u * u + v * v)
    x, y = x - u, y - v
    off = x * x + y * y
    return off, off > far * far
