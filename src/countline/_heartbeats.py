"""That a source is watched over, told by the clock. Re-exported by ``countline.types``."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Heartbeat"]


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """What ``on: heartbeat`` tells of a source besides its state."""

    sequence: int
    """How many there were before it in this run, of this source and definition."""
    seconds: float
    """From one to the next."""
    last: int | None
    """Event time of the last frame that was worked on (ns since the Unix epoch); None: there was none in this run."""
    until: int | None
    """Event time up to which all is told: of what happened at the source until then no message comes after this one. Never
    goes back within a run. None: nothing is known yet."""
    by: str
    """How that is known: 'frames' (it is the time of the last frame), 'clock' (no frame comes, and the time since the last one, less
    some seconds, has gone by) or '' (it is not known)."""
