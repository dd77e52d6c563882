"""A small outbox, everything that can be seen of it, and what one changed bit makes of that."""

from __future__ import annotations

import logging
import sqlite3
from pathlib import Path
from typing import Any

from outbox_helpers import commit, message

from countline import outbox
from countline.config import OutboxConfig
from countline.errors import OutboxError
from countline.outbox import StreamStart

OUTPUTS = ["a", "b"]


def make(path: Path) -> bytes:
    """Counters, epochs, two sources (a file cut short, a live one), messages, dead letters, gaps of acknowledgements."""
    with outbox.open(OutboxConfig(), path, OUTPUTS) as box:
        box.begin(StreamStart("gate", "s1", live=False))
        box.begin(StreamStart("hall", "s2", live=True))
        for n in range(12):
            box.write([commit(n, message(n), time=10**18 + n)])
        entries, _ = box.read("a")
        box.dead_letter("a", [(entries[2], "too large")])
        box.ack("a", [1, 2, 5])
        box.ack("b", range(1, 9))
        box.reset("gate", at=1_700_000_000_000_000_000)
        box.write([commit(12, message(12)), outbox.Commit("hall", "s2", 7, time=10**18)])
    return path.read_bytes()


def _all_of(box: outbox.Outbox) -> dict[str, Any]:
    found: dict[str, Any] = {
        "counters": box.counters(),
        "dead": [(d.output, d.at, d.reason, d.message) for d in box.dead_letters()],
    }
    for name in OUTPUTS:
        found[name] = [(e.position, e.message) for e in box.read(name)[0]]
    status = {stored.name: (stored.acknowledged, stored.dropped, stored.pending) for stored in box.status().outputs}
    found["gate"], found["hall"] = (
        box.begin(StreamStart("gate", "s1", live=False)),
        box.begin(StreamStart("hall", "s2", live=True)),
    )
    return {**found, "status": status, "next": box.last}


class _Told(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())


def seen(path: Path) -> tuple[dict[str, Any] | None, list[str]]:
    """What a run finds in the outbox (None: it is refused) and what it is told. Raises what is no answer."""
    told = _Told()
    logger = logging.getLogger("countline.outbox")
    logger.addHandler(told)
    try:
        with outbox.open(OutboxConfig(synchronous="off"), path, OUTPUTS) as box:
            return _all_of(box), told.said
    except OutboxError as error:
        return None, [*told.said, str(error)]
    finally:
        logger.removeHandler(told)


def looked(path: Path) -> None:
    """Looking at it, too, ends in an answer."""
    for look in (
        outbox.inspect,
        outbox.inspect_counters,
        lambda p: list(outbox.export(p)),
        lambda p: list(outbox.export(p, dead=True)),
    ):
        try:
            look(path)
        except OutboxError:
            pass
        except sqlite3.Error:
            raise
