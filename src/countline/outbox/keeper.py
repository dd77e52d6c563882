"""Bounds of an outbox: what is let go of, and in which order."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
from pathlib import Path

import orjson

from countline.observe.repeated import DueCounts
from countline.outbox import codec, sums
from countline.outbox.ages import AgeClock
from countline.outbox.positions import Intervals
from countline.outbox.state import Staged, StoredOutput
from countline.types import Message

__all__ = ["Keeper"]

log = logging.getLogger("countline.outbox")

ABSENT_NS = 7 * 24 * 3600 * 10**9
"""How long messages wait for an output that is no longer configured."""
DEAD_SHARE = 0.1
"""Share of the bound that dead letters may take."""


class Keeper:
    """Deletes what is settled, gives up what is too old or too much. A part of :class:`countline.outbox.core.Core`, which makes
    the attributes; everything here is done in its transactions."""

    path: Path
    max_bytes: int
    max_age: float | None
    _db: sqlite3.Connection
    _state: threading.RLock
    _outputs: dict[str, StoredOutput]
    _staged: Staged
    _due_counts: DueCounts
    _ages: AgeClock
    _bytes: int
    _next: int

    def _bound_dead(self) -> None:
        """Let the oldest dead letters go where they take more than their share. In a transaction."""
        most = int(self.max_bytes * DEAD_SHARE)
        over = self._db.execute("SELECT coalesce(sum(length(data)), 0) FROM dead").fetchone()[0] - most
        if over <= 0:
            return
        last, gone = 0, dict[str, int]()
        for number, name, size in self._db.execute("SELECT number, output, length(data) FROM dead ORDER BY number"):
            last, gone[name], over = number, gone.get(name, 0) + 1, over - size
            if over <= -most // 10:  # a tenth more, so that the next ones find room
                break
        self._db.execute("DELETE FROM dead WHERE number <= ?", (last,))
        due = self._due_counts.add("dead-letters-full", sum(gone.values()))
        if due:
            names = ", ".join(f"'{name}'" for name in sorted(gone))
            log.warning(
                "outbox %s: dead letters fill a tenth of it; the oldest %d, for %s, were dropped",
                self.path,
                due,
                names,
            )
        for name, count in gone.items():
            if name in self._outputs:
                dropped = self._outputs[name].dropped
                dropped["dead-letters-full"] = dropped.get("dead-letters-full", 0) + count
                self._outputs[name].dirty = True

    def _prune(self) -> None:
        """Delete batches that every output has settled. In a transaction."""
        with self._state:
            common = Intervals([(1, self._next - 1)])
            for state in self._outputs.values():
                common = common & state.done
            ranges = list(common)[:64]
        for lo, hi in ranges:
            where = "FROM batch WHERE first BETWEEN ? AND ? AND last <= ?"
            size = self._db.execute(f"SELECT sum(bytes) {where}", (lo, hi, hi)).fetchone()[0]
            if size is not None:
                self._db.execute(f"DELETE {where}", (lo, hi, hi))
                self._bytes -= size

    def _expire(self) -> None:
        now = self._ages.now()
        if self.max_age is not None:
            limit = now - int(self.max_age * 1e9)
            for _ in range(1000):
                row = self._db.execute("SELECT first, last, data, made FROM batch ORDER BY first LIMIT 1").fetchone()
                if row is None or row[3] > limit:
                    break
                self._give_up(row[0], row[1], row[2], "age")
                self._prune()
        for state in list(self._outputs.values()):
            if state.absent_since is not None and (now - state.absent_since > ABSENT_NS or not state.pending):
                self._remove(state)

    def _shrink(self) -> None:
        """Give emptied pages back to the file system, a few at a time, once there are many."""
        with contextlib.suppress(sqlite3.Error):
            free = self._db.execute("PRAGMA freelist_count").fetchone()[0]
            if free > 4096:
                # execute() would step once only, and each step frees one page.
                self._db.executescript("PRAGMA incremental_vacuum(2048)")

    def _make_room(self, cost: int) -> None:
        """Drop the oldest messages until ``cost`` more bytes fit. In a transaction."""
        if self._bytes + cost <= self.max_bytes:
            return
        self._prune()
        for state in [s for s in self._outputs.values() if s.absent_since is not None]:
            if self._bytes + cost > self.max_bytes:
                self._remove(state)
                self._prune()
        while self._bytes + cost > self.max_bytes:
            row = self._db.execute("SELECT first, last, data FROM batch ORDER BY first LIMIT 1").fetchone()
            if row is None:
                return
            self._give_up(row[0], row[1], row[2], "size")
            self._prune()

    def _give_up(self, first: int, last: int, data: bytes, reason: str, only: StoredOutput | None = None) -> None:
        """Settle a batch as dropped, for all outputs or one."""
        try:
            messages = codec.decode(data)
        except codec.Damaged:
            messages = [Message("", b"")] * (last - first + 1)
        total = 0
        with self._state:
            for state in self._outputs.values() if only is None else [only]:
                lost = sum(
                    1
                    for position, m in enumerate(messages, first)
                    if (not m.outputs or state.name in m.outputs) and position not in state.done
                )
                state.done.add(first, last)
                state.drop(lost, reason)
                total += lost
        self._say_dropped(self._due_counts.add(reason, total), reason)

    def _say_dropped(self, count: int, reason: str) -> None:
        if count:
            log.warning("outbox %s: %d undelivered messages dropped (%s)", self.path, count, reason)

    def _remove(self, state: StoredOutput) -> None:
        log.warning("output '%s' is gone: the %d messages that waited for it are dropped", state.name, state.pending)
        with self._state:
            removed = self._outputs.pop(state.name)
            self._staged.removed.append(removed)
        row = self._db.execute("SELECT value FROM meta WHERE name = 'removed'").fetchone()
        removed_so_far = orjson.loads(row[0]) if row else {}
        removed_so_far[state.name] = removed_so_far.get(state.name, 0) + removed.pending
        self._db.execute(sums.insert("meta"), ("removed", orjson.dumps(removed_so_far).decode()))
        self._db.execute("DELETE FROM output WHERE name = ?", (state.name,))
