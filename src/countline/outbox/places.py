"""What the outbox remembers of streams with seams: where a run can go on, and what was counted up to there. Every function works
inside the caller's transaction."""

from __future__ import annotations

import sqlite3
from typing import Any

import orjson

from countline.outbox import sums
from countline.types import Seam

__all__ = ["counted", "forget", "keep", "text"]


def keep(db: sqlite3.Connection, source: str, seam: Seam, state: str) -> None:
    """A frame begins at a seam; ``state``: counters and epochs before it. Those before ``seam.since`` are not needed any more."""
    number = seam.number
    known = {
        int(n): value for n, value in _stored(db, source).get("counted", {}).items() if seam.since <= int(n) < number
    }
    known[number] = state
    value = orjson.dumps({"text": seam.place, "counted": {str(n): value for n, value in known.items()}}).decode()
    db.execute(sums.insert("meta"), (_name(source), value))


def text(db: sqlite3.Connection, source: str) -> str | None:
    """Of the last seam, in the source's own words; None: there is none."""
    found = _stored(db, source).get("text")
    return None if found is None else str(found)


def counted(db: sqlite3.Connection, source: str) -> dict[int, str]:
    """Counters and epochs before each seam that a run may go on from, by the number of its frame, in order."""
    found = _stored(db, source).get("counted", {})
    return {number: found[str(number)] for number in sorted(map(int, found))}


def forget(db: sqlite3.Connection, source: str) -> None:
    """Another stream begins."""
    db.execute("DELETE FROM meta WHERE name = ?", (_name(source),))


def _name(source: str) -> str:
    return f"place {source}"


def _stored(db: sqlite3.Connection, source: str) -> dict[str, Any]:
    row = db.execute("SELECT value FROM meta WHERE name = ?", (_name(source),)).fetchone()
    return {} if row is None else dict(orjson.loads(row[0]))
