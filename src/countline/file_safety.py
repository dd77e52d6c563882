"""Files that are written must not be files that are read, and take their place only when they are whole."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from countline.errors import ConfigError

__all__ = ["NamedFile", "partial_name", "refuse_overwriting", "replacing"]


class NamedFile(NamedTuple):
    """A file and what it is to the user."""

    what: str
    """E.g. ``source 'entrance'`` or ``--annotate``."""
    path: str
    """As the user wrote it; of a file that is written, words in braces stand for anything."""
    odd: bool = False
    """Of a name that nothing in braces will ever become."""


_BRACES = re.compile(r"\{[^{}]*\}")


def refuse_overwriting(reads: Iterable[NamedFile], writes: Iterable[NamedFile]) -> None:
    """Raise ConfigError if a file that is to be written is one that is read, or is written twice. Symbolic and hard links,
    ``.`` and ``..`` do not hide that."""
    taken = [(file, "is read") for file in reads]
    for file in writes:
        for other, role in taken:
            if _same(file, other):
                raise ConfigError(
                    f"{file.path} would overwrite {other.what}"
                    if role == "is read"
                    else f"{file.path} is written by {other.what} too",
                    where=file.what,
                    fix="give another file name",
                )
        taken.append((file, "is written"))


def _same(one: NamedFile, two: NamedFile) -> bool:
    written, other = one.path, two.path
    if _BRACES.search(written) or _BRACES.search(other):
        if one.odd or two.odd:
            return False
        return bool(_pattern(written).fullmatch(_real(other)) or _pattern(other).fullmatch(_real(written)))
    if _real(written) == _real(other):
        return True
    try:
        return os.path.samefile(written, other)
    except (OSError, ValueError):
        return False


def _real(path: str) -> str:
    try:
        return os.path.realpath(path)
    except (OSError, ValueError):
        return path


def _pattern(template: str) -> re.Pattern[str]:
    pieces = _BRACES.split(template)
    folder, slash, rest = pieces[0].rpartition("/")
    first = _real(folder or ("/" if slash else ".")).rstrip("/") + "/" + rest
    return re.compile("[^/]*".join(re.escape(piece) for piece in (first, *pieces[1:])))


def partial_name(path: Path) -> Path:
    """Name of a file while it is being written, in the same folder and with the same ending."""
    return path.with_name(f".{path.stem}.partial{path.suffix}")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary name that becomes ``path`` when the block ends well, and is removed when it does not."""
    part = partial_name(path)
    try:
        yield part
        os.replace(part, path)
    except BaseException:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise
