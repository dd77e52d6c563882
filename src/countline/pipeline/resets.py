"""Scheduled resets of counts, by source and event time."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from countline.outbox.schedule import Schedule

__all__ = ["Resets"]


class Resets:
    """When counts begin anew.

    Parameters
    ----------
    schedule: None: never.
    """

    def __init__(self, schedule: Schedule | None) -> None:
        self._schedule = schedule
        self._seen: dict[str, int] = {}
        """By source: event time up to which resets have been carried out, ns since the Unix epoch."""
        self._next: dict[str, int] = {}

    def asked(self, now: int) -> Callable[[int], int | None] | None:
        """What tells, for the event time up to which a source was seen before, which reset is due by ``now``; None: there is no
        schedule."""
        return None if self._schedule is None else partial(_due, self._schedule, now)

    def begin(self, source: str, time: int) -> None:
        """All that was due at a source by this time has been carried out."""
        if self._schedule is not None:
            self._seen[source] = time
            self._next[source] = self._schedule.next_after(time)

    def due(self, source: str, time: int) -> int | None:
        """Time of the reset that a frame at ``time`` is behind; None: of none, or it was reported before."""
        if self._schedule is None:
            return None
        if time < self._next[source]:
            self._seen[source] = max(self._seen[source], time)
            return None
        due = self._schedule.due(self._seen[source], time)
        self.begin(source, time)
        return due

    def end(self, source: str) -> None:
        """The source is taken away."""
        self._seen.pop(source, None)
        self._next.pop(source, None)


def _due(schedule: Schedule, now: int, seen: int) -> int | None:
    return schedule.due(seen, now)
