"""The bound of what is recorded: whatever was written longest ago goes first."""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path

from countline.config.record import keep_of
from countline.record.folder import PieceName

__all__ = ["Quota"]

log = logging.getLogger("countline.record")

NEVER_SET = 1_735_689_600
"""A wall clock before 2025 was not set, and tells nobody's age."""
EVERY = 60.0
"""Seconds between two looks at the ages of files."""


class Quota:
    """Of a folder with folders of sources. Only files with names that the recorder gives are counted and removed.

    Parameters
    ----------
    keep: such as '30 d | 100 GiB'.
    wall: seconds since the Unix epoch.
    """

    def __init__(self, root: Path, keep: str, wall: Callable[[], float] = time.time) -> None:
        self._root, self._wall = root, wall
        self._age, self._size = keep_of(keep)
        self.removed = 0
        """Files that had to go."""
        self._due = 0.0
        self._bytes = sum(size for _, size, _ in self._files())

    def grown(self, bytes_: int) -> None:
        """So many bytes were written; negative: taken away. Removes what is too much."""
        self._bytes += bytes_
        too_large = self._size is not None and self._bytes > self._size
        if not too_large and time.monotonic() < self._due:
            return
        self._due = time.monotonic() + EVERY
        self._enforce()

    def _files(self) -> list[tuple[float, int, Path]]:
        """(when it was written, bytes, path) of every file, the oldest first."""
        found = []
        with contextlib.suppress(OSError):
            for folder in os.scandir(self._root):
                if not folder.is_dir(follow_symlinks=False):
                    continue
                with contextlib.suppress(OSError):
                    for file in os.scandir(folder.path):
                        if PieceName.of(file.name) is not None:
                            with contextlib.suppress(FileNotFoundError):
                                seen = file.stat(follow_symlinks=False)
                                found.append((seen.st_mtime, seen.st_size, Path(file.path)))
        return sorted(found)

    def _enforce(self) -> None:
        files = self._files()  # others may write here, too
        self._bytes = sum(size for _, size, _ in files)
        now = self._wall()
        for written, size, path in files[:-1]:  # the newest stays: what has just been written is no rest of old times
            old = self._age is not None and now >= NEVER_SET and now - written > self._age
            if not old and (self._size is None or self._bytes <= self._size):
                break
            with contextlib.suppress(OSError):
                path.unlink()
                self._bytes -= size
                self.removed += 1
                log.info(
                    "removed %s: %s", path, "older than is kept" if old else "the recording is as large as it may be"
                )
