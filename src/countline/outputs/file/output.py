"""Writes messages to files."""

from __future__ import annotations

import errno
import os
import time
from collections import OrderedDict
from pathlib import Path

from countline.outputs.base.buffered import BufferedOutput
from countline.outputs.base.checks import check_message
from countline.outputs.base.envelopes import as_line
from countline.outputs.base.text import shown
from countline.outputs.file.config import Config
from countline.outputs.file.lines import LineFile
from countline.outputs.file.parquet import need_pyarrow, unfit_for_rows, write
from countline.outputs.file.paths import PART, finish_left_over, left_over, path_of
from countline.protocols import Check, Entry, Output

__all__ = ["LinesOutput", "ParquetOutput", "make"]

_MOST_OPEN = 64
"""Files that are open at one time; the one that was used longest ago is closed first."""
_PARQUET_BYTES = 64 * 1024**2
_PARQUET_SECONDS = 60.0


def make(config: Config) -> Output:
    """An output for this configuration; no file is opened yet."""
    return ParquetOutput(config) if config.format == "parquet" else LinesOutput(config)


class _FileOutput(BufferedOutput):
    def __init__(self, config: Config) -> None:
        super().__init__(config.name, config.max_in_flight, 2 * (config.rotate_bytes or _PARQUET_BYTES))
        self.config = config

    def _impossible(self, error: OSError) -> bool:
        """The name that a message has led to cannot be one of a file. With a path that is the same for all messages, that is a
        fault of the configuration instead, and no message's."""
        varies = any(f"{{{field}}}" in self.config.path for field in ("source", "topic", "definition"))
        return varies and error.errno in (errno.ENAMETOOLONG, errno.EILSEQ)

    def check(self, *, send: bool = False, timeout: float = 5.0) -> list[Check]:
        """Can the folder be made and written? With ``send`` a file is written there and removed."""
        folder = Path(path_of(self.config, check_message())).absolute().parent
        while not folder.exists() and folder != folder.parent:
            folder = folder.parent
        subject = f"folder {folder}"
        if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
            return [Check(subject, False, "cannot be written", "choose another path, or give the user the right")]
        free = os.statvfs(folder)
        lines = [Check(subject, True, f"can be written, {free.f_bavail * free.f_frsize // 1024**2} MiB free")]
        if send:
            probe = folder / f".countline-check-{os.getpid()}{PART}"
            try:
                probe.write_bytes(as_line(check_message(), "message") or b"")
                lines.append(Check("test message", True, "written and removed"))
            except OSError as error:
                lines.append(Check("test message", False, error.strerror or str(error), "free space on the disk"))
            finally:
                probe.unlink(missing_ok=True)
        return lines


class LinesOutput(_FileOutput):
    """Acknowledged = the line is in the file, and on disk with ``fsync: batch``."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self._files: OrderedDict[str, LineFile] = OrderedDict()
        self._recovered = False

    def prepare(self) -> None:
        self._recovered = False

    def attempt(self, end: float, *, closing: bool) -> None:
        super().attempt(end, closing=closing or any(file.due for file in self._files.values()))

    def write(self, end: float, *, closing: bool) -> None:
        if not self._recovered:
            self._finish_left_over()
            self._recovered = True
        while self.queue:
            batch = [self.queue.popleft() for _ in range(min(1000, len(self.queue)))]
            for path, lines in self._by_path(batch).items():
                try:
                    self._file(path).append(b"".join(line for _, line in lines))
                except OSError as error:
                    if not self._impossible(error):
                        raise
                    for position, _ in lines:
                        self.refuse(position, f"the file name '{shown(path, 80)}' is not possible: {error.strerror}")
                    continue
                self.acknowledge(*(position for position, _ in lines))
                self._finish_due()
            if time.monotonic() >= end and not closing:
                break
        self._finish_due()

    def _by_path(self, batch: list[Entry]) -> dict[str, list[tuple[int, bytes]]]:
        found: dict[str, list[tuple[int, bytes]]] = {}
        for entry in batch:
            line = as_line(entry.message, self.config.content)
            if line is None:
                self.refuse(entry.position, "a value with line breaks cannot be a line; set content: message")
                continue
            found.setdefault(path_of(self.config, entry.message), []).append((entry.position, line + b"\n"))
        return found

    def _file(self, path: str) -> LineFile:
        file = self._files.get(path)
        if file is not None and file.gone:
            self._files.pop(path).abandon()
            file = None
        if file is None:
            while len(self._files) >= _MOST_OPEN:
                self._files.popitem(last=False)[1].finish()
            file = self._files[path] = LineFile(path, self.config)
        self._files.move_to_end(path)
        return file

    def _finish_due(self) -> None:
        for path in [path for path, file in self._files.items() if file.due]:
            self._files.pop(path).finish()

    def _finish_left_over(self) -> None:
        if not self.config.rotates:
            return
        for path in left_over(self.config):
            finish_left_over(path)

    def release(self) -> None:
        """After a failure files are left as they are; at the end they are finished."""
        failed = self.status.connected is False
        while self._files:
            _, file = self._files.popitem()
            try:
                file.abandon() if failed else file.finish()
            except OSError as error:
                self.status.error = f"{file.path}: {error.strerror}"
        self._recovered = False


class ParquetOutput(_FileOutput):
    """Acknowledged = the file with the row is finished, on disk and at its final name; until then messages wait in
    memory, and a crash leaves them to be sent again."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self._waiting: OrderedDict[str, list[Entry]] = OrderedDict()
        self._since = 0.0

    def prepare(self) -> None:
        need_pyarrow(self.name)

    def write(self, end: float, *, closing: bool) -> None:
        config = self.config
        if not self._waiting and self.queue:
            self._since = time.monotonic()
        while self.queue:
            entry = self.queue.popleft()
            self._waiting.setdefault(path_of(config, entry.message), []).append(entry)
        old = time.monotonic() - self._since >= (config.rotate_seconds or _PARQUET_SECONDS)
        large = self.in_flight.bytes >= (config.rotate_bytes or _PARQUET_BYTES)
        if not self._waiting or not (old or large or closing or len(self.in_flight) >= config.max_in_flight):
            return
        for path in list(self._waiting):
            entries = self._fit_for_rows(self._waiting[path])
            try:
                if entries:
                    write(path, [e.message for e in entries], sync=config.fsync != "never")
            except OSError as error:
                if not self._impossible(error):
                    raise
                for entry in entries:
                    self.refuse(entry.position, f"the file name '{shown(path, 80)}' is not possible: {error.strerror}")
            else:
                self.acknowledge(*(e.position for e in entries))
            del self._waiting[path]

    def _fit_for_rows(self, entries: list[Entry]) -> list[Entry]:
        """Those that can be rows; the others are dead letters."""
        good = []
        for entry, reason in zip(entries, unfit_for_rows([e.message for e in entries])):
            if reason:
                self.refuse(entry.position, f"the message cannot be a row: {reason}")
            else:
                good.append(entry)
        return good

    def release(self) -> None:
        self._waiting.clear()

    def check(self, *, send: bool = False, timeout: float = 5.0) -> list[Check]:
        """As for lines. Raises MissingExtra."""
        self.prepare()
        return super().check(send=send, timeout=timeout)
