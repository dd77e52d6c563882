"""The outbox's file: opening state, transactions, settling, pruning, bounds."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import orjson

from countline.errors import OutboxError
from countline.outbox import codec, files
from countline.outbox.ages import AgeClock, uptime
from countline.outbox.ledger import Ledger
from countline.outbox.positions import END, Intervals
from countline.outbox.recount import recount
from countline.outbox.state import OutputState, Staged
from countline.outbox.tail import Tail
from countline.outbox.types import Bounds, OutboxBusy, OutboxFull
from countline.types import Message

__all__ = ["Core"]

C = TypeVar("C", bound="Core")

log = logging.getLogger("countline.outbox")

ABSENT_NS = 7 * 24 * 3600 * 10**9
"""How long messages wait for an output that is no longer configured."""
CLOSE_PATIENCE = 10.0
"""Seconds for which the end of a run waits for another program's lock: what is lost is only that some has been acknowledged."""
DEAD_SHARE = 0.1
"""Share of the bound that dead letters may take."""


class Core:
    """State and upkeep; :class:`countline.outbox.Outbox` adds what others call.

    Two locks: ``_db_lock`` for the writing connection (held during a commit), ``_state`` for what is in memory (held
    briefly, so an acknowledgement never waits for the disk). Order: ``_db_lock`` first.
    """

    def __init__(
        self,
        path: Path,
        db: sqlite3.Connection,
        outputs: Sequence[str],
        bounds: Bounds,
        *,
        lock: files.Lock | None = None,
        clock: Callable[[], int] = time.time_ns,
        steady: Callable[[], int] = uptime,
    ) -> None:
        self.path = path
        self.durable = path != files.MEMORY
        self.max_bytes, self.max_age, self.when_full = bounds
        self._db = db
        self._reader = (
            sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, check_same_thread=False, timeout=5.0)
            if self.durable
            else db
        )
        self._lock = lock
        self._db_lock = threading.RLock()
        self._read_lock = threading.Lock() if self.durable else self._db_lock
        self._state = threading.RLock()
        self._ledger = Ledger(db)
        self._tail = Tail(min(8 << 20, bounds.max_bytes))
        self._dead: list[tuple[str, int, str, bytes]] = []
        self._staged = Staged()
        self._expired_at = 0
        self._ages = AgeClock(db, clock, steady)
        self._closed = False
        self._file = _identity(path) if self.durable else None
        self._bytes = 0
        self._next = 1
        self._outputs: dict[str, OutputState] = {}
        self._load(outputs)

    # -- life -----------------------------------------------------------------------------------------------------

    def _load(self, outputs: Sequence[str]) -> None:
        row = self._db.execute("SELECT value FROM meta WHERE name = 'next'").fetchone()
        self._bytes = int(self._db.execute("SELECT coalesce(sum(bytes), 0) FROM batch").fetchone()[0])
        last = self._db.execute("SELECT max(last) FROM batch").fetchone()[0] or 0
        self._next = max(int(row[0]) if row else 1, last + 1)
        for name, done, pending, acknowledged, dropped, absent in self._db.execute("SELECT * FROM output"):
            state = self._outputs[name] = OutputState(name)
            state.done, state.pending = Intervals.unpack(done), pending
            state.acknowledged, state.dropped = acknowledged, orjson.loads(dropped)
            state.absent_since = absent
        for state in self._outputs.values():
            recount(self._db, state, self.path)
        for name in outputs:
            state = self._outputs.setdefault(name, OutputState(name))
            if not state.done and not state.pending:
                state.done.add(1, self._next - 1)  # a new output begins with what comes
            if state.absent_since is not None:
                state.done.clip(self._next - 1)
                state.absent_since = None
            state.dirty = True
        for name, state in list(self._outputs.items()):
            if name not in outputs:
                self._absent(state)
        self.settle(files.PATIENCE)

    def _absent(self, state: OutputState) -> None:
        if state.absent_since is None:
            state.absent_since = self._now()
            state.done.add(self._next, END)
            state.dirty = True
            if state.pending:
                log.warning(
                    "output '%s' is no longer configured, and %d messages wait for it in %s; they are kept for 7 days or until "
                    "the room is needed",
                    state.name,
                    state.pending,
                    self.path,
                )
        if not state.pending:
            del self._outputs[state.name]
            self._db.execute("DELETE FROM output WHERE name = ?", (state.name,))

    def close(self, *, store: bool = True) -> None:
        """Store what is not stored yet (unless ``store`` is false) and let go of the file. Harmless the second time."""
        with self._db_lock:
            if self._closed:
                return
            if store:
                with contextlib.suppress(OutboxError):
                    self.settle(CLOSE_PATIENCE)
            with self._read_lock:
                self._reader.close()
                self._db.close()
            self._closed = True
        if self._lock is not None:
            self._lock.release()

    def __enter__(self: C) -> C:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _watch(self) -> None:
        """Say it once when the file was taken away beneath us: SQLite goes on in a file that has no name any more."""
        if self._file is not None and _identity(self.path) != self._file:
            self._file = None
            log.error(
                "the outbox %s was removed or replaced while in use: counts, and messages that are not acknowledged before "
                "this run ends, go with it",
                self.path,
            )

    def _now(self) -> int:
        """On the clock of ages: were an hour added to the wall clock, max_age would throw away what is minutes old."""
        return self._ages.now()

    @contextlib.contextmanager
    def _transaction(self, patience: float = 0.0) -> Iterator[sqlite3.Connection]:
        """All or nothing. Raises OutboxFull or OutboxError instead of database errors; ``patience``: seconds for which another
        program's lock is waited for before that is OutboxBusy."""
        with self._db_lock:
            if self._closed:
                raise OutboxError("was closed", where=f"outbox {self.path}")
            try:
                files.when_unlocked(lambda: self._db.execute("BEGIN IMMEDIATE"), self.path, patience)
                yield self._db
                self._db.execute("COMMIT")
                self._staged = Staged()
            except BaseException as error:
                with contextlib.suppress(sqlite3.Error):
                    if self._db.in_transaction:
                        self._db.execute("ROLLBACK")
                    self._bytes = self._db.execute("SELECT coalesce(sum(bytes), 0) FROM batch").fetchone()[0]
                self._unstage()
                if isinstance(error, (sqlite3.Error, OSError)):
                    raise self._fault(error) from error
                raise

    def _fault(self, error: Exception) -> OutboxError:
        if files.is_locked(error):
            return OutboxBusy(
                "is locked by another program that has the file open",
                where=f"outbox {self.path}",
                fix="close that program; what could not be written waits in memory meanwhile",
            )
        if files.is_full(error):
            return OutboxFull(
                f"cannot be written: the disk is full or failing ({error})",
                where=f"outbox {self.path}",
                fix="make room on that disk; what could not be written waits in memory meanwhile",
            )
        if files.is_corruption(error) and self.durable:
            with contextlib.suppress(OSError):
                files.damage_mark(self.path).touch(0o600)
        return files.translate(error, self.path)

    def settle(self, patience: float = 0.0) -> None:
        """Store acknowledgements and dead letters, prune what all outputs have settled, drop what is too old. Raises OutboxFull and
        OutboxError; ``patience``: seconds for which another program's lock is waited for."""
        with self._db_lock:
            due = self._now() - self._expired_at > 10**9
            if not due and not self._dead and not any(s.dirty for s in self._outputs.values()):
                return
            with self._transaction(patience) as db:
                if due:
                    self._expire()
                    self._ages.store()
                self._store(db, {})
            if due:
                self._expired_at = self._now()
                if self.durable:
                    self._shrink()

    def _unstage(self) -> None:
        """The transaction came to nothing: what was on its way into it is as it was before."""
        staged, self._staged = self._staged, Staged()
        with self._state:
            self._dead[:0] = staged.dead
            for state in staged.removed:
                self._outputs[state.name] = state
            for state in (*staged.written, *staged.removed):
                state.dirty = True

    def _store(self, db: sqlite3.Connection, fresh: dict[str, int]) -> None:
        """Output rows, dead letters, pruning. In a transaction; memory gives up what it stores only when that is committed."""
        self._prune()
        with self._state:
            dead, self._dead = self._dead, []
            written = [s for s in self._outputs.values() if s.dirty or fresh.get(s.name)]
            self._staged.dead += dead
            self._staged.written += written
            rows = []
            for s in written:
                s.dirty = False
                dropped = orjson.dumps(s.dropped).decode()
                pending = s.pending + fresh.get(s.name, 0)
                rows.append((s.name, s.done.pack(), pending, s.acknowledged, dropped, s.absent_since))
        db.executemany("INSERT OR REPLACE INTO output VALUES (?, ?, ?, ?, ?, ?)", rows)
        db.executemany("INSERT INTO dead (output, at, reason, data) VALUES (?, ?, ?, ?)", dead)
        if dead:
            self._bound_dead()

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
        for name, count in gone.items():
            log.warning(
                "outbox %s: dead letters fill a tenth of it; the oldest %d, for '%s', were dropped", self.path, count, name
            )
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
        now = self._now()
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

    def _give_up(self, first: int, last: int, data: bytes, reason: str) -> None:
        """Settle a batch for all outputs as dropped."""
        try:
            messages = codec.decode(data)
        except codec.Damaged:
            messages = [Message("", b"")] * (last - first + 1)
        total = 0
        with self._state:
            for state in self._outputs.values():
                lost = sum(
                    1
                    for position, m in enumerate(messages, first)
                    if (not m.outputs or state.name in m.outputs) and position not in state.done
                )
                state.done.add(first, last)
                state.drop(lost, reason)
                total += lost
        if total:
            log.warning("outbox %s: %d undelivered messages dropped (%s)", self.path, total, reason)

    def _remove(self, state: OutputState) -> None:
        log.warning("output '%s' is gone: the %d messages that waited for it are dropped", state.name, state.pending)
        with self._state:
            removed = self._outputs.pop(state.name)
            self._staged.removed.append(removed)
        row = self._db.execute("SELECT value FROM meta WHERE name = 'removed'").fetchone()
        removed_so_far = orjson.loads(row[0]) if row else {}
        removed_so_far[state.name] = removed_so_far.get(state.name, 0) + removed.pending
        self._db.execute("INSERT OR REPLACE INTO meta VALUES ('removed', ?)", (orjson.dumps(removed_so_far).decode(),))
        self._db.execute("DELETE FROM output WHERE name = ?", (state.name,))


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
