"""What the outbox remembers of streams with seams: where a run can go on, and what was counted up to there. Every function works
inside the caller's transaction."""

from __future__ import annotations

import sqlite3
from typing import Any

import orjson

from countline.outbox import sums
from countline.types import Seam

__all__ = ["baseline", "forget", "keep", "text"]


def keep(db: sqlite3.Connection, source: str, seam: Seam, counted: str) -> None:
    """A frame begins at a seam; ``counted``: counters and epochs before it. Those before ``seam.since`` are not needed any more."""
    number = seam.number
    known = {
        int(n): value for n, value in _stored(db, source).get("counted", {}).items() if seam.since <= int(n) < number
    }
    known[number] = counted
    value = orjson.dumps({"text": seam.place, "counted": {str(n): value for n, value in known.items()}}).decode()
    db.execute(sums.insert("meta"), (_name(source), value))


def text(db: sqlite3.Connection, source: str) -> str | None:
    """Of the last seam, in the source's own words; None: there is none."""
    found = _stored(db, source).get("text")
    return None if found is None else str(found)


def baseline(db: sqlite3.Connection, source: str, number: int) -> str | None:
    """Counters and epochs before the seam at this frame; None: not known."""
    found = _stored(db, source).get("counted", {}).get(str(number))
    return None if found is None else str(found)


def forget(db: sqlite3.Connection, source: str) -> None:
    """Another stream begins."""
    db.execute("DELETE FROM meta WHERE name = ?", (_name(source),))


def _name(source: str) -> str:
    return f"place {source}"


def _stored(db: sqlite3.Connection, source: str) -> dict[str, Any]:
    row = db.execute("SELECT value FROM meta WHERE name = ?", (_name(source),)).fetchone()
    return {} if row is None else dict(orjson.loads(row[0]))
