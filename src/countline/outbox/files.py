"""The file of an outbox: where it lies, who has it, opening, setting aside."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
import sqlite3
import time
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import TypeVar

from countline.errors import OutboxError
from countline.outbox import presence, sums
from countline.private_files import close_to_others, opener

__all__ = [
    "MEMORY",
    "Lock",
    "connect",
    "damage_mark",
    "default_path",
    "holder",
    "is_corruption",
    "is_full",
    "is_locked",
    "real",
    "refuse_foreign",
    "refuse_newer",
    "set_aside",
    "translate",
    "when_unlocked",
]

log = logging.getLogger("countline.outbox")

T = TypeVar("T")

MEMORY = Path(":memory:")
"""Stands for an outbox that keeps nothing."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value, crc INTEGER) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS batch (
    first INTEGER PRIMARY KEY,  -- position of its first message
    last INTEGER NOT NULL,      -- and of its last
    made INTEGER NOT NULL,      -- ns since the Unix epoch
    bytes INTEGER NOT NULL,     -- what it costs of the bound
    data BLOB NOT NULL,         -- codec.py
    crc INTEGER                 -- sums.py
);
CREATE TABLE IF NOT EXISTS output (
    name TEXT PRIMARY KEY,
    done BLOB NOT NULL,         -- settled positions, positions.py
    pending INTEGER NOT NULL,
    acknowledged INTEGER NOT NULL,
    dropped TEXT NOT NULL,      -- JSON, by reason
    absent_since INTEGER,       -- ns since the Unix epoch; NULL: configured
    crc INTEGER
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS dead (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    output TEXT NOT NULL, at INTEGER NOT NULL, reason TEXT NOT NULL, data BLOB NOT NULL,
    crc INTEGER
);
CREATE TABLE IF NOT EXISTS counter (
    source TEXT NOT NULL, rule TEXT NOT NULL, counter TEXT NOT NULL, class TEXT NOT NULL, value INTEGER NOT NULL,
    crc INTEGER, PRIMARY KEY (source, rule, counter, class)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS epoch (
    source TEXT NOT NULL, rule TEXT NOT NULL,  -- '': all rules of the source
    epoch INTEGER NOT NULL, reset_at INTEGER NOT NULL, crc INTEGER, PRIMARY KEY (source, rule)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS run (
    source TEXT PRIMARY KEY, stream TEXT NOT NULL, frame INTEGER NOT NULL, finished INTEGER NOT NULL,
    live INTEGER NOT NULL, baseline TEXT NOT NULL, -- JSON: counters and epochs when the run began
    crc INTEGER
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS seen (
    source TEXT PRIMARY KEY, time INTEGER NOT NULL, -- of the last frame, ns since the Unix epoch
    crc INTEGER
) WITHOUT ROWID;
"""
VERSION = 2
"""1: without ``crc``."""
HIGHEST = 100
"""No format will have a higher number."""
_MAGIC = b"SQLite format 3\0"

RESERVE = 1 << 20
"""Bytes of disk that the lock file holds while an outbox is open, so that counts find room when the disk is full."""
LOCK_WAIT = 1.0
"""Seconds for which SQLite itself waits for another program's lock; acknowledging never waits for it."""
PATIENCE = 60.0
"""Seconds for which what a run cannot do without waits for one: opening, where a source goes on."""
_HEAD = 64
"""Bytes at the beginning of the lock file for the process id."""


def refuse_foreign(path: Path) -> None:
    """Raise OutboxError for a file that never was an outbox: a slip in a path must not move somebody's video away. A file
    named ``.outbox`` is taken for a damaged one."""
    if path.suffix == ".outbox":
        return
    try:
        with open(path, "rb") as file:
            head = file.read(len(_MAGIC))
    except OSError:
        return  # absent, or told better by what opens it
    if head and head != _MAGIC:
        raise OutboxError(
            "is no outbox but some other file",
            where=f"outbox {path}",
            fix="give another path; if it was an outbox and is damaged, move it away",
        )


def default_path(config: Path | None, name: str | None = None) -> Path:
    """``.countline/<stem>.outbox`` beside the configuration; in the working directory where there is none."""
    folder = config.parent if config is not None else Path()
    stem = name or (config.stem if config is not None else "countline")
    return folder / ".countline" / f"{stem}.outbox"


class Lock:
    """The right to use an outbox: an advisory lock on ``<path>.lock``, and on the content of the outbox itself, which the system
    gives back however the process ends. ``path`` must be the real one (:func:`real`).

    Raises OutboxError when another process has it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.with_name(path.name + ".lock")
        self._outbox = path
        self._content = -1
        try:
            self._fd = opener(str(self.path), os.O_RDWR | os.O_CREAT)
        except OSError as error:
            raise OutboxError(
                f"cannot be made: {error.strerror}", where=f"outbox {path}", fix=_write_fix(error)
            ) from None
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._fd)
            raise _in_use(path, _read_pid(self.path)) from None
        presence.claim(self._fd)
        with contextlib.suppress(
            OSError
        ):  # a hint for the other process, and room; a full disk must not prevent opening
            os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, b"%d\n" % os.getpid(), 0)
            # Noise, which no file system stores as less than it is.
            os.pwrite(self._fd, os.urandom(RESERVE), _HEAD)

    def take_content(self) -> None:
        """Lock the outbox itself, which is made if it is missing: before SQLite opens it, and again where a new one took its place.
        Raises OutboxError."""
        self._let_content_go()
        try:
            self._content = os.open(self._outbox, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            return  # told better by SQLite
        if not presence.claim_content(self._content):
            raise _in_use(self._outbox, 0, " under another name")
        if not os.fstat(self._content).st_size:
            close_to_others(self._content)

    def make_private(self) -> None:
        """Close what an earlier version made for all to read. By path: closing a descriptor would end locks of SQLite's."""
        for ending in ("", "-wal", "-shm"):
            close_to_others(f"{self._outbox}{ending}")

    def _let_content_go(self) -> None:
        # Closing any descriptor of a file ends the locks that SQLite has on it in this process: only while it has none.
        if self._content >= 0:
            os.close(self._content)
            self._content = -1

    def make_room(self) -> None:
        """Give the disk back what is held in reserve."""
        if self._fd >= 0:
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, _HEAD)

    def release(self) -> None:
        """Give it back."""
        self._let_content_go()
        if self._fd >= 0:
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, 0)
            os.close(self._fd)
            self._fd = -1


def _in_use(path: Path, pid: int, how: str = "") -> OutboxError:
    return OutboxError(
        "is in use by another countline" + how + (f" (process {pid})" if pid else ""),
        where=f"outbox {path}",
        fix="stop that one first, or give this run an outbox of its own (outbox.path, or --outbox PATH)",
    )


def real(path: Path) -> Path:
    """Where symbolic links lead: SQLite follows them, so locks and whatever lies beside the outbox must, too."""
    return Path(os.path.realpath(path))


def _read_pid(path: Path) -> int:
    try:
        with open(path, "rb") as file:
            return int(file.read(_HEAD).split(b"\n")[0] or 0)
    except (OSError, ValueError):
        return 0


def holder(path: Path) -> int:
    """Process id of whoever has the outbox open (-1: not known which); 0: nobody. Takes no lock: a run may start meanwhile."""
    lock = real(path)
    lock = lock.with_name(lock.name + ".lock")
    try:
        fd = os.open(lock, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return 0
    try:
        return (_read_pid(lock) or -1) if presence.is_claimed(fd) else 0
    except OSError:
        return _read_pid(lock)  # a file system without such locks: the best that is known
    finally:
        os.close(fd)


def connect(path: Path, synchronous: str) -> sqlite3.Connection:
    """A connection for writing, with the schema in place. Raises sqlite3 errors, and OutboxError for what is none of ours."""
    try:
        return _connect(path, synchronous)
    except UnicodeDecodeError:  # SQLite told of it in the damaged words themselves
        raise sqlite3.DatabaseError("malformed database schema") from None


def _connect(path: Path, synchronous: str) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=LOCK_WAIT, cached_statements=64)
    sums.register(db)
    try:
        if db.execute("PRAGMA page_count").fetchone()[0] == 0:
            db.execute("PRAGMA auto_vacuum = INCREMENTAL")  # works only before the first table
        elif not db.execute("PRAGMA user_version").fetchone()[0] and (tables := _tables(db)):
            if tables >= set(sums.COLUMNS):
                raise sqlite3.DatabaseError("malformed: its format is gone")
            raise OutboxError(
                "is a database of another program",
                where=f"outbox {path}",
                fix="give the outbox a file of its own (outbox.path, or --outbox PATH)",
            )
        db.execute("PRAGMA journal_mode = WAL")
        db.execute(f"PRAGMA synchronous = {synchronous.upper()}")
        db.execute("PRAGMA journal_size_limit = 16777216")
        db.execute("PRAGMA temp_store = MEMORY")
        # Where SQLite is built to overwrite what is deleted, each acknowledged message would be written a second time, as zeros.
        db.execute("PRAGMA secure_delete = FAST")
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if not 0 <= version <= HIGHEST:
            raise sqlite3.DatabaseError("malformed: there is no such format")
        refuse_newer(db, path)
        if version < VERSION:
            db.execute("BEGIN IMMEDIATE")
            for statement in SCHEMA.split(";\n"):
                if statement.strip():
                    db.execute(statement)
            sums.first_sums(db)
            db.execute(sums.insert("meta"), ("schema", sums.schema_sum(db)))
            db.execute(f"PRAGMA user_version = {VERSION}")
            db.execute("COMMIT")
        else:
            db.execute("SELECT count(*) FROM sqlite_schema").fetchone()  # reads the file: says at once if it is none
    except BaseException:
        db.close()
        raise
    return db


def refuse_newer(db: sqlite3.Connection, path: Path) -> None:
    """Raise OutboxError for a format that this version does not know."""
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if VERSION < version <= HIGHEST:
        raise OutboxError(
            f"was made by a newer countline (format {version}, this one knows {VERSION})",
            where=f"outbox {path}",
            fix="use the newer version, or another outbox",
        )


def _tables(db: sqlite3.Connection) -> set[str]:
    return {str(name) for (name,) in db.execute("SELECT name FROM sqlite_schema")}


def when_unlocked(work: Callable[[], T], path: Path, patience: float) -> T:
    """Do ``work``, and again for ``patience`` seconds as long as another program's lock keeps us from it, which is logged once. Raises
    sqlite3 errors."""
    end, warned = time.monotonic() + patience, False
    while True:
        try:
            done = work()
        except sqlite3.OperationalError as error:
            if not is_locked(error) or time.monotonic() >= end:
                raise
            if not warned:
                log.warning("the outbox %s is locked by another program that has the file open; waiting for it", path)
                warned = True
            time.sleep(0.05)
        else:
            if warned:
                log.info("the outbox %s is free again", path)
            return done


def set_aside(path: Path, reason: str) -> Path:
    """Rename a damaged outbox (and its log) to ``<name>.corrupt-<UTC time>``; returns the new path."""
    stamp = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%S%fZ")
    aside = path.with_name(f"{path.name}.corrupt-{stamp}")
    for ending in ("", "-wal", "-shm"):
        part = path.with_name(path.name + ending)
        if part.exists():
            part.rename(aside.with_name(aside.name + ending))
    log.error("the outbox %s is damaged (%s); it was set aside as %s and a new one begun", path, reason, aside)
    return aside


def is_full(error: BaseException) -> bool:
    """Whether a write failed for want of room on the disk."""
    text = str(error).lower()
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    # Python 3.10 does not tell the error code. SQLite says 'disk I/O error' where a limit on file size or a quota stops it.
    return isinstance(error, sqlite3.OperationalError) and ("disk is full" in text or "disk i/o error" in text)


def is_locked(error: BaseException) -> bool:
    """Whether another program holds a lock on the database that keeps us from it for now."""
    return isinstance(error, sqlite3.OperationalError) and (
        "locked" in str(error).lower() or "busy" in str(error).lower()
    )


_SIGNS = (
    "malformed",
    "not a database",
    "unsupported file format",
    "no such table",
    "no such column",
    "user-defined function raised",
    "could not decode",
)
"""What SQLite says of a file that is damaged: its names may be, too, and text that is none any more."""


def is_corruption(error: BaseException) -> bool:
    """Whether the file is not, or no longer, a sound database."""
    text = str(error).lower()
    return isinstance(error, sqlite3.DatabaseError) and any(sign in text for sign in _SIGNS)


def _write_fix(error: OSError | None = None) -> str:
    return "give a path on a writable disk with outbox.path (or --outbox PATH); `outbox: memory` needs none"


def translate(error: BaseException, path: Path) -> OutboxError:
    """A database error as one of ours."""
    where = f"outbox {path}"
    text = str(error)
    if is_corruption(error) and "no such table" not in text:
        return OutboxError(
            f"is damaged: {text}",
            where=where,
            fix="start again: the damaged file is then set aside and a new one begun",
        )
    if "no such table" in text:
        return OutboxError("is no outbox", where=where, fix="name the configuration, or the file with --outbox PATH")
    if "readonly" in text or "read-only" in text:
        return OutboxError("cannot be written: the file or its disk is read-only", where=where, fix=_write_fix())
    if "unable to open" in text:
        return OutboxError("cannot be opened or made", where=where, fix=_write_fix())
    if is_locked(error):
        return OutboxError("is locked by another program", where=where, fix="close the program that has the file open")
    return OutboxError(f"failed: {text}", where=where, fix="check the disk")


def damage_mark(path: Path) -> Path:
    """A file that says: damage was found in this outbox, set it aside at the next start."""
    return path.with_name(path.name + ".damaged")
