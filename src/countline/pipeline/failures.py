"""The dead-letter file: what a user's message function could not make."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import IO, Any

import orjson

from countline.private_files import make_folder, open_private
from countline.redaction import redacted

__all__ = ["FailureFile"]

log = logging.getLogger("countline.pipeline")


class FailureFile:
    """JSON Lines beside the outbox (`<outbox>.failures.jsonl`), opened at the first failure.

    Parameters
    ----------
    outbox: path of the outbox; None (outbox in memory) puts the file into the working directory.
    """

    def __init__(self, outbox: Path | None) -> None:
        self.path = outbox.with_name(outbox.name + ".failures.jsonl") if outbox else Path("countline.failures.jsonl")
        self._file: IO[bytes] | None = None
        self._seen: set[str] = set()

    def write(self, failure: Any) -> None:
        """Append one failure; each new place in a user's code is logged once."""
        as_dict = getattr(failure, "as_dict", None)
        data: dict[str, Any] = as_dict() if as_dict is not None else {"error": str(failure)}
        place = f"{data.get('definition')} {data.get('place')} {data.get('error')}"
        if place not in self._seen and len(self._seen) < 1000:
            self._seen.add(place)
            log.error(
                "message '%s' failed at %s: %s (see %s)",
                data.get("definition"),
                data.get("place"),
                data.get("error"),
                self.path,
            )
        try:
            if self._file is None:
                make_folder(self.path.parent)
                self._file = open_private(self.path, "ab")
            self._file.write(orjson.dumps(redacted(data), default=str) + b"\n")
            self._file.flush()
        except OSError as error:
            log.error("the dead-letter file %s cannot be written: %s", self.path, error)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None
