"""What is settled for one output."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from countline.outbox.positions import Intervals

__all__ = ["COLUMNS", "Staged", "StoredOutput"]

COLUMNS = "name, done, pending, acknowledged, dropped, absent_since"
"""Of the table ``output``."""


@dataclass(slots=True)
class StoredOutput:
    """What an outbox stores of one output: a row of its table ``output``, and what is counted beside it when it is inspected. In an
    open outbox it is guarded by the state lock. The numbers of a run are in :class:`countline.pipeline.stats.OutputStats`."""

    name: str
    done: Intervals = field(default_factory=Intervals, repr=False, compare=False)
    """Settled positions: acknowledged, dead or dropped."""
    pending: int = 0
    """Messages that are not settled yet."""
    acknowledged: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    """Messages given up, by reason: 'size', 'age', 'output-removed', 'damaged', …"""
    absent_since: int | None = None
    """Since when it is no longer configured and gets no new messages, ns on the outbox's clock of ages; None: it is configured."""
    dead: int = 0
    """Dead letters kept. When inspected."""
    position: int = 0
    """Everything up to here is settled. When inspected."""
    oldest_age: float = 0.0
    """Seconds since the oldest pending message was written. When inspected."""
    dirty: bool = field(default=True, repr=False, compare=False)
    """Whether the row is to be written anew."""

    @classmethod
    def of_row(cls, row: Sequence[Any]) -> StoredOutput:
        """From the columns :data:`COLUMNS`. Raises ValueError for what no row holds."""
        name, done, pending, acknowledged, dropped, absent = row
        return cls(name, Intervals.unpack(done), pending, acknowledged, orjson.loads(dropped), absent)

    def row(self, fresh: int = 0) -> tuple[Any, ...]:
        """The columns :data:`COLUMNS`, with ``fresh`` more messages pending."""
        dropped = orjson.dumps(self.dropped).decode()
        return self.name, self.done.pack(), self.pending + fresh, self.acknowledged, dropped, self.absent_since

    @property
    def configured(self) -> bool:
        """False: no longer in the configuration; gets no new messages."""
        return self.absent_since is None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "output": self.name,
            "position": self.position,
            "pending": self.pending,
            "acknowledged": self.acknowledged,
            "dead": self.dead,
            "dropped": dict(self.dropped),
            "oldest_age": self.oldest_age,
            "configured": self.configured,
        }

    def drop(self, count: int, reason: str) -> None:
        """Book messages that were given up."""
        if count:
            self.pending -= count
            self.dropped[reason] = self.dropped.get(reason, 0) + count
        self.dirty = True


@dataclass
class Staged:
    """What memory has handed to the transaction that is open: given up when it commits, taken back when it does not."""

    dead: list[tuple[str, int, str, bytes]] = field(default_factory=list)
    """Dead letters: output, time, reason, message."""
    written: list[StoredOutput] = field(default_factory=list)
    """Outputs whose rows are written anew."""
    removed: list[StoredOutput] = field(default_factory=list)
    """Outputs that are gone."""
