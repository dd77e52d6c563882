"""The folder of one source's recorded tracks: a file for each hour, and pieces of hours that are not over.

A Parquet file cannot be read before its end is written, and nothing can be added to one. So each batch of frames becomes a small
whole file, a piece (``2026-11-27T08Z.000012.parquet``), which appears under its name when it is on disk; when the hour is over its
pieces are merged into one file (``2026-11-27T08Z.parquet``) that says how many pieces are in it. A process or a computer that stops
at any moment leaves whole files only. Pieces that are in their hour's file already are leftovers, which readers pass over.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import orjson

from countline.private_files import make_folder, open_private
from countline.record.rows import ROWS, arrow_and_parquet, schema_of, table_of
from countline.types import FrameTracks

__all__ = ["HOUR", "About", "PieceName", "SourceFolder", "about", "folder_name", "hour_name"]

HOUR = 3600 * 10**9
_NAME = re.compile(r"(-?\d{4,}-\d\d-\d\dT\d\d)Z(?:\.(\d{6,}))?\.parquet")
_KEY = b"countline"


class PieceName(NamedTuple):
    """What the name of a file says."""

    hour: str
    number: int | None
    """None: the file of the whole hour."""

    @classmethod
    def of(cls, name: str) -> PieceName | None:
        """None for a file of another kind."""
        match = _NAME.fullmatch(name)
        return None if match is None else cls(match[1], None if match[2] is None else int(match[2]))


def hour_name(time: int) -> str:
    """The hour that a time (ns since the Unix epoch) lies in: '2026-11-27T08', UTC."""
    return datetime.fromtimestamp(time // HOUR * 3600, timezone.utc).strftime("%Y-%m-%dT%H")


def folder_name(source: str) -> str:
    """A source's name as that of a folder, on every file system."""
    made = quote(source, safe=" @+,=()[]{}!~'")
    if len(made) > 150:
        made = f"{made[:120]}-{hashlib.blake2b(source.encode(), digest_size=8).hexdigest()}"
    return f"%{ord(made[0]):02X}{made[1:]}" if made.startswith(".") else made


@dataclass
class About:
    """What a file says of itself beside its rows."""

    source: str = ""
    index: int = 0
    device_id: str = ""
    live: bool = False
    labels: list[str] = field(default_factory=list)
    streams: dict[str, list[int]] = field(default_factory=dict)
    """First and last frame number by identity of the stream."""
    dropped: int = 0
    """Frames that came before some of these rows and were not recorded."""
    pieces: int = 0
    """Of the file of an hour: pieces with a lower number are in it."""

    def add(self, other: About) -> None:
        """This file holds the rows of another one, too."""
        for stream, (low, high) in other.streams.items():
            mine = self.streams.setdefault(stream, [low, high])
            mine[:] = min(mine[0], low), max(mine[1], high)
        self.dropped += other.dropped
        if len(other.labels) > len(self.labels):
            self.labels = other.labels


def about(metadata: Mapping[bytes, bytes] | None) -> About | None:
    """What the metadata of a Parquet schema says; None for a file that countline's recorder did not write."""
    try:
        values = orjson.loads((metadata or {})[_KEY])
        return About(**{key: values[key] for key in About.__dataclass_fields__ if key in values})
    except (KeyError, TypeError, ValueError):
        return None


