"""Files and folders for nobody but the user that runs countline: what cameras saw, and what is on its way to a broker.

A new file gets 0600 and a new folder 0700 whatever the umask is. A file that everybody may read (from a version that did not mind)
is closed to others; rights that were given to a group since are left.
"""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path
from typing import IO

__all__ = ["close_to_others", "make_folder", "open_private", "opener"]

FILE, FOLDER = 0o600, 0o700


def make_folder(path: Path) -> None:
    """Make a folder and those above it that are missing. Raises OSError."""
    if path.is_dir():
        return
    if path.parent != path:
        make_folder(path.parent)
    try:
        os.mkdir(path, FOLDER)
    except FileExistsError:
        if not path.is_dir():
            raise
        return
    with contextlib.suppress(OSError):
        os.chmod(path, FOLDER)  # mkdir minds the umask


def close_to_others(file: int | str) -> None:
    """Take the rights of everybody else from a file, open or by its path. Devices, pipes, what is missing and files of another owner
    stay as they are."""
    with contextlib.suppress(OSError):
        found = os.stat(file)
        rights = stat.S_IMODE(found.st_mode)
        if stat.S_ISREG(found.st_mode) and (rights & 0o007 or rights & FILE != FILE):
            os.chmod(file, FILE)


def opener(path: str, flags: int) -> int:
    """For ``open(…, opener=opener)``. Raises OSError."""
    descriptor = os.open(path, flags | os.O_CLOEXEC, FILE)
    close_to_others(descriptor)
    return descriptor


def open_private(path: Path | str, mode: str) -> IO[bytes]:
    """``open`` for a private file; ``mode``: 'wb', 'ab' or 'xb'. Raises OSError."""
    return open(path, mode, opener=opener)
