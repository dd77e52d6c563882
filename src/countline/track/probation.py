"""Tracks that are not believed yet.

An engine confirms a track at its second sighting. At ten frames a second that is a tenth of a second after the first; at thirty the
next frame, which repeats what the detector was mistaken in: boxes that are nobody's err alike for some frames, and have three times
as many chances. So where frames follow each other closely, a track that begins is asked for as long, and for detections that are
believed on average; or for one that is sure.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from countline.track.timed_bytetrack import ABOUT_A_TENTH

__all__ = ["Probation"]

FORGOTTEN = 1_500_000_000
"""ns from its first sighting after which a track that is not seen is asked anew."""

F4 = NDArray[np.float32]


class _Asked(NamedTuple):
    """A track that has no public id."""

    began: int
    """pts of its first sighting."""
    seen: int
    """Sightings so far."""
    confidence: float
    """Sum over them; the first one, which the engine keeps to itself, counts as at the threshold."""


class Probation:
    """Tells which of the tracks of one source that begin are believed."""

    def __init__(self) -> None:
        self._asked: dict[int, _Asked] = {}
        """By the engine's number."""
        self._pts: int | None = None
        self._before: int | None = None

    def frame(self, pts: int) -> None:
        """A frame comes, at ``pts`` ns."""
        self._before, self._pts = self._pts, pts

    def clear(self) -> None:
        """Nobody is asked any more."""
        self._asked.clear()

    def believed(
        self, numbers: NDArray[np.int64], known: NDArray[np.bool_], confidence: F4, limits: NDArray[np.float64]
    ) -> NDArray[np.bool_]:
        """(n,) which of the tracks with these numbers are ``known`` or believed by now.

        ``limits``: (2, n) confidence from which a detection may begin a track, and from which it is sure, by the class of each.
        """
        result: NDArray[np.bool_] = known.copy()
        assert self._pts is not None
        pts, before = self._pts, self._before
        if before is None or not 0 <= pts - before < ABOUT_A_TENTH:
            result[:] = True
            self._asked.clear()
            return result
        asked = {number: one for number, one in self._asked.items() if 0 <= pts - one.began < FORGOTTEN}
        for at in (~known).nonzero()[0].tolist():
            number, sure, (least, enough) = int(numbers[at]), float(confidence[at]), limits[:, at].tolist()
            one = self._asked.get(number) or _Asked(before, 1, least)
            one = _Asked(one.began, one.seen + 1, one.confidence + sure)
            if sure >= enough or (pts - one.began >= ABOUT_A_TENTH and one.confidence >= least * one.seen):
                result[at] = True
                asked.pop(number, None)
            else:
                asked[number] = one
        self._asked = asked
        return result
