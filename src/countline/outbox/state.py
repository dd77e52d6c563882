"""What is settled for one output."""

from __future__ import annotations

from dataclasses import dataclass, field

from countline.outbox.positions import Intervals

__all__ = ["OutputState", "Staged"]


class OutputState:
    """What is settled for one output. Guarded by the outbox's state lock."""

    __slots__ = ("absent_since", "acknowledged", "dirty", "done", "dropped", "name", "pending")

    def __init__(self, name: str) -> None:
        self.name = name
        self.done = Intervals()
        self.pending = 0
        self.acknowledged = 0
        self.dropped: dict[str, int] = {}
        self.absent_since: int | None = None
        self.dirty = True

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
    written: list[OutputState] = field(default_factory=list)
    """Outputs whose rows are written anew."""
    removed: list[OutputState] = field(default_factory=list)
    """Outputs that are gone."""
