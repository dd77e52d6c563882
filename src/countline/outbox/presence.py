"""Who has a file: claimed by one process, asked for by others without a lock of their own.

Asking by trying to lock would hold, for a moment, the very lock that a starting run wants.
"""

from __future__ import annotations

import contextlib
import fcntl
import struct

__all__ = ["claim", "is_claimed"]

_FLOCK = "@hhqqi0q"
"""``struct flock``: type, whence, start, length, process."""


def claim(descriptor: int) -> None:
    """Mark the file as in use for as long as ``descriptor``, open for writing, is open. File systems without such locks are left
    unmarked."""
    with contextlib.suppress(OSError):
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, _wanted())


def is_claimed(descriptor: int) -> bool:
    """Whether another open of the file has claimed it; ``descriptor`` may be open for reading only. Locks nothing. Raises OSError
    where the file system has no such locks."""
    found = fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK, _wanted())
    return bool(struct.unpack(_FLOCK, found)[0] != fcntl.F_UNLCK)


def _wanted() -> bytes:
    return struct.pack(_FLOCK, fcntl.F_WRLCK, 0, 0, 1, 0)
