"""Checksums of rows: what a disk or a memory has changed in silence is found, not counted on.

Every row carries one of its other columns, ``crc``, reckoned by SQLite through the function ``row_sum``. Of rows with a message it
is reckoned with the head of the message's block, which holds the block's own checksum.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Sequence
from functools import cache
from typing import cast

__all__ = [
    "CHECKED",
    "COLUMNS",
    "STATE",
    "damage",
    "expression",
    "faults",
    "first_sums",
    "insert",
    "intact",
    "register",
    "row_sum",
    "schema_sum",
    "store",
]

COLUMNS: dict[str, tuple[str, ...]] = {
    "meta": ("name", "value"),
    "batch": ("first", "last", "made", "bytes", "data"),
    "output": ("name", "done", "pending", "acknowledged", "dropped", "absent_since"),
    "dead": ("number", "output", "at", "reason", "data"),
    "counter": ("source", "rule", "counter", "class", "value"),
    "epoch": ("source", "rule", "epoch", "reset_at"),
    "run": ("source", "stream", "frame", "finished", "live", "baseline"),
    "seen": ("source", "time"),
}
"""Tables and their columns besides ``crc``."""
CHECKED = 64 << 20
"""Files up to this size are read through at every start (well under a second); larger ones beside the run."""
STATE = ("meta", "output", "counter", "epoch", "run", "seen")
"""Tables without messages: small."""
_LEFT_OUT = {("output", "pending"), ("dead", "number")}
"""Derived at every start; given by SQLite when the row is stored."""


def row_sum(*values: object) -> int:
    """CRC-32 of values of SQLite, their kinds and lengths included."""
    text = ""
    for value in values:  # nearly all are these: SQLite asks for several of each row that is written
        if type(value) is int:
            digits = str(value)
            text += f"i{len(digits)}:{digits}"
        elif type(value) is str and value.isascii():
            text += f"s{len(value)}:{value}"
        else:
            return _sum_of_any(values)
    return zlib.crc32(text.encode())


def _sum_of_any(values: tuple[object, ...]) -> int:
    crc = 0
    for value in values:
        data = value if isinstance(value, bytes) else str(value).encode()
        crc = zlib.crc32(data, zlib.crc32(b"%s%d:" % (type(value).__name__[:1].encode(), len(data)), crc))
    return crc


def register(db: sqlite3.Connection) -> None:
    """Let statements of ``db`` use ``row_sum``."""
    db.create_function("row_sum", -1, row_sum, deterministic=True)


def expression(table: str, **instead: str) -> str:
    """SQL that reckons the sum of a row; ``instead``: SQL for the value of a column."""
    parts = []
    for column in COLUMNS[table]:
        if (table, column) not in _LEFT_OUT:
            part = instead.get(column, column)
            parts.append(f"substr({part}, 1, 12)" if column == "data" else part)
    return f"row_sum({', '.join(parts)})"


@cache
def insert(table: str, verb: str = "INSERT OR REPLACE") -> str:
    """A statement that stores a row with its sum; takes a value for every column, without those that SQLite gives."""
    columns = _stored(table)
    names, places = ", ".join(columns), ", ".join(f"? AS {column}" for column in columns)
    # Each value is bound once, by its place. WHERE: else SQLite takes the ON CONFLICT that may follow for a join's.
    return f"{verb} INTO {table} ({names}, crc) SELECT {names}, {expression(table)} FROM (SELECT {places}) WHERE true"  # noqa: S608


def store(
    db: sqlite3.Connection, table: str, rows: Sequence[Sequence[object]], verb: str = "INSERT OR REPLACE"
) -> None:
    """Store rows with their sums, as :func:`insert` does with a value for every column; for what each commit writes. The sums are
    reckoned here, and many rows are one statement: SQLite lets go of Python's lock for each statement and asks for it again for each
    sum that it wants, and each time waits behind threads that send."""
    kept = _kept(table)
    for start in range(0, len(rows), _TOGETHER):
        part = [[v if type(v) in _EXACT else _exact(v) for v in row] for row in rows[start : start + _TOGETHER]]
        values: list[object] = []
        for row in part:
            summed = [row[i] for i in kept]
            if table in _WITH_DATA:
                summed[-1] = cast(bytes, row[-1])[:12]
            values += row
            values.append(row_sum(*summed))
        db.execute(_many(table, verb, len(part)), values)


_TOGETHER = 16
"""Rows in one statement, at most."""
_WITH_DATA = frozenset({"batch", "dead"})
"""Tables whose last column is ``data``."""
_EXACT = frozenset({int, str, bytes, float, type(None)})


def _exact(value: object) -> object:
    """As SQLite gives it back: the sum is of its kind, too."""
    if isinstance(value, int):
        return int(value)
    if isinstance(value, str):
        return str.__str__(value)
    return bytes(value) if isinstance(value, (bytes, bytearray, memoryview)) else value


@cache
def _kept(table: str) -> tuple[int, ...]:
    """Which of the values that are stored are in the sum."""
    stored = _stored(table)
    return tuple(i for i, column in enumerate(stored) if (table, column) not in _LEFT_OUT)


def _stored(table: str) -> list[str]:
    """Columns but those that SQLite gives."""
    return [c for c in COLUMNS[table] if (table, c) != ("dead", "number")]


@cache
def _many(table: str, verb: str, count: int) -> str:
    columns = _stored(table)
    places = f"({', '.join('?' * (len(columns) + 1))})"
    return f"{verb} INTO {table} ({', '.join(columns)}, crc) VALUES {', '.join([places] * count)}"


def intact(table: str) -> str:
    """SQL that is true for a row that is as it was written. Messages of versions that reckoned no sum pass: their data has its own."""
    unknown = "crc IS NULL OR " if table not in STATE else ""
    number = " AND number > 0" if table == "dead" else ""
    return f"(({unknown}crc IS {expression(table)}){number})"


def faults(db: sqlite3.Connection, tables: tuple[str, ...]) -> str:
    """Which rows are not as they were written, in words; '' if all are. Raises sqlite3 errors."""
    found = []
    for table in tables:
        count = db.execute(f"SELECT count(*) FROM {table} WHERE NOT {intact(table)}").fetchone()[0]  # noqa: S608
        if count:
            found.append(f"{count} rows of {table}")
    return ", ".join(found) + " differ from their checksums" if found else ""


def first_sums(db: sqlite3.Connection) -> None:
    """Add the column to tables of format 1, and reckon it where rows are few. In a transaction."""
    for table in COLUMNS:
        if "crc" not in {row[1] for row in db.execute(f"PRAGMA table_info({table})")}:
            db.execute(f"ALTER TABLE {table} ADD COLUMN crc INTEGER")
            if table in STATE:
                db.execute(f"UPDATE {table} SET crc = {expression(table)}")  # noqa: S608


def schema_sum(db: sqlite3.Connection) -> int:
    """The sum of how the tables are made: SQLite believes whatever their text says."""
    return row_sum(*(text for (text,) in db.execute("SELECT sql FROM sqlite_schema WHERE sql NOT NULL ORDER BY name")))


def damage(db: sqlite3.Connection, *, full: bool) -> str:
    """What is wrong with the file, '' if nothing is; ``full``: all of it is read, not only the tables without messages. Raises sqlite3
    errors."""
    if full:
        found = db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            return str(found)
    row = db.execute("SELECT value FROM meta WHERE name = 'schema'").fetchone()
    if row is None or row[0] != schema_sum(db):
        return "its tables are not made as they were"
    return faults(db, (*STATE, "batch", "dead") if full else STATE)
