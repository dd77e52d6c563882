"""A copy of an outbox while it is in use."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path

from countline.errors import OutboxError
from countline.file_safety import NamedFile, partial_name, refuse_overwriting
from countline.outbox import files
from countline.outbox.report import inspect, reading
from countline.outbox.types import OutboxStatus
from countline.private_files import close_to_others, opener

__all__ = ["backup"]


def backup(path: Path, target: Path, *, overwrite: bool = False) -> OutboxStatus:
    """Copy the outbox at ``path``, also while a run uses it, to the file ``target``, as it was at one instant; returns what is in the
    copy. SQLite's online backup: what is still in the write-ahead log is in it, which a copy of the file alone would lack.

    ``target`` appears when it is whole and on the disk, and is for its user alone. Raises OutboxError where it exists (unless
    ``overwrite``) or is an outbox in use, ConfigError where it is the outbox or a file beside it, under whatever name.
    """
    _refuse(path, target, overwrite)
    part = partial_name(target)
    try:
        with contextlib.suppress(FileNotFoundError):
            part.unlink()  # of a backup that was killed
        os.close(opener(str(part), os.O_RDWR | os.O_CREAT | os.O_EXCL))
        with reading(path) as db:
            _copy(db, part)
        os.replace(part, target)
    except (sqlite3.Error, OSError) as error:
        raise OutboxError(
            f"cannot be written: {getattr(error, 'strerror', None) or error}",
            where=f"backup {target}",
            fix="free some space there, or give a file in another folder that you may write to",
        ) from error
    finally:
        for ending in ("", "-wal", "-shm", "-journal"):
            with contextlib.suppress(OSError):
                os.unlink(f"{part}{ending}")
    return inspect(target)


def _copy(db: sqlite3.Connection, part: Path) -> None:
    """All pages in one reading: writers go on meanwhile, into the log."""
    with contextlib.closing(sqlite3.connect(part, isolation_level=None)) as copy:
        db.backup(copy)
        # In WAL mode, as it came, the copy could not be read where nobody may write.
        copy.execute("PRAGMA journal_mode = DELETE")
        found = copy.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise OutboxError(
            f"is damaged: {found}",
            where=f"outbox {part}",
            fix="start a run with the outbox: it carries over what can be read",
        )
    close_to_others(str(part))
    descriptor = os.open(part, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _refuse(path: Path, target: Path, overwrite: bool) -> None:
    where = f"backup {target}"
    real = str(files.real(path))
    refuse_overwriting(
        [NamedFile("the outbox", real + ending) for ending in ("", "-wal", "-shm", ".lock")],
        [NamedFile("backup", str(target))],
    )
    if not os.path.lexists(target):
        return
    if target.is_dir():
        raise OutboxError("is a folder", where=where, fix="give a file in it")
    if not overwrite:
        raise OutboxError("exists", where=where, fix="give another file, or --overwrite")
    if not target.is_file():
        raise OutboxError("is no plain file", where=where, fix="give another file")
    if files.holder(target):
        raise OutboxError("is an outbox in use", where=where, fix="give another file")
