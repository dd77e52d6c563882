"""The name of the object that a message becomes. Pure."""

from __future__ import annotations

import re

from countline.types import Message, utc

__all__ = ["FIELDS", "content_type_of", "extension_of", "key_of"]

FIELDS = ("id", "extension", "date", "hour", "source", "topic", "definition")
"""What may stand in braces in a path."""

_UNSAFE = re.compile(r"[^\w.@+=-]+")
_EXTENSIONS = {
    "application/json": "json",
    "application/x-ndjson": "jsonl",
    "application/vnd.msgpack": "msgpack",
    "application/avro": "avro",
    "application/protobuf": "pb",
    "application/x-protobuf": "pb",
    "image/jpeg": "jpg",
    "video/mp2t": "ts",
    "video/mp4": "mp4",
    "video/x-matroska": "mkv",
}


def content_type_of(message: Message, content: str) -> str:
    """Of the object: the message's own, unless it is wrapped in JSON."""
    return "application/json" if wrapped(message, content) else message.content_type


def wrapped(message: Message, content: str) -> bool:
    """Whether the object is the whole message as JSON. A picture is always the picture itself, a clip the clip."""
    return content == "message" and not message.content_type.startswith(("image/", "video/"))


def extension_of(content_type: str) -> str:
    """``json`` for application/json and for whatever ends in ``+json``; ``bin`` for what is not known."""
    kind = content_type.split(";")[0].strip().lower()
    return _EXTENSIONS.get(kind) or ("json" if kind.endswith("+json") else "bin")


def key_of(path: str, message: Message, content: str) -> str:
    """``path`` filled in for a message, without the store's prefix. What could lead elsewhere becomes ``_``."""
    moment = utc(message.time)
    return path.format(
        id=_safe(message.id),
        extension=extension_of(content_type_of(message, content)),
        date=moment.strftime("%Y-%m-%d"),
        hour=moment.strftime("%H"),
        source=_safe(message.source),
        topic=_safe(message.topic or "countline"),
        definition=_safe(message.definition),
    )


def _safe(name: str) -> str:
    return _UNSAFE.sub("_", name).lstrip(".") or "_"
