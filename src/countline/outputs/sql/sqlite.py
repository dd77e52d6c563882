"""Inserts into a SQLite table."""

from __future__ import annotations

import sqlite3
import time
from contextlib import suppress
from typing import Any

from countline.outputs.base.buffered import BufferedOutput
from countline.outputs.base.checks import check_message
from countline.outputs.base.errors import OutputFault
from countline.outputs.base.fitness import UNFIT
from countline.outputs.sql.config import Config
from countline.outputs.sql.table import Table, Unfit
from countline.protocols import Check, Entry

__all__ = ["SqliteOutput"]

_LONGEST_LOCK = 5.0
"""Seconds to wait for another writer, at most."""


class SqliteOutput(BufferedOutput):
    """Acknowledged = the transaction is committed, and on disk (journal WAL, synchronous FULL)."""

    def __init__(self, config: Config) -> None:
        super().__init__(config.name, config.max_in_flight, config.max_in_flight_bytes)
        self.config = config
        assert config.sqlite is not None
        self.path = config.sqlite
        self.table = Table(config, "sqlite")
        self._connection: sqlite3.Connection | None = None

    def prepare(self) -> None:
        return  # the standard library

    def _connect(self) -> sqlite3.Connection:
        if self._connection is None:
            try:
                connection = sqlite3.connect(self.path, isolation_level=None)
                connection.execute("PRAGMA journal_mode=WAL")
                connection.execute("PRAGMA synchronous=FULL")
                if self.config.create:
                    connection.execute(self.table.create())
            except sqlite3.Error as error:
                raise self._fault(error) from error
            self._connection = connection
        return self._connection

    def write(self, end: float, *, closing: bool) -> None:
        while self.queue:
            connection = self._connect()
            lock = min(_LONGEST_LOCK, max(0.0, end - time.monotonic()))
            try:
                connection.execute(f"PRAGMA busy_timeout={int(lock * 1000)}")
            except sqlite3.Error as error:
                raise self._fault(error) from error
            batch = [self.queue.popleft() for _ in range(min(self.config.batch, len(self.queue)))]
            self._insert(connection, batch)
            if time.monotonic() >= end:
                return

    def _insert(self, connection: sqlite3.Connection, batch: list[Entry]) -> None:
        rows: list[tuple[int, list[Any]]] = []
        for entry in batch:
            try:
                rows.append((entry.position, self.table.row(entry.message)))
            except Unfit as unfit:
                self.refuse(entry.position, str(unfit))
        done: list[int] = []
        try:
            connection.execute("BEGIN IMMEDIATE")
            try:
                for position, row in rows:
                    try:
                        connection.execute(self.table.insert(), row)
                        done.append(position)
                    except (sqlite3.IntegrityError, sqlite3.DataError, *UNFIT) as error:
                        self.refuse(position, f"{self.path} refuses the row: {error}")
                connection.execute("COMMIT")
            except sqlite3.Error:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise self._fault(error) from error
        self.acknowledge(*done)

    def _fault(self, error: sqlite3.Error) -> OutputFault:
        return OutputFault(
            f"{self.path}: {error}", "check the path, the rights, free space, and that no other program holds the file"
        )

    def release(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()

    def check(self, *, send: bool = False, timeout: float = 5.0) -> list[Check]:
        """Can the file be opened and the table be written? With ``send`` a row is written and removed."""
        subject = f"database {self.path}"
        try:
            connection = self._connect()
            connection.execute(f"PRAGMA busy_timeout={int(timeout * 1000)}")
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(self.table.insert(), self.table.row(check_message()))
            connection.execute("ROLLBACK")
            lines = [Check(subject, True, f"table {self.config.table} can be written")]
            if send:
                column = self.table.columns[self.table.fields.index("id")]
                delete = f"DELETE FROM {self.table.name} WHERE {column} = ?"  # noqa: S608
                connection.execute(self.table.insert(), self.table.row(check_message()))
                connection.execute(delete, [check_message().id])
                lines.append(Check("test message", True, "written and removed"))
            return lines
        except (sqlite3.Error, OutputFault) as error:
            what = error.what if isinstance(error, OutputFault) else f"{self.path}: {error}"
            return [Check(subject, False, what, "check the path, the rights, free space and the table's columns")]
        finally:
            if not self._opened:
                self.release()
