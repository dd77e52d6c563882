"""Changes of the configuration and of the states of sources, of which ``on: config`` and ``on: status`` tell.

Re-exported by ``countline.types``.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ConfigChange", "StateChange"]


@dataclass(frozen=True, slots=True)
class ConfigChange:
    """A configuration was applied while running, or refused."""

    applied: bool
    """False: it was refused, and the one before stays."""
    changes: tuple[str, ...]
    """What is different, a line for each change; of one that could not be read nothing is known."""
    by: str
    """What asked for it: 'file' (an edit that was watched), 'signal' (SIGHUP) or 'api'."""
    digest: str
    """Of the configuration that counts from now on, without the values of secrets."""
    time: int
    """ns since the Unix epoch, by this machine's clock."""
    error: str = ""
    """Why it was refused."""


@dataclass(frozen=True, slots=True)
class StateChange:
    """A source got into another state (see :class:`countline.source_status.SourceStats`)."""

    state: str
    """The state now: connecting, live, degraded, stalled, waiting-for-key-frame, refused, failed or ended."""
    reason: str
    """Why; empty where the state says all."""
    before: str
    """The state before; empty for the first one."""
    since: int
    """When it got into this state: ns since the Unix epoch, by this machine's clock."""
    fps: float
    """Frames a second over the last ten seconds."""
    connections: int
    """How often pictures came after connecting; 0: it was never seen."""
    reconnects: int
    dropped: int
    """Frames that were given and not processed."""
    thinned: int
    """Frames that were passed over, evenly."""
    corrupt: int
    """Packets and frames that were left out."""
    clock_offset: float | None
    """Seconds by which the camera's clock is ahead of this machine's; None: it tells none."""
