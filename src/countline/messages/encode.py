"""Encoders: a made value to bytes."""

from __future__ import annotations

import os
import re
from base64 import b64encode
from collections.abc import Callable, ItemsView, Iterator, KeysView, Mapping, Sequence, Set, ValuesView
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from ipaddress import _BaseAddress, _BaseNetwork
from typing import Any, Protocol
from zoneinfo import ZoneInfo

import orjson

from countline.config.messages import MessageConfig
from countline.errors import MissingExtra
from countline.messages.compact import compact, dumps
from countline.messages.convert import converter, json_text, plain_values
from countline.messages.faults import Loc, MessageFault
from countline.messages.schema import Schema, SchemaRequest
from countline.messages.schema_names import record_name
from countline.messages.shape import Shape, record

__all__ = ["ConfluentFrame", "Encoder", "JsonEncoder", "make_encoder", "make_schema", "plain"]

_OPTIONS = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS | orjson.OPT_UTC_Z
_KINDS = {"avro": "AVRO", "protobuf": "PROTOBUF", "json": "JSON", "jsonl": "JSON"}


class Encoder(Protocol):
    """Turns values into bytes."""

    content_type: str

    def encode(self, value: Any) -> bytes:
        """Raises TypeError or ValueError for a value that it cannot hold."""
        ...


def plain(value: Any) -> Any:
    """What orjson does not know: pydantic models, msgspec Structs, attrs classes, named tuples and other mappings and
    sequences; sets; bytes as base64; decimals and fractions as numbers; time spans as ISO 8601 durations; paths, addresses and
    the like as text."""
    dump = getattr(value, "model_dump", None)
    if dump is not None:
        return dump(by_alias=True)
    if hasattr(value, "__struct_fields__"):
        from countline.messages.structs import struct_to_dict

        return struct_to_dict(value)
    if isinstance(value, (set, frozenset)):
        return sorted(value, key=repr)
    if isinstance(value, (bytes, bytearray)):
        return b64encode(value).decode()
    if hasattr(value, "tolist"):
        return value.tolist()
    convert = next((convert for kind, convert in _FOREIGN if isinstance(value, kind)), None)
    if convert is not None:
        return convert(value)
    if hasattr(type(value), "__attrs_attrs__"):
        return {field.name: getattr(value, field.name) for field in type(value).__attrs_attrs__}
    raise TypeError(
        f"a value of type {type(value).__qualname__} cannot be encoded; make it a number, text, list or dict"
    )


def _named(value: tuple[Any, ...]) -> Any:
    as_dict = getattr(value, "_asdict", None)
    return list(value) if as_dict is None else as_dict()


_FOREIGN: tuple[tuple[Any, Callable[[Any], Any]], ...] = (
    ((Decimal, Fraction), float),
    (timedelta, lambda value: f"PT{value.total_seconds():.6f}".rstrip("0").rstrip(".") + "S"),
    (os.PathLike, lambda value: os.fsdecode(os.fspath(value))),
    (memoryview, lambda value: b64encode(value).decode()),
    (tuple, _named),
    (Mapping, dict),
    ((Sequence, Set, Iterator, ValuesView, KeysView, ItemsView), list),
    ((_BaseAddress, _BaseNetwork, re.Pattern, ZoneInfo), str),
)
"""Types of the standard library, each with what becomes of its values."""


class JsonEncoder:
    """Compact JSON in UTF-8, keys in their order. ``lines``: each value ends with a newline. A value that is bytes
    already goes as it is. ``user_value``: values come from a user's function and may hold arrays or other keys."""

    def __init__(self, *, lines: bool = False, user_value: bool = True) -> None:
        self.content_type = "application/x-ndjson" if lines else "application/json"
        # Templates make plain values with text keys: orjson is a third faster without looking for others.
        self._options = (_OPTIONS if user_value else 0) | (orjson.OPT_APPEND_NEWLINE if lines else 0)

    def encode(self, value: Any) -> bytes:
        return compact(value) if type(value) is bytes else dumps(value, plain, self._options)


class MsgpackEncoder:
    """MessagePack through msgspec; aware datetimes become its time stamp extension."""

    content_type = "application/vnd.msgpack"

    def __init__(self) -> None:
        try:
            import msgspec
        except ImportError:
            raise MissingExtra("msgspec", "msgpack", what_for="MessagePack encoding") from None
        self._encode = msgspec.msgpack.Encoder(enc_hook=plain, decimal_format="number").encode

    def encode(self, value: Any) -> bytes:
        return value if type(value) is bytes else self._encode(value)


