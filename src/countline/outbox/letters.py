"""Dead letters of an outbox that a run uses: how many there are, the newest, and back into the queue with them."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import NamedTuple

from countline.errors import OutboxError
from countline.outbox import codec
from countline.outbox.blocks import pack
from countline.outbox.durable import Outbox
from countline.outbox.types import DeadLetter

__all__ = ["Letter", "counts", "newest", "put_back"]

MOST_AT_ONCE = 200
"""Letters that go back in one transaction: what the run commits waits for no more than that."""


@contextmanager
def _reading(box: Outbox) -> Iterator[sqlite3.Connection]:
    with box._read_lock:
        try:
            yield box._reader
        except sqlite3.Error as error:
            raise OutboxError(f"cannot be read: {error}", where=f"outbox {box.path}", fix="see its log") from error


class Letter(NamedTuple):
    """A dead letter without its content."""

    number: int
    at: int
    """When it was refused, ns since the Unix epoch."""
    reason: str
    size: int
    """Bytes that it takes in the outbox."""


def counts(box: Outbox) -> dict[str, int]:
    """How many there are, by output. Beside what is written meanwhile; what was refused this moment may be missing. Raises
    OutboxError."""
    with _reading(box) as db:
        rows = db.execute("SELECT output, count(*) FROM dead GROUP BY output").fetchall()
    return {str(name): int(count) for name, count in rows}


def newest(box: Outbox, output: str, limit: int) -> list[Letter]:
    """The newest of an output first, at most ``limit``; likewise."""
    with _reading(box) as db:
        rows = db.execute(
            "SELECT number, at, reason, length(data) FROM dead WHERE output = ? ORDER BY number DESC LIMIT ?",
            (output, limit),
        ).fetchall()
    return [Letter(*row) for row in rows]


def put_back(box: Outbox, output: str, numbers: Collection[int] | None = None) -> int:
    """Put the dead letters of an output that there are now (or those of these numbers) behind all that waits, for this output only;
    returns how many. A few at a time, while others write. Raises OutboxError where the output is not served."""
    if not box.serves(output):
        raise OutboxError(
            f"has no output '{output}' that messages go to",
            where=f"outbox {box.path}",
            fix="dead letters are kept until an output of that name is configured again",
        )
    box.settle()
    chosen = sorted(n for n in _numbers(box, output) if numbers is None or n in numbers)
    return sum(_some(box, output, chosen[i : i + MOST_AT_ONCE]) for i in range(0, len(chosen), MOST_AT_ONCE))


def _numbers(box: Outbox, output: str) -> list[int]:
    with box._db_lock:
        return [row[0] for row in box._db.execute("SELECT number FROM dead WHERE output = ?", (output,))]


def _some(box: Outbox, output: str, numbers: Collection[int]) -> int:
    with box._db_lock:
        found = [letter for number in numbers if (letter := _read(box, output, number)) is not None]
        blocks = pack(box._next, [replace(d.message, outputs=(d.output,)) for d in found], box._now())
        fresh = box._insert([], blocks, 0, buried=[d.number for d in found])
        box._written(blocks, fresh)
    return len(found)


def _read(box: Outbox, output: str, number: int) -> DeadLetter | None:
    row = box._db.execute("SELECT at, reason, data FROM dead WHERE number = ?", (number,)).fetchone()
    try:
        return None if row is None else DeadLetter(number, output, row[0], row[1], codec.decode(row[2])[0])
    except codec.Damaged:
        return None  # it stays, and `countline outbox` tells of it
