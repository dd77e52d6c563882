"""Reading and writing recorded tracks by file name or content."""

from __future__ import annotations

import gzip
import io
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Protocol, cast

from countline.errors import DataError, Place
from countline.private_files import open_private
from countline.record.jsonl import frame_to_json, read_lines
from countline.types import FrameTracks

__all__ = ["TracksWriter", "read_tracks"]

_GZIP = b"\x1f\x8b"
_PARQUET = b"PAR1"


def read_tracks(path: str | Path) -> Iterator[FrameTracks]:
    """Frames with their tracks, one at a time, from JSON Lines (plain or gzip) or Parquet; ``-`` is standard input.

    What a file is, is seen from its first bytes. Boxes are kept as they were written (``Tracks.ltwh``), ids exact to 64
    bits. Raises DataError with file and line (JSON Lines) or row (Parquet), MissingExtra for Parquet without pyarrow.

    >>> frames = list(read_tracks("tracks.jsonl"))  # doctest: +SKIP
    """
    name = "standard input" if str(path) == "-" else str(path)
    if str(path) == "-":
        yield from _read(cast(BinaryIO, sys.stdin.buffer), name)
        return
    try:
        stream = open(path, "rb")  # noqa: SIM115 - closed below; opening alone may fail
    except FileNotFoundError:
        raise DataError("no such file", where=name, fix="check the path; - reads standard input") from None
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", where=name, fix="give a readable file") from None
    with stream:
        yield from _read(stream, name)


def _read(stream: BinaryIO, name: str) -> Iterator[FrameTracks]:
    buffered = stream if isinstance(stream, io.BufferedReader) else io.BufferedReader(cast(io.RawIOBase, stream))
    head = buffered.peek(4)[:4]
    if head == _PARQUET:
        from countline.record.parquet import read_parquet

        # Parquet is read from its end: standard input, which cannot be rewound, is taken in whole.
        source = buffered if buffered.seekable() else io.BytesIO(buffered.read())
        yield from read_parquet(source, name)
        return
    lines: Iterator[bytes] = iter(gzip.GzipFile(fileobj=buffered) if head[:2] == _GZIP else buffered)
    counter = _Counter(lines)
    try:
        yield from read_lines(counter, name)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(
            f"the compressed data is damaged: {error}", where=Place(name, counter.count + 1), fix="copy the file again"
        ) from None


class _Counter:
    """Passes lines on and counts them."""

    def __init__(self, lines: Iterator[bytes]) -> None:
        self.lines = lines
        self.count = 0

    def __iter__(self) -> Iterator[bytes]:
        for line in self.lines:
            self.count += 1
            yield line


class _Sink(Protocol):
    def write(self, frame: FrameTracks) -> None: ...

    def close(self) -> None: ...


class _JsonLines:
    def __init__(self, stream: BinaryIO, *others: BinaryIO) -> None:
        self.stream = stream
        self.others = others

    def write(self, frame: FrameTracks) -> None:
        self.stream.write(frame_to_json(frame))

    def close(self) -> None:
        self.stream.close()
        for other in self.others:
            other.close()


class TracksWriter:
    """Writes tracks frame by frame; the format follows the name: ``.parquet``, ``.jsonl.gz`` (any ``.gz``), else JSON
    Lines. A Parquet file takes its place when it is closed. Raises DataError where the file cannot be written, MissingExtra
    for Parquet without pyarrow.

    >>> with TracksWriter("tracks.parquet") as writer:  # doctest: +SKIP
    ...     writer.write(frame_tracks)
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.frames = 0
        self.objects = 0
        try:
            self._sink = self._open()
        except OSError as error:
            raise DataError(
                f"cannot be written: {error.strerror}",
                where=str(path),
                fix="give a file in a folder that you may write to",
            ) from None

    def _open(self) -> _Sink:
        if self.path.suffix == ".parquet":
            from countline.record.parquet import ParquetSink

            return ParquetSink(self.path)
        plain = cast(BinaryIO, open_private(self.path, "wb"))
        if self.path.suffix == ".gz":
            # No name and time in the header: equal tracks give equal files.
            return _JsonLines(cast(BinaryIO, gzip.GzipFile("", "wb", fileobj=plain, mtime=0)), plain)
        return _JsonLines(plain)

    def write(self, frame: FrameTracks) -> None:
        """Append one frame; frames without objects count too."""
        self._sink.write(frame)
        self.frames += 1
        self.objects += len(frame.tracks)

    def close(self) -> None:
        """Finish the file."""
        self._sink.close()

    def __enter__(self) -> TracksWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
