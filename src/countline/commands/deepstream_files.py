"""DeepStream's files given to commands that take a configuration: an application's is run, others are named."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from countline.compat.deepstream.files import msgconv, nvdsanalytics, nvinfer
from countline.compat.deepstream.files.keygroups import parse_groups, read_text
from countline.compat.deepstream.files.kinds import Kind, recognise
from countline.compat.deepstream.migrate import app
from countline.config import Config, checked
from countline.config.loader import Document
from countline.errors import ConfigError, CountlineError
from countline.protocols import Check

__all__ = ["application", "checks", "kind_of"]

_NAMES = (".txt", ".ini", ".conf", ".cfg", ".yml", ".yaml", ".csv", ".pbtxt")


def kind_of(path: Path) -> Kind | None:
    """Which of DeepStream's files a file is; None for any other, and for what cannot be read (its reader says why)."""
    if not str(path).lower().endswith(_NAMES):
        return None
    try:
        return recognise(read_text(path))
    except ConfigError:
        return None


def application(path: Path) -> tuple[Config, list[str]] | None:
    """The configuration that an application's file means, and notes for the user; None where the file is none of DeepStream's.
    Raises ConfigError for others of its files, which say what they are."""
    kind = kind_of(path)
    if kind is None:
        return None
    if kind.name != "app":
        raise ConfigError(
            f"is {kind.title}, not of countline", where=str(path), fix=kind.use.replace("FILE", str(path))
        )
    made = app.convert(path)
    return checked(made.data, Document(made.data, {}, str(path))), made.notes


def checks(path: Path, kind: Kind) -> Iterator[tuple[int, Check]]:
    """(exit code if it fails, check): what a file of DeepStream's other than an application's is, whether it can be read, what
    is odd in it, and how it is used."""
    try:
        notes = _notes(path, kind.name)
    except CountlineError as error:
        where = f"{error.where}: " if str(error.where) else ""
        yield 2, Check(str(path), False, f"{kind.title}: {where}{error.what}", error.fix)
        return
    yield 2, Check(str(path), True, kind.title)
    for note in notes:
        yield 2, Check("note", True, note)
    yield 2, Check("use", True, kind.use.replace("FILE", str(path)))


def _notes(path: Path, kind: str) -> list[str]:
    if kind == "analytics":
        return list(nvdsanalytics.read(path).warnings)
    if kind == "nvinfer":
        return nvinfer.convert(path)[1]
    if kind == "msgconv":
        return list(msgconv.read(path).notes)
    if kind in ("broker", "tracker-properties"):
        parse_groups(read_text(path), str(path))
    return []
