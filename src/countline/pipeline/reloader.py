"""When a configuration is read again: a signal asks for it, or a file was edited."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from countline.pipeline.control import Control

__all__ = ["Reloader", "Watch", "watching"]

EVERY = 1.0
"""Seconds between two looks at the files."""


class Watch:
    """Tells when the content of a file is another one. A file is read only once it has stayed as it is from one look to the next: not
    while an editor is still writing it.

    Parameters
    ----------
    files: gives those that are watched now.
    """

    def __init__(self, files: Callable[[], Sequence[Path]]) -> None:
        self._files = files
        self._stats: dict[Path, tuple[int, ...] | None] = {}
        self._contents: dict[Path, str] = {}
        self._unread: set[Path] = set()
        for path in files():
            self._stats[path], self._contents[path] = _stat(path), _content(path)

    def changed(self) -> bool:
        """Look; whether some content is another than when this was said last."""
        found = False
        for path in self._files():
            now = _stat(path)
            known = path in self._stats
            if not known or now != self._stats[path]:
                self._stats[path] = now
                self._unread.add(path)
            elif path in self._unread and now is not None:  # one that is gone for a moment comes back
                self._unread.discard(path)
                content = _content(path)
                found |= self._contents.get(path, content) != content
                self._contents[path] = content
        return found


def _stat(path: Path) -> tuple[int, ...] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _content(path: Path) -> str:
    try:
        return hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()
    except OSError:
        return ""


class Reloader:
    """Has a configuration read again when it is asked for, on a thread that lives as long as that takes.

    Parameters
    ----------
    control: does it.
    files: of the configuration; with them those that it names are watched.
    wanted: whether edits are applied just now.
    """

    def __init__(self, control: Control, files: Sequence[Path], wanted: Callable[[], bool]) -> None:
        self._control = control
        self._asked: Literal["", "signal", "file"] = ""
        self._thread: threading.Thread | None = None
        self._looked = time.monotonic()
        self._watch = Watch(lambda: [*files, *control.files()]) if files else None
        self._wanted = wanted

    def ask(self, by: Literal["signal", "file"]) -> None:
        """Read it again with the next :meth:`look`. Safe in a signal handler."""
        self._asked = by

    def look(self) -> None:
        """Called often: do what is asked, and look at the files once a second."""
        now = time.monotonic()
        if self._watch is not None and now - self._looked >= EVERY:
            self._looked = now
            if self._wanted() and self._watch.changed():
                self._asked = self._asked or "file"
        if self._asked and (self._thread is None or not self._thread.is_alive()):
            by, self._asked = self._asked, ""
            self._thread = threading.Thread(
                target=self._control.reload, args=(by,), name="countline-reload", daemon=True
            )
            self._thread.start()


def watching(control: Control, file: Path) -> threading.Event:
    """Apply edits of a file on a thread of its own, until the event that is given is set."""
    ended = threading.Event()
    reloader = Reloader(control, [file], lambda: control.current().config.watch)

    def look() -> None:
        while not ended.wait(EVERY):
            reloader.look()

    threading.Thread(target=look, name="countline-watch", daemon=True).start()
    return ended
