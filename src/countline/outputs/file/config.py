"""Options of the file output."""

from __future__ import annotations

import os
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from countline.config.base import OutputConfig
from countline.config.faults import ConfigFault
from countline.outputs.base.options import names_in_braces

__all__ = ["FIELDS", "Config"]

FIELDS = ("date", "hour", "source", "topic", "definition")
"""What may stand in braces in a path."""


def _path(value: str) -> str:
    names_in_braces(value, FIELDS)
    if value.endswith("/"):
        raise ConfigFault("is a folder", fix="add a file name, e.g. counts/{date}.jsonl")
    return value


class Config(OutputConfig):
    """Appends messages to files."""

    path: Annotated[str, AfterValidator(_path)] = Field(min_length=1)
    """File name. ``{date}`` (2026-11-22), ``{hour}`` (08), both of the event time in UTC, ``{source}``, ``{topic}`` and
    ``{definition}`` are replaced; folders are made."""
    topic: str = "countline"
    """Topic of messages that have none of their own, for ``{topic}``."""
    format: Literal["jsonl", "parquet"] = "jsonl"
    """JSON Lines, or Parquet files (package pyarrow), which are only ever written whole."""
    content: Literal["value", "message"] = "value"
    """Of a line: the value alone, which must be without line breaks; or a JSON object with id, time, key, headers and
    value. Parquet always has all."""
    rotate_bytes: int | None = Field(default=None, ge=1)
    """Size at which a file is finished and the next one begun; Parquet: size of the values, 64 MiB unless set."""
    rotate_seconds: float | None = Field(default=None, gt=0)
    """Age at which a file is finished; Parquet: 60 unless set."""
    fsync: Literal["batch", "finish", "never"] = "batch"
    """When the disk must have it: before each batch is acknowledged, when a file is finished, or never asked for."""
    max_in_flight: int = Field(default=50_000, ge=1, le=1_000_000)
    """Most messages that wait to be written; a Parquet file is also finished when so many have come."""

    @model_validator(mode="after")
    def _parquet(self) -> Config:
        if self.format == "parquet" and self.fsync == "batch" and "fsync" in self.model_fields_set:
            raise ConfigFault("Parquet files are written whole", fix="use fsync: finish", loc=("fsync",))
        return self

    def files(self) -> list[str]:
        """The file, or what finished files are called."""
        stem, suffix = os.path.splitext(self.path)
        return [f"{stem}-{{number}}{suffix}"] if self.rotates else [self.path]

    @property
    def rotates(self) -> bool:
        """Files are finished and numbered."""
        return self.rotate_bytes is not None or self.rotate_seconds is not None or self.format == "parquet"
