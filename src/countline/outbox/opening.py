"""Opening an outbox: lock, damage, salvage."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from countline.errors import OutboxError
from countline.outbox import files, sums
from countline.outbox.ages import uptime
from countline.outbox.durable import Outbox
from countline.outbox.salvage import salvage
from countline.outbox.types import Bounds
from countline.outbox.usable import refuse_unusable
from countline.private_files import make_folder

if TYPE_CHECKING:
    from countline.config import OutboxConfig

__all__ = ["open_outbox"]

log = logging.getLogger("countline.outbox")

MEMORY_BYTES = 64 << 20


def open_outbox(
    config: OutboxConfig,
    path: Path | None,
    outputs: Sequence[str],
    *,
    live: bool = False,
    clock: Callable[[], int] = time.time_ns,
    steady: Callable[[], int] = uptime,
) -> Outbox:
    """Open (or make) the outbox at ``path``; None: in memory.

    ``outputs``: names of the configured outputs. ``live``: a source is live, which decides what ``when_full: auto`` means.
    ``clock`` and ``steady`` give ns (wall clock since the Unix epoch; since the computer was started, jumps excluded).

    A damaged file is set aside as ``<name>.corrupt-<time>``, what can be read of it is carried over, and that is logged.
    Raises OutboxError: in use by another process, not writable, made by a newer version.
    """
    when_full = config.when_full if config.when_full != "auto" else ("drop-oldest" if live else "block")
    if path is None:
        most = MEMORY_BYTES if "max_bytes" not in config.model_fields_set else config.max_bytes
        db = files.connect(files.MEMORY, "off")
        return Outbox(
            files.MEMORY,
            db,
            outputs,
            Bounds(most, config.max_age, when_full, config.quotas),
            clock=clock,
            steady=steady,
        )
    path = refuse_unusable(path)
    try:
        make_folder(path.parent)
    except OSError as error:
        raise OutboxError(
            f"the folder {path.parent} cannot be made: {error.strerror}",
            where=f"outbox {path}",
            fix="give a path on a writable disk with outbox.path (or --outbox PATH); `outbox: memory` needs none",
        ) from None
    bounds = Bounds(config.max_bytes, config.max_age, when_full, config.quotas)
    lock = files.Lock(path)
    try:
        with ExitStack() as resources:  # in reverse order: closing the file gives up the locks that SQLite has on it
            resources.callback(lock.release)
            lock.take_content()
            db = files.when_unlocked(lambda: _sound(path, config.synchronous, lock), path, files.PATIENCE)
            resources.callback(db.close)
            lock.make_private()
            box = Outbox(path, db, outputs, bounds, lock=lock, clock=clock, steady=steady)
            resources.pop_all()
            return box
    except sqlite3.Error as error:
        raise files.translate(error, path) from error


def _sound(path: Path, synchronous: str, lock: files.Lock) -> sqlite3.Connection:
    """A connection to a sound database at ``path``."""
    mark = files.damage_mark(path)
    reason = "damage was found while it was in use" if mark.exists() else ""
    if not reason:
        try:
            with ExitStack() as resources:
                db = files.connect(path, synchronous)
                resources.callback(db.close)
                reason = sums.damage(db, full=path.stat().st_size <= sums.CHECKED)
                if not reason:
                    resources.pop_all()
                    return db
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
            if isinstance(error, sqlite3.DatabaseError) and not files.is_corruption(error):
                raise
            reason = str(error)
    aside = files.set_aside(path, reason)
    mark.unlink(missing_ok=True)
    lock.take_content()
    with ExitStack() as resources:
        db = files.connect(path, synchronous)
        resources.callback(db.close)
        salvage(aside, db)
        resources.pop_all()
        return db
