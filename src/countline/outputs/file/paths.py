"""Names of files: the template, numbers, and what an earlier run has left."""

from __future__ import annotations

import fcntl
import glob
import os
import re
from datetime import datetime, timedelta, timezone
from pathlib import Path

from countline.outputs.file.config import FIELDS, Config
from countline.types import Message

__all__ = ["PART", "finish_left_over", "fsync_folder", "left_over", "next_number", "path_of", "recover"]

PART = ".part"
"""Ends the name of a file that is being written and will be renamed when it is finished."""

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_UNSAFE = re.compile(r"[^\w.@+=-]+")


def path_of(config: Config, message: Message) -> str:
    """The template filled in. Whatever could leave the folder or confuse a shell becomes ``_``."""
    moment = _EPOCH + timedelta(microseconds=message.time // 1000)
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
        recover(path)
        if os.fstat(descriptor).st_size:
            os.rename(path, path.removesuffix(PART))
        else:
            os.unlink(path)
    except BlockingIOError:
        return
    finally:
        os.close(descriptor)


def recover(path: str) -> int:
    """Cut a line that was begun but not ended from the end of the file; returns the number of bytes cut."""
    with open(path, "r+b") as file:
        size = end = file.seek(0, os.SEEK_END)
        while end > 0:
            begin = max(0, end - 65536)
            file.seek(begin)
            found = file.read(end - begin).rfind(b"\n")
            if found >= 0:
                end = begin + found + 1
                break
            end = begin
        if end < size:
            file.truncate(end)
            os.fsync(file.fileno())
        return size - end


def fsync_folder(path: str) -> None:
    """A new name is on disk only when its folder is."""
    descriptor = os.open(os.path.dirname(path) or ".", os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
