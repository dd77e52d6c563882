"""Chooses the database by the DSN."""

from __future__ import annotations

from countline.outputs.sql.config import Config
from countline.protocols import Output

__all__ = ["make"]


def make(config: Config) -> Output:
    """An output for this configuration; nothing is connected yet."""
    if config.sqlite is not None:
        from countline.outputs.sql.sqlite import SqliteOutput

        return SqliteOutput(config)
    from countline.outputs.sql.postgres import PostgresOutput

    return PostgresOutput(config)
