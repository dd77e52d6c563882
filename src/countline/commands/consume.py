"""What ``countline consume`` does."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console
from rich.highlighter import JSONHighlighter
from rich.text import Text

from countline.config import load
from countline.errors import ConfigError
from countline.outputs.kafka.tail import Record, tail
from countline.redaction import keep
from countline.secret_forms import SECRET_NAME, uri_secrets
from countline.terminal import echo, json_line, visible, visible_json

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
        keep(*uri_secrets(kafka))
        _check_addresses(kafka)
        options["bootstrap.servers"] = kafka
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise ConfigError(f"'{pair}' is not KEY=VALUE", where="--option", fix="e.g. -X security.protocol=SSL")
        options[key] = value
        if SECRET_NAME.search(key):
            keep(value)
    if not options.get("bootstrap.servers"):
        raise ConfigError("no broker given", fix="add --kafka HOST:PORT, or --config FILE")
    if not topic:
        raise ConfigError("no topic given", fix="countline consume TOPIC --kafka HOST:PORT")
    return options, topic


def _check_addresses(kafka: str) -> None:
    from countline.config.faults import ConfigFault
    from countline.outputs.kafka.config import check_server

    try:
        for server in kafka.split(","):
            check_server(server.strip())
    except ConfigFault as fault:
        raise ConfigError(fault.what, where="--kafka", fix=fault.fix) from None


def consume_command(options: Mapping[str, Any]) -> int:
    """Print records until the end, the count, or Ctrl-C."""
    kafka_options, topic = connection(options["config"], options["kafka"], options["topic"], options["options"])
    console = Console(highlight=False)
    raw, screen = sys.stdout.buffer, sys.stdout.isatty()
    try:
        for record in tail(
            kafka_options,
            topic,
            beginning=options["beginning"],
            count=options["count"],
            idle=options["idle"],
            on_error=lambda text: echo(f"countline: {text}", err=True),
        ):
            if options["raw"]:
                raw.write((on_screen(record.value) if screen else record.value or b"") + b"\n")
                raw.flush()
            elif options["as_json"]:
                raw.write(json_line(as_json(record), data=True).encode() + b"\n")
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
        value = parsed(record.value) if record.value is not None else None
    except ValueError:
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
    head.append(f"  key {visible(str(_text(record.key)), breaks=False)}", "cyan")
    for name, data in record.headers:
        head.append(f"  {visible(f'{name}={_text(data)}', breaks=False)}", "dim")
    console.print(head, soft_wrap=True)
    try:
        value = json.dumps(parsed(record.value or b"null"), indent=2, ensure_ascii=False)
        console.print(JSONHighlighter()(Text(visible_json(value))), soft_wrap=True)
    except ValueError:
        console.print(Text(visible(_text(record.value) or "")), soft_wrap=True)


def parsed(value: bytes) -> Any:
    """JSON as Python's, with integers of any size exact. Raises ValueError."""
    if _LONG.search(value):
        return json.loads(value.decode(), parse_constant=_no_number)
    return orjson.loads(value)


_LONG = re.compile(rb"[0-9]{19}")


def _no_number(word: str) -> Any:
    raise ValueError(f"{word} is not JSON")


def on_screen(value: bytes | None) -> bytes:
    """A value for a terminal, which would do what its control characters say."""
    return visible((value or b"").decode(errors="backslashreplace")).encode()


def _time(ms: int) -> str:
    try:
        moment = datetime.fromtimestamp(ms // 1000, timezone.utc)
    except (ValueError, OverflowError, OSError):
        return f"{ms} ms"  # beyond the year 9999: a calendar has no name for it
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{ms % 1000:03d}Z"


def _text(data: bytes | None) -> str | None:
    if data is None:
        return None
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.hex(" ")
