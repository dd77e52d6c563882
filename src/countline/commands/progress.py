"""Shows the progress of a run: a live line on a terminal, plain log lines elsewhere, JSON lines for machines."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TextIO

from rich.console import Console
from rich.live import Live
from rich.logging import RichHandler
from rich.text import Text

from countline.commands.status_line import Snapshot, progress_text
from countline.terminal import VisibleFormatter, json_line, visible

__all__ = ["Progress"]

log = logging.getLogger("countline.progress")


class Progress:
    """Shows ``snapshot()`` again and again on its own thread until ``close``.

    Parameters
    ----------
    snapshot: gives the present state; called from this object's thread.
    as_json: JSON lines on standard output, one a second.
    quiet: show nothing.
    """

    def __init__(
        self,
        snapshot: Callable[[], Snapshot],
        *,
        as_json: bool = False,
        quiet: bool = False,
        stream: TextIO | None = None,
        every: float = 5.0,
    ) -> None:
        self._snapshot = snapshot
        self._json = as_json
        self._quiet = quiet
        self._console = Console(file=stream or sys.stderr)
        self._every = 1.0 if as_json else every
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._work, name="countline-progress", daemon=True)

    def start(self) -> Progress:
        """Begin to show."""
        if not self._quiet:
            self._thread.start()
        return self

    def close(self) -> None:
        """Stop showing."""
        self._done.set()
        if self._thread.is_alive():
            self._thread.join(5)

    def show_cursor(self) -> None:
        """Give a terminal its cursor back, which the live line hides. For an end without :meth:`close`."""
        if self._console.is_terminal and not self._json and not self._quiet:
            self._console.file.write("\x1b[?25h\n")
            self._console.file.flush()

    def _work(self) -> None:
        with suppress(OSError, ValueError):  # nobody reads standard output any more: the run goes on without
            self._show()

    def _show(self) -> None:
        if self._json:
            while not self._done.wait(self._every):
                sys.stdout.write(json_line({"type": "progress", "at": time.time(), **self._snapshot()}) + "\n")
                sys.stdout.flush()
        elif self._console.is_terminal:
            self._live()
        else:
            while not self._done.wait(self._every):
                log.info("%s", progress_text(self._snapshot()))

    def _live(self) -> None:
        logger = logging.getLogger("countline")
        old = list(logger.handlers)
        handler = RichHandler(
            console=self._console, show_path=False, omit_repeated_times=False, log_time_format="%H:%M:%S"
        )
        handler.setFormatter(VisibleFormatter("%(message)s"))
        logger.handlers[:] = [handler]
        try:
            with Live(console=self._console, refresh_per_second=4, transient=True) as live:
                while not self._done.wait(0.25):
                    live.update(Text(visible(progress_text(self._snapshot()), breaks=False), overflow="fold"))
        finally:
            logger.handlers[:] = old
