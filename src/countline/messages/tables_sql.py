"""Tables of databases and stream engines that a message's values are rows of: Flink SQL and ClickHouse. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from countline.errors import MessageError
from countline.messages.schema import Schema
from countline.messages.shape import ANY, Member, Shape

__all__ = ["ENGINES", "KafkaPlace", "table_sql"]


@dataclass(frozen=True)
class KafkaPlace:
    """Where the messages are."""

    topic: str
    bootstrap: str


ENGINES = ("flink", "clickhouse")

_FLINK = {
    "string": "STRING",
    "integer": "BIGINT",
    "uint64": "DECIMAL(20, 0)",
    "number": "DOUBLE",
    "boolean": "BOOLEAN",
    "bytes": "BYTES",
    "time": "TIMESTAMP_LTZ(3)",
    "any": "STRING",
    "null": "STRING",
}
_CLICKHOUSE = {
    "string": "String",
    "integer": "Int64",
    "uint64": "UInt64",
    "number": "Float64",
    "boolean": "Bool",
    "bytes": "String",
    "time": "DateTime64(9, 'UTC')",
    "any": "String",
    "null": "Nullable(String)",
}
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def table_sql(schema: Schema, engine: str, definition: str, place: KafkaPlace) -> str:
    """``CREATE TABLE`` statements for one of :data:`ENGINES`. Columns are the keys of the value, in its order; event time is the first
    of them that is a time, else the record's.

    Raises MessageError where the value is no object, or a key is none that a column can be called by.
    """
    members = schema.shape.members
    if schema.shape.kind != "record" or not members:
        raise MessageError(
            "its value is no object, so its keys cannot be columns",
            where=f"message '{definition}'",
            fix="make the value a mapping, e.g. value: {at: '{time}', who: '{track_id}'}",
        )
    name = re.sub(r"\W", "_", definition)
    for member in members:
        if "`" in member.key or not member.key or "\n" in member.key:
            raise MessageError(f"the key '{member.key}' cannot be a column", where=f"message '{definition}'")
    make = _flink if engine == "flink" else _clickhouse
    return make(name, members, place)


def _event_time(members: Sequence[Member]) -> str | None:
    return next((m.key for m in members if _is_time(m.shape)), None)


def _is_time(shape: Shape) -> bool:
    return shape.kind == "time" or shape.doc == "date-time"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _rows(columns: Sequence[tuple[str, str]]) -> str:
    width = max(len(name) for name, _ in columns)
    return ",\n".join(f"  {name:<{width}} {kind}" for name, kind in columns)


def _name(key: str) -> str:
    return f"`{key}`"


# -- Flink ---------------------------------------------------------------------------------------------------------


def _flink_type(shape: Shape) -> str:
    if shape.kind == "record":
        return "ROW<" + ", ".join(f"{_name(m.key)} {_flink_type(m.shape)}" for m in shape.members) + ">"
    if shape.kind == "list":
        return f"ARRAY<{_flink_type(shape.items or ANY)}>"
    if shape.kind == "map":
        return f"MAP<STRING, {_flink_type(shape.items or ANY)}>"
    return _FLINK["time" if _is_time(shape) else shape.kind]


def _free(wanted: str, members: Sequence[Member]) -> str:
    """A name that no key has."""
    while any(m.key == wanted for m in members):
        wanted += "_"
    return wanted


def _flink(name: str, members: Sequence[Member], place: KafkaPlace) -> str:
    free: Callable[[str], str] = lambda wanted: _name(_free(wanted, members))  # noqa: E731
    columns = [(_name(m.key), _flink_type(m.shape)) for m in members]
    headers, at = free("record_headers"), _event_time(members)
    columns += [
        (free("record_time"), "TIMESTAMP_LTZ(3) METADATA FROM 'timestamp' VIRTUAL"),
        (headers, "MAP<STRING, BYTES> METADATA FROM 'headers' VIRTUAL"),
        (free("message_id"), f"AS DECODE({headers}['id'], 'UTF-8')"),
        (free("seen"), "AS PROCTIME()"),
    ]
    clock = _name(at) if at is not None else free("record_time")
    once, table, message_id, nth = _name(name + "_once"), _name(name), free("message_id"), free("nth")
    lines = [
        f"CREATE TABLE {table} (",
        f"{_rows(columns)},",
        f"  WATERMARK FOR {clock} AS {clock} - INTERVAL '10' SECOND",
        ") WITH (",
        "  'connector' = 'kafka',",
        f"  'topic' = {_quoted(place.topic)},",
        f"  'properties.bootstrap.servers' = {_quoted(place.bootstrap)},",
        "  'scan.startup.mode' = 'earliest-offset',",
        "  'format' = 'json',",
        "  'json.timestamp-format.standard' = 'ISO-8601'",
        ");",
        "",
        "-- At least once means that a message may come twice: each id once, in the order in which they came.",
        f"CREATE VIEW {once} AS",
        "SELECT * FROM (",
        f"  SELECT *, ROW_NUMBER() OVER (PARTITION BY {message_id} ORDER BY {free('seen')}) AS {nth}",
        f"  FROM {table}",
        f") WHERE {nth} = 1;",
    ]
    return "\n".join(lines) + "\n"


# -- ClickHouse ----------------------------------------------------------------------------------------------------


def _clickhouse_type(shape: Shape, required: bool = True) -> str:
    if shape.kind == "record":
        parts = ", ".join(f"{_tuple_name(m.key)} {_clickhouse_type(m.shape, m.required)}" for m in shape.members)
        return f"Tuple({parts})" if shape.members else "String"
    if shape.kind == "list":
        return f"Array({_clickhouse_type(shape.items or ANY)})"
    if shape.kind == "map":
        return f"Map(String, {_clickhouse_type(shape.items or ANY)})"
    kind = _CLICKHOUSE["time" if _is_time(shape) else shape.kind]
    nullable = shape.nullable or not required
    return f"Nullable({kind})" if nullable and not kind.startswith("Nullable") else kind


def _tuple_name(key: str) -> str:
    return key if _PLAIN.fullmatch(key) else _name(key)


def _clickhouse(name: str, members: Sequence[Member], place: KafkaPlace) -> str:
    columns = [(_name(m.key), _clickhouse_type(m.shape, m.required)) for m in members]
    message_id = _free("message_id", members)
    more = [(_name(message_id), "String"), (_name(_free("record_time", members)), "Nullable(DateTime64(3, 'UTC'))")]
    at = _event_time(members)
    order = ", ".join([_name(message_id)])
    chosen = ",\n".join(f"  {_name(m.key)}" for m in members)
    comment = f" -- event time: {_name(at)}" if at is not None else ""
    return (
        f"CREATE TABLE {_name(name + '_queue')} (\n{_rows(columns)}\n) ENGINE = Kafka SETTINGS\n"
        f"  kafka_broker_list = {_quoted(place.bootstrap)},\n"
        f"  kafka_topic_list = {_quoted(place.topic)},\n"
        f"  kafka_group_name = {_quoted('clickhouse-' + name)},\n"
        "  kafka_format = 'JSONEachRow',\n"
        "  date_time_input_format = 'best_effort';\n\n"
        "-- At least once means that a message may come twice: rows of one id become one. Until they have, `FINAL` shows one.\n"
        f"CREATE TABLE {_name(name)} (\n{_rows(columns + more)}\n) ENGINE = ReplacingMergeTree ORDER BY ({order});{comment}\n\n"
        f"CREATE MATERIALIZED VIEW {_name(name + '_consumer')} TO {_name(name)} AS\nSELECT\n{chosen},\n"
        f"  `_headers.value`[indexOf(`_headers.name`, 'id')] AS {_name(message_id)},\n"
        f"  `_timestamp_ms` AS {_name(_free('record_time', members))}\n"
        f"FROM {_name(name + '_queue')};\n"
    )
