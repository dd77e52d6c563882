"""Twins: two tracks on one object.

Detectors leave second boxes: on a part of a lorry, or around it and its shadow. The tracker begins no track with them where it
can tell (:mod:`countline.track.overlap`), but some become tracks, and then one object crosses every line twice. Two tracks of
one class are one object where they cover the same and move alike, which is believed

* from its first frame on of a track that is born on another one, as long as the two cover the same for most of the time: second
  boxes are born so, and people come into the picture, or out from behind somebody, beside others;
* of two that have been seen beside each other before, once they have covered the same for most of :data:`_LONG`, and for as
  long again as they had been apart (:data:`_DOUBT` at most): two who meet are not one. Two that stand are asked for
  :data:`_STILL` more, since only motion tells whether they move alike.

It takes both, covering and motion: two who walk in step move alike, and hide each other in part; one who overtakes another covers
him for a moment, and moves otherwise. Once believed it stands until the two are seen apart for most of a second, so that nobody
becomes one and two by turns; and while one of them is out of sight, nothing new is known.
"""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from countline.types import UNTRACKED, Tracks

__all__ = ["Twins", "covering"]

_WINDOW = 1_000_000_000
"""ns that are looked back."""
_EVERY = 90_000_000
"""ns at least between two looks: a second is told well by ten, at any frame rate."""
_LONG = 600_000_000
"""ns for which two must have been seen together."""
_DOUBT = 2_400_000_000
"""Most that is asked for beyond that where they had been seen apart, ns."""
_STILL = 1_400_000_000
"""What is asked for beyond that where they stand, ns."""
_MOVED = 0.2
"""Diagonals of the smaller box by which two must move in the window, or they stand."""
_BORN = 200_000_000
"""ns from its first frame within which a track must cover the same as another to be born on it."""
_MOST = 0.7
"""Share of the looks that show both in which they must cover the same."""
_STILL_MOST = 0.4
"""The same, below which twins are two again."""
_LEAST = 3
"""Such looks."""
_SAME = 0.6
"""Overlap (IoU) from which two boxes of unlike size cover the same: above what suppression leaves of one frame but seldom."""
_EQUAL = 0.8
"""The same of two boxes of about one size: of those that overlap by less, one lies beside the other."""
_ALIKE = 0.85
"""Ratio of widths and of heights from which two boxes are of about one size."""
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
_STILL_STRAY = 0.4
"""The same, above which twins are two again."""
_GONE = 10_000_000_000
"""ns after which a track that is not seen any more does not come back."""


def covering(boxes: NDArray[np.float32], classes: NDArray[np.int32]) -> list[tuple[int, int]]:
    """(N, 4) xyxy in pixels and (N,) classes -> pairs of rows, the lower first, of those that cover the same."""
    left, top, right, bottom = np.ascontiguousarray(boxes.T)
    # Mostly few overlap anybody: a handful of comparisons tells who, and the others are looked at one by one.
    meets = left < right[:, None]
    meets &= top < bottom[:, None]
    meets &= meets.T
    if np.count_nonzero(meets) <= len(boxes):
        return []
    box, class_id = boxes.tolist(), classes.tolist()
    return [
        (a, b)
        for a, b in zip(*(at.tolist() for at in meets.nonzero()))
        if a < b and class_id[a] == class_id[b] and _cover(box[a], box[b])
    ]


def _cover(one: list[float], other: list[float]) -> bool:
    """Whether two boxes that overlap cover the same."""
    l0, t0, r0, b0 = one
    l1, t1, r1, b1 = other
    w0, h0, w1, h1 = r0 - l0, b0 - t0, r1 - l1, b1 - t1
    wide, high = min(r0, r1) - max(l0, l1), min(b0, b1) - max(t0, t1)
    if 2 * wide < min(w0, w1) or 2 * high < min(h0, h1):
        return False  # most of those that overlap
    shared, size0, size1 = wide * high, w0 * h0, w1 * h1
    overlap = shared / (size0 + size1 - shared)
    if overlap >= _EQUAL:
        return True
    if overlap >= _SAME and (min(w0, w1) < _ALIKE * max(w0, w1) or min(h0, h1) < _ALIKE * max(h0, h1)):
        return True
    small, large, lower, tall = (size0, size1, b0 - b1, h1) if size0 < size1 else (size1, size0, b1 - b0, h0)
    return shared >= _WITHIN * small and _CRUMB * large <= small <= _PART * large and lower <= _FOOT * tall


