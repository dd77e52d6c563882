"""The failure file: what a template or a user's message function could not make, with what it takes to make it another time."""

from __future__ import annotations

import logging
import os
from base64 import b64encode
from collections.abc import Collection
from pathlib import Path
from typing import IO, Any

from countline.observe.trouble import Trouble
from countline.pipeline.delivery.failure_lines import COMMITTED, LET_GO, files, line_of, parse, rewrite
from countline.private_files import make_folder, open_private
from countline.protocols import Failure, KeptFailure

__all__ = ["FailureFile"]

log = logging.getLogger("countline.pipeline")


MOST_BYTES = 8 << 20
"""Size at which the file is set aside as ``<name>.old``, in the place of the one before."""
MOST_PLACES = 1000
"""Different faults that are logged."""
MOST_KEPT = 1 << 20
"""Bytes that what it takes to make one message again may have; of larger ones only the failure is written down."""


class FailureFile:
    """JSON Lines beside the outbox (`<outbox>.failures.jsonl`), opened at the first failure. The file and the older part of it that
    was set aside (`<outbox>.failures.jsonl.old`) take at most 16 MiB together; what no longer fits is the oldest, and is counted.

    Parameters
    ----------
    outbox: path of the outbox; None (outbox in memory) puts the file into the working directory.
    most: bytes at which the file is set aside.
    """

    def __init__(self, outbox: Path | None, *, most: int = MOST_BYTES) -> None:
        self.old, self.path = files(outbox)
        self.let_go = 0
        """Failures of which nothing is left: the oldest where the files were full, and those that could not be written."""
        self._outbox = outbox
        self._most = most
        self._file: IO[bytes] | None = None
        self._seen: set[str] = set()
        self._trouble = Trouble(log, f"the failure file {self.path}", "can be written again")
        self._full_logged = False

    def write(self, failure: object, committed: int | None = None) -> None:
        """Append one failure; each new place in a user's code is logged once, with the first error there. ``committed``: number of the
        frame with which the messages are committed that were made beside it: of an interval, not the one that it reports."""
        data: dict[str, Any] = failure.as_dict() if isinstance(failure, Failure) else {"error": str(failure)}
        if committed is not None:
            data[COMMITTED] = committed
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
            self._append(line_of(data, self._kept(failure)) + b"\n")
            self._trouble.end()
        except OSError as error:
            self.let_go += 1
            self._trouble.begin(f"cannot be written: {error}")

    @staticmethod
    def _kept(failure: object) -> str | None:
        try:
            again = failure.snapshot() if isinstance(failure, KeptFailure) else None
        except Exception:  # an engine of somebody else's may give anything; the failure itself is written all the same
            log.debug("what it takes to make a message again cannot be kept", exc_info=True)
            return None
        return b64encode(again).decode() if again is not None and len(again) <= MOST_KEPT else None

    def begun(self, source: str, stream: str, after: int, marks: Collection[str]) -> None:
        """A run goes through a file's stream, and makes all its messages behind frame ``after``: what failed there before is no
        failure any more. ``marks``: what the stream begins with."""

        def outdated(data: dict[str, Any]) -> bool:
            same = data.get("source") == source and data.get("stream") == stream and data.get("mark") in marks
            return same and isinstance(data.get(COMMITTED), int) and data[COMMITTED] > after

        self.close()
        try:
            rewrite(self._outbox, lambda data: None if outdated(data) else data)
        except OSError as error:
            self._trouble.begin(f"cannot be written: {error}")

    def _append(self, line: bytes) -> None:
        if self._file is None:
            make_folder(self.path.parent)
            self._file = self._opened()
        if self._file.tell() and self._file.tell() + len(line) > self._most:
            self._set_aside()
            self._file = self._opened()
        self._file.write(line)
        self._file.flush()

    def _opened(self) -> IO[bytes]:
        file = open_private(self.path, "ab")
        if file.tell():
            with open(self.path, "rb") as stream:
                stream.seek(-1, os.SEEK_END)
                if stream.read(1) != b"\n":  # a line that a crash has cut short ends there
                    file.write(b"\n")
        return file

    def _set_aside(self) -> None:
        self.close()
        dropped, before = self._counted(self.old)
        if dropped and not self._full_logged:
            self._full_logged = True
            log.warning("%s and %s are full: the oldest failures are dropped from now on", self.path, self.old.name)
        self.let_go += dropped
        os.replace(self.path, self.old)
        if dropped + before:
            with open_private(self.path, "ab") as file:
                file.write(line_of({LET_GO: dropped + before}) + b"\n")

    @staticmethod
    def _counted(file: Path) -> tuple[int, int]:
        """How many failures stand in a file, and how many it says were dropped before."""
        failures = before = 0
        if file.exists():
            with open(file, "rb") as stream:
                for line in stream:
                    if line.startswith(b'{"let_go"') and (data := parse(line)) is not None:
                        before += int(data[LET_GO])
                    else:
                        failures += 1
        return failures, before

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None
