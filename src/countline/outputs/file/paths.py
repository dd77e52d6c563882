"""Names of files: the template, numbers, and what an earlier run has left."""

from __future__ import annotations

import fcntl
import glob
import logging
import os
import re
from pathlib import Path
from typing import BinaryIO

from countline.outputs.base.envelopes import is_json
from countline.outputs.base.text import shown
from countline.outputs.file.config import FIELDS, Config
from countline.types import Message, utc

__all__ = ["PART", "finish_left_over", "fsync_folder", "left_over", "mend", "next_number", "path_of"]

PART = ".part"
"""Ends the name of a file that is being written and will be renamed when it is finished."""

_log = logging.getLogger(__name__)
_UNSAFE = re.compile(r"[^\w.@+=-]+")


def path_of(config: Config, message: Message) -> str:
    """The template filled in. Whatever could leave the folder or confuse a shell becomes ``_``."""
    moment = utc(message.time)
    return config.path.format(
        date=moment.strftime("%Y-%m-%d"),
        hour=moment.strftime("%H"),
        source=_safe(message.source),
        topic=_safe(message.topic or config.topic),
        definition=_safe(message.definition),
    )


def _safe(name: str) -> str:
    return _UNSAFE.sub("_", name).lstrip(".") or "_"


def next_number(path: str) -> int:
    """One more than the highest number of the files, finished or not, that ``path`` has led to."""
    stem, suffix = os.path.splitext(path)
    pattern = re.compile(re.escape(os.path.basename(stem)) + r"-(\d{6,})" + re.escape(suffix) + f"({re.escape(PART)})?")
    folder = Path(path).parent
    names = os.listdir(folder) if folder.is_dir() else []
    return max((int(m[1]) for m in map(pattern.fullmatch, names) if m), default=0) + 1


def left_over(config: Config) -> list[str]:
    """Unfinished files of an earlier run that was killed."""
    anything = config.path.format(**dict.fromkeys(FIELDS, "\0"))
    stem, suffix = os.path.splitext(anything)
    pattern = (glob.escape(stem) + "-[0-9]*" + glob.escape(suffix) + PART).replace("\0", "*")
    return sorted(glob.glob(pattern))


def finish_left_over(path: str) -> None:
    """Mend and rename an unfinished file, unless another process is still writing it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        mend(path)
        if os.fstat(descriptor).st_size:
            os.rename(path, path.removesuffix(PART))
        else:
            os.unlink(path)
    except BlockingIOError:
        return
    finally:
        os.close(descriptor)


def mend(path: str) -> None:
    """End the last line of a file where its line break is missing, and say so.

    A whole one gets its line break. One that a crash has torn (JSON that breaks off, text that is not UTF-8) is cut off: it
    was never acknowledged, so its message comes again. What cannot be told, text that is not JSON, is kept as a line.
    """
    with open(path, "r+b") as file:
        begin, tail = _last_line(file)
        if not tail:
            return
        if _torn(tail):
            file.truncate(begin)
            what = f"cut {len(tail)} bytes of a line that was never finished"
        else:
            file.seek(0, os.SEEK_END)
            file.write(b"\n")
            what = "ended its last line, whose line break was missing"
        file.flush()
        os.fsync(file.fileno())
    _log.warning("%s: %s: %s", path, what, shown(tail[:1000].decode("utf-8", "backslashreplace"), 200))


def _last_line(file: BinaryIO) -> tuple[int, bytes]:
    """Where what stands behind the last line break begins, and what it is."""
    size = end = file.seek(0, os.SEEK_END)
    while end > 0:
        begin = max(0, end - 65536)
        file.seek(begin)
        found = file.read(end - begin).rfind(b"\n")
        if found >= 0:
            end = begin + found + 1
            break
        end = begin
    file.seek(end)
    return end, file.read(size - end)


def _torn(tail: bytes) -> bool:
    if b"\x00" in tail:  # a file system that had the length on disk and not the content
        return True
    try:
        text = tail.decode().lstrip()
    except UnicodeDecodeError:
        return True
    return text[:1] in ("{", "[", '"') and not is_json(tail)


def fsync_folder(path: str) -> None:
    """A new name is on disk only when its folder is."""
    descriptor = os.open(os.path.dirname(path) or ".", os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
