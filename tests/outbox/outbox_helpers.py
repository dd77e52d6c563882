"""Messages and commits for the outbox tests."""

from __future__ import annotations

from typing import Any

from countline.outbox import Commit, Outbox
from countline.types import CounterDelta, CounterKey, Message

CAR = CounterKey("gate", "line", "in", "car")


def message(n: int, *, size: int = 40, outputs: tuple[str, ...] = (), topic: str | None = None) -> Message:
    """Message number ``n``; its id tells the number."""
    return Message(
        id=f"id-{n:06d}",
        value=str(n).encode().ljust(size, b"."),
        key=b"k%d" % (n % 3),
        headers=(("kind", b"crossing"),) if n % 2 else (),
        time=1_700_000_000_000_000_000 + n,
        topic=topic,
        definition="crossings",
        source="gate",
        outputs=outputs,
    )


def commit(frame: int, *messages: Message, counts: int | None = None, stream: str = "s1", **more: Any) -> Commit:
    """One frame of source 'gate'; it counts as many cars as it has messages unless told."""
    amount = len(messages) if counts is None else counts
    deltas = [CounterDelta(CAR, amount)] if amount else []
    return Commit("gate", stream, frame, messages, deltas, **more)


def drain(box: Outbox, output: str = "a", *, ack: bool = True) -> list[str]:
    """Ids of all that waits for an output, in order; acknowledged unless told otherwise."""
    ids: list[str] = []
    after = 0
    while True:
        entries, looked = box.read(output, after)
        if looked == after:
            return ids
        after = looked
        ids += [e.message.id for e in entries]
        if ack:
            box.ack(output, [e.position for e in entries])


def ids(numbers: range | list[int]) -> list[str]:
    return [f"id-{n:06d}" for n in numbers]
