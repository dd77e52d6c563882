"""Damage that is found while an outbox is in use: a new file takes its place, and the run goes on."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path

from countline.outbox import files, sums
from countline.outbox.blocks import pack
from countline.outbox.positions import Intervals
from countline.outbox.recount import recount
from countline.outbox.salvage import missing, salvage
from countline.outbox.state import StoredOutput
from countline.protocols import Entry

__all__ = ["book_lost", "look_through", "put_back", "replace_file"]

log = logging.getLogger("countline.outbox")


def replace_file(path: Path, reason: str, synchronous: str, lock: files.Lock | None) -> sqlite3.Connection:
    """Set a damaged file aside and carry over what can be read to a new one, which is returned open. Nobody may have the old one
    open. Raises sqlite3 errors, OSError."""
    aside = files.set_aside(path, reason)
    files.damage_mark(path).unlink(missing_ok=True)
    if lock is not None:
        lock.take_content()
    with contextlib.ExitStack() as resources:
        db = files.connect(path, synchronous)
        resources.callback(db.close)
        salvage(aside, db, book=False)
        resources.pop_all()
        return db


def put_back(db: sqlite3.Connection, groups: Iterable[Sequence[Entry]], *, next_position: int, now: int) -> None:
    """Store messages that are still in memory and that the file has lost. ``now``: ns on the outbox's clock of ages."""
    stored = _stored(db)
    db.execute("BEGIN IMMEDIATE")
    with contextlib.closing(db.cursor()) as cursor:
        for entries in groups:
            first, last = entries[0].position, entries[-1].position
            if not stored.overlap(first, last):
                for block, data, size in pack(first, [entry.message for entry in entries]):
                    row = (block[0].position, block[-1].position, now, size, data)
                    cursor.execute(sums.insert("batch"), row)
        cursor.execute(sums.insert("meta"), ("next", next_position))
    db.execute("COMMIT")


def book_lost(db: sqlite3.Connection, outputs: Iterable[StoredOutput], *, next_position: int, path: Path) -> None:
    """Count what the outputs waited for and the file no longer holds as dropped, with the reason 'damaged'."""
    stored = _stored(db)
    for state in outputs:
        before = state.pending
        for lo, hi in missing(state.done, stored, next_position):
            state.done.add(lo, hi)
        recount(db, state, path, quiet=True)
        lost, state.pending = before - state.pending, before
        state.drop(max(0, lost), "damaged")
        state.dirty = True
        if lost > 0:
            log.error("outbox %s: %d messages that waited for output '%s' are lost with it", path, lost, state.name)


def _stored(db: sqlite3.Connection) -> Intervals:
    return Intervals(db.execute("SELECT first, last FROM batch ORDER BY first").fetchall())


def look_through(path: Path, stop: threading.Event) -> str:
    """Read the whole file beside a run, on a connection of its own; what is wrong with it, '' if nothing is or ``stop`` was set."""
    try:
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=5.0)) as db:
            sums.register(db)
            db.set_progress_handler(stop.is_set, 100_000)
            return sums.damage(db, full=True)
    except sqlite3.Error as error:
        return str(error) if files.is_corruption(error) else ""
