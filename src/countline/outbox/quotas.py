"""How much may wait for one output."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence

from countline.outbox.state import StoredOutput

__all__ = ["Quotas"]

GiveUp = Callable[[int, int, bytes, str, StoredOutput], None]
"""First and last position of a batch, its content, the reason, and the output that it is dropped for."""


class Quotas:
    """Knows when to look, and which of an output's batches go beyond its quota.

    Counting what waits takes a walk over all batches, so it is done after each twentieth of a quota at most.
    """

    def __init__(self, quotas: Mapping[str, int]) -> None:
        self._quotas = dict(quotas)
        self._most = {name: quota + 1 for name, quota in self._quotas.items()}
        """Output -> bytes that may wait for it now, at most: as last counted, and all that was stored since. More than its quota
        before the first count."""

    def keep(self, db: sqlite3.Connection, outputs: Mapping[str, StoredOutput], cost: int, give_up: GiveUp) -> bool:
        """Before ``cost`` more bytes are stored, in a transaction: give up the oldest batches of outputs that have more waiting
        than their quota. Whether there were any."""
        for name in self._most:
            self._most[name] += cost
        dropped = False
        for state in list(self._suspects(outputs)):
            query = "SELECT first, last, bytes FROM batch WHERE last > ? ORDER BY first"
            stored = db.execute(query, (state.done.low,)).fetchall()
            waiting = [
                (first, last, size) for first, last, size in stored if state.done.overlap(first, last) <= last - first
            ]
            for first, last in self.exceeding(state.name, waiting):
                (data,) = db.execute("SELECT data FROM batch WHERE first = ?", (first,)).fetchone()
                give_up(first, last, data, "quota", state)
                dropped = True
        return dropped

    def _suspects(self, outputs: Mapping[str, StoredOutput]) -> Iterator[StoredOutput]:
        """Outputs that may have more waiting than their quota."""
        for name, quota in self._quotas.items():
            state = outputs.get(name)
            if state is None or state.absent_since is not None or not state.pending:
                continue
            if self._most[name] > quota:
                yield state

    def exceeding(self, name: str, batches: Sequence[tuple[int, int, int]]) -> list[tuple[int, int]]:
        """(first, last) of the oldest batches (first, last, bytes; all that wait for the output, in order) that must be given up:
        with a twentieth of the quota more, so that the next ones find room."""
        quota = self._quotas[name]
        total = sum(size for _, _, size in batches)
        surplus: list[tuple[int, int]] = []
        if total > quota:
            for first, last, size in batches:
                if total <= quota - quota // 20:
                    break
                surplus.append((first, last))
                total -= size
        self._most[name] = total
        return surplus
