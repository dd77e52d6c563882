"""Recordings that follow each other: which there are, in which order, and whether one is whole."""

from __future__ import annotations

import glob
import os
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from countline.config.models import SourceConfig
from countline.config.moment import NameTime, name_time
from countline.errors import SourceError
from countline.video.place import IMAGES, Place, is_recording, natural, visible

__all__ = ["Segment", "Segments", "Settling", "is_complete"]

PATIENCE = 10
"""Times ``settle`` for which a file that is evidently not finished must have stood still before it is taken as it is."""
SHORTEST = 1.0
"""Seconds for which a file that says itself that it is finished must not have changed: some are rearranged at the end."""


@dataclass(frozen=True, slots=True)
class Segment:
    """One recording."""

    path: Path
    name: str
    """Below the folder or the fixed part of the glob."""
    key: tuple[Any, ...]
    """By which they are put in order."""
    time: int | None = None
    """Start as its name tells it, ns since the Unix epoch."""
    size: int = 0
    mtime: int = 0
    """When it was last written, ns since the Unix epoch."""


class Segments:
    """What a folder or a glob holds, looked at anew each time.

    Parameters
    ----------
    place: of kind 'segments'.
    """

    def __init__(self, place: Place, config: SourceConfig, where: str) -> None:
        self.place, self.where = place, where
        path = Path(place.path)
        self._folder = path.is_dir()
        self.base = path if self._folder else _fixed(path)
        self._pattern = None if self._folder else path
        reads_names = config.start is not None and config.start.lstrip().startswith("{")
        self._names: NameTime | None = name_time(config.start) if config.start and reads_names else None
        self._order = config.segments.order
        self._known: dict[str, tuple[int | None, Any]] = {}
        self.unnamed: list[Path] = []
        """Whose names do not tell their time, though they should."""

    def key_of(self, name: str, mtime: int) -> tuple[Any, ...]:
        """The place in the order of a recording, also of one that is gone."""
        named_time, by_name = self._read(name)
        if self._order == "mtime":
            return (mtime, by_name)
        return (named_time or 0 if self._order == "auto" else 0, by_name)

    def _read(self, name: str) -> tuple[int | None, Any]:
        """What a name tells: the time, if it is to tell one, and its place among names."""
        named_time = self._names.of(self.base / name) if self._names is not None else None
        return named_time, tuple(natural(Path(part)) for part in Path(name).parts)

    def look(self, after: tuple[Any, ...] | None = None) -> list[Segment]:
        """All that are there now, in their order; of those up to ``after`` size and age may be missing. Raises SourceError if the
        folder cannot be read."""
        found: list[Segment] = []
        known, self._known = self._known, {}
        self.unnamed = []
        for path in self._paths():
            name = os.path.relpath(path, self.base)
            # Folders of recorders hold very many that are done: each name is read once, and those files are not looked at.
            named_time, by_name = self._known[name] = known.get(name) or self._read(name)
            if self._names is not None and named_time is None:
                self.unnamed.append(path)
                continue
            key: tuple[Any, ...] = (named_time or 0 if self._order == "auto" else 0, by_name)
            if self._order != "mtime" and after is not None and key <= after:
                found.append(Segment(path, name, key, named_time))
                continue
            try:
                facts = path.stat()
            except OSError:
                continue  # gone since
            if self._order == "mtime":
                key = (facts.st_mtime_ns, by_name)
            found.append(Segment(path, name, key, named_time, facts.st_size, facts.st_mtime_ns))
        return sorted(found, key=lambda segment: segment.key)

    def _fits(self, path: Path) -> bool:
        if path.name.startswith("."):
            return False
        return path.suffix.lower() not in IMAGES and is_recording(path, self._pattern)

    def _paths(self) -> list[Path]:
        if self._pattern is not None:
            named = map(Path, glob.glob(str(self._pattern), recursive=True))
            return [path for path in named if self._fits(path) and path.is_file()]
        try:
            with os.scandir(self.base) as entries:
                return [path for e in entries if self._fits(path := Path(e.path)) and e.is_file()]
        except OSError as error:
            raise SourceError(
                f"{visible(self.base)}: {error.strerror}", where=self.where, fix="check the folder"
            ) from None


