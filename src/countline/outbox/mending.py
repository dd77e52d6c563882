"""What can be done to single messages of an outbox that no run uses: give up, change, send again. Each in one transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from countline.errors import OutboxError
from countline.outbox import codec, sums
from countline.outbox.blocks import cost, pack
from countline.outbox.durable import Outbox
from countline.outbox.state import StoredOutput
from countline.outbox.types import DeadLetter
from countline.types import Message

__all__ = ["Change", "Found", "edit", "find", "send", "skip"]


class Waiting(NamedTuple):
    """A stored message that some outputs have not settled."""

    first: int
    """Position of the first message of its batch."""
    position: int
    message: Message
    outputs: tuple[str, ...]
    """Those that it waits for."""


class Found(NamedTuple):
    """All of an id: as a rule one message, waiting or dead."""

    waiting: list[Waiting]
    dead: list[DeadLetter]


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes different; None: stays."""

    value: bytes | None = None
    key: bytes | None = None
    no_key: bool = False
    topic: str | None = None
    headers: Mapping[str, bytes] = field(default_factory=dict)
    """Added, or in the place of those of the same name."""
    without: Sequence[str] = ()
    """Names of headers that are removed."""

    def __call__(self, message: Message) -> Message:
        headers = [
            (name, data) for name, data in message.headers if name not in self.headers and name not in self.without
        ]
        return replace(
            message,
            value=message.value if self.value is None else self.value,
            key=None if self.no_key else message.key if self.key is None else self.key,
            topic=message.topic if self.topic is None else self.topic,
            headers=(*headers, *self.headers.items()),
        )


def find(box: Outbox, ident: str, output: str | None = None) -> Found:
    """Messages with the id ``ident`` that wait (for ``output``) or are dead letters (of it). Raises OutboxError where there is none."""
    waiting = [w for w in _waiting(box, ident) if output in (None, *w.outputs)]
    if output is not None:
        waiting = [w._replace(outputs=(output,)) for w in waiting]
    dead = [letter for letter in box.dead_letters(output) if letter.message.id == ident]
    if not waiting and not dead:
        raise missing(box, ident)
    return Found(waiting, dead)


def missing(box: Outbox, ident: str) -> OutboxError:
    """Nothing of that id is there."""
    return OutboxError(
        f"has no message '{ident}' that waits or is a dead letter",
        where=f"outbox {box.path}",
        fix="see `countline outbox export` and `export --dead`; what was delivered is no longer kept",
    )


def _waiting(box: Outbox, ident: str) -> Iterator[Waiting]:
    rows = box._db.execute("SELECT first, data FROM batch ORDER BY first")
    for first, data in rows:
        try:
            messages = codec.decode(data)
        except codec.Damaged:
            continue  # told when it is its turn
        for position, message in enumerate(messages, first):
            if message.id == ident:
                outputs = tuple(
                    name
                    for name, state in sorted(box._outputs.items())
                    if (not message.outputs or name in message.outputs) and position not in state.done
                )
                if outputs:
                    yield Waiting(first, position, message, outputs)


def skip(box: Outbox, ident: str, output: str | None = None) -> int:
    """Give the message up (for one output), counted as dropped with the reason 'skipped'; returns for how many outputs."""
    found = find(box, ident, output)
    with box._transaction() as db:
        for waiting in found.waiting:
            for name in waiting.outputs:
                state = box._outputs[name]
                state.done.add(waiting.position, waiting.position)
                state.drop(1, "skipped")
        for letter in found.dead:
            db.execute("DELETE FROM dead WHERE number = ?", (letter.number,))
            _count_skipped(box._outputs.get(letter.output))
        box._store(db, {})
    return sum(len(w.outputs) for w in found.waiting) + len(found.dead)


def _count_skipped(state: StoredOutput | None) -> None:
    if state is not None:
        state.dropped["skipped"] = state.dropped.get("skipped", 0) + 1
        state.dirty = True


def edit(box: Outbox, ident: str, change: Change) -> int:
    """Change the message where it is, so that it keeps its place; its id stays. Returns how many were changed."""
    found = find(box, ident)
    with box._transaction() as db:
        for waiting in found.waiting:
            _rewrite(db, box, waiting, change)
        for letter in found.dead:
            data = codec.encode([change(letter.message)])
            crc = sums.expression("dead", data=":data")
            query = f"UPDATE dead SET data = :data, crc = {crc} WHERE number = :number"  # noqa: S608
            db.execute(query, {"data": data, "number": letter.number})
    return len(found.waiting) + len(found.dead)


def _rewrite(db: sqlite3.Connection, box: Outbox, waiting: Waiting, change: Change) -> None:
    (data,) = db.execute("SELECT data FROM batch WHERE first = ?", (waiting.first,)).fetchone()
    messages = codec.decode(data)
    at = waiting.position - waiting.first
    messages[at] = change(messages[at])
    data = codec.encode(messages)
    size = cost(len(data))
    crc = sums.expression("batch", data=":data", bytes=":bytes")
    query = f"UPDATE batch SET data = :data, bytes = :bytes, crc = {crc} WHERE first = :first"  # noqa: S608
    db.execute(query, {"data": data, "bytes": size, "first": waiting.first})
    box._bytes = db.execute("SELECT coalesce(sum(bytes), 0) FROM batch").fetchone()[0]


def send(box: Outbox, ident: str, output: str | None = None) -> int:
    """Put the message behind all that waits now, for the outputs that it waits for or was refused by (or one of them); returns for
    how many. A later message of its key may overtake it."""
    found = find(box, ident, output)
    again = [replace(w.message, outputs=w.outputs) for w in found.waiting]
    again += [replace(d.message, outputs=(d.output,)) for d in found.dead if d.output in box._outputs]
    for waiting in found.waiting:
        for name in waiting.outputs:
            state = box._outputs[name]
            state.done.add(waiting.position, waiting.position)
            state.pending -= 1
            state.dirty = True
    blocks = pack(box._next, again, box._now())
    fresh = box._insert([], blocks, 0, buried=[d.number for d in found.dead if d.output in box._outputs])
    box._written(blocks, fresh)
    return sum(fresh.values())
