"""What waits for an output is what is stored and not settled, not a number beside it."""

from __future__ import annotations

import logging
import sqlite3
from pathlib import Path

from countline.outbox import codec
from countline.outbox.state import StoredOutput

__all__ = ["COUNTED", "recount"]

log = logging.getLogger("countline.outbox")

COUNTED = 64 << 20
"""Bytes that are looked through at the start to count what waits."""


def recount(db: sqlite3.Connection, state: StoredOutput, path: Path, *, quiet: bool = False) -> None:
    """Set ``state.pending`` to what waits: the number noted is only believed where counting would take long, and it can be right."""
    waiting, size = _waiting(db, state)
    if waiting and size > COUNTED and 0 < state.pending <= waiting:
        return
    pending = _count(db, state) if waiting else 0
    if pending != state.pending:
        if not quiet:
            text = "outbox %s: %d messages wait for output '%s', not %d as was noted"
            log.warning(text, path, pending, state.name, state.pending)
        state.pending, state.dirty = pending, True


def _waiting(db: sqlite3.Connection, state: StoredOutput) -> tuple[int, int]:
    """How many stored positions the output has not settled, those of other outputs among them; and the bytes of the batches
    that hold them."""
    count = size = 0
    query = "SELECT first, last, bytes FROM batch WHERE last > ?"
    for first, last, cost in db.execute(query, (state.done.low,)):
        open_ = last - first + 1 - state.done.overlap(first, last)
        if open_:
            count, size = count + open_, size + cost
    return count, size


def _count(db: sqlite3.Connection, state: StoredOutput) -> int:
    """Messages that wait for the output, by looking at each."""
    count = 0
    query = "SELECT first, last, data FROM batch WHERE last > ?"
    for first, last, data in db.execute(query, (state.done.low,)):
        try:
            messages = codec.decode(data)
        except codec.Damaged:
            count += last - first + 1 - state.done.overlap(first, last)
            continue
        for position, message in enumerate(messages, first):
            if position not in state.done and (not message.outputs or state.name in message.outputs):
                count += 1
    return count
