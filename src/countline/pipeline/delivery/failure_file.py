"""The dead-letter file: what a user's message function could not make."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import IO, Any

from countline.observe.trouble import Trouble
from countline.private_files import make_folder, open_private
from countline.terminal import json_line

__all__ = ["FailureFile"]

log = logging.getLogger("countline.pipeline")


MOST_BYTES = 8 << 20
"""Size at which the file is set aside as ``<name>.old``, in the place of the one before."""
MOST_PLACES = 1000
"""Different faults that are logged."""


class FailureFile:
    """JSON Lines beside the outbox (`<outbox>.failures.jsonl`), opened at the first failure. The file and the older part of it that
    was set aside (`<outbox>.failures.jsonl.old`) take at most 16 MiB together; what no longer fits is the oldest, and is told.

    Parameters
    ----------
    outbox: path of the outbox; None (outbox in memory) puts the file into the working directory.
    most: bytes at which the file is set aside.
    """

    def __init__(self, outbox: Path | None, *, most: int = MOST_BYTES) -> None:
        self.path = outbox.with_name(outbox.name + ".failures.jsonl") if outbox else Path("countline.failures.jsonl")
        self._most = most
        self._file: IO[bytes] | None = None
        self._seen: set[str] = set()
        self._trouble = Trouble(log, f"the dead-letter file {self.path}", "can be written again")
        self._told_full = False

    def write(self, failure: Any) -> None:
        """Append one failure; each new place in a user's code is logged once, with the first error there."""
        as_dict = getattr(failure, "as_dict", None)
        data: dict[str, Any] = as_dict() if as_dict is not None else {"error": str(failure)}
        kind = str(data.get("error")).partition(":")[0]
        place = f"{data.get('definition')} {data.get('place')} {kind}"
        if place not in self._seen and len(self._seen) < MOST_PLACES:
            self._seen.add(place)
            log.error(
                "message '%s' failed at %s: %s (see %s)",
                data.get("definition"),
                data.get("place"),
                data.get("error"),
                self.path,
            )
        try:
            self._append(json_line(data).encode("utf-8", "backslashreplace") + b"\n")
            self._trouble.end()
        except OSError as error:
            self._trouble.begin(f"cannot be written: {error}")

    def _append(self, line: bytes) -> None:
        if self._file is None:
            make_folder(self.path.parent)
            self._file = open_private(self.path, "ab")
        if self._file.tell() and self._file.tell() + len(line) > self._most:
            self._set_aside()
            self._file = open_private(self.path, "ab")
        self._file.write(line)
        self._file.flush()

    def _set_aside(self) -> None:
        self.close()
        old = self.path.with_name(self.path.name + ".old")
        if old.exists() and not self._told_full:
            self._told_full = True
            log.warning("%s and %s are full: the oldest failures are dropped from now on", self.path, old.name)
        os.replace(self.path, old)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None
