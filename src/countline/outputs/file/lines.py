"""One open file of lines."""

from __future__ import annotations

import fcntl
import logging
import os
import time
from pathlib import Path

from countline.outputs._words import Fault
from countline.outputs.file.config import Config
from countline.outputs.file.paths import PART, fsync_folder, next_number, recover

__all__ = ["LineFile"]

_log = logging.getLogger(__name__)


class LineFile:
    """Appends whole lines: what a failed write has left is cut off again.

    Raises OSError, and Fault if another process writes the same file.
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
            cut = recover(self.path)
            if cut:
                _log.warning("%s: cut %d bytes of a line that an earlier run had not ended", self.path, cut)
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
            raise Fault(f"{self.path} is being written by another process", "give each its own path") from None

    def append(self, data: bytes) -> None:
        """All or nothing."""
        view, written = memoryview(data), 0
        try:
            while written < len(data):
                written += os.write(self._descriptor, view[written:])
            if self.config.fsync == "batch":
                os.fsync(self._descriptor)
        except OSError as error:
            os.ftruncate(self._descriptor, self.size)
            raise OSError(error.errno, error.strerror, self.path) from error
        self.size += len(data)

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
