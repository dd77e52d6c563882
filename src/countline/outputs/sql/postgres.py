"""Inserts into a PostgreSQL table, a transaction per batch."""

from __future__ import annotations

from typing import Any

from countline.errors import MissingExtra
from countline.outputs.base.async_output import AsyncOutput
from countline.outputs.base.checks import check_message
from countline.outputs.base.errors import PERMISSION, OutputFault, explain
from countline.outputs.base.fitness import UNFIT
from countline.outputs.base.options import get_secret
from countline.outputs.sql.client import connection_options
from countline.outputs.sql.config import Config
from countline.outputs.sql.table import Table, Unfit
from countline.protocols import Check, Entry

__all__ = ["PostgresOutput"]


class PostgresOutput(AsyncOutput):
    """Acknowledged = the transaction is committed; what that means is up to the server's synchronous_commit."""

    def __init__(self, config: Config) -> None:
        super().__init__(config, "", 0)
        self.config = config
        self.table = Table(config, "postgres")
        self._options: dict[str, Any] = {}
        self.secrets = (get_secret(config.url), get_secret(config.password))

    def prepare(self) -> None:
        try:
            import psycopg  # noqa: F401
        except ImportError:
            raise MissingExtra("psycopg", "postgres", what_for=f"output '{self.name}' (PostgreSQL)") from None
        self._options = connection_options(self.config)
        self.host = str(self._options["host"]).split(",")[0]
        self.port = int(str(self._options["port"]).split(",")[0] or 5432)
        self.secrets = (get_secret(self.config.url), self._options.get("password"), self._options.get("sslpassword"))

    async def _connect(self) -> Any:
        import psycopg

        try:
            connection = await psycopg.AsyncConnection.connect(**self._options)
            if self.config.create:
                await self._create(connection)
            return connection
        except psycopg.Error as error:
            raise self._fault(error) from error

    async def _create(self, connection: Any) -> None:
        # Asked first: a user without the right to create may still use a table that is there.
        async with connection.transaction():
            cursor = await connection.execute("SELECT to_regclass(%s)", [self.table.name])
            if (await cursor.fetchone())[0] is None:
                await connection.execute(self.table.create())

    async def session(self) -> None:
        import psycopg

        connection = await self._connect()
        try:
            self.mark_connected()
            while True:
                batch = await self.next_batch(self.config.batch)
                rows = self._rows(batch)
                try:
                    await self._insert(connection, rows)
                    self.acknowledge(*(position for position, _ in rows))
                except _refusals():
                    await self._one_by_one(connection, rows)
        except psycopg.Error as error:
            raise self._fault(error) from error
        finally:
            await connection.close()

    def _rows(self, batch: list[Entry]) -> list[tuple[int, list[Any]]]:
        rows = []
        for entry in batch:
            try:
                rows.append((entry.position, self.table.row(entry.message)))
            except Unfit as unfit:
                self.refuse(entry.position, str(unfit), retry=False)
        return rows

    async def _insert(self, connection: Any, rows: list[tuple[int, list[Any]]]) -> None:
        async with connection.transaction(), connection.cursor() as cursor:
            await cursor.executemany(self.table.insert(), [row for _, row in rows])

    async def _one_by_one(self, connection: Any, rows: list[tuple[int, list[Any]]]) -> None:
        for position, row in rows:
            try:
                await self._insert(connection, [(position, row)])
            except _refusals() as error:
                self.refuse(position, f"{self.where} refuses the row: {_first_line(error)}", retry=False)
            else:
                self.acknowledge(position)

    def _fault(self, error: Any) -> OutputFault:
        state, text = error.sqlstate or "", str(error)
        if state.startswith("28") or "password authentication failed" in text or "no password supplied" in text:
            return OutputFault(f"authentication at {self.where} failed", "check user and password")
        if state == "42501":
            return OutputFault(f"{self.where} refuses: {_first_line(error)}", PERMISSION)
        if state == "3D000" or 'database "' in text:
            return OutputFault(
                f"{self.where}: {_first_line(error)}", "create the database, or correct its name in the url"
            )
        if state.startswith("42"):
            return OutputFault(
                f"{self.where}: {_first_line(error)}", "the table must have the columns, and a unique id"
            )
        if "certificate verify failed" in text:
            return OutputFault(
                f"the certificate of {self.where} is not trusted", "set tls.ca to the authority's PEM file"
            )
        if "refused" in text:
            return OutputFault(
                f"connection refused: nobody listens at {self.where}", "start the server, or check host and port"
            )
        if state.startswith("57P") or "closed" in text or "terminat" in text:
            return OutputFault(f"{self.where} closed the connection", "look at the server's log")
        return OutputFault(f"{self.where}: {_first_line(error)}") if text.strip() else explain(error, self.where)

    async def probe(self, lines: list[Check], send: bool) -> None:
        import psycopg

        connection = await self._connect()
        try:
            info = connection.info
            lines.append(Check("login", True, f"PostgreSQL {info.server_version // 10000}, database {info.dbname}"))
            rows = [(0, self.table.row(check_message()))]
            async with connection.transaction(force_rollback=True):
                await self._insert(connection, rows)
            lines.append(Check(f"table {self.config.table}", True, "can be written"))
            if send:
                column = self.table.columns[self.table.fields.index("id")]
                delete = f"DELETE FROM {self.table.name} WHERE {column} = %s"  # noqa: S608
                await self._insert(connection, rows)
                async with connection.transaction():
                    await connection.execute(delete, [check_message().id])
                lines.append(Check("test message", True, "written and removed"))
        except psycopg.Error as error:
            raise self._fault(error) from error
        finally:
            await connection.close()


def _refusals() -> tuple[type[Exception], ...]:
    """What is raised for one row: of a wrong kind, against a rule of the table, beyond a limit (an id too long for its index)."""
    from psycopg import DataError, IntegrityError, errors

    return (DataError, IntegrityError, errors.ProgramLimitExceeded, *UNFIT)


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