class SourceFolder:
    """Writes the files of one source. For one process at a time.

    Raises
    ------
    OSError: the folder cannot be used; BlockingIOError where another process writes into it.
    """

    def __init__(self, root: Path, source: str) -> None:
        self._arrow, self._parquet = arrow_and_parquet()
        self._schema = schema_of(self._arrow)
        self.path = root / folder_name(source)
        make_folder(self.path)
        self._lock = open_private(self.path / ".lock", "ab")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.close()
            raise
        for part in self.path.glob("*.part"):
            part.unlink(missing_ok=True)
        self._next: dict[str, int] = {}

    def close(self) -> None:
        """Let others write here."""
        self._lock.close()

    def files(self) -> Iterator[tuple[Path, PieceName]]:
        """Those of this source, in the order in which their frames came."""
        named = [(p, n) for p in self.path.iterdir() if (n := PieceName.of(p.name)) is not None]
        yield from sorted(named, key=lambda item: (item[1].hour, -1 if item[1].number is None else item[1].number))

    def recorded(self) -> dict[str, int]:
        """By stream, the number of the last frame that is recorded."""
        last: dict[str, int] = {}
        for path, _ in self.files():
            known = self._about(path)
            for stream, (_, high) in (known.streams if known else {}).items():
                last[stream] = max(high, last.get(stream, -1))
        return last

    def hours(self) -> list[str]:
        """Hours of which there are pieces."""
        return list(dict.fromkeys(name.hour for _, name in self.files() if name.number is not None))

    def write(self, frames: Sequence[FrameTracks], anew: Sequence[bool], labels: Sequence[str], dropped: int) -> int:
        """One more piece, of frames of one hour; bytes written. Raises OSError."""
        info = frames[0].info
        header = About(
            info.source.name, info.source.index, info.source.device_id, info.source.live, list(labels), dropped=dropped
        )
        for frame in frames:
            span = header.streams.setdefault(frame.info.stream, [frame.info.number] * 2)
            span[:] = min(span[0], frame.info.number), max(span[1], frame.info.number)
        hour = hour_name(info.time)
        number = self._next_number(hour)
        table = table_of(self._arrow, self._schema, frames, anew, labels)
        written = self._put(f"{hour}Z.{number:06d}.parquet", header, [table])
        self._next[hour] = number + 1
        return written

    def merge(self, hour: str) -> int:
        """Make one file of an hour's pieces, and of what it holds already; by how many bytes the folder grew. Raises OSError."""
        hour_file = self.path / f"{hour}Z.parquet"
        header = self._about(hour_file) if hour_file.exists() else None
        if header is None and hour_file.exists():
            hour_file.rename(hour_file.with_name(hour_file.name + ".damaged"))
        done = header.pieces if header is not None else 0
        pieces = [(p, n.number) for p, n in self.files() if n.hour == hour and n.number is not None]
        fresh = [p for p, number in pieces if number >= done]
        before = sum(p.stat().st_size for p, _ in pieces) + (hour_file.stat().st_size if header is not None else 0)
        written = 0
        if fresh:
            read = [hour_file, *fresh] if header is not None else fresh
            merged = header or About()
            for path in fresh:
                found = self._about(path)
                if found is not None:
                    merged = found if not merged.source else merged
                    if merged is not found:
                        merged.add(found)
            merged.pieces = max(number for _, number in pieces) + 1
            written = self._put(hour_file.name, merged, self._tables(read))
        else:
            written = hour_file.stat().st_size if header is not None else 0
        for path, _ in pieces:
            path.unlink(missing_ok=True)
        self._next.pop(hour, None)
        return written - before

    def _tables(self, paths: Iterable[Path]) -> Iterator[Any]:
        """All rows of files, in tables of a row group each. A file that is damaged is set aside under another name."""
        waiting: list[Any] = []
        rows = 0
        for path in paths:
            try:
                with open(path, "rb") as stream:
                    for batch in self._parquet.ParquetFile(stream).iter_batches(batch_size=ROWS):
                        waiting.append(self._arrow.Table.from_batches([batch]).cast(self._schema))
                        rows += batch.num_rows
                        if rows >= ROWS:
                            yield self._arrow.concat_tables(waiting).unify_dictionaries()
                            waiting, rows = [], 0
            except self._arrow.ArrowException:
                path.rename(path.with_name(path.name + ".damaged"))
        if waiting:
            yield self._arrow.concat_tables(waiting).unify_dictionaries()

    def _put(self, name: str, header: About, tables: Iterable[Any]) -> int:
        """Write a file that is complete and on disk before it has its name; bytes written."""
        path = self.path / name
        part = path.with_name(name + ".part")
        schema = self._schema.with_metadata({_KEY: orjson.dumps(header)})
        try:
            with open_private(part, "wb") as file:
                with self._parquet.ParquetWriter(file, schema, compression="zstd") as writer:
                    for table in tables:
                        writer.write_table(table.replace_schema_metadata(schema.metadata))
                file.flush()
                os.fsync(file.fileno())
                written = file.tell()
            os.replace(part, path)
        except BaseException:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
            raise
        folder = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        return written

    def _about(self, path: Path) -> About | None:
        try:
            with open(path, "rb") as stream:
                return about(self._parquet.read_schema(stream).metadata)
        except (OSError, self._arrow.ArrowException):
            return None

    def _next_number(self, hour: str) -> int:
        if hour not in self._next:
            used = [n.number for _, n in self.files() if n.hour == hour and n.number is not None]
            header = self._about(self.path / f"{hour}Z.parquet")
            self._next = {hour: max([-1, *used, (header.pieces - 1) if header is not None else -1]) + 1}
        return self._next[hour]
