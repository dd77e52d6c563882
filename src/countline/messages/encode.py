"""Encoders: a made value to bytes."""

from __future__ import annotations

from typing import Any, Protocol

import orjson

from countline.config.messages import MessageConfig
from countline.messages.faults import Loc
from countline.messages.shape import Shape

__all__ = ["Encoder", "JsonEncoder"]

_OPTIONS = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS | orjson.OPT_UTC_Z


class Encoder(Protocol):
    """Turns values into bytes."""

    content_type: str

    def encode(self, value: Any) -> bytes:
        """Raises TypeError or ValueError for a value that it cannot hold."""
        ...


def plain(value: Any) -> Any:
    """What orjson does not know: pydantic models, msgspec Structs, sets, bytes as base64."""
    dump = getattr(value, "model_dump", None)
    if dump is not None:
        return dump(by_alias=True)
    if hasattr(value, "__struct_fields__"):
        from countline.messages.structs import struct_to_dict

        return struct_to_dict(value)
    if isinstance(value, (set, frozenset, tuple)):
        return list(value)
    if isinstance(value, (bytes, bytearray)):
        from base64 import b64encode

        return b64encode(value).decode()
    raise TypeError(f"a value of type {type(value).__name__} cannot be encoded")


class JsonEncoder:
    """Compact JSON in UTF-8, keys in their order. ``lines``: each value ends with a newline. A value that is bytes or text
    already goes as it is."""

    def __init__(self, *, lines: bool = False) -> None:
        self.content_type = "application/x-ndjson" if lines else "application/json"
        self._options = _OPTIONS | (orjson.OPT_APPEND_NEWLINE if lines else 0)
        self._lines = lines

    def encode(self, value: Any) -> bytes:
        if isinstance(value, (bytes, bytearray)):
            return bytes(value)
        return orjson.dumps(value, plain, self._options)


def make_encoder(config: MessageConfig, shape: Shape, loc: Loc, schema_id: Any) -> Encoder:
    """The encoder of a definition."""
    return JsonEncoder(lines=config.encoding == "jsonl")
