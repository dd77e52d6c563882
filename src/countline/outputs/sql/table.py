"""SQL text and rows, for both databases."""

from __future__ import annotations

from typing import Any

from countline.outputs.base.envelopes import is_json, rfc3339
from countline.outputs.base.text import headers_json, readable
from countline.outputs.sql.config import FIELDS, Config
from countline.types import Message, utc

__all__ = ["Table", "Unfit"]

_TYPES = {
    "postgres": {"time": "TIMESTAMPTZ NOT NULL", "headers": "JSONB", "json": "JSONB", "text": "TEXT", "bytes": "BYTEA"},
    "sqlite": {"time": "TEXT NOT NULL", "headers": "TEXT", "json": "TEXT", "text": "TEXT", "bytes": "BLOB"},
}


class Unfit(Exception):
    """The message cannot be a row."""


class Table:
    """SQL statements for the database. Names were checked by the configuration, and are quoted here."""

    def __init__(self, config: Config, dialect: str) -> None:
        self.config = config
        self.dialect = dialect
        named: dict[str, str | None] = {field: field for field in FIELDS}
        named.update((str(field), column) for field, column in config.columns.items())
        self.fields = [field for field, column in named.items() if column is not None]
        self.columns = [_quoted(column) for column in named.values() if column is not None]
        self.name = ".".join(_quoted(part) for part in config.table.split("."))

    def create(self) -> str:
        """CREATE TABLE, harmless where it is there."""
        types = _TYPES[self.dialect]
        kinds = {"id": "TEXT PRIMARY KEY", "value": types[self.config.value] + " NOT NULL"}
        parts = [f"{c} {kinds.get(f) or types.get(f, 'TEXT')}" for f, c in zip(self.fields, self.columns)]
        return f"CREATE TABLE IF NOT EXISTS {self.name} ({', '.join(parts)})"

    def insert(self) -> str:
        """INSERT with one place per column."""
        mark = "%s" if self.dialect == "postgres" else "?"
        json = {"headers", "value"} if self.config.value == "json" else {"headers"}
        cast = "::jsonb" if self.dialect == "postgres" else ""
        places = [mark + (cast if f in json else "") for f in self.fields]
        conflict = self.columns[self.fields.index("id")]
        names, marks = ", ".join(self.columns), ", ".join(places)
        return f"INSERT INTO {self.name} ({names}) VALUES ({marks}) ON CONFLICT ({conflict}) DO NOTHING"  # noqa: S608

    def row(self, message: Message) -> list[Any]:
        """Values in the order of the columns. Raises Unfit."""
        return [self._field(field, message) for field in self.fields]

    def _field(self, field: str, message: Message) -> Any:
        if field == "value":
            return self._value(message.value)
        if field == "time":
            moment = utc(message.time)
            return moment if self.dialect == "postgres" else rfc3339(message.time)
        if field == "headers":
            return headers_json(message.headers) if message.headers else None
        if field == "key":
            return readable(message.key) if message.key is not None else None
        return getattr(message, field)

    def _value(self, value: bytes) -> Any:
        kind = self.config.value
        if kind == "bytes":
            return value
        if kind == "json" and not is_json(value):
            raise Unfit("the value is not JSON, which the column is; set value: text or bytes")
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            raise Unfit("the value is not text, which the column is; set value: bytes") from None


def _quoted(name: str) -> str:
    return f'"{name}"'
