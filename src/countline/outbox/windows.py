"""What the outbox remembers of windows that messages of ``on: interval`` have still to tell of. Every function works inside the
caller's transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

import orjson

from countline.outbox import sums
from countline.types import CounterKey, Window

__all__ = ["forget", "keep", "stored"]


def stored(db: sqlite3.Connection, source: str) -> dict[str, Window]:
    """By the name of the definition; empty where nothing is known, as in an outbox of an earlier version."""
    row = db.execute("SELECT value FROM meta WHERE name = ?", (_name(source),)).fetchone()
    found = {} if row is None else orjson.loads(row[0])
    return {
        name: Window(start, end, {CounterKey(source, *key): n for *key, n in counts}, complete)
        for name, (start, end, complete, counts) in found.items()
    }


def keep(db: sqlite3.Connection, windows: Mapping[str, Mapping[str, Window]]) -> None:
    """By source and definition: all of the source that are open now."""
    for source, opened in windows.items():
        if opened:
            plain = {
                name: (w.start, w.end, w.complete, [[*key[1:], n] for key, n in w.counts.items()])
                for name, w in opened.items()
            }
            db.execute(sums.insert("meta"), (_name(source), orjson.dumps(plain).decode()))
        else:
            forget(db, source)


def forget(db: sqlite3.Connection, source: str) -> None:
    """Another stream begins."""
    db.execute("DELETE FROM meta WHERE name = ?", (_name(source),))


def _name(source: str) -> str:
    return f"windows {source}"
