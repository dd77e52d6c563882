"""The first page of an outbox says what its tables are. Damaged, it hides all that is whole behind it."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from countline.outbox import files, sums
from countline.private_files import close_to_others

__all__ = ["readable"]

PAGE = 4096
_SIZE_AT = 28
"""Where the header has the number of pages (u32 BE)."""


@contextlib.contextmanager
def readable(aside: Path) -> Iterator[sqlite3.Connection]:
    """A connection for reading to a damaged outbox: to a copy with the first page of a new one where its own is damaged, for the tables
    of every outbox begin at the same places. Raises sqlite3 errors, OSError."""
    db = _reader(aside)
    mended = aside.with_name(aside.name + ".mended")
    try:
        if not _tells_its_tables(db) and not _has_log(aside):
            db.close()
            _lend_first_page(aside, mended)
            db = _reader(mended)
        yield db
    finally:
        db.close()
        _remove(mended)


def _reader(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    sums.register(db)
    return db


def _tells_its_tables(db: sqlite3.Connection) -> bool:
    try:
        if db.execute("PRAGMA user_version").fetchone()[0] == 1:
            return True
        for table, columns in sums.COLUMNS.items():
            found = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
            if sorted(found) != sorted([*columns, "crc"]):
                return False
    except (sqlite3.Error, UnicodeDecodeError):
        return False
    return True


def _has_log(path: Path) -> bool:
    log = path.with_name(path.name + "-wal")
    return log.exists() and log.stat().st_size > 0


def _lend_first_page(aside: Path, mended: Path) -> None:
    new = aside.with_name(aside.name + ".new")
    try:
        files.connect(new, "off").close()
        page = bytearray(new.read_bytes()[:PAGE])
    finally:
        _remove(new)
    shutil.copyfile(aside, mended)
    close_to_others(str(mended))
    page[_SIZE_AT : _SIZE_AT + 4] = (mended.stat().st_size // PAGE).to_bytes(4, "big")
    with open(mended, "r+b") as file:
        file.write(page)


def _remove(path: Path) -> None:
    for ending in ("", "-wal", "-shm"):
        path.with_name(path.name + ending).unlink(missing_ok=True)
