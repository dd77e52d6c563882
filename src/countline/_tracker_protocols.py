"""What trackers offer besides; part of :mod:`countline.protocols`."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from countline.types import Tracks

__all__ = ["CountingTracker", "DoubtingTracker", "ForgettingTracker", "PredictingTracker"]


@runtime_checkable
class PredictingTracker(Protocol):
    """What a tracker offers besides for frames that the detector skipped; without it such frames have no tracks."""

    def predict(self, pts: int) -> Tracks:
        """Where the tracks are by now, ``pts`` in ns."""
        ...


@runtime_checkable
class ForgettingTracker(Protocol):
    """What a tracker offers besides if its tracks can be ended before their time."""

    def forget(self) -> None:
        """All tracks have ended: the camera shows another view, or there is a gap. Ids are not used again."""
        ...


@runtime_checkable
class CountingTracker(Protocol):
    """What a tracker offers besides if it tells what it could not follow."""

    @property
    def never_tracked(self) -> int:
        """Sure detections that never became a track."""
        ...


@runtime_checkable
class DoubtingTracker(Protocol):
    """What a tracker offers besides if it leaves out sightings that cannot be their track's."""

    @property
    def doubtful(self) -> int:
        """How many sightings were left out."""
        ...