class _Pair:
    """Two tracks that covered the same lately, or are twins."""

    __slots__ = ("apart", "born", "looks", "older", "seen", "since", "together", "twins", "younger")

    def __init__(self, older: int, younger: int, apart: int) -> None:
        self.older, self.younger = older, younger
        self.apart = apart
        """ns for which both had been there before they first covered the same."""
        self.born = apart <= _BORN
        """Whether one was born on the other, and was not seen apart since."""
        self.looks: deque[tuple[int, bool, tuple[float, ...]]] = deque()
        """Of the window, those that showed both: pts, whether they covered the same, and by how much the younger one's left,
        middle, right, top, middle and bottom lie off the older one's, then the older one's middle."""
        self.since: int | None = None
        """pts since which all that is asked for holds."""
        self.seen = 0
        """pts of the last look that showed the younger one."""
        self.together = 0
        """pts of the last look that showed both."""
        self.twins = False

    def look(self, pts: int, covers: bool, boxes: NDArray[np.float32]) -> None:
        """Both are in the picture: (2, 4) boxes, the older one's first."""
        (l0, t0, r0, b0), (l1, t1, r1, b1) = boxes.tolist()
        looks = self.looks
        x, y = (l0 + r0) / 2, (t0 + b0) / 2
        looks.append((pts, covers, (l1 - l0, (l1 + r1) / 2 - x, r1 - r0, t1 - t0, (t1 + b1) / 2 - y, b1 - b0, x, y)))
        while not pts - _WINDOW <= looks[0][0] <= pts:
            looks.popleft()
        diagonal = min(np.hypot(r0 - l0, b0 - t0), np.hypot(r1 - l1, b1 - t1))
        share = sum(covered for _, covered, _ in looks) / len(looks)
        stray, moved = self._ways()
        young = self.twins and self.born and pts - looks[0][0] < _LONG
        if self.twins and not young:
            holds = share >= _STILL_MOST and stray <= _STILL_STRAY * diagonal
        else:
            holds = share >= _MOST and stray <= _STRAY * diagonal
        if not holds:
            self.twins, self.since = False, None
            self.born = self.born and covers and len(looks) < _LEAST
        elif not self.twins:
            self.twins = self.born or self._long_enough(pts, moved >= _MOVED * diagonal)

    def strays(self, pts: int, boxes: NDArray[np.float32]) -> bool:
        """Of two in the picture that do not cover the same: whether each goes his own way."""
        self.look(pts, False, boxes)
        spread = [max(column) - min(column) for column in zip(*(place for _, _, place in self.looks))]
        diagonal = np.hypot(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]).min()
        return bool(np.hypot(spread[1], spread[4]) > 2 * _STRAY * diagonal)

    def part(self) -> None:
        """They are two, whatever they look like from here."""
        self.twins, self.born, self.since, self.apart = False, False, None, _DOUBT
        self.looks.clear()

    def _long_enough(self, pts: int, moves: bool) -> bool:
        if len(self.looks) < _LEAST:
            return False
        if self.since is None:
            self.since = self.looks[0][0]
        asked = _LONG + min(self.apart, _DOUBT) + (0 if moves else _STILL)
        return pts - self.since >= asked

    def _ways(self) -> tuple[float, float]:
        """Pixels by which the ways of the two in the window differ at most, and by which the older one moved.

        What comes into the picture grows at one side: so of the three places along each axis that counts which stays best.
        """
        looks = self.looks
        if len(looks) < 2:
            return 0.0, 0.0
        columns = list(zip(*(place for _, _, place in looks)))
        spread = [max(column) - min(column) for column in columns]
        (x0, y0), (x1, y1) = looks[0][2][6:], looks[-1][2][6:]
        return float(np.hypot(min(spread[:3]), min(spread[3:6]))), float(np.hypot(x1 - x0, y1 - y0))


