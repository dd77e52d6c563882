"""What is remembered of the tracks of one source: public ids, class votes, heights.

:class:`Memory` is the specification; ``countline_kernels.Memory`` of tracks does the same in one call (:mod:`countline.kernels`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from countline.track.emerging import within
from countline.track.known import Known
from countline.track.occlusion import Remembered as RememberedHeight
from countline.track.perspective import Perspective

__all__ = ["Memory", "Remembered", "TrackMemory"]

Remembered = tuple[
    NDArray[np.float32],
    NDArray[np.float32],
    NDArray[np.int32],
    NDArray[np.uint64],
    Sequence[tuple[int, RememberedHeight]],
]
"""(n, 4) boxes; (n,) confidences; (n,) voted classes; (n,) public ids; which of the boxes are so low that something may hide a part
of them, with what is remembered of their tracks' heights: for :func:`countline.track.occlusion.complete`."""


class TrackMemory(Protocol):
    """Tracks by the engine's numbers."""

    def __len__(self) -> int: ...

    def __contains__(self, number: int) -> bool: ...

    def known(self, numbers: NDArray[np.int64]) -> NDArray[np.bool_]:
        """(n,) which of the tracks have a public id."""
        ...

    def heights(self, least: float) -> dict[int, float]:
        """Usual heights of more than ``least`` pixels, by public id; those of tracks of which too little was seen are 0."""
        ...

    def within(
        self,
        boxes: NDArray[np.float32],
        classes: NDArray[np.int32],
        rows: NDArray[np.intp],
        numbers: NDArray[np.int64],
        pts: int,
    ) -> NDArray[np.bool_] | None:
        """(n,) which of the tracks with these ``numbers``, each in one of the ``rows`` of (N, 4) boxes and (N,) classes, come back
        within somebody else's box (:func:`countline.track.emerging.within`); None: none of them."""
        ...

    def rename(self, number: int, to: int) -> None:
        """A track goes on under another number of the engine. KeyError if it is not known."""
        ...

    def renumber(self, ids: NDArray[np.uint64], numbers: NDArray[np.int64]) -> None:
        """From now on the tracks with these public ids go by these numbers, each; all others are forgotten. KeyError for an id
        that is not known."""
        ...

    def clear(self) -> None:
        """Forget all tracks; ids are never used again."""
        ...

    def forget(self, since: int) -> None:
        """Forget the tracks that were seen last before this pts."""
        ...

    def remember(
        self,
        boxes: NDArray[np.float32],
        confidence: NDArray[np.float32],
        classes: NDArray[np.int32],
        rows: NDArray[np.intp],
        numbers: NDArray[np.int64],
        times: tuple[int, int],
        new: bool,
    ) -> Remembered | None:
        """What a frame shows of the tracks with these ``numbers``, each in one of the ``rows`` of (N, 4) boxes, (N,) confidences and
        (N,) classes. None, and nothing is changed, where a track is not known, unless ``new`` ones get their id.

        ``times``: pts, and for how long a track that is not seen keeps its id, both in ns.
        """
        ...


class Memory:
    """See :class:`TrackMemory`, which this is."""

    def __init__(self) -> None:
        self._known: dict[int, Known] = {}
        self._last_id = 0
        self._perspectives: dict[int, Perspective] = {}
        """By class."""

    def __len__(self) -> int:
        return len(self._known)

    def __contains__(self, number: int) -> bool:
        return number in self._known

    def known(self, numbers: NDArray[np.int64]) -> NDArray[np.bool_]:
        """(n,) which of the tracks have a public id."""
        return np.array([number in self._known for number in numbers.tolist()], bool)

    def heights(self, least: float) -> dict[int, float]:
        """Usual heights of more than ``least`` pixels, by public id; those of tracks of which too little was seen are 0."""
        tall = ((known.public, known.height.usual) for known in self._known.values())
        return {public: usual for public, usual in tall if usual > least}

    def within(
        self,
        boxes: NDArray[np.float32],
        classes: NDArray[np.int32],
        rows: NDArray[np.intp],
        numbers: NDArray[np.int64],
        pts: int,
    ) -> NDArray[np.bool_] | None:
        """(n,) which tracks come back within somebody else's box; see :class:`TrackMemory`."""
        tracks = list(map(self._known.get, numbers.tolist()))
        return within(tracks, boxes.take(rows, axis=0), classes.take(rows), pts)

    def rename(self, number: int, to: int) -> None:
        """A track goes on under another number of the engine. KeyError if it is not known."""
        self._known[to] = self._known.pop(number)

    def renumber(self, ids: NDArray[np.uint64], numbers: NDArray[np.int64]) -> None:
        """From now on tracks go by other numbers; see :class:`TrackMemory`."""
        public = {known.public: known for known in self._known.values()}
        self._known = {number: public[track] for track, number in zip(ids.tolist(), numbers.tolist())}

    def clear(self) -> None:
        """Forget all tracks; ids are never used again."""
        self._known.clear()
        self._perspectives.clear()

    def forget(self, since: int) -> None:
        """Forget the tracks that were seen last before this pts."""
        self._known = {n: k for n, k in self._known.items() if k.seen >= since}

    def remember(
        self,
        boxes: NDArray[np.float32],
        confidence: NDArray[np.float32],
        classes: NDArray[np.int32],
        rows: NDArray[np.intp],
        numbers: NDArray[np.int64],
        times: tuple[int, int],
        new: bool,
    ) -> Remembered | None:
        """What a frame shows of tracks; see :class:`TrackMemory`."""
        pts, lost = times
        tracks = list(map(self._known.get, numbers.tolist()))
        if not new and not all(tracks):
            return None
        classes, confidence = classes.take(rows), confidence.take(rows)
        found = self._vote(numbers.tolist(), tracks, classes.tolist(), confidence.tolist(), pts, pts - lost)
        boxes, low = boxes.take(rows, axis=0), []
        tops, highs = boxes[:, 1].tolist(), (boxes[:, 3] - boxes[:, 1]).tolist()
        for row, (top, high, known) in enumerate(zip(tops, highs, found)):
            known.high, known.part, height = high, None, known.height
            height.look(top, self._perspectives.setdefault(known.best, Perspective()))
            if high < height.least:
                low.append((row, height))
            else:
                height.seen(high, pts)
        best, ids = [known.best for known in found], [known.public for known in found]
        return boxes, confidence, np.array(best, np.int32), np.array(ids, np.uint64), low

    def _vote(
        self,
        numbers: Sequence[int],
        tracks: Sequence[Known | None],
        classes: Sequence[int],
        weights: Sequence[float],
        pts: int,
        oldest: int,
    ) -> list[Known]:
        """The tracks after the votes of this frame; one that was out of sight since before ``oldest`` has a new id."""
        found = []
        for number, known, class_id, weight in zip(numbers, tracks, classes, weights):
            if known is None or known.seen < oldest:
                self._last_id += 1
                known = self._known[number] = Known(self._last_id, class_id)
            known.seen = pts
            if class_id == known.best:
                known.weight += weight
            else:
                known.vote(class_id, weight)
            found.append(known)
        return found
