"""Frames from the run to its page: the run's own thread stores a reference to each frame, and does no more."""

from __future__ import annotations

import time
from collections import deque
from typing import NamedTuple

from countline.types import Analytics, Frame

__all__ = ["Feed", "Newest"]

MOST = 5000
"""Most frames, and most frames with events, that wait for the server; beyond that the oldest are dropped, and counted."""


FEW = 16
"""Up to this number of sources the newest picture is always kept, so that a source that has stopped can be shown, too."""


class Newest(NamedTuple):
    """The newest frame of a source."""

    frame: Frame | None
    """With its pixels, where a client watches the source; None: no client does, or there are none."""
    analytics: Analytics
    at: int
    """Wall clock when the rules had processed it, ns since the Unix epoch."""


class Feed:
    """A consumer of frames. Called by the worker; everything else is for the server's thread.

    A frame costs the worker two dictionary look-ups and an append. Where there are many sources, no picture is kept of those that
    no client watches.

    Parameters
    ----------
    passing: whether every frame's analytics are kept for :meth:`take`; else only those with events.
    """

    def __init__(self, *, passing: bool = False) -> None:
        self.newest: dict[str, Newest] = {}
        """By source."""
        self.watched: frozenset[str] = frozenset()
        """Sources whose pictures a client watches."""
        self.pixels = False
        """Whether frames have come with their pixels."""
        self.lost = 0
        """Frames with events that were dropped because the server did not take them in time."""
        self.forgotten = 0
        """Frames of :meth:`take` that were dropped so."""
        self._passing = passing
        self._passed: deque[Analytics] = deque(maxlen=MOST)
        self._with_events: deque[Analytics] = deque()

    def __call__(self, frame: Frame | None, analytics: Analytics) -> None:
        """One frame. On the worker's thread."""
        name = analytics.frame.source.name
        self.pixels = frame is not None
        seen = frame if name in self.watched or len(self.newest) <= FEW else None
        self.newest[name] = Newest(seen, analytics, time.time_ns())
        if self._passing:
            self.forgotten += len(self._passed) == MOST
            self._passed.append(analytics)
        if analytics.events:
            if len(self._with_events) >= MOST:
                self._with_events.popleft()
                self.lost += 1
            self._with_events.append(analytics)

    def take(self) -> list[Analytics]:
        """Analytics of all frames since the last call, in order; empty unless ``passing``."""
        return _emptied(self._passed)

    def with_events(self) -> list[Analytics]:
        """Analytics of the frames with events since the last call, in order."""
        return _emptied(self._with_events)

    def watch(self, names: frozenset[str]) -> None:
        """Keep the pictures of these sources from now on, and of no others."""
        self.watched = names
        for name, known in list(self.newest.items()):
            if known.frame is not None and name not in names and len(self.newest) > FEW:
                # Only if no newer one has come: a reference to one picture more does no harm, a lost newest one would.
                self.newest[name] = known._replace(frame=None) if self.newest.get(name) is known else self.newest[name]


def _emptied(waiting: deque[Analytics]) -> list[Analytics]:
    found = []
    for _ in range(len(waiting)):
        try:
            found.append(waiting.popleft())
        except IndexError:  # the worker has let an old one go meanwhile
            break
    return found
