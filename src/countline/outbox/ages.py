"""The clock by which the age of what is stored is measured: it goes on over restarts, and nobody can set it."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable
from typing import NamedTuple

import orjson

from countline.outbox import sums

__all__ = ["AgeClock", "Mark", "boot_id", "elapsed", "uptime"]

NEVER_SET = 1_735_689_600 * 10**9
"""A wall clock before 2025 was not set: a computer without a battery begins in 1970 or at its maker's date."""
SLACK = 10**9
"""ns by which the wall clock may stray before its new relation to ages is stored."""

Clock = Callable[[], int]


class Mark(NamedTuple):
    """One instant on all clocks, in ns."""

    age: int
    """On the clock of ages: what ``made`` and ``absent_since`` are written in. Near the Unix epoch's time, if the wall clock was right
    when the outbox was last empty."""
    wall: int
    """Since the Unix epoch, by the wall clock."""
    steady: int
    """Since the computer was started."""
    boot: str
    """Which start of the computer that was; '': not known."""


def elapsed(mark: Mark, wall: int, steady: int, boot: str) -> int:
    """ns that have passed since ``mark``, by clocks that show ``wall``, ``steady`` and ``boot`` now; never negative. Pure.

    Since the same start of the computer that is exact, whatever was done to the wall clock. Over a restart the wall clock decides, if
    it was set both times and has not gone back; else nothing is known to have passed: rather keep a message too long than lose a
    young one.
    """
    if boot and boot == mark.boot and steady >= mark.steady:
        return steady - mark.steady
    return max(0, wall - mark.wall) if min(wall, mark.wall) >= NEVER_SET else 0


def uptime() -> int:
    """ns since the computer was started, the time that it slept included."""
    try:
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    except (AttributeError, OSError):
        return time.monotonic_ns()


def boot_id() -> str:
    """Names this start of the computer (of the time name space, in a container that has its own); '' where that is not told."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            boot = file.read().strip()
    except (OSError, ValueError):
        return ""
    try:
        return f"{boot} {os.readlink('/proc/self/ns/time')}"
    except OSError:
        return boot


class AgeClock:
    """Gives the time of the clock of ages, which was stored by whoever used the outbox ``db`` before. Raises sqlite3 errors."""

    def __init__(self, db: sqlite3.Connection, wall: Clock = time.time_ns, steady: Clock = uptime) -> None:
        self.wall = wall
        self._db = db
        self._steady = steady
        self._boot = boot_id()
        self._origin = self._begin() - steady()

    def _begin(self) -> int:
        wall = self.wall()
        newest = self._db.execute("SELECT made FROM batch ORDER BY first DESC LIMIT 1").fetchone()
        absent = self._db.execute("SELECT max(absent_since) FROM output").fetchone()[0]
        if newest is None and absent is None:
            return wall  # nothing has an age: a good moment to be right
        # Versions that stored no mark wrote ages by the wall clock.
        latest = max(newest[0] if newest is not None else 0, absent or 0)
        mark = self._stored() or Mark(latest, latest, 0, "")
        return max(mark.age + elapsed(mark, wall, self._steady(), self._boot), latest)

    def _stored(self) -> Mark | None:
        row = self._db.execute("SELECT value FROM meta WHERE name = 'clock'").fetchone()
        if row is None:
            return None
        try:
            age, wall, steady, boot = orjson.loads(row[0])
            return Mark(int(age), int(wall), int(steady), str(boot))
        except (TypeError, ValueError):
            return None

    def now(self) -> int:
        """ns; only differences mean something."""
        return self._origin + self._steady()

    def use(self, db: sqlite3.Connection) -> None:
        """Go on with another file."""
        self._db = db

    def store(self) -> None:
        """Store how this clock stands to the others, where that has changed. In a transaction. What is stored is asked for each
        time: a transaction that came to nothing leaves nothing to undo here."""
        now = Mark(self.now(), self.wall(), self._steady(), self._boot)
        was = self._stored()
        if was is None or was.boot != now.boot or _apart(was, now) > SLACK:
            self._db.execute(sums.insert("meta"), ("clock", orjson.dumps(tuple(now)).decode()))


def _apart(a: Mark, b: Mark) -> int:
    """By how much more one clock has gone on than another between two marks, ns."""
    age = b.age - a.age
    return max(abs(b.wall - a.wall - age), abs(b.steady - a.steady - age))
