"""What a refused message becomes in a topic for dead letters: the headers are those of Kafka Connect."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from countline.protocols import Receipt
from countline.types import Message

__all__ = ["as_letter"]

PREFIX = "__connect.errors."


def as_letter(message: Message, receipt: Receipt, *, topic: str, own: str, output: str) -> Message:
    """The same key, value and id, for ``topic``; origin, class of the error and reason in the headers. ``own``: topic of messages
    that name none; ``output``: its name."""
    why = (
        ("topic", message.topic or own),
        ("connector.name", output),
        ("stage", "KAFKA_PRODUCE"),
        ("exception.class.name", receipt.kind),
        ("exception.message", receipt.error),
    )
    more = tuple((PREFIX + name, _bytes(text)) for name, text in why if text)
    origin = (("countline.source", message.source), ("countline.definition", message.definition))
    more += tuple((name, _bytes(text)) for name, text in origin if text)
    return replace(message, topic=topic, headers=(*_legal(message.headers), *more))


def _legal(headers: Sequence[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    """With names that a record may have, where they are what it was refused for."""
    return [(_bytes(name).replace(b"\0", b"\\0").decode() or "(empty)", content) for name, content in headers]


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace")
