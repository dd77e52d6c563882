"""Whether an outbox could be made or opened at a path: asked by whoever opens one, and by ``countline check``, which makes none."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from countline.errors import OutboxError
from countline.outbox import files

__all__ = ["refuse_unusable"]

_BESIDE = (".lock", "-wal", "-shm", "-journal", ".damaged")
"""Endings of the files that are made beside an outbox while it is used."""


def refuse_unusable(path: Path) -> Path:
    """Where the outbox would really lie (behind symbolic links). Raises OutboxError for a path that can be none: no name or one that is
    too long, a folder, a pipe or a device, somebody's file, a file that may not be written. Makes nothing."""
    if not path.name or "\0" in str(path):
        raise _refused(path, "has no name" if not path.name else "has a name with a NUL in it")
    real = files.real(path)
    for ending in ("", *_BESIDE):
        beside = real.with_name(real.name + ending)
        try:
            mode = os.stat(beside).st_mode
        except FileNotFoundError:
            continue
        except NotADirectoryError:
            return real  # told better where the folder is made
        except OSError as error:
            raise _refused(beside, f"cannot be used: {error.strerror}") from None
        if not stat.S_ISREG(mode):
            raise _refused(beside, "is a folder" if stat.S_ISDIR(mode) else "is a pipe, a socket or a device")
        if ending in ("", ".lock") and not os.access(beside, os.W_OK):
            raise _refused(beside, "cannot be written: the file or its disk is read-only")
    files.refuse_foreign(real)
    return real


def _refused(path: Path, what: str) -> OutboxError:
    return OutboxError(
        what,
        where=f"outbox {path}",
        fix="give a file on a writable disk with outbox.path (or --outbox PATH); `outbox: memory` needs none",
    )
