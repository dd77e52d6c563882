"""Parquet files, written whole."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from countline.errors import MissingExtra
from countline.outputs.base.fitness import UNFIT
from countline.outputs.base.text import readable
from countline.outputs.file.paths import PART, fsync_folder, next_number
from countline.types import Message

__all__ = ["need_pyarrow", "unfit_for_rows", "write"]


def need_pyarrow(name: str) -> None:
    """Raises MissingExtra."""
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError:
        raise MissingExtra("pyarrow", "parquet", what_for=f"output '{name}' (Parquet)") from None


def _schema() -> Any:
    import pyarrow as pa

    return pa.schema(
        [
            pa.field("id", pa.string(), nullable=False),
            pa.field("time", pa.timestamp("ns", tz="UTC"), nullable=False),
            pa.field("source", pa.string(), nullable=False),
            pa.field("definition", pa.string(), nullable=False),
            pa.field("topic", pa.string()),
            pa.field("key", pa.string()),
            pa.field("headers", pa.map_(pa.string(), pa.binary())),
            pa.field("value", pa.string()),
            pa.field("value_bytes", pa.binary()),
        ]
    )


def _row(message: Message) -> dict[str, Any]:
    row: dict[str, Any] = {
        "id": message.id,
        "time": message.time,
        "source": message.source,
        "definition": message.definition,
        "topic": message.topic,
        "key": readable(message.key) if message.key is not None else None,
        "headers": [(name, value) for name, value in message.headers],
    }
    try:
        row["value"] = message.value.decode("utf-8")
    except UnicodeDecodeError:
        row["value_bytes"] = message.value
    return row


def unfit_for_rows(messages: Sequence[Message]) -> list[str]:
    """For each message why it cannot be a row; '' for those that can."""
    import pyarrow as pa

    def reason(some: Sequence[Message]) -> str:
        try:
            pa.Table.from_pylist([_row(m) for m in some], schema=_schema())
        except (*UNFIT, pa.ArrowException) as error:
            return str(error) or type(error).__name__
        return ""

    if not reason(messages):  # nearly always
        return [""] * len(messages)
    return [reason([message]) for message in messages]


def write(path: str, messages: Sequence[Message], *, sync: bool) -> str:
    """A numbered file beside ``path`` with a row per message: the value is in ``value`` if it is UTF-8, else in
    ``value_bytes``. Returns its name. Raises OSError; then nothing is left behind."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    Path(path).parent.mkdir(parents=True, exist_ok=True)
    stem, suffix = os.path.splitext(path)
    final = f"{stem}-{next_number(path):06d}{suffix}"
    part = final + PART
    try:
        with open(part, "xb") as file:
            table = pa.Table.from_pylist([_row(m) for m in messages], schema=_schema())
            pq.write_table(table, file, compression="zstd")
            file.flush()
            if sync:
                os.fsync(file.fileno())
        os.rename(part, final)
    except OSError as error:
        Path(part).unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror or str(error), part) from error
    if sync:
        fsync_folder(final)
    return final
