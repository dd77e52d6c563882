"""Messages that could not be made when it was their time, and are put in later: each once, whatever happens in between.

Which ones were put in is stored in the same transaction, and forgotten when they are gone from where they came from.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import orjson

from countline.outbox.blocks import pack
from countline.outbox.durable import Outbox
from countline.outbox.types import OutboxFull
from countline.types import Message

__all__ = ["again", "forget", "known", "put"]

_NAME = "remade"
"""In ``meta``: a JSON list of keys."""


def known(box: Outbox) -> set[str]:
    """Keys of messages that were put in and may still stand where they came from."""
    row = box._db.execute("SELECT value FROM meta WHERE name = ?", (_NAME,)).fetchone()
    return set(orjson.loads(row[0])) if row is not None else set()


def put(box: Outbox, messages: Sequence[Message], keys: Iterable[str]) -> int:
    """Store messages behind all that waits, and the ``keys`` that say which they were, in one transaction; returns for how many
    outputs they wait, all together. Raises OutboxFull where they would not fit (nothing is stored then) and OutboxError."""
    blocks = pack(box._next, messages, box._now())
    cost = sum(size for _, _, size in blocks)
    if box._used() + cost > box.max_bytes:
        raise OutboxFull(
            f"has no room for {len(messages)} messages more ({cost} bytes)",
            where=f"outbox {box.path}",
            fix="let a run deliver what waits, or raise outbox.max_bytes",
        )
    value = orjson.dumps(sorted(known(box).union(keys))).decode()
    fresh = box._insert([], blocks, cost, meta={_NAME: value})
    box._written(blocks, fresh)
    return sum(fresh.values())


def forget(box: Outbox) -> None:
    """What was put in stands nowhere else any more."""
    with box._transaction() as db:
        db.execute("DELETE FROM meta WHERE name = ?", (_NAME,))


def again(box: Outbox, source: str, stream: str, frame: int) -> bool:
    """Whether a run over this stream was cut short before it had committed this frame: the next one goes through it again."""
    row = box._db.execute("SELECT stream, frame, finished, live FROM run WHERE source = ?", (source,)).fetchone()
    return row is not None and row[0] == stream and not row[2] and not row[3] and frame > row[1]
