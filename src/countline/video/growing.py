"""A file that is read while it is being written."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from countline.video.segments import is_complete

__all__ = ["Growing", "growing", "head_digest"]

HEAD = 16 * 1024
"""Bytes at the beginning by which such a file is known; not read before they are there, or it grows no more."""
TELLING = 64
"""Bytes after which a file can say whether it will be whole only at its end."""
POLL = 0.1
"""Seconds between two looks."""


def head_digest(path: str) -> str:
    """Identity of a file whose end is still to come: BLAKE2b of its beginning. Raises OSError."""
    with open(path, "rb") as file:
        return hashlib.blake2b(file.read(HEAD), digest_size=16).hexdigest()


class Growing:
    """The file for FFmpeg: where its end is reached, what is still to be written is waited for.

    Parameters
    ----------
    settle: seconds without growth after which it has ended.
    ended: tells that nobody wants to read on.
    """

    def __init__(self, file: IO[bytes], settle: float, ended: Callable[[], bool]) -> None:
        self._file, self._settle, self._ended = file, settle, ended
        self._begun = False

    def read(self, size: int) -> bytes:
        """The next bytes; none at the end."""
        if not self._begun:
            self._begun = True
            self._wait(lambda: os.fstat(self._file.fileno()).st_size >= HEAD)
        found = b""

        def more() -> bool:
            nonlocal found
            found = self._file.read(size)
            return bool(found)

        self._wait(more)
        return found

    def _wait(self, done: Callable[[], bool]) -> None:
        stood = time.monotonic()
        grown = os.fstat(self._file.fileno()).st_size
        while not done() and not self._ended():
            now = os.fstat(self._file.fileno()).st_size
            if now != grown:
                grown, stood = now, time.monotonic()
            if time.monotonic() - stood >= self._settle:
                return
            time.sleep(POLL)


@contextmanager
def growing(path: str, settle: float, ended: Callable[[], bool]) -> Iterator[Growing | None]:
    """Gives the file as it grows; None for one that is whole, or that cannot be read before it is: then it waits for that."""
    deadline, size = time.monotonic() + settle, -1
    while (told := is_complete(Path(path))) is False or _begins(path):
        now = os.stat(path).st_size
        if now != size:
            deadline, size = time.monotonic() + settle, now
        if ended() or time.monotonic() >= deadline:
            break  # it will not be finished any more; whoever reads it says so
        time.sleep(POLL)
    if told is not None:
        yield None
        return
    with open(path, "rb", buffering=0) as file:
        yield Growing(file, settle, ended)


def _begins(path: str) -> bool:
    """Whether so little of a file is there that it cannot be told what it is."""
    return os.stat(path).st_size < TELLING
