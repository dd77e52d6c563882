"""What an outbox holds, read from its tables: from inside, or read-only while another process has it open."""

from __future__ import annotations

import base64
import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from countline.errors import OutboxError
from countline.outbox import codec, files, sums
from countline.outbox.ages import AgeClock
from countline.outbox.counter_store import CounterStore
from countline.outbox.positions import Intervals
from countline.outbox.state import COLUMNS, StoredOutput
from countline.outbox.types import Counter, OutboxStatus
from countline.types import Message

__all__ = ["describe", "export", "inspect", "inspect_counters"]


def describe(db: sqlite3.Connection, path: Path, *, now: int, max_bytes: int = 0) -> OutboxStatus:
    """The status by the tables of ``db``; ``now`` in ns on the outbox's clock of ages."""
    count, size, oldest = db.execute(
        "SELECT coalesce(sum(last - first + 1), 0), coalesce(sum(bytes), 0), min(made) FROM batch"
    ).fetchone()
    row = db.execute("SELECT value FROM meta WHERE name = 'next'").fetchone()
    status = OutboxStatus(str(path), count, size, max_bytes=max_bytes, next_position=int(row[0]) if row else 1)
    status.oldest_age = _age(now, oldest)
    if path == files.MEMORY:
        status.path = "memory"
    for ending in ("", "-wal"):
        with contextlib.suppress(OSError):
            status.file_bytes += path.with_name(path.name + ending).stat().st_size
    dead = dict(db.execute("SELECT output, count(*) FROM dead GROUP BY output").fetchall())
    status.dead_letters = sum(dead.values())
    for found in db.execute(f"SELECT {COLUMNS} FROM output ORDER BY name").fetchall():  # noqa: S608
        output = StoredOutput.of_row(found)
        output.position = min(output.done.low, status.next_position - 1)
        output.dead = dead.pop(output.name, 0)
        if output.pending:
            row = db.execute(
                "SELECT made FROM batch WHERE last > ? ORDER BY first LIMIT 1", (output.done.low,)
            ).fetchone()
            output.oldest_age = _age(now, row[0] if row else None)
        status.outputs.append(output)
    status.outputs += [StoredOutput(name, dead=count, absent_since=0) for name, count in sorted(dead.items())]
    row = db.execute("SELECT value FROM meta WHERE name = 'removed'").fetchone()
    for name, count in orjson.loads(row[0]).items() if row else ():
        gone = next((output for output in status.outputs if output.name == name), None)
        if gone is None:
            gone = StoredOutput(name, absent_since=0)
            status.outputs.append(gone)
        gone.dropped["output-removed"] = count
    return status


def _age(now: int, made: int | None) -> float:
    return max(0.0, (now - made) / 1e9) if made is not None else 0.0


@contextlib.contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    path = files.real(path)
    if not path.exists():
        raise OutboxError(
            "does not exist", where=f"outbox {path}", fix="name the configuration, or the file with --outbox PATH"
        )
    try:
        db = _reader(path)
        try:
            if not db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
                db.close()  # the first run was killed as it made the file: that holds nothing yet
                db = files.connect(files.MEMORY, "off")
            files.refuse_newer(db, path)
            if db.execute("PRAGMA user_version").fetchone()[0] >= 2 and (found := sums.damage(db, full=False)):
                raise files.translate(sqlite3.DatabaseError(f"malformed: {found}"), path)
            yield db
        finally:
            db.close()
    except sqlite3.Error as error:
        raise files.translate(error, path) from error
    except (ValueError, TypeError, AttributeError, LookupError) as error:  # what no outbox holds
        raise files.translate(sqlite3.DatabaseError(f"malformed: {error}"), path) from error


def _reader(path: Path) -> sqlite3.Connection:
    """A connection for reading. Who may not write beside a closed outbox cannot make the files that SQLite shares with writers: where
    there is no log, nobody has it open, and the file alone is all there is."""
    address = f"{path.absolute().as_uri()}?mode=ro"
    db = sqlite3.connect(address, uri=True, timeout=5.0)
    sums.register(db)
    try:
        db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    except sqlite3.OperationalError:
        db.close()
        if not os.access(path, os.R_OK) or path.with_name(path.name + "-wal").exists():
            raise
        db = sqlite3.connect(address + "&immutable=1", uri=True)
        sums.register(db)
    return db


def inspect(path: Path) -> OutboxStatus:
    """The status of an outbox without opening it for use: also while a run has it. Raises OutboxError."""
    with reading(path) as db:
        status = describe(db, path, now=AgeClock(db).now())
    status.in_use_by = files.holder(path)
    return status


def inspect_counters(path: Path) -> list[Counter]:
    """The durable counters, likewise."""
    with reading(path) as db:
        return CounterStore(db).counters()


def export(path: Path, output: str | None = None, *, dead: bool = False) -> Iterator[dict[str, Any]]:
    """Every message that waits (for ``output``), or every dead letter, as plain values for JSON. Reads only.

    A few rows at a time, each time anew: were one reading left open while a pager shows its first page, the write-ahead log of the
    run that has the outbox open would grow for as long. What the run settles meanwhile may be left out.
    """
    with reading(path) as db:
        if dead:
            rows = _few(
                db, "SELECT number, output, at, reason, data FROM dead WHERE number > ? ORDER BY number LIMIT 16"
            )
            for number, name, at, reason, data in rows:
                if output in (None, name):
                    letter = {"number": number, "output": name, "at": at, "reason": reason}
                    yield {**letter, **_plain(codec.decode(data)[0])}
            return
        done = {name: Intervals.unpack(blob) for name, blob in db.execute("SELECT name, done FROM output").fetchall()}
        for first, data in _few(db, "SELECT first, data FROM batch WHERE first > ? ORDER BY first LIMIT 4"):
            for position, message in enumerate(codec.decode(data), first):
                waiting = [
                    name
                    for name, settled in sorted(done.items())
                    if (not message.outputs or name in message.outputs) and position not in settled
                ]
                if waiting if output is None else output in waiting:
                    yield {"position": position, "waiting": waiting, **_plain(message)}


def _few(db: sqlite3.Connection, query: str) -> Iterator[tuple[Any, ...]]:
    """Rows of a query that begins after a number, its first column; between two askings nothing is being read."""
    after = 0
    while True:
        rows = db.execute(query, (after,)).fetchall()
        if not rows:
            return
        for row in rows:
            if not isinstance(row[0], int) or row[0] <= after:  # a damaged tree can go round in circles
                raise sqlite3.DatabaseError("malformed: its rows are out of order")
            after = row[0]
            yield row


def _plain(message: Message) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "id": message.id,
        "key": _text(message.key),
        "headers": [[name, _text(value)] for name, value in message.headers],
        "time": message.time,
        "topic": message.topic,
        "definition": message.definition,
        "source": message.source,
        "content_type": message.content_type,
    }
    try:
        plain["value"] = message.value.decode()
    except UnicodeDecodeError:
        plain["value_base64"] = base64.b64encode(message.value).decode()
    return plain


def _text(data: bytes | None) -> str | None:
    if data is None:
        return None
    try:
        return data.decode()
    except UnicodeDecodeError:
        return "base64:" + base64.b64encode(data).decode()
