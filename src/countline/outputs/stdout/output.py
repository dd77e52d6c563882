"""Writes a line per message to standard output."""

from __future__ import annotations

import os
import select
import stat
import sys
import time
from contextlib import suppress

from countline.errors import OutputError
from countline.outputs.base.buffered import BufferedOutput
from countline.outputs.base.checks import check_message
from countline.outputs.base.envelopes import as_line
from countline.outputs.base.errors import OutputFault
from countline.outputs.stdout.config import Config
from countline.protocols import Check
from countline.terminal import is_terminal, visible

__all__ = ["StdoutOutput", "make"]

_STDOUT = 1


def make(config: Config) -> StdoutOutput:
    """An output for this configuration. Raises OutputError where standard output is closed: its number may be another file's
    by now."""
    if _closed():
        raise OutputError("standard output is closed", where=f"output '{config.name or 'stdout'}'", fix=_REOPEN)
    return StdoutOutput(config)


_REOPEN = "start the program without `>&-`"


def _closed() -> bool:
    """Whether the program was started with it closed."""
    return sys.__stdout__ is None


class StdoutOutput(BufferedOutput):
    """Acknowledged = the operating system has taken the whole line. A reader that is slow or gone is a state: the line it
    stopped in is finished first when it goes on."""

    def __init__(self, config: Config, descriptor: int = _STDOUT) -> None:
        super().__init__(config.name, config.max_in_flight)
        self._descriptor = descriptor
        self._screen = is_terminal(descriptor)
        """A terminal would do what control characters in a message say."""
        self.config = config
        self._data = b""
        self._ends: list[tuple[int, int]] = []
        self._written = 0

    def prepare(self) -> None:
        return  # the standard library

    def write(self, end: float, *, closing: bool) -> None:
        while self._fill():
            if not self._flush(end):
                return

    def _fill(self) -> bool:
        """Lines from the queue; False if nothing is left to write."""
        if self._written < len(self._data):
            return True
        parts, size = [], 0
        self._ends, self._written = [], 0
        while self.queue and size < 1 << 16:
            entry = self.queue.popleft()
            line = as_line(entry.message, self.config.content)
            if line is None:
                self.refuse(entry.position, "a value with line breaks cannot be a line; set content: message")
                continue
            if self._screen:
                line = visible(line.decode(errors="backslashreplace")).encode()
            parts.append(line + b"\n")
            size += len(line) + 1
            self._ends.append((size, entry.position))
        self._data = b"".join(parts)
        return bool(parts)

    def _flush(self, end: float) -> bool:
        """True if all was written in time."""
        self._flush_python()
        try:
            regular = stat.S_ISREG(os.fstat(self._descriptor).st_mode)
            step = len(self._data) if regular else select.PIPE_BUF  # what a ready pipe takes without blocking
            while self._written < len(self._data):
                # At least one look, also with a timeout of 0.
                _, ready, _ = select.select([], [self._descriptor], [], max(0.0, end - time.monotonic()))
                if not ready:
                    self.status.error = "the reader of standard output is slow"
                    return False
                piece = self._data[self._written : self._written + step]
                self._written += os.write(self._descriptor, piece)
                self._settle()
        except BrokenPipeError:
            raise OutputFault("the reader of standard output has gone", "start it again") from None
        return True

    def _settle(self) -> None:
        done = 0
        while done < len(self._ends) and self._ends[done][0] <= self._written:
            done += 1
        if done:
            self.acknowledge(*(position for _, position in self._ends[:done]))
            del self._ends[:done]

    @staticmethod
    def _flush_python() -> None:
        """What print() has collected comes first."""
        with suppress(OSError, ValueError, AttributeError):  # closed, or None
            sys.stdout.flush()

    def release(self) -> None:
        # The line that was begun is lost with its reader, or torn by the end of the program.
        self._data, self._ends, self._written = b"", [], 0

    def check(self, *, send: bool = False, timeout: float = 5.0) -> list[Check]:
        """Is it open? With ``send`` a line is written."""
        try:
            os.fstat(self._descriptor)
        except OSError:
            return [Check("standard output", False, "it is closed", _REOPEN)]
        lines = [Check("standard output", True, "open")]
        if send:
            line = as_line(check_message(), self.config.content) or b""
            self._flush_python()
            try:
                os.write(self._descriptor, line + b"\n")
            except OSError as error:
                return [Check("standard output", False, error.strerror or str(error), "start its reader again")]
            lines.append(Check("test message", True, "written"))
        return lines
