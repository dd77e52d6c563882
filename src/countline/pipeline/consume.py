"""What ``countline consume`` does."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import click
import orjson
from rich.console import Console
from rich.text import Text

from countline.config import load
from countline.errors import ConfigError
from countline.outputs.kafka.tail import Record, tail

__all__ = ["connection", "consume_command", "show"]


def connection(
    file: Path | None, kafka: str | None, topic: str | None, pairs: tuple[str, ...]
) -> tuple[dict[str, Any], str]:
    """librdkafka options and topic from a configuration file or from options."""
    options: dict[str, Any] = {}
    if file is not None:
        from countline.outputs.kafka.config import Config as KafkaConfig
        from countline.outputs.kafka.settings import client

        found = [o for o in load(file).outputs if isinstance(o, KafkaConfig)]
        if not found:
            raise ConfigError("has no Kafka output", where=str(file), fix="give --kafka HOST:PORT and a topic")
        options = client(found[0])
        topic = topic or found[0].topic
    if kafka:
        options["bootstrap.servers"] = kafka
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise ConfigError(f"'{pair}' is not KEY=VALUE", where="--option", fix="e.g. -X security.protocol=SSL")
        options[key] = value
    if not options.get("bootstrap.servers"):
        raise ConfigError("no broker given", fix="add --kafka HOST:PORT, or --config FILE")
    if not topic:
        raise ConfigError("no topic given", fix="countline consume TOPIC --kafka HOST:PORT")
    return options, topic


def consume_command(given: Mapping[str, Any]) -> int:
    """Print records until the end, the count, or Ctrl-C."""
    options, topic = connection(given["config"], given["kafka"], given["topic"], given["options"])
    console = Console(highlight=False)
    raw = sys.stdout.buffer
    try:
        for record in tail(
            options,
            topic,
            beginning=given["beginning"],
            count=given["count"],
            idle=given["idle"],
            on_error=lambda text: click.echo(f"countline: {text}", err=True),
        ):
            if given["raw"]:
                raw.write((record.value or b"") + b"\n")
                raw.flush()
            elif given["as_json"]:
                raw.write(orjson.dumps(as_json(record), default=repr) + b"\n")
                raw.flush()
            else:
                show(console, record)
    except KeyboardInterrupt:
        pass
    return 0


def as_json(record: Record) -> dict[str, Any]:
    """A record for machines; bytes that are not UTF-8 as hexadecimal."""
    value: Any
    try:
        value = orjson.loads(record.value) if record.value is not None else None
    except orjson.JSONDecodeError:
        value = _text(record.value)
    return {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "time": _time(record.timestamp_ms),
        "key": _text(record.key),
        "headers": {name: _text(data) for name, data in record.headers},
        "value": value,
    }


def show(console: Console, record: Record) -> None:
    """A record for people: one line of facts, then the value."""
    head = Text(f"{_time(record.timestamp_ms)}  {record.topic}[{record.partition}]@{record.offset}", "dim")
    head.append(f"  key {_text(record.key)}", "cyan")
    for name, data in record.headers:
        head.append(f"  {name}={_text(data)}", "dim")
    console.print(head, soft_wrap=True)
    try:
        value = orjson.dumps(orjson.loads(record.value or b"null"), option=orjson.OPT_INDENT_2).decode()
        console.print_json(value)
    except orjson.JSONDecodeError:
        console.print(Text(_text(record.value) or ""), soft_wrap=True)


def _time(ms: int) -> str:
    moment = datetime.fromtimestamp(ms / 1000, timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{ms % 1000:03d}Z"


def _text(data: bytes | None) -> str | None:
    if data is None:
        return None
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.hex(" ")
