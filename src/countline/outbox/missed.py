"""What the outbox remembers of live sources, so that gaps between runs can be reported. Every function works inside the
caller's transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping

import orjson

from countline.outbox import sums
from countline.types import Gap

__all__ = ["keep_looked", "keep_untold", "looked", "untold"]


def untold(db: sqlite3.Connection, source: str) -> Gap | None:
    """The gap that no message has reported yet."""
    row = db.execute("SELECT value FROM meta WHERE name = ?", (f"untold {source}",)).fetchone()
    return None if row is None else Gap(*orjson.loads(row[0]))


def keep_untold(db: sqlite3.Connection, gaps: Mapping[str, Gap]) -> None:
    """By source; a gap without length: there is none any more."""
    for source, gap in gaps.items():
        if gap.missed:
            values = orjson.dumps((gap.start, gap.end, gap.cause, gap.missed)).decode()
            db.execute(sums.insert("meta"), (f"untold {source}", values))
        else:
            db.execute("DELETE FROM meta WHERE name = ?", (f"untold {source}",))


def looked(db: sqlite3.Connection, source: str) -> int:
    """When a frame of the source was last stored, by the wall clock, ns since the Unix epoch; 0: not known."""
    row = db.execute("SELECT value FROM meta WHERE name = ?", (f"looked {source}",)).fetchone()
    return int(row[0]) if row is not None else 0


def keep_looked(db: sqlite3.Connection, sources: Iterable[str], now: int) -> None:
    """Frames of these sources are stored now."""
    sums.store(db, "meta", [(f"looked {source}", now) for source in sources])
