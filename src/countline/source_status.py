"""What is known of a source while it is read: the one object behind status line, summary, metrics and messages."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["AWAY", "OVERLOAD", "RATE_SECONDS", "SourceState", "SourceStats"]

SourceState = Literal[
    "connecting", "live", "degraded", "stalled", "waiting-for-key-frame", "refused", "failed", "ended"
]
"""``connecting``: not connected, or again not; ``live``: frames come; ``degraded``: they come, but what is counted from them
may be wrong, for the stated reason; ``stalled``: connected, and no packet comes; ``waiting-for-key-frame``: packets come, and
no picture; ``refused``: the other side said no; ``failed``: given up for good; ``ended``: read to its end, or closed."""

RATE_SECONDS = 10.0
"""Span of the rates, in seconds."""
OVERLOAD = "overload"
"""What the reason of a source begins with of which fewer frames than counts need can be processed."""
AWAY = "detector away"
"""What the reason of a source begins with whose frames are dropped because the detector is away."""
_RATES = ("packets", "frames", "dropped", "vanished", "thinned")


@dataclass(slots=True)
class SourceStats:
    """State, running counts and rates of one source. Only its reader's threads write them (but for ``overload``, ``undetected`` and
    ``blind``); any thread reads."""

    frames: int = 0
    """Frames handed on."""
    corrupt: int = 0
    """Packets or frames that could not be decoded and were left out."""
    lost: dict[str, int] = field(default_factory=dict)
    """``corrupt`` by reason: damaged-packet, damaged-picture, undecodable, unreadable, no-picture, incomplete."""
    dropped: int = 0
    """Decoded frames of a live source that a newer one replaced before they were processed."""
    undetected: int = 0
    """Frames of a live source that were dropped because the detector was away: an inference server that did not answer."""
    thinned: int = 0
    """Frames that were passed over because fewer a second are wanted (``fps``), or can be processed."""
    reconnects: int = 0
    resolution_changes: int = 0
    repaired: int = 0
    """Frames whose time stamp was missing or went backward and was replaced."""
    state: SourceState = "connecting"
    reason: str = ""
    """Why it is in this state; empty where the state says all."""
    since: float = field(default_factory=time.time, compare=False)
    """When it got into this state: seconds since the Unix epoch."""
    connections: int = 0
    """How often a picture came after connecting; 0: this source was never seen."""
    attempts: int = 0
    """Attempts to connect since the last picture."""
    packets: int = 0
    """Packets of video that came."""
    vanished: int = 0
    """Pictures of which packets came, and that could not be shown whole: lost on the way, or damaged."""
    last_packet: float = field(default=0.0, compare=False)
    """When the last one came: seconds of the monotonic clock; 0: never."""
    last_frame: float = field(default=0.0, compare=False)
    """When the last picture came: seconds of the monotonic clock; 0: never."""
    overload: str = ""
    """Why fewer frames than counts need can be processed; empty when enough can."""
    blind: str = ""
    """Why its frames are dropped just now: the detector is away; empty when they are not."""
    decoder: str = ""
    """What decodes it: gpu, cpu where the GPU cannot (said in the log), or nothing where no GPU was asked for."""
    clock_offset: float | None = None
    """Seconds by which the camera's clock is ahead of this machine's, transport included; None: it tells none."""
    _samples: deque[tuple[float, int, int, int, int, int]] = field(
        default_factory=lambda: deque(maxlen=64), repr=False, compare=False
    )

    def enter(self, state: SourceState, reason: str = "") -> None:
        """Be in a state from now on, for a reason."""
        if state != self.state:
            self.since = time.time()
        self.state, self.reason = state, reason

    def sample(self, now: float) -> None:
        """Remember the counts for the rates. Called as often as one likes; ``now``: the monotonic clock in seconds."""
        if not self._samples or now - self._samples[-1][0] >= 0.5:
            self._samples.append((now, *self._rated()))

    def _rated(self) -> tuple[int, int, int, int, int]:
        """The counts that have rates, in the order of their names."""
        return self.packets, self.frames, self.dropped, self.vanished, self.thinned

    def rates(self, now: float | None = None) -> dict[str, float]:
        """Packets, frames, dropped, vanished and thinned frames a second over the last ten seconds (not since the start).

        >>> stats = SourceStats()
        >>> for second in range(20):
        ...     stats.sample(float(second))
        ...     stats.frames += 5
        >>> stats.rates(20.0)["frames"]
        5.0
        >>> stats.rates(100.0)["frames"]
        0.0
        """
        now = time.monotonic() if now is None else now
        samples = list(self._samples)
        if not samples or now - samples[-1][0] > RATE_SECONDS:
            return dict.fromkeys(_RATES, 0.0)
        old = next((s for s in reversed(samples) if s[0] <= now - RATE_SECONDS), samples[0])
        # Every frame is a sample, half a second apart at most: what an older one lacks came within the span.
        seconds = min(max(now - old[0], 1.0), RATE_SECONDS)  # of a moment there is no rate
        return {name: round((a - b) / seconds, 2) for name, a, b in zip(_RATES, self._rated(), old[1:])}

    def as_dict(self) -> dict[str, Any]:
        """For JSON: state, reason, ages in seconds, counts and rates."""
        now = time.monotonic()
        return {
            "state": self.state,
            "reason": self.reason,
            "since": round(self.since, 3),
            "connections": self.connections,
            "attempts": self.attempts,
            "last_packet_age": round(now - self.last_packet, 3) if self.last_packet else None,
            "last_frame_age": round(now - self.last_frame, 3) if self.last_frame else None,
            "clock_offset": None if self.clock_offset is None else round(self.clock_offset, 3),
            "rates": self.rates(now),
            "frames": self.frames,
            "packets": self.packets,
            "dropped": self.dropped,
            "undetected": self.undetected,
            "thinned": self.thinned,
            "vanished": self.vanished,
            "corrupt": self.corrupt,
            "corrupt_by": dict(self.lost),
            "reconnects": self.reconnects,
            "resolution_changes": self.resolution_changes,
            "repaired": self.repaired,
            **({"decoder": self.decoder} if self.decoder else {}),
        }
