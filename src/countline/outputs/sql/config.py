"""Options of the SQL output."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, SecretStr, model_validator

from countline.config.faults import ConfigFault
from countline.outputs.base.options import NetworkConfig, Secret, Tls

__all__ = ["FIELDS", "Config"]

FIELDS = ("id", "time", "source", "definition", "topic", "key", "headers", "value")
"""What a message offers to a table."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_$]{0,62}")
_SCHEMES = ("sqlite:", "postgresql://", "postgres://")


def _url(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    if not text.startswith(_SCHEMES) or text in ("sqlite:", "sqlite://", "sqlite:///"):
        raise ConfigFault(
            "is not the address of a database",
            fix="sqlite:counts.db, sqlite:////absolute/counts.db or postgresql://host/db",
        )
    return value


def _table(value: str) -> str:
    parts = value.split(".")
    if len(parts) > 2 or not all(_NAME.fullmatch(part) for part in parts):
        raise ConfigFault(
            f"'{value}' is not a table name", fix="letters, digits and underscores; a schema may stand before a dot"
        )
    return value


def _columns(value: dict[str, str | None]) -> dict[str, str | None]:
    for field, column in value.items():
        if column is None and field in ("id", "value"):
            raise ConfigFault(f"the column for {field} cannot be left out", loc=(field,))
        if column is not None and not _NAME.fullmatch(column):
            raise ConfigFault(f"'{column}' is not a column name", fix="letters, digits and underscores", loc=(field,))
    return value


class Config(NetworkConfig):
    """Inserts into a table of SQLite or PostgreSQL, one row per message; a message that is there already (by its id) is
    left alone, so that the table has no duplicates."""

    renamed: ClassVar[Mapping[str, str]] = {"dsn": "url"}

    url: Annotated[Secret, AfterValidator(_url)]
    """``sqlite:path`` or ``postgresql://user@host:port/database``. Never shown: it may contain a password."""
    password: Secret | None = None
    """Password for PostgreSQL, if it is not in the url."""
    table: Annotated[str, AfterValidator(_table)] = "countline_messages"
    create: bool = True
    """Make the table if it is not there."""
    columns: Annotated[
        dict[Literal["id", "time", "source", "definition", "topic", "key", "headers", "value"], str | None],
        AfterValidator(_columns),
    ] = {}
    """Column for each field of a message, where it is not the field's own name; null leaves the column out."""
    value: Literal["json", "text", "bytes"] = "json"
    """Type of the value's column: JSONB (TEXT in SQLite), TEXT, or BYTEA (BLOB). Only bytes takes every value; PostgreSQL
    keeps JSON by meaning, not byte for byte."""
    batch: int = Field(default=500, ge=1, le=10_000)
    """Most rows in one transaction."""
    tls: Tls = None
    """TLS to PostgreSQL: certificate and host name are checked unless ``verify`` is false."""

    @model_validator(mode="after")
    def _for_postgres(self) -> Config:
        if self.sqlite is not None and self.tls is not None:
            raise ConfigFault("a file has no TLS", fix="leave tls out: it is for PostgreSQL", loc=("tls",))
        return self

    @property
    def sqlite(self) -> str | None:
        """SQLite's file; None for PostgreSQL."""
        url = self.url.get_secret_value()
        if not url.startswith("sqlite:"):
            return None
        path = url.removeprefix("sqlite:")
        return path[3:] if path.startswith("///") else path

    def files(self) -> list[str]:
        """SQLite's file."""
        return [] if self.sqlite is None else [self.sqlite]
