"""What rules found in a recording, as tables: events, speeds and spans of time that were seen."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from typing import Any

import orjson

from countline.record.rows import arrow_and_parquet
from countline.types import UNTRACKED, Event, SourceInfo

__all__ = ["EVENT_COLUMNS", "SPAN_COLUMNS", "SPEED_COLUMNS", "event_row", "table"]

EVENT_COLUMNS = {
    "time": "int64", "source": "string", "device_id": "string", "stream_id": "string", "frame": "int64", "sequence": "int32",
    "kind": "string", "rule": "string", "track_id": "uint64", "class_id": "int32", "class_name": "string",
    "confidence": "float64", "left": "float64", "top": "float64", "right": "float64", "bottom": "float64",
    "direction": "string", "dwell": "float64", "phase": "string", "occupancy": "int64", "speed": "float64",
    "origin": "string", "destination": "string", "detail": "string",
}  # fmt: skip
"""Columns of the table of events and their Arrow types. ``time``: ns since the Unix epoch; ``detail``: what only events of further
kinds tell, as JSON. (source, stream_id, frame, sequence) names an event for ever."""
SPEED_COLUMNS = {
    "source": "string", "track_id": "uint64", "class_name": "string", "mean": "float64", "highest": "float64", "frames": "int64"
}  # fmt: skip
"""Of the table of speeds, in km/h, where there are speed rules: a row for each track."""
SPAN_COLUMNS = {"source": "string", "start": "int64", "end": "int64", "frames": "int64"}
"""Of the table of times that were seen (ns since the Unix epoch); between two of them is a gap."""

_OF_BASE = {field.name for field in dataclasses.fields(Event)}


def event_row(event: Event, source: SourceInfo) -> dict[str, Any]:
    """One event as a row."""
    frame = event.frame
    box = event.box or (None, None, None, None)
    row: dict[str, Any] = {
        "time": frame.time, "source": source.name, "device_id": source.device_id or source.name, "stream_id": frame.stream,
        "frame": frame.number, "sequence": event.sequence, "kind": event.kind, "rule": event.rule,
        "track_id": None if event.track_id == UNTRACKED else event.track_id, "class_id": event.class_id,
        "class_name": event.class_name, "confidence": event.confidence,
        "left": box[0], "top": box[1], "right": box[2], "bottom": box[3],
    }  # fmt: skip
    detail: dict[str, Any] = {}
    for field in dataclasses.fields(event):
        if field.name not in _OF_BASE:
            value = getattr(event, field.name)
            if isinstance(value, float) and not math.isfinite(value):
                value = None
            (row if field.name in EVENT_COLUMNS else detail)[field.name] = value
    if detail:
        row["detail"] = orjson.dumps(detail, default=str, option=orjson.OPT_SERIALIZE_NUMPY).decode()
    return row


def table(rows: Iterable[dict[str, Any]], columns: dict[str, str]) -> Any:
    """A ``pyarrow.Table`` of these columns. Raises MissingExtra."""
    arrow, _ = arrow_and_parquet()
    schema = arrow.schema([(name, getattr(arrow, kind)()) for name, kind in columns.items()])
    return arrow.Table.from_pylist(list(rows), schema=schema)
