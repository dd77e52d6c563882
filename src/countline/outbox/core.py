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

from countline.errors import OutboxError
from countline.observe.repeated import DueCounts, Repeated
from countline.outbox import files, sums
from countline.outbox.ages import AgeClock, uptime
from countline.outbox.counter_store import CounterStore
from countline.outbox.keeper import Keeper
from countline.outbox.positions import END, Intervals
from countline.outbox.quotas import Quotas
from countline.outbox.recount import recount
from countline.outbox.repair import book_lost, look_through, put_back, replace_file
from countline.outbox.salvage import RESEND, missing
from countline.outbox.state import COLUMNS, Staged, StoredOutput
from countline.outbox.tail import Tail
from countline.outbox.types import Bounds, OutboxBusy, OutboxFull

__all__ = ["Core"]

C = TypeVar("C", bound="Core")

log = logging.getLogger("countline.outbox")

CLOSE_PATIENCE = 10.0
"""Seconds for which the end of a run waits for another program's lock: what is lost is only that some has been acknowledged."""
REPAIRS = 3
"""How often damage is repaired in one run: a disk that goes on to damage is no place for an outbox."""


class Core(Keeper):
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
        self.max_bytes, self.max_age, self.when_full, quotas = bounds
        self._db = db
        self._reader = self._reading(db)
        self._lock = lock
        self._db_lock = threading.RLock()
        self._read_lock = threading.Lock() if self.durable else self._db_lock
        self._state = threading.RLock()
        self._counters = CounterStore(db)
        self._tail = Tail(min(8 << 20, bounds.max_bytes))
        self._dead: list[tuple[str, int, str, bytes]] = []
        self._staged = Staged()
        self._due_counts = DueCounts()
        self._damaged = Repeated(log, logging.ERROR)
        self._quotas = Quotas(quotas)
        self._expired_at = 0
        self._ages = AgeClock(db, clock, steady)
        self._closed = False
        self._file = _identity(path) if self.durable else None
        self._damage = ""
        self._repairs_left = 0  # until all is loaded: opening repairs in its own way
        self._bytes = 0
        self._next = 1
        self._taken = 0
        self._outputs: dict[str, StoredOutput] = {}
        with contextlib.ExitStack() as resources:
            if self._reader is not db:
                resources.callback(self._reader.close)
            self._load(outputs)
            resources.pop_all()
        self._repairs_left = REPAIRS

    def _reading(self, db: sqlite3.Connection) -> sqlite3.Connection:
        if not self.durable:
            return db
        return sqlite3.connect(
            f"{self.path.absolute().as_uri()}?mode=ro", uri=True, check_same_thread=False, timeout=5.0
        )

    def _use(self, db: sqlite3.Connection) -> None:
        """Go on with another file at the same path."""
        self._db, self._reader = db, self._reading(db)
        self._counters.use(db)
        self._ages.use(db)
        self._bytes = int(db.execute("SELECT coalesce(sum(bytes), 0) FROM batch").fetchone()[0])
        self._file = _identity(self.path)

    # -- life -----------------------------------------------------------------------------------------------------

    def _load(self, outputs: Sequence[str]) -> None:
        row = self._db.execute("SELECT value FROM meta WHERE name = 'next'").fetchone()
        self._bytes = int(self._db.execute("SELECT coalesce(sum(bytes), 0) FROM batch").fetchone()[0])
        last = self._db.execute("SELECT max(last) FROM batch").fetchone()[0] or 0
        self._next = max(int(row[0]) if row else 1, last + 1)
        for found in self._db.execute(f"SELECT {COLUMNS} FROM output"):  # noqa: S608
            state = StoredOutput.of_row(found)
            self._outputs[state.name] = state
        for state in self._outputs.values():
            recount(self._db, state, self.path)
        resend = self._db.execute("SELECT value FROM meta WHERE name = ?", (RESEND,)).fetchone() is not None
        for name in outputs:
            if resend and name not in self._outputs:
                state = self._outputs[name] = StoredOutput(name)
                stored = Intervals(self._db.execute("SELECT first, last FROM batch ORDER BY first").fetchall())
                for lo, hi in missing(Intervals(), stored, self._next):
                    state.done.add(lo, hi)
                recount(self._db, state, self.path)
            self._join(name)
        for name, state in list(self._outputs.items()):
            if name not in outputs:
                self._absent(state)
        self.settle(files.PATIENCE)
        if resend:
            self._db.execute("DELETE FROM meta WHERE name = ?", (RESEND,))

    def _join(self, name: str) -> None:
        """Messages go to this output from now on."""
        state = self._outputs.setdefault(name, StoredOutput(name))
        if not state.done and not state.pending:
            state.done.add(1, self._next - 1)  # a new output begins with what comes
        if state.absent_since is not None:
            state.done.clip(self._next - 1)
            state.absent_since = None
        state.dirty = True

    def _leave(self, state: StoredOutput) -> bool:
        """Messages go to this output no more; whether they did."""
        if state.absent_since is not None:
            return False
        state.absent_since = self._now()
        state.done.add(self._next, END)
        state.dirty = True
        return True

    def _absent(self, state: StoredOutput) -> None:
        if self._leave(state) and state.pending:
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

    def _use_outputs(self, names: Sequence[str]) -> None:
        """What is stored from now on goes to these outputs, as if the outbox were opened for them; what waits for others waits for
        as long as :meth:`retire` leaves them. It becomes durable with the next that is stored."""
        with self._state:
            for name in names:
                self._join(name)
            for name, state in self._outputs.items():
                if name not in names:
                    self._leave(state)

    def serves(self, output: str) -> bool:
        """Whether what is stored now goes to this output."""
        with self._state:
            state = self._outputs.get(output)
            return state is not None and state.absent_since is None

    def retire(self, output: str) -> int:
        """An output that is served no more ends: how many messages still wait for it. They are kept as for one that the
        configuration has not named since the last start."""
        with self._transaction(files.PATIENCE), self._state:
            state = self._outputs.get(output)
            if state is None or state.absent_since is None:
                return 0
            waiting = state.pending
            self._absent(state)
        return waiting

    def close(self, *, store: bool = True) -> None:
        """Store what is not stored yet (unless ``store`` is false) and let go of the file. Harmless the second time."""
        with self._db_lock:
            if self._closed:
                return
            if store:
                with contextlib.suppress(OutboxError):
                    self.settle(CLOSE_PATIENCE)
            self._damaged.close()
            for reason, count in self._due_counts.rest().items():
                self._say_dropped(count, reason)
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
                if self._damage:
                    self._mend()
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
            if self._repairs_left and not self._closed:
                self._damage = self._damage or str(error)
                return OutboxBusy(
                    f"is damaged: {error}",
                    where=f"outbox {self.path}",
                    fix="nothing: what can be read is carried over to a new file",
                )
            with contextlib.suppress(OSError):
                files.damage_mark(self.path).touch(0o600)
        return files.translate(error, self.path)

    def _mend(self) -> None:
        reason, self._damage = self._damage, ""
        self._repairs_left -= 1
        with self._read_lock, self._state:
            synchronous = str(self._db.execute("PRAGMA synchronous").fetchone()[0])
            self._reader.close()
            self._db.close()
            db = replace_file(self.path, reason, synchronous, self._lock)
            put_back(db, self._tail.groups(), next_position=self._next, now=self._now())
            self._use(db)
            book_lost(db, self._outputs.values(), next_position=self._next, path=self.path)

    @property
    def large(self) -> bool:
        """Whether the file was too large to be read through when it was opened."""
        return self.durable and self.path.stat().st_size > sums.CHECKED

    def look_through(self, stop: threading.Event) -> bool:
        """Read the whole file beside its use, which takes long where it is large; whether it is sound. Damage is repaired with the
        next :meth:`settle` or write. ``stop`` ends it. From any thread."""
        found = look_through(self.path, stop) if self.durable and not self._closed else ""
        if found:
            self._damage = found
        return not found

    def settle(self, patience: float = 0.0) -> None:
        """Store acknowledgements and dead letters, prune what all outputs have settled, drop what is too old. Raises OutboxFull and
        OutboxError; ``patience``: seconds for which another program's lock is waited for."""
        with self._db_lock:
            due = self._now() - self._expired_at > 10**9
            if not due and not self._dead and not self._damage and not any(s.dirty for s in self._outputs.values()):
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
                rows.append(s.row(fresh.get(s.name, 0)))
        sums.store(db, "output", rows)
        sums.store(db, "dead", dead, "INSERT")
        if dead:
            self._bound_dead()


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
