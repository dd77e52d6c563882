"""A recording: any number of files with tracks, put in order by source."""

from __future__ import annotations

import glob
import itertools
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from countline.errors import DataError
from countline.record.folder import About, PieceName, about, hour_name
from countline.record.parquet import MarkedFrame, read_marked
from countline.record.rows import arrow_and_parquet
from countline.record.tracks import read_tracks

__all__ = ["Part", "Recording", "find"]

_ENDINGS = (".parquet", ".jsonl", ".jsonl.gz")


@dataclass(frozen=True, slots=True)
class Part:
    """One file of a recording."""

    path: str
    size: int
    about: About | None
    """None: not written by the recorder, and may hold several sources."""


@dataclass(slots=True)
class Recording:
    """What :func:`find` found."""

    parts: dict[str, list[Part]] = field(default_factory=dict)
    """By source, in the order in which the frames came. '' stands for files that may hold several sources."""
    labels: list[str] = field(default_factory=list)
    """Class name by class id; empty where no file tells."""
    faults: list[str] = field(default_factory=list)
    """Files that cannot be read, and why: what they held is missing."""
    since: int | None = None
    until: int | None = None
    """Capture times, ns since the Unix epoch: of the first frame that is wanted, and behind the last one."""

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(part.size for parts in self.parts.values() for part in parts)

    def frames(self, source: str, on_part: object = None) -> Iterator[MarkedFrame]:
        """Frames of the files of one key of ``parts``, those of the time range alone. A file that turns out to be damaged is noted
        in ``faults``, and what is behind the damage left out; with the next frame tracks begin anew then. Raises DataError for a fault
        in a file that the recorder did not write."""
        broken = False
        for part in self.parts.get(source, ()):
            frames = _read(part)
            while True:
                try:
                    marked = next(frames)
                except StopIteration:
                    break
                except DataError as error:
                    if part.about is None:
                        raise
                    self.faults.append(str(error))
                    broken = True
                    break
                time = marked.frame.info.time
                if (self.since is not None and time < self.since) or (self.until is not None and time >= self.until):
                    continue
                yield MarkedFrame(marked.frame, True) if broken else marked
                broken = False
            if callable(on_part):
                on_part(part)


def _read(part: Part) -> Iterator[MarkedFrame]:
    if not part.path.endswith(".parquet"):
        yield from (MarkedFrame(frame, False) for frame in read_tracks(part.path))
        return
    try:
        stream = open(part.path, "rb")  # noqa: SIM115 - closed below; opening alone may fail
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", where=part.path, fix="give a readable file") from None
    with stream:
        yield from read_marked(stream, part.path)


def find(patterns: str | Path | Iterable[str | Path], since: int | None = None, until: int | None = None) -> Recording:
    """The files that patterns name: files, folders (all in them), or globs, in which ``**`` stands for any folders.

    Files of hours outside the time range (ns since the Unix epoch, ``until`` not included) are left out unread, and so are pieces
    that are in their hour's file already. Raises DataError if
    there is none that can be read, MissingExtra for Parquet without pyarrow.
    """
    wanted = [patterns] if isinstance(patterns, (str, Path)) else list(patterns)
    paths = list(dict.fromkeys(itertools.chain.from_iterable(_matches(str(pattern)) for pattern in wanted)))
    if not paths:
        raise DataError(
            "no recorded tracks", where=", ".join(map(str, wanted)), fix="give files, a folder, or a glob in quotes"
        )
    found = Recording(since=since, until=until)
    named: list[tuple[str, str, int, Part]] = []
    others: list[Part] = []
    for path in paths:
        name = PieceName.of(os.path.basename(path))
        if name is not None and _outside(name.hour, since, until):
            continue
        part = _part(path, found.faults)
        if part is None:
            continue
        if part.about is None or name is None:
            others.append(part)
            continue
        named.append((os.path.dirname(path), name.hour, -1 if name.number is None else name.number, part))
        if len(part.about.labels) > len(found.labels):
            found.labels = part.about.labels
    for part in _in_order(named):
        assert part.about is not None
        found.parts.setdefault(part.about.source, []).append(part)
    if others:
        found.parts[""] = others
    if not found.parts:
        what = found.faults[0] if found.faults else "no recorded tracks in this time"
        raise DataError(what, where=", ".join(map(str, wanted)), fix="give other files, or a wider time range")
    return found


def _part(path: str, faults: list[str]) -> Part | None:
    """A file; None for one that cannot be read, which is noted."""
    try:
        return Part(path, os.path.getsize(path), _about(path) if path.endswith(".parquet") else None)
    except DataError as error:
        faults.append(str(error))
    except OSError as error:
        faults.append(f"{path}: cannot be read: {error.strerror}")
    return None


def _in_order(named: list[tuple[str, str, int, Part]]) -> Iterator[Part]:
    """By time; without the pieces that are in the file of their hour."""
    merged = {
        (folder, hour): part.about.pieces
        for folder, hour, number, part in named
        if number < 0 and part.about is not None
    }
    for folder, hour, number, part in sorted(named, key=lambda item: (item[1], item[2], item[0])):
        if number < 0 or number >= merged.get((folder, hour), 0):
            yield part


def _matches(pattern: str) -> Sequence[str]:
    if os.path.isdir(pattern):
        pattern = os.path.join(glob.escape(pattern), "**", "*")
        return sorted(p for p in glob.glob(pattern, recursive=True) if p.endswith(_ENDINGS))
    if os.path.isfile(pattern):
        return [pattern]
    return sorted(p for p in glob.glob(pattern, recursive=True) if os.path.isfile(p))


def _outside(hour: str, since: int | None, until: int | None) -> bool:
    return (since is not None and hour < hour_name(since)) or (until is not None and hour > hour_name(until - 1))


def _about(path: str) -> About | None:
    arrow, parquet = arrow_and_parquet()
    try:
        with open(path, "rb") as stream:
            return about(parquet.read_schema(stream).metadata)
    except arrow.ArrowException as error:
        raise DataError(f"is no readable Parquet file: {error}", where=path, fix="write it again") from None
