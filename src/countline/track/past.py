"""The last frames of one source, and what they tell of the next: group boxes (:mod:`countline.track.groups`), boxes as they are to be
matched (:mod:`countline.track.boxes_to_match`), feet that are hidden (:mod:`countline.track.occlusion`).

:class:`Past` is the specification; :class:`CompiledPast` leaves it to ``countline_kernels.Past``, which has a copy of the frames and does
each in one call (:mod:`countline.kernels`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from countline.track.boxes_to_match import boxes_to_match
from countline.track.groups import Groups
from countline.track.memory import TrackMemory
from countline.track.motion import paces
from countline.track.occlusion import Remembered, complete
from countline.track.refound import foot_before, remember
from countline.types import Tracks

__all__ = ["CompiledPast", "Past"]

HISTORY = 6
"""Frames that are remembered."""
_STILL = np.zeros(2, np.float32)

F4 = NDArray[np.float32]


class Past:
    """What is remembered of the last frames of one source."""

    def __init__(self) -> None:
        self.frames: deque[tuple[int, Tracks]] = deque(maxlen=HISTORY)
        """pts and tracks, oldest first."""
        self._groups = Groups()

    def groups(self, boxes: F4, classes: NDArray[np.int32], pts: int, far: bool) -> list[int]:
        """Rows of (N, 4) detections at ``pts`` ns, xyxy in pixels, that are group boxes; see :meth:`countline.track.groups.Groups.find`."""
        return self._groups.find(boxes, classes, pts, self._paces(), far)

    def matched(self, boxes: F4, memory: TrackMemory, pts: int, patience: int) -> F4:
        """(N, 4) boxes of detections as they are to be matched; see :func:`countline.track.boxes_to_match.boxes_to_match`."""
        return boxes_to_match(boxes, self.frames, memory.heights, pts, patience)

    def complete(
        self, boxes: F4, low: Sequence[tuple[int, Remembered]], ids: NDArray[np.uint64], pts: int, patience: int
    ) -> F4:
        """(N, 4) boxes of tracks with (N,) ids, those of the ``low`` rows completed where they are hidden; see
        :func:`countline.track.occlusion.complete`."""
        return complete(boxes, low, pts, patience, lambda row: foot_before(self.frames, int(ids[row])))

    def remember(self, tracks: Tracks, pts: int) -> None:
        """The tracks of a frame."""
        self._groups.remember(tracks, pts)
        remember(self.frames, pts, tracks)

    def clear(self) -> None:
        """What comes is another scene."""
        self.frames.clear()

    def _paces(self) -> Callable[[int], F4]:
        """The pace of a track by its id. All are computed when one is asked for, since then all are."""
        known: dict[int, F4] | None = None

        def pace(track: int) -> F4:
            nonlocal known
            if known is None:
                known = paces(self.frames)
            return known.get(track, _STILL)

        return pace


class CompiledPast(Past):
    """The same by ``kernel``, which is ``countline_kernels``; with its memory of tracks."""

    def __init__(self, kernel: ModuleType) -> None:
        super().__init__()
        self._compiled = kernel.Past()

    def groups(self, boxes: F4, classes: NDArray[np.int32], pts: int, far: bool) -> list[int]:
        rows: list[int] = self._compiled.groups(boxes, classes, pts, far)
        return rows

    def matched(self, boxes: F4, memory: TrackMemory, pts: int, patience: int) -> F4:
        made: F4 | None = self._compiled.matched(boxes, memory, pts, patience)
        return boxes if made is None else made

    def complete(
        self, boxes: F4, low: Sequence[tuple[int, Remembered]], ids: NDArray[np.uint64], pts: int, patience: int
    ) -> F4:
        made: F4 | None = self._compiled.complete(boxes, low, ids, pts, patience)
        return boxes if made is None else made

    def remember(self, tracks: Tracks, pts: int) -> None:
        self._compiled.remember(tracks.xyxy, tracks.class_id, tracks.track_id, pts)
        remember(self.frames, pts, tracks)

    def clear(self) -> None:
        self._compiled.clear()
        super().clear()
