"""One open file of lines."""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import suppress
from pathlib import Path

from countline.outputs.base.errors import OutputFault
from countline.outputs.file.config import Config
from countline.outputs.file.paths import PART, fsync_folder, mend, next_number

__all__ = ["LineFile"]


class LineFile:
    """Appends whole lines: what a failed write has left is cut off again.

    Raises OSError, and OutputFault if another process writes the same file.
    """

    def __init__(self, path: str, config: Config) -> None:
        self.config = config
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        if config.rotates:
            stem, suffix = os.path.splitext(path)
            self.final = f"{stem}-{next_number(path):06d}{suffix}"
            self.path = self.final + PART
        else:
            self.path = self.final = path
        self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        try:
            self._lock()
            mend(self.path)
            self.size = os.fstat(self._descriptor).st_size
            if config.fsync != "never":
                fsync_folder(self.path)
        except BaseException:
            os.close(self._descriptor)
            raise
        self._begun = time.monotonic()

    def _lock(self) -> None:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OutputFault(f"{self.path} is being written by another process", "give each its own path") from None

    @property
    def gone(self) -> bool:
        """Somebody has renamed or removed the file: what is written now would be in no place that anybody looks at."""
        try:
            there = os.stat(self.path)
        except FileNotFoundError:
            return True
        own = os.fstat(self._descriptor)
        return (there.st_dev, there.st_ino) != (own.st_dev, own.st_ino)

    def append(self, data: bytes) -> None:
        """All or nothing."""
        begin = os.fstat(self._descriptor).st_size
        if begin != self.size and begin and os.pread(self._descriptor, 1, begin - 1) != b"\n":
            data = b"\n" + data  # another program has appended, without ending its line
        view, written = memoryview(data), 0
        try:
            while written < len(data):
                written += os.write(self._descriptor, view[written:])
            if self.config.fsync == "batch":
                os.fsync(self._descriptor)
        except OSError as error:
            self._take_back(begin, written)
            raise OSError(error.errno, error.strerror, self.path) from error
        self.size = begin + len(data)

    def _take_back(self, begin: int, written: int) -> None:
        """Cuts what was written off again, unless others have appended behind it: theirs must stay."""
        with suppress(OSError):  # what is left is mended when the file is opened anew
            if os.fstat(self._descriptor).st_size == begin + written:
                os.ftruncate(self._descriptor, begin)

    @property
    def due(self) -> bool:
        """Large or old enough to be finished."""
        config = self.config
        if config.rotate_bytes is not None and self.size >= config.rotate_bytes:
            return True
        return config.rotate_seconds is not None and time.monotonic() - self._begun >= config.rotate_seconds

    def finish(self) -> None:
        """To disk, to its final name, closed. An empty file leaves nothing behind."""
        try:
            if self.path != self.final and not self.size:
                os.unlink(self.path)
                return
            if self.config.fsync != "never":
                os.fsync(self._descriptor)
            if self.path != self.final:
                os.rename(self.path, self.final)
                if self.config.fsync != "never":
                    fsync_folder(self.final)
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Close without finishing; the next run recovers it."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)
