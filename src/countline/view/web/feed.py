"""What a run hands to its page: a reference for each frame, and nothing else is done on the run's own thread."""

from __future__ import annotations

import time
from collections import deque
from typing import NamedTuple

from countline.types import Analytics, Frame

__all__ = ["Feed", "Newest"]

MOST = 5000
"""Frames, and frames with events, that may wait for the server; of more the oldest are lost, and counted."""


FEW = 16
"""Of so many sources the newest picture is always held, so that one that stands still can be seen, too."""


class Newest(NamedTuple):
    """The last that was seen of a source."""

    frame: Frame | None
    """With its pixels, where somebody watches them; None: nobody did, or there are none."""
    analytics: Analytics
    at: int
    """When the rules were through with it, by the wall clock, ns since the Unix epoch."""


class Feed:
    """A consumer of frames. Called by the worker; everything else is for the server's thread.

    A frame costs the worker a look at two dictionaries and an append. Where there are many sources, no picture is held of those that
    nobody watches.

    Parameters
    ----------
    passing: whether every frame's analytics are kept for :meth:`take`; else only those with events.
    """

    def __init__(self, *, passing: bool = False) -> None:
        self.newest: dict[str, Newest] = {}
        """By source."""
        self.watched: frozenset[str] = frozenset()
        """Sources whose pictures somebody looks at."""
        self.pixels = False
        """Whether frames have come with their pixels."""
        self.lost = 0
        """Frames with events that were lost, because the server did not come to take them."""
        self.forgotten = 0
        """Frames of :meth:`take` that were lost so."""
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
        """Those of all frames since the last call, in order; none where they are not kept."""
        return _emptied(self._passed)

    def with_events(self) -> list[Analytics]:
        """Those of the frames with events since the last call, in order."""
        return _emptied(self._with_events)

    def watch(self, names: frozenset[str]) -> None:
        """The pictures of these sources are looked at from now on; of others none is held."""
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
