"""Who has a file: claimed by one process, asked for by others without a lock of their own.

Asking by trying to lock would hold, for a moment, the very lock that a starting run wants.
"""

from __future__ import annotations

import contextlib
import fcntl
import struct

__all__ = ["claim", "claim_content", "is_claimed"]

CONTENT = 1 << 40
"""Far behind the bytes that SQLite locks, and what any file system lets one lock."""

_FLOCK = "@hhqqi0q"
"""``struct flock``: type, whence, start, length, process."""


def claim(descriptor: int) -> None:
    """Mark the file as in use for as long as ``descriptor``, open for writing, is open. File systems without such locks are left
    unmarked."""
    with contextlib.suppress(OSError):
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, _wanted())


def claim_content(descriptor: int) -> bool:
    """Claim the file itself, whatever name led to it: a second hard link has a lock file of its own, but not a second content. False
    if another has it. Like :func:`claim` else."""
    try:
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, _wanted(CONTENT))
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def is_claimed(descriptor: int) -> bool:
    """Whether another open of the file has claimed it; ``descriptor`` may be open for reading only. Locks nothing. Raises OSError
    where the file system has no such locks."""
    found = fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK, _wanted())
    return bool(struct.unpack(_FLOCK, found)[0] != fcntl.F_UNLCK)


def _wanted(at: int = 0) -> bytes:
    return struct.pack(_FLOCK, fcntl.F_WRLCK, 0, at, 1, 0)
