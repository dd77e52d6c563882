"""Track ids that do not depend on where a run began: named by when the track was first seen."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from countline.protocols import CountingTracker, DoubtingTracker, PredictingTracker, Tracker
from countline.types import UNTRACKED, Detections, Tracks

__all__ = ["ByBirth"]

_KNOWN = 10_000
"""Tracks whose ids are remembered."""
_MS = 1_000_000
_EACH = 100
"""Ids for each millisecond; the next ones follow."""


class ByBirth:
    """Around a tracker whose ids count from 1 in each run: an id is the time (PTS, in ms) at which the track came, and two digits for
    those that came at the same time. A run that goes on somewhere in the middle gives the same ids as one from the beginning, once it
    has seen the tracks come.

    Parameters
    ----------
    make: makes the tracker.
    """

    def __init__(self, make: Callable[[], Tracker]) -> None:
        self._make = make
        self._tracker = make()
        self._before = self._doubted = 0
        self._ids: OrderedDict[int, int] = OrderedDict()
        self._last = 0

    def update(self, detections: Detections, pts: int) -> Tracks:
        """See :class:`countline.protocols.Tracker`."""
        return self._named(self._tracker.update(detections, pts), pts)

    def predict(self, pts: int) -> Tracks:
        """See :class:`countline.protocols.PredictingTracker`; no tracks where the tracker does not predict."""
        tracker = self._tracker
        return self._named(tracker.predict(pts), pts) if isinstance(tracker, PredictingTracker) else Tracks.empty()

    @property
    def never_tracked(self) -> int:
        """See :class:`countline.protocols.CountingTracker`."""
        now = self._tracker.never_tracked if isinstance(self._tracker, CountingTracker) else 0
        return self._before + now

    @property
    def doubtful(self) -> int:
        """See :class:`countline.protocols.DoubtingTracker`."""
        now = self._tracker.doubtful if isinstance(self._tracker, DoubtingTracker) else 0
        return self._doubted + now

    def forget(self) -> None:
        """See :class:`countline.protocols.ForgettingTracker`."""
        self._before, self._doubted = self.never_tracked, self.doubtful
        self._tracker = self._make()
        self._ids.clear()

    def _named(self, tracks: Tracks, pts: int) -> Tracks:
        if not len(tracks):
            return tracks
        names = np.fromiter((self._name(own, pts) for own in tracks.track_id.tolist()), np.uint64, len(tracks))
        return replace(tracks, track_id=names)

    def _name(self, own: int, pts: int) -> int:
        if own == UNTRACKED:
            return own
        known = self._ids.get(own)
        if known is None:
            known = self._last = max(pts // _MS * _EACH + 1, self._last + 1)
            self._ids[own] = known
            if len(self._ids) > _KNOWN:
                self._ids.popitem(last=False)
        else:
            self._ids.move_to_end(own)
        return known
