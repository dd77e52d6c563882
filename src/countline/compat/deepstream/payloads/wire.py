"""Protobuf's wire format, written by hand: the few kinds of fields that the Protobuf payload has, without a package."""

from __future__ import annotations

import struct
from collections.abc import Iterable

__all__ = ["floating", "message", "packed_floats", "text", "varint"]

_FLOAT = struct.Struct("<f")
_ZERO = b"\0\0\0\0"


def _number(value: int) -> bytes:
    value &= 0xFFFFFFFFFFFFFFFF  # negative numbers are ten bytes long in two's complement
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def varint(field: int, value: int) -> bytes:
    """An integer field; nothing for 0, which is the default."""
    return _number(field << 3) + _number(value) if value else b""


def message(field: int, body: bytes) -> bytes:
    """A sub message (or any bytes), present even where it is empty."""
    return _number(field << 3 | 2) + _number(len(body)) + body


def text(field: int, value: str) -> bytes:
    """A string field; nothing for ''."""
    return message(field, value.encode("utf-8", "replace")) if value else b""


def _float(value: float) -> bytes:
    try:
        return _FLOAT.pack(value)
    except OverflowError:
        return _FLOAT.pack(float("inf") if value > 0 else float("-inf"))


def floating(field: int, value: float) -> bytes:
    """A float field; nothing for +0, whose bits are all zero."""
    bits = _float(value)
    return b"" if bits == _ZERO else _number(field << 3 | 5) + bits


def packed_floats(field: int, values: Iterable[float]) -> bytes:
    """A repeated float field; nothing for an empty one."""
    body = b"".join(map(_float, values))
    return message(field, body) if body else b""
