"""Damage that is found while an outbox is in use: a new file takes its place, and the run goes on."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
from typing import TYPE_CHECKING

from countline.outbox import files, sums
from countline.outbox.blocks import pack
from countline.outbox.positions import Intervals
from countline.outbox.recount import recount
from countline.outbox.salvage import missing, salvage

if TYPE_CHECKING:
    from countline.outbox.core import Core

__all__ = ["look_through", "repair"]

log = logging.getLogger("countline.outbox")


def repair(box: Core, reason: str) -> None:
    """Set the file aside, carry over what can be read, put back what memory has, book the rest as lost. The caller holds the lock of
    the writing connection, and no transaction is open. Raises sqlite3 errors, OSError."""
    with box._read_lock, box._state:
        synchronous = str(box._db.execute("PRAGMA synchronous").fetchone()[0])
        box._reader.close()
        box._db.close()
        aside = files.set_aside(box.path, reason)
        files.damage_mark(box.path).unlink(missing_ok=True)
        if box._lock is not None:
            box._lock.take_content()
        db = files.connect(box.path, synchronous)
        salvage(aside, db, book=False)
        _put_back(box, db)
        box._use(db)
        _book(box, db)


def _put_back(box: Core, db: sqlite3.Connection) -> None:
    """What is still in memory of messages that the file has lost."""
    stored = _stored(db)
    db.execute("BEGIN IMMEDIATE")
    with contextlib.closing(db.cursor()) as cursor:
        for entries in box._tail.groups():
            first, last = entries[0].position, entries[-1].position
            if not stored.overlap(first, last):
                for block, data, size in pack(first, [entry.message for entry in entries]):
                    row = (block[0].position, block[-1].position, box._now(), size, data)
                    cursor.execute(sums.insert("batch"), row)
        cursor.execute(sums.insert("meta"), ("next", box._next))
    db.execute("COMMIT")


def _book(box: Core, db: sqlite3.Connection) -> None:
    stored = _stored(db)
    for state in box._outputs.values():
        before = state.pending
        for lo, hi in missing(state.done, stored, box._next):
            state.done.add(lo, hi)
        recount(db, state, box.path, quiet=True)
        lost, state.pending = before - state.pending, before
        state.drop(max(0, lost), "damaged")
        state.dirty = True
        if lost > 0:
            log.error("outbox %s: %d messages that waited for output '%s' are lost with it", box.path, lost, state.name)


def _stored(db: sqlite3.Connection) -> Intervals:
    return Intervals(db.execute("SELECT first, last FROM batch ORDER BY first").fetchall())


def look_through(box: Core, stop: threading.Event) -> str:
    """Read the whole file beside a run, on a connection of its own; what is wrong with it, '' if nothing is or ``stop`` was set."""
    try:
        with contextlib.closing(sqlite3.connect(f"{box.path.absolute().as_uri()}?mode=ro", uri=True, timeout=5.0)) as db:
            sums.register(db)
            db.set_progress_handler(stop.is_set, 100_000)
            return sums.damage(db, whole=True)
    except sqlite3.Error as error:
        return str(error) if files.is_corruption(error) else ""