def _fixed(pattern: Path) -> Path:
    """The folder that all files of a glob lie in."""
    fixed = Path(pattern.anchor)
    for part in pattern.relative_to(pattern.anchor).parts[:-1]:
        if glob.has_magic(part):
            break
        fixed /= part
    return fixed


class Settling:
    """Whether files have been written to their end, by what is seen of them from look to look.

    Parameters
    ----------
    settle: seconds without change after which a file is whole.
    clock, wall: seconds, of the monotonic and of the wall clock.
    """

    def __init__(
        self,
        settle: float,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._settle, self._clock, self._wall = settle, clock, wall
        self._seen: dict[Path, tuple[int, int, float]] = {}

    def left(self, segment: Segment, followed: bool = False) -> float:
        """Seconds for which it must go on to stand still; 0: it is whole, or as whole as it will be. ``followed``: the next one
        has been begun, so nothing is written to this one any more but its end."""
        since = self.see(segment)
        complete = is_complete(segment.path)
        if complete is None:
            need = min(SHORTEST, self._settle) if followed else self._settle
        else:
            need = min(SHORTEST, self._settle) if complete else PATIENCE * self._settle
        if not segment.size:
            need = PATIENCE * self._settle
        return max(0.0, since + need - self._clock())

    def see(self, segment: Segment) -> float:
        """It is like this now; returns since when, on the monotonic clock."""
        now = self._clock()
        size, mtime, since = self._seen.get(segment.path, (-1, -1, now))
        if (size, mtime) != (segment.size, segment.mtime):
            # What was not seen growing is as old as it says; where clocks differ, it may say that it is of tomorrow.
            age = self._wall() - segment.mtime / 1e9 if size < 0 else 0.0
            since = now - max(0.0, age)
            self._seen[segment.path] = segment.size, segment.mtime, since
        return since

    def forget(self, segment: Segment) -> None:
        """It has been read."""
        self._seen.pop(segment.path, None)


def is_complete(path: Path) -> bool | None:
    """Whether a file says itself that it was written to its end (MP4 and MOV, Matroska and WebM, AVI); None: it cannot say."""
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            head = file.read(64)
            if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
                return _mp4(file, size)
            if head[:4] == b"\x1a\x45\xdf\xa3":
                return _matroska(head, size)
            if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
                stated = int.from_bytes(head[4:8], "little")
                return bool(stated) and stated + 8 <= size
    except OSError:
        pass
    return None


def _mp4(file: Any, size: int) -> bool | None:
    """A plain one is finished with its index; one in fragments may always grow."""
    place, indexed = 0, False
    while place + 8 <= size:
        file.seek(place)
        head = file.read(16)
        length, kind = struct.unpack(">I4s", head[:8])
        if length == 1 and len(head) == 16:
            length = struct.unpack(">Q", head[8:])[0]
        if kind == b"moof":
            return None
        if kind == b"moov":
            if place + length <= size and b"mvex" in file.read(length):
                return None
            indexed = True
        if length < 8 or place + length > size:  # 0: to the end of the file, whose length was not known
            return False
        place += length
    return indexed and place == size


def _matroska(head: bytes, size: int) -> bool | None:
    """The length of its segment is written at the end, where the file can be sought in; a finished one may be on its way here still."""
    at = 5 + (head[4] & 0x7F) if head[4] & 0x80 else 12 + int.from_bytes(head[5:12], "big")
    if head[at : at + 4] != b"\x18\x53\x80\x67" or len(head) < at + 12:
        return None
    first = head[at + 4]
    width = 9 - first.bit_length() if first else 0
    if not width:
        return None
    length = int.from_bytes(head[at + 4 : at + 4 + width], "big") & ((1 << 7 * width) - 1)
    return None if length == (1 << 7 * width) - 1 else at + 4 + width + length <= size
