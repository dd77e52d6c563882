"""What a live source's stream is worth: losses on the way, a link that is too narrow, a clock that is off."""

from __future__ import annotations

from collections import deque
from itertools import pairwise

from countline.source_status import RATE_SECONDS, SourceStats

__all__ = ["CLOCK_OFF", "LOSS", "SLOW", "Lag", "lossy"]

SECOND = 1_000_000_000
LOSS = 0.01
"""Share of damaged pictures from which counts suffer: each smears those after it up to the next key frame."""
CLOCK_OFF = 2.0
"""Seconds by which a camera's clock may be off without a word."""
SLOW = "decoding is slower than the stream"
_WINDOW = 2 * SECOND
_WINDOWS = 4
"""How many windows in a row pictures must come later and later."""
_STEP, _LATE = SECOND // 10, SECOND
"""By how much in each of them, and in all."""


def lossy(stats: SourceStats, now: float) -> float:
    """Share of pictures of the last ten seconds that came damaged or not at all, in 0..1; 0 while there are too few to say.
    Pictures that came whole and are passed over for their number count, too."""
    rates = stats.rates(now)
    sent = rates["frames"] + rates["thinned"] + rates["vanished"]
    return rates["vanished"] / sent if sent * RATE_SECONDS >= 20 else 0.0


class Lag:
    """Notices pictures that come later and later. Pure: no clock is read here."""

    def __init__(self) -> None:
        self._least: deque[int] = deque(maxlen=_WINDOWS + 1)
        """Least delay of each window (ns, from an unknown zero), the last being filled."""
        self._until = 0
        self._waited = 0.0
        self._began = 0

    def begin(self) -> None:
        """A new connection."""
        self._least.clear()

    def see(self, pts: int, ticks: int, waited: float) -> None:
        """A frame came: ``pts`` and ``ticks`` (monotonic clock at arrival) in ns; ``waited``: seconds spent waiting for packets
        since the connection began."""
        delay = ticks - pts
        if not self._least or ticks >= self._until:
            if not self._least:
                self._began, self._waited = ticks, waited
            self._least.append(delay)
            self._until = ticks + _WINDOW
        elif delay < self._least[-1]:
            self._least[-1] = delay

    def why(self, ticks: int, waited: float) -> str:
        """Why pictures come ever later; empty if they do not. As :meth:`see`."""
        least = list(self._least)
        steps = [b - a for a, b in pairwise(least)]
        if len(least) <= _WINDOWS or min(steps) < _STEP or least[-1] - least[0] < _LATE:
            return ""
        late = f"pictures come later and later, by {(least[-1] - least[0]) / SECOND:.1f} s in the last {_WINDOWS * 2} s"
        share = (waited - self._waited) * SECOND / max(ticks - self._began, 1)
        if share > 0.5:
            return f"the link is narrower than the stream: {late}"
        return f"{SLOW}: {late}"
