"""Which clips messages have named that are not delivered yet: after a crash the log names what is missing."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections import deque
from pathlib import Path
from typing import IO

import orjson

from countline.private_files import open_private

__all__ = ["ClipJournal"]

log = logging.getLogger("countline.pipeline")

SETTLED = 2.0
"""Seconds after which what was handed to the outbox is on disk."""
_SHOWN = 5
_LONG = 1 << 20


class ClipJournal:
    """A file beside the outbox: a line for each clip that is begun, and one for each that is done. Safe from any thread.

    What is left in it from an earlier run is logged when it is opened. A file that cannot be written is logged, and the run goes on.

    Parameters
    ----------
    state: the outbox's file; None: nothing is kept.
    """

    def __init__(self, state: Path | None) -> None:
        self._path = None if state is None else Path(f"{state}.clips.jsonl")
        self._file: IO[bytes] | None = None
        self._lock = threading.Lock()
        self._open: dict[str, int] = {}
        """URL -> how many of it are being waited for."""
        self._done: deque[tuple[float, str]] = deque()
        self._bytes = 0

    def tell(self) -> list[str]:
        """Log the clips that an earlier run has left, and return their URLs. Before the first clip."""
        if self._path is None or not self._path.exists():
            return []
        left: dict[str, int] = {}
        with contextlib.suppress(OSError):
            for line in self._path.read_bytes().splitlines():
                with contextlib.suppress(
                    ValueError, KeyError, TypeError, AttributeError
                ):  # the last one may be cut off
                    entry = orjson.loads(line)
                    url = entry["clip"]
                    left[url] = left.get(url, 0) + (-1 if entry["done"] else 1)
        lost = [url for url, count in left.items() if count > 0]
        if lost:
            more = f" and {len(lost) - _SHOWN} more" if len(lost) > _SHOWN else ""
            log.warning(
                "%d clips that messages name were not finished when an earlier run was cut short: %s%s. Those of files are made when the "
                "file is gone through again; those of live sources are lost",
                len(lost), ", ".join(lost[:_SHOWN]), more,
            )  # fmt: skip
        with contextlib.suppress(OSError):
            self._path.unlink()
        return lost

    def begin(self, url: str) -> None:
        """A message is about to name it."""
        with self._lock:
            self._open[url] = self._open.get(url, 0) + 1
            self._write(url, False)
            self._settle()

    def done(self, url: str) -> None:
        """It was written, or handed to the outbox, or given up, which was logged."""
        with self._lock:
            self._done.append((time.monotonic(), url))
            self._settle()

    def _settle(self, everything: bool = False) -> None:
        while self._done and (everything or time.monotonic() - self._done[0][0] > SETTLED):
            _, url = self._done.popleft()
            self._open[url] -= 1
            if not self._open[url]:
                del self._open[url]
            self._write(url, True)
        if self._bytes > _LONG:
            self._renew()

    def _write(self, url: str, done: bool) -> None:
        if self._path is None:
            return
        line = orjson.dumps({"clip": url, "done": done}) + b"\n"
        try:
            if self._file is None:
                self._file = open_private(self._path, "ab")
            self._file.write(line)
            self._file.flush()
            self._bytes += len(line)
        except OSError as error:
            log.warning("%s cannot be written: %s", self._path, error.strerror)
            self._path = None

    def _renew(self) -> None:
        """Begin it anew with what is open."""
        self._close()
        if self._path is None:
            return
        part = self._path.with_name(f"{self._path.name}.part")
        with contextlib.suppress(OSError):
            with open_private(part, "wb") as file:
                for url, count in self._open.items():
                    file.writelines([orjson.dumps({"clip": url, "done": False}) + b"\n"] * count)
            os.replace(part, self._path)

    def close(self) -> None:
        """The end of a run, behind the outbox: what is done is done. Nothing stays where nothing is open."""
        with self._lock:
            self._settle(everything=True)
            self._close()
            if self._path is not None and not self._open:
                with contextlib.suppress(OSError):
                    self._path.unlink(missing_ok=True)

    def _close(self) -> None:
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()
        self._file, self._bytes = None, 0
