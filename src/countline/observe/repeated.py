"""Lines of the log that would come too often: the first at once, then one a minute with how many there were."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

__all__ = ["EVERY", "DueCounts", "Repeated"]

EVERY = 60.0
"""Seconds between two lines about the same thing."""


class DueCounts:
    """Adds up what has not been logged yet, by what it is."""

    def __init__(self, every: float = EVERY, clock: Callable[[], float] = time.monotonic) -> None:
        self._every, self._clock = every, clock
        self._waiting: dict[str, int] = {}
        self._due: dict[str, float] = {}

    def add(self, what: str, count: int) -> int:
        """``count`` more of something; returns how many are to be logged now, 0 if it is too soon."""
        total = self._waiting.pop(what, 0) + count
        now = self._clock()
        if not total or now < self._due.get(what, 0.0):
            self._waiting[what] = total
            return 0
        self._due[what] = now + self._every
        return total

    def rest(self) -> dict[str, int]:
        """What has not been logged, at the end."""
        rest, self._waiting = self._waiting, {}
        return {what: count for what, count in rest.items() if count}


class Repeated:
    """Lines of the log about one kind of thing that may come often: the first at once, then one a minute, the newest, with how many
    there were.

    Parameters
    ----------
    log, level: of the lines.
    """

    def __init__(
        self, log: logging.Logger, level: int = logging.WARNING, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._log, self._level = log, level
        self._due_counts = DueCounts(clock=clock)
        self._newest = ""

    def say(self, text: str, count: int = 1) -> None:
        """It came (``count`` times)."""
        self._newest = text
        self._write(self._due_counts.add("", count), count)

    def close(self) -> None:
        """Nothing comes any more: what was not logged yet is logged now."""
        self._write(self._due_counts.rest().get("", 0), 1)

    def _write(self, times: int, alone: int) -> None:
        if times:
            more = f" ({times} times since the last line of this kind)" if times > alone else ""
            self._log.log(self._level, "%s%s", self._newest, more)
