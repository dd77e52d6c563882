"""Numbers for the log that would come too often: at once when something begins, then once a minute with how many."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

__all__ = ["EVERY", "Repeated", "Told"]

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


class Repeated:
    """Lines of the log about one kind of thing that may come often: the first at once, then one a minute, the newest, with how many
    there were.

    Parameters
    ----------
    log, level: where it is told.
    """

    def __init__(
        self, log: logging.Logger, level: int = logging.WARNING, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._log, self._level = log, level
        self._told = Told(clock=clock)
        self._newest = ""

    def say(self, text: str, count: int = 1) -> None:
        """It came (``count`` times)."""
        self._newest = text
        self._write(self._told.add("", count), count)

    def close(self) -> None:
        """Nothing comes any more: what was not told yet is told now."""
        self._write(self._told.rest().get("", 0), 1)

    def _write(self, times: int, alone: int) -> None:
        if times:
            more = f" ({times} times since the last line of this kind)" if times > alone else ""
            self._log.log(self._level, "%s%s", self._newest, more)
