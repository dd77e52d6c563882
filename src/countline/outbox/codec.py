"""Messages of one group commit as one block of bytes, and back. Pure.

Layout: ``CLB1`` | length of the index (u32 LE) | CRC-32 of that length and all that follows (u32 LE) | index (JSON) | payload. The index
is ``[shapes, rows]``: a shape is what neighbours have in common ``[topic, definition, source, content type, outputs,
header names]``, a row is ``[shape, id, time, length of value, length of key or -1, lengths of header values…]``. The
payload is value, key and header values of every row, one after the other.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from typing import Any

import orjson

from countline.types import Message

__all__ = ["Damaged", "decode", "encode"]

_HEAD = struct.Struct("<4sII")
_MAGIC = b"CLB1"


class Damaged(ValueError):
    """The bytes are not what was written."""


_PIECE = 5 * 1024
"""Bytes up to which zlib keeps Python's lock: to have it back would take longer than the sum."""


def _crc(size: int, rest: bytes | memoryview) -> int:
    crc = size  # the length is the start value, so that damage to it is seen too
    view = memoryview(rest)
    for start in range(0, len(view), _PIECE):
        crc = zlib.crc32(view[start : start + _PIECE], crc)
    return crc


def encode(messages: Sequence[Message]) -> bytes:
    """Messages as one block. About 1 µs a message."""
    shapes: dict[tuple[Any, ...], int] = {}
    rows: list[tuple[Any, ...]] = []
    payload: list[bytes] = []
    last: tuple[Any, ...] = ()
    number = 0
    for m in messages:
        value, key, headers = m.value, m.key, m.headers
        shape = (
            m.topic,
            m.definition,
            m.source,
            m.content_type,
            m.outputs,
            tuple([n for n, _ in headers]) if headers else (),
        )
        if shape != last:  # neighbours are mostly alike
            number, last = shapes.setdefault(shape, len(shapes)), shape
        payload.append(value)
        if key is None:
            row: tuple[Any, ...] = (number, m.id, m.time, len(value), -1)
        else:
            row = (number, m.id, m.time, len(value), len(key))
            payload.append(key)
        if headers:
            row += tuple([len(header) for _, header in headers])
            payload += [header for _, header in headers]
        rows.append(row)
    index = _dumps([list(shapes), rows])
    rest = b"".join((index, *payload))
    return _HEAD.pack(_MAGIC, len(index), _crc(len(index), rest)) + rest


def _dumps(value: Any) -> bytes:
    try:
        return orjson.dumps(value)
    except TypeError:
        # A lone surrogate in an id or a topic (from a file name that is not UTF-8): keep the message, not the surrogate.
        return orjson.dumps(_clean(value))


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, (list, tuple)):
        return [_clean(item) for item in value]
    return value


def decode(data: bytes) -> list[Message]:
    """The messages of a block. Raises Damaged."""
    try:
        magic, size, crc = _HEAD.unpack_from(data)
    except struct.error:
        raise Damaged("shorter than its head") from None
    if magic != _MAGIC:
        raise Damaged("not a block of messages")
    if _crc(size, memoryview(data)[_HEAD.size :]) != crc:
        raise Damaged("checksum differs")
    at = _HEAD.size + size
    shapes, rows = orjson.loads(data[_HEAD.size : at])
    shapes = [(*s[:4], tuple(s[4]), tuple(s[5])) for s in shapes]
    messages = []
    for row in rows:
        topic, definition, source, content_type, outputs, names = shapes[row[0]]
        _, ident, time, value_size, key_size = row[:5] if names else row
        value = data[at : at + value_size]
        at += value_size
        key = None
        if key_size >= 0:
            key = data[at : at + key_size]
            at += key_size
        headers: tuple[tuple[str, bytes], ...] = ()
        if names:
            pairs = []
            for name, header_size in zip(names, row[5:]):
                pairs.append((name, data[at : at + header_size]))
                at += header_size
            headers = tuple(pairs)
        messages.append(Message(ident, value, key, headers, time, topic, definition, source, content_type, outputs))
    return messages
