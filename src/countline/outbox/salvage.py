"""What can still be read of a damaged outbox, and how much cannot."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from countline.outbox import codec, sums
from countline.outbox.blocks import cost
from countline.outbox.first_page import readable
from countline.outbox.positions import END, Intervals

__all__ = ["RESEND", "missing", "salvage"]

log = logging.getLogger("countline.outbox")

RESEND = "resend"
"""Name in ``meta``: rows of outputs were lost, so an output without one gets all that is stored, not only what comes."""
_WHAT = {
    "counter": "counts",
    "epoch": "epochs of counts",
    "run": "runs",
    "seen": "times of sources",
    "output": "outputs",
    "meta": "meta data",
}

Row = tuple[Any, ...]
BROKEN = (sqlite3.Error, UnicodeDecodeError)
"""What SQLite answers where it cannot read; the second where it tells of it in the damaged words themselves."""


def salvage(aside: Path, db: sqlite3.Connection, *, book: bool = True) -> None:
    """Carry over to the new outbox ``db`` each row that is as it was written, and say what is lost: of counts by name, of messages how
    many. ``book``: false where who uses the outbox knows better what waits. Raises sqlite3 errors of ``db``."""
    try:
        with readable(aside) as old:
            old.text_factory = lambda data: data.decode("utf-8", "replace")
            _salvage(old, aside, db, book)
    except OSError as error:
        log.error("outbox: %s cannot be copied to be read: %s", aside, error)


def _salvage(old: sqlite3.Connection, aside: Path, db: sqlite3.Connection, book: bool) -> None:
    db.execute("BEGIN IMMEDIATE")
    try:
        with_sums = _has_sums(old)
        for table in sums.STATE:
            _carry_state(old, db, table, with_sums, aside)
        _carry_dead(old, db, with_sums, aside)
        _carry_batches(old, db, with_sums)
        if book:
            _book_losses(db, aside)
        db.execute(sums.insert("meta"), ("schema", sums.schema_sum(db)))
        db.execute("COMMIT")
    except BaseException:
        db.execute("ROLLBACK")
        raise


def _has_sums(old: sqlite3.Connection) -> bool:
    try:
        return bool(old.execute("PRAGMA user_version").fetchone()[0] >= 2)
    except BROKEN:
        return True


def _carry_state(old: sqlite3.Connection, db: sqlite3.Connection, table: str, with_sums: bool, aside: Path) -> None:
    good, lost, complete, seen = 0, [], True, set[Row]()
    columns = ", ".join(sums.COLUMNS[table])
    query = f"SELECT {columns}{', crc' if with_sums else ''} FROM {table}"  # noqa: S608
    try:
        for row in old.execute(query):
            if row in seen:
                raise sqlite3.DatabaseError("malformed: rows in a circle")
            seen.add(row)
            values = row[: len(sums.COLUMNS[table])]
            if with_sums and row[-1] != _sum(table, values):
                lost.append(" ".join(str(v) for v in values[:4] if isinstance(v, str)))
                continue
            db.execute(sums.insert(table), values)
            good += 1
    except BROKEN as error:
        complete = False
        log.error("outbox: the rest of the %s in %s cannot be read any more: %s", _WHAT[table], aside, error)
    if good:
        log.warning("outbox: %d rows of %s were carried over from %s", good, _WHAT[table], aside)
    if lost:
        names = ", ".join(lost[:5]) + (f" and {len(lost) - 5} more" if len(lost) > 5 else "")
        rows = "a row of %s in %s is" if len(lost) == 1 else f"{len(lost)} rows of %s in %s are"
        log.error("outbox: " + rows + " damaged and lost: %s", _WHAT[table], aside, names)
    if table == "output" and (lost or not complete):
        db.execute(sums.insert("meta"), (RESEND, 1))
        log.error(
            "outbox: what outputs had acknowledged is not known for all of them: to those, all that is stored is sent again"
        )


def _sum(table: str, values: Row) -> int:
    return sums.row_sum(*(v for c, v in zip(sums.COLUMNS[table], values) if (table, c) != ("output", "pending")))


def _around(old: sqlite3.Connection, table: str, key: str, columns: str) -> Iterator[Row]:
    """Rows on both sides of each damaged page: after a row that cannot be read, seek ahead in growing steps."""
    with contextlib.suppress(*BROKEN):  # no row is written with such a key
        yield from old.execute(f"SELECT {columns} FROM {table} WHERE {key} < 1 LIMIT 1000").fetchall()  # noqa: S608
    after, step = 0, 1
    while after < 1 << 48:
        try:
            for row in old.execute(f"SELECT {columns} FROM {table} WHERE {key} > ? ORDER BY {key}", (after,)):  # noqa: S608
                if not isinstance(row[0], int) or row[0] <= after:
                    raise sqlite3.DatabaseError(
                        "malformed: rows out of order"
                    )  # a damaged tree can go round in circles
                after, step = row[0], 1
                yield row
            return
        except BROKEN:
            after += step
            step *= 2


def _carry_dead(old: sqlite3.Connection, db: sqlite3.Connection, with_sums: bool, aside: Path) -> None:
    good = lost = 0
    for _, output, at, reason, data, crc in _around(
        old, "dead", "number", f"number, output, at, reason, data, {'crc' if with_sums else 'NULL'}"
    ):
        if _decoded(data) is None or (crc is not None and crc != sums.row_sum(output, at, reason, data[:12])):
            lost += 1
            continue
        db.execute(sums.insert("dead", "INSERT"), (output, at, reason, data))
        good += 1
    if good:
        log.warning("outbox: %d dead letters were carried over from %s", good, aside)
    if lost:
        log.error("outbox: %d dead letters in %s are damaged and lost", lost, aside)


def _carry_batches(old: sqlite3.Connection, db: sqlite3.Connection, with_sums: bool) -> None:
    """Batches whose messages are whole. What stands beside them is made anew from them where it is damaged, if it then fits between
    the neighbours."""
    end = 0
    newest = 0
    for first, last, made, _, data, crc in _around(
        old, "batch", "first", f"first, last, made, bytes, data, {'crc' if with_sums else 'NULL'}"
    ):
        messages = _decoded(data)
        if messages is None or not isinstance(first, int) or first <= end:
            continue
        right = crc is None or crc == sums.row_sum(first, last, made, _, data[:12])
        if not right:
            last, made = first + len(messages) - 1, newest
        if last - first + 1 != len(messages):
            continue
        db.execute(sums.insert("batch"), (first, last, made, cost(len(data)), data))
        end, newest = last, made


def _decoded(data: object) -> list[Any] | None:
    try:
        return codec.decode(data) if isinstance(data, bytes) else None
    except (codec.Damaged, ValueError, LookupError, TypeError):
        return None


def _book_losses(db: sqlite3.Connection, aside: Path) -> None:
    """Positions that waited and are not stored any more count as dropped: 'damaged'."""
    stored = Intervals(db.execute("SELECT first, last FROM batch ORDER BY first").fetchall())
    rows = db.execute("SELECT name, done, pending, acknowledged, dropped, absent_since FROM output").fetchall()
    done = {row[0]: Intervals.unpack(row[1]) for row in rows}
    row = db.execute("SELECT value FROM meta WHERE name = 'next'").fetchone()
    highest = max([stored.high, *(hi for known in done.values() for _, hi in known if hi < END)], default=0)
    after = max(int(row[0]) if row else 1, highest + 1)
    # A position is never given twice: what an output had settled under it would be taken for settled.
    db.execute(sums.insert("meta"), ("next", after))
    for name, _, pending, acknowledged, dropped, absent in rows:
        lost = missing(done[name], stored, after)
        count = sum(hi - lo + 1 for lo, hi in lost)
        if not count:
            continue
        for lo, hi in lost:
            done[name].add(lo, hi)
        reasons = orjson.loads(dropped)
        reasons["damaged"] = reasons.get("damaged", 0) + count
        values = (name, done[name].pack(), pending, acknowledged, orjson.dumps(reasons).decode(), absent)
        db.execute(sums.insert("output"), values)
        log.error(
            "outbox: %d messages that waited for output '%s' cannot be read any more in %s and are lost",
            count,
            name,
            aside,
        )
    count = db.execute("SELECT coalesce(sum(last - first + 1), 0) FROM batch").fetchone()[0]
    if count:
        log.warning("outbox: %d messages were carried over from %s", count, aside)


def missing(done: Intervals, stored: Intervals, after: int) -> list[tuple[int, int]]:
    """Intervals of positions below ``after`` that are neither settled nor stored."""
    have = Intervals(stored)
    for lo, hi in done:
        have.add(lo, hi)
    found, at = [], 1
    for lo, hi in have:
        if lo > at:
            found.append((at, min(lo, after) - 1))
        at = max(at, hi + 1)
    if at < after:
        found.append((at, after - 1))
    return [(lo, hi) for lo, hi in found if lo <= hi and lo < after]
