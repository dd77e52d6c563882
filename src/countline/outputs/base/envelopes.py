"""A whole message as one JSON object, for places that have no room for a key and headers beside the value."""

from __future__ import annotations

import base64
from typing import Any

import orjson

from countline.outputs.base.text import readable
from countline.types import Message, utc

__all__ = ["as_line", "envelope", "is_json", "rfc3339"]


def rfc3339(ns: int) -> str:
    """Nanoseconds since the Unix epoch as RFC 3339 with milliseconds, UTC."""
    moment = utc(ns)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def is_json(value: bytes) -> bool:
    """The bytes are one JSON value."""
    try:
        orjson.loads(value)
    except ValueError:
        return False
    return True


def envelope(message: Message) -> bytes:
    """One line of JSON: ``id, time, source, definition``, where present ``topic, key, headers``, and the value: as
    ``value`` if it is JSON without line breaks (byte for byte), as ``value_text`` if it is other text, else as
    ``value_base64``."""
    head: dict[str, Any] = {
        "id": message.id,
        "time": rfc3339(message.time),
        "source": message.source,
        "definition": message.definition,
    }
    if message.topic is not None:
        head["topic"] = message.topic
    if message.key is not None:
        head["key"] = readable(message.key)
    if message.headers:
        head["headers"] = {name: readable(value) for name, value in message.headers}
    value = message.value
    if b"\n" not in value and b"\r" not in value and is_json(value):
        return orjson.dumps(head)[:-1] + b',"value":' + value + b"}"
    try:
        head["value_text"] = value.decode("utf-8")
    except UnicodeDecodeError:
        head["value_base64"] = base64.b64encode(value).decode()
    return orjson.dumps(head)


def as_line(message: Message, content: str) -> bytes | None:
    """The message as one line without its end: its value, or its envelope; None if the value cannot be a line."""
    if content == "message":
        return envelope(message)
    value = message.value
    return None if b"\n" in value or b"\r" in value else value
