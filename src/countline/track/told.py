"""What of the tracks of a frame is told: all but doubtful sightings (:mod:`countline.track.emerging`, :mod:`countline.track.jumps`).

A track that jumped to another object for good goes on under another number, so that the one who had it is lost, and may be found again.
"""

from __future__ import annotations

from collections.abc import Collection
from itertools import count
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from countline.track.engines import Rows
from countline.track.jumps import Jumps
from countline.track.memory import TrackMemory
from countline.types import Tracks

__all__ = ["Told"]

_FIRST = -(2**40)
"""Numbers from here down are of tracks that jumped; the engine's own, and those of leaps, lie above."""
_FULL = 256
"""Tracks that jumped, at which those that are gone are forgotten."""


class Told:
    """Of one source.

    Parameters
    ----------
    patience: ns for which a track that is not seen keeps its id.
    kernel: ``countline_kernels``; None: Python does it.
    """

    def __init__(self, patience: int, kernel: ModuleType | None) -> None:
        self._jumps: Jumps = (Jumps if kernel is None else kernel.Jumps)(patience)
        self._others: dict[int, int] = {}
        """By the engine's number, that under which the track goes on."""
        self._free = count(_FIRST, -1)
        self._last: NDArray[np.bool_] | None = None
        """Which rows of the last frame were told; None: all of them."""
        self.doubtful = 0
        """Sightings that were left out so far."""

    def clear(self) -> None:
        """What comes is another scene."""
        self._jumps.clear()
        self.renumbered()

    def renumbered(self) -> None:
        """Another engine goes on, with numbers of its own."""
        self._others.clear()

    def _numbers(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """(n,) the engine's numbers -> those under which the tracks go on."""
        if not self._others:
            return numbers
        return np.array([self._others.get(n, n) for n in numbers.tolist()], np.int64)

    def emerged(
        self, known: TrackMemory, boxes: NDArray[np.float32], classes: NDArray[np.int32], tracks: Rows, pts: int
    ) -> Rows:
        """Rows and the engine's numbers of the tracks of a frame -> those that are told, and the numbers under which they go on: without
        those who come back within somebody else's box (:mod:`countline.track.emerging`)."""
        rows, numbers = tracks[0], self._numbers(tracks[1])
        hidden = known.within(boxes, classes, rows, numbers, pts)
        if hidden is None:
            return rows, numbers
        self.doubtful += int(hidden.sum())
        return rows[~hidden], numbers[~hidden]

    def told(
        self, tracks: Tracks, numbers: NDArray[np.int64], pts: int, known: TrackMemory, leaping: Collection[int]
    ) -> tuple[Tracks, NDArray[np.int64]]:
        """What is told of the tracks of a frame at ``pts`` ns with these (N,) numbers. ``leaping``: rows that are not doubted."""
        verdict = self._jumps.check(tracks, pts, leaping)
        if verdict is None:
            self._last = None
            return tracks, numbers
        self._last, others = verdict
        self.doubtful += int((~self._last).sum())
        for number in numbers[others].tolist():
            self._jumped(number, known)
        return tracks.only(self._last), numbers[self._last]

    def predicted(self, tracks: Tracks) -> Tracks:
        """What is told of the last frame's tracks as they go on, all of them."""
        return tracks if self._last is None else tracks.only(self._last)

    def _jumped(self, number: int, known: TrackMemory) -> None:
        if len(self._others) > _FULL:
            self._others = {n: other for n, other in self._others.items() if other in known}
        engines = next((n for n, other in self._others.items() if other == number), number)
        self._others[engines] = next(self._free)
