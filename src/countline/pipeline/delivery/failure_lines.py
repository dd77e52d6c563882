"""What stands in a failure file and the older part of it: lines of JSON, read and replaced as a whole."""

from __future__ import annotations

import json
import os
from base64 import b64decode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from countline.messages.snapshot import Snapshot, unpack
from countline.private_files import open_private
from countline.terminal import json_line

__all__ = ["COMMITTED", "LET_GO", "Failures", "Kept", "files", "line_of", "parse", "read", "rewrite"]

COMMITTED = "committed"
"""Key: number of the frame with which the messages beside it were committed."""
LET_GO = "let_go"
"""Key of a line that says how many failures were dropped from the file to keep it small."""


@dataclass(frozen=True)
class Kept:
    """One failure."""

    data: dict[str, Any]
    """As ``MessageFailure.as_dict`` gave it, with the snapshot as ``again``."""

    @property
    def key(self) -> str:
        """Which message it is, for ever."""
        return f"{self.data.get('definition')}\0{self.data.get('id')}"

    def snapshot(self) -> Snapshot:
        """What it takes to make the message. Raises ValueError where that was not kept."""
        again = self.data.get("again")
        if not isinstance(again, str):
            raise ValueError("what it takes to make it was not kept (an earlier version, or more than 1 MiB)")
        return unpack(b64decode(again))


@dataclass
class Failures:
    """All that stands there, oldest first; of a message that failed twice the later one."""

    kept: list[Kept]
    let_go: int = 0
    """Failures that were dropped, as the files know it."""
    unreadable: int = 0
    """Lines that are none of ours, or not whole."""


def files(outbox: Path | None) -> tuple[Path, Path]:
    """The older part and the failure file of an outbox; None: one in memory."""
    path = outbox.with_name(outbox.name + ".failures.jsonl") if outbox else Path("countline.failures.jsonl")
    return path.with_name(path.name + ".old"), path


def parse(line: bytes) -> dict[str, Any] | None:
    """A line as a mapping; None where it is none."""
    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError:
        try:
            found = json.loads(line)  # integers beyond 64 bits
        except (ValueError, RecursionError):
            return None
    return found if isinstance(found, dict) else None


def read(outbox: Path | None) -> Failures:
    """What stands in the files of an outbox. Raises OSError."""
    found = Failures([])
    kept: dict[str, Kept] = {}
    for file in files(outbox):
        for line in _lines(file):
            data = parse(line)
            if data is None:
                found.unreadable += 1
            elif LET_GO in data:
                found.let_go += data[LET_GO] if isinstance(data[LET_GO], int) else 0
            else:
                one = Kept(data)
                kept.pop(one.key, None)
                kept[one.key] = one
    found.kept = list(kept.values())
    return found


def rewrite(outbox: Path | None, change: Callable[[dict[str, Any]], dict[str, Any] | None]) -> None:
    """Put each failure of the files through ``change``: what stands in its place, or None. Each file is replaced whole, or not at
    all; what is no failure stays. Raises OSError."""
    for file in files(outbox):
        lines, new = list(_lines(file)), []
        for line in lines:
            data = parse(line)
            if data is None or LET_GO in data:
                new.append(line)
                continue
            kept = change(data)
            if kept is not None:
                new.append(line if kept is data else line_of(kept))
        if new != lines:
            _replace(file, b"".join(line + b"\n" for line in new))


def _lines(file: Path) -> Iterator[bytes]:
    try:
        with open(file, "rb") as stream:
            for line in stream:
                if line.strip():
                    yield line.rstrip(b"\n")
    except FileNotFoundError:
        return


def _replace(file: Path, content: bytes) -> None:
    if not content:
        file.unlink()
    else:
        beside = file.with_name(file.name + ".new")
        with open_private(beside, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(beside, file)
    if os.name == "posix":  # so that the new name is on the disk, too
        folder = os.open(file.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def line_of(data: dict[str, Any], again: str | None = None) -> bytes:
    """A failure as a line without its end; ``again``: the snapshot, unless it is among the data. It stays as it is: secrets are looked
    for in words."""
    again = data.get("again") if again is None else again
    text = json_line({name: value for name, value in data.items() if name != "again"})
    if again is not None:
        text = f'{text[:-1]},"again":"{again}"}}'
    return text.encode("utf-8", "backslashreplace")
