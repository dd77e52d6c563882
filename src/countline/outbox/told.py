"""Numbers for the log that would come too often: at once when something begins, then once a minute with how many."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["EVERY", "Told"]

EVERY = 60.0
"""Seconds between two lines about the same thing."""


class Told:
    """Adds up what has not been told yet, by what it is."""

    def __init__(self, every: float = EVERY, clock: Callable[[], float] = time.monotonic) -> None:
        self._every, self._clock = every, clock
        self._untold: dict[str, int] = {}
        self._due: dict[str, float] = {}

    def add(self, what: str, count: int) -> int:
        """``count`` more of something; returns how many are to be told now, 0 if it is too soon."""
        total = self._untold.pop(what, 0) + count
        now = self._clock()
        if not total or now < self._due.get(what, 0.0):
            self._untold[what] = total
            return 0
        self._due[what] = now + self._every
        return total

    def rest(self) -> dict[str, int]:
        """What has not been told, at the end."""
        rest, self._untold = self._untold, {}
        return {what: count for what, count in rest.items() if count}