class Twins:
    """Tells the twins among the tracks of one source. Pure: the time comes with the frames. ``countline_kernels.Twins`` does the
    same."""

    def __init__(self) -> None:
        self._pairs: dict[tuple[int, int], _Pair] = {}
        """By the ids of the two, the older one's first."""
        self._began: dict[int, int] = {}
        """pts at which each track was seen first."""
        self._ids = b""
        """Ids of the frame before."""
        self._beside: dict[tuple[int, int], _Pair] = {}
        """Two twins of one track that do not cover each other."""
        self._looked = -(2**63)
        """pts of the last look."""
        self._found: dict[int, int] = {}
        """Id of a twin -> id of the oldest track of its object, as of the last look."""

    def update(self, tracks: Tracks, pts: int) -> NDArray[np.uint64] | None:
        """``Tracks.twin_of`` for the tracks of this frame; ``pts`` in ns."""
        now = tracks.track_id.tobytes()
        fresh = now != self._ids and self._greet(tracks, pts)
        self._ids = now
        if fresh or not 0 <= pts - self._looked < _EVERY:
            if pts < self._looked:  # time began anew
                self._pairs.clear()
            self._looked = pts
            pairs = covering(tracks.xyxy, tracks.class_id) if len(tracks) > 1 else []
            if pairs or self._pairs:
                self._look(tracks, pairs, pts)
        if not self._found:
            return None
        found = [self._found.get(track, UNTRACKED) for track in tracks.track_id.tolist()]
        return np.array(found, np.uint64) if any(one != UNTRACKED for one in found) else None

    def _greet(self, tracks: Tracks, pts: int) -> bool:
        """Note who is new; whether anybody is."""
        began = self._began
        fresh = [track for track in tracks.track_id.tolist() if track not in began]
        if not fresh:
            return False
        if len(began) > 4 * len(tracks) + 256:
            kept = set(tracks.track_id.tolist()) | {track for key in self._pairs for track in key}
            self._began = began = {track: since for track, since in began.items() if track in kept}
        began.update(dict.fromkeys(fresh, pts))
        return True

    def _look(self, tracks: Tracks, covers: list[tuple[int, int]], pts: int) -> None:
        ids = tracks.track_id.tolist()
        rows = {track: row for row, track in enumerate(ids) if track != UNTRACKED}
        now = {self._key(ids[a], ids[b]) for a, b in covers if ids[a] != ids[b]}
        for key in now:
            if UNTRACKED not in key and key not in self._pairs:
                self._pairs[key] = _Pair(*key, max(0, pts - max(self._began[track] for track in key)))
        orphans: dict[int, list[int]] = {}
        """Id of a track that has been out of sight for long -> its twins that are there."""
        for key, pair in list(self._pairs.items()):
            first, second = (rows.get(track) for track in key)
            if second is not None:
                pair.seen = pts
            if first is not None and second is not None:
                pair.together = pts
                pair.look(pts, key in now, tracks.xyxy[[first, second]])
            if pair.twins and first is None and second is not None and pts - pair.together > _WINDOW:
                orphans.setdefault(key[0], []).append(key[1])
            recent = any(covered and pts - at <= _WINDOW for at, covered, _ in pair.looks)
            if not (recent or (pair.twins and pts - pair.seen <= _GONE)):
                del self._pairs[key]
        for gone, twins in orphans.items():
            self._sort(gone, twins)
        self._siblings(tracks, rows, now, pts)
        self._found = self._roots()

    def _sort(self, gone: int, twins: list[int]) -> None:
        """Twins of one that has been out of sight for long: it goes on as the oldest of them, and as those that cover the same as
        that one; others are objects of their own."""
        heir = min(twins, key=lambda track: (self._began.get(track, 0), track))
        for twin in twins:
            both = self._pairs.get(self._key(heir, twin))
            if twin != heir and not (both and both.twins):
                self._pairs[gone, twin].part()

    def _siblings(self, tracks: Tracks, rows: dict[int, int], now: set[tuple[int, int]], pts: int) -> None:
        """Twins of one track that move apart are two: that one is a box round both, and stays the first one's twin alone."""
        twins: dict[int, list[int]] = {}
        for older, younger in (key for key, pair in self._pairs.items() if pair.twins):
            if older in rows and younger in rows:
                twins.setdefault(older, []).append(younger)
        beside = {
            self._key(a, b) for of in twins.values() for at, a in enumerate(of) for b in of[at + 1 :]
        } - now  # those that cover each other are no two
        self._beside = {key: self._beside.get(key) or _Pair(*key, 0) for key in beside}
        for (first, second), pair in self._beside.items():
            if pair.strays(pts, tracks.xyxy[[rows[first], rows[second]]]):
                for older, of in twins.items():
                    if first in of and second in of:
                        self._pairs[older, second].part()

    def _roots(self) -> dict[int, int]:
        """Id of each twin -> that of the oldest track of its object."""
        first: dict[int, int] = {}
        for pair in self._pairs.values():
            if pair.twins:
                known = first.get(pair.younger)
                first[pair.younger] = pair.older if known is None else self._key(known, pair.older)[0]
        found = {}
        for twin in first:
            root = twin
            while root in first:  # each is older than the one before
                root = first[root]
            found[twin] = root
        return found

    def _key(self, a: int, b: int) -> tuple[int, int]:
        """The older one first."""
        return (a, b) if (self._began.get(a, 0), a) <= (self._began.get(b, 0), b) else (b, a)