class AvroEncoder:
    """One Avro datum without a container. ``user_value``: values come from a user's function and may hold anything."""

    content_type = "application/avro"

    def __init__(self, schema: Schema, *, user_value: bool) -> None:
        try:
            import fastavro
        except ImportError:
            raise MissingExtra("fastavro", "avro", what_for="Avro encoding") from None
        self._write = fastavro.schemaless_writer
        self._schema = fastavro.parse_schema(schema.avro())
        self._convert = converter(schema.shape, json_text) or (lambda value: value)
        self._user_value = user_value

    def encode(self, value: Any) -> bytes:
        if type(value) is bytes:
            return value
        from io import BytesIO

        if self._user_value:
            value = plain_values(value, plain)
        buffer = BytesIO()
        self._write(buffer, self._schema, self._convert(value))
        return buffer.getvalue()


class ProtobufEncoder:
    """One Protobuf message, map entries in a fixed order."""

    content_type = "application/protobuf"

    def __init__(self, schema: Schema, *, user_value: bool) -> None:
        from countline.messages.proto import message_class, proto_converter

        self._class = message_class(schema)
        wrapped = schema.shape.kind != "record"
        shape = record(value=schema.shape) if wrapped else schema.shape
        convert = proto_converter(shape, _value_class(self._class))
        assert convert is not None  # a record always has one
        self._convert = convert
        self._wrapped = wrapped
        self._user_value = user_value

    def encode(self, value: Any) -> bytes:
        if type(value) is bytes:
            return value
        if self._user_value:
            value = plain_values(value, plain)
        if self._wrapped:
            value = {"value": value}
        made: bytes = self._class(**self._convert(value)).SerializeToString(deterministic=True)
        return made


def _value_class(message_class: Any) -> Any:
    from google.protobuf import message_factory

    pool = message_class.DESCRIPTOR.file.pool
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("google.protobuf.Value"))


class ConfluentFrame:
    """The Confluent wire format around another encoder: a zero byte, the schema id in 4 bytes (big endian), for Protobuf
    the path of the message in its file (a zero byte: the first), then the value."""

    def __init__(self, inner: Encoder, schema_id: int, *, protobuf: bool) -> None:
        self.content_type = inner.content_type
        self._inner = inner
        self._head = b"\0" + schema_id.to_bytes(4, "big") + (b"\0" if protobuf else b"")

    def encode(self, value: Any) -> bytes:
        return self._head + self._inner.encode(value)


def make_schema(config: MessageConfig, shape: Shape) -> Schema:
    """The schema of a definition's value."""
    options = config.schema_
    name = options.name or record_name(config.name)
    return Schema(name, shape, options.namespace, config.version, options.numbers)


def make_encoder(
    config: MessageConfig,
    schema: Schema,
    loc: Loc,
    schema_id: Callable[[SchemaRequest], int] | None,
    *,
    user_value: bool = False,
) -> Encoder:
    """The encoder of a definition. Raises MessageFault for what cannot be encoded, MissingExtra for a package that is absent."""
    encoding = config.encoding
    if encoding in ("avro", "protobuf") and schema.shape.kind == "any":
        raise MessageFault(
            f"{encoding} needs to know the shape of the value",
            (*loc, "encoding"),
            "annotate what the function returns (a dataclass, msgspec Struct, pydantic model or TypedDict), or give "
            "@message(schema=THE_TYPE)",
        )
    inner: Encoder
    try:
        if encoding == "avro":
            inner = AvroEncoder(schema, user_value=user_value)
        elif encoding == "protobuf":
            inner = ProtobufEncoder(schema, user_value=user_value)
        elif encoding == "msgpack":
            inner = MsgpackEncoder()
        else:
            inner = JsonEncoder(lines=encoding == "jsonl", user_value=user_value)
    except (ValueError, TypeError) as error:
        raise MessageFault(f"no {encoding} schema can be made: {error}", (*loc, "schema")) from None
    return _framed(config, schema, loc, schema_id, inner)


def _framed(
    config: MessageConfig,
    schema: Schema,
    loc: Loc,
    schema_id: Callable[[SchemaRequest], int] | None,
    inner: Encoder,
) -> Encoder:
    options = config.schema_
    if options.registry is None and options.id is None:
        return inner
    kind = _KINDS.get(config.encoding)
    if kind is None:
        raise MessageFault(
            f"registries know no {config.encoding}", (*loc, "schema", "registry"), "use json, avro or protobuf"
        )
    found = options.id
    if found is None:
        if schema_id is None:
            raise MessageFault(
                "a schema registry is named, but this program was given no client for it",
                (*loc, "schema", "registry"),
                "pass make(..., tools=Tools(schema_id=countline.registry.SchemaIds()))",
            )
        text = schema.text({"AVRO": "avro", "PROTOBUF": "proto", "JSON": "json"}[kind])
        topic = None if config.topic is None or "{" in config.topic else config.topic
        record = f"{schema.namespace}.{schema.name}"
        found = schema_id(SchemaRequest(config.name, kind, text, record, topic, options, tuple(config.outputs)))
    return ConfluentFrame(inner, found, protobuf=kind == "PROTOBUF")
