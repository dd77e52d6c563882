"""Schemas written from a shape: JSON Schema, Avro, Protobuf."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import orjson

from countline.messages.proto import file_descriptor, proto_text
from countline.messages.schema_names import safe_names
from countline.messages.shape import ANY, Shape

__all__ = ["FORMATS", "Schema", "SchemaRequest"]

FORMATS = ("json", "avro", "proto")


@dataclass(frozen=True)
class SchemaRequest:
    """What a registry is asked for: the id of this schema. Answered by ``countline.registry``."""

    definition: str
    kind: str
    """AVRO, PROTOBUF or JSON."""
    text: str
    record: str
    """Full name of the outermost record."""
    topic: str | None
    """Topic of the definition; None: the output's own."""
    options: Any
    """The definition's SchemaConfig."""
    outputs: tuple[str, ...] = ()
    """Names of the outputs that the messages go to; empty: all."""


@dataclass(frozen=True)
class Schema:
    """The schema of a definition's value in any of three languages."""

    name: str
    """Name of the outermost record, e.g. LineCrossing."""
    shape: Shape
    namespace: str = "countline"
    version: str = "1"
    numbers: Mapping[str, int] = field(default_factory=dict)
    """Protobuf field numbers by dotted path of keys."""

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits of the SHA-256 of the JSON Schema without names and versions: equal exactly where the
        value's shape is equal."""
        return sha256(orjson.dumps(_json(self.shape))).hexdigest()[:16]

    @property
    def full_version(self) -> str:
        """The user's version and the fingerprint, e.g. ``1+0f3a…``."""
        return f"{self.version}+{self.fingerprint}"

    @property
    def urn(self) -> str:
        """An absolute URI that names schema and version (CloudEvents ``dataschema``)."""
        return f"urn:countline:{self.namespace}.{self.name}:{self.version}:{self.fingerprint}"

    def json(self) -> dict[str, Any]:
        """JSON Schema, draft 7: the newest that every registry reads."""
        head = {"$schema": "http://json-schema.org/draft-07/schema#", "$id": self.urn, "title": self.name}
        return {**head, **_json(self.shape)}

    def avro(self) -> Any:
        """Avro schema as plain values. What has no fixed shape is a string of JSON."""
        made = _avro(self.shape.not_null() if self.shape.kind == "record" else self.shape, self.name)
        if isinstance(made, dict) and made.get("type") == "record":
            keep = {k: v for k, v in made.items() if k not in ("type", "name")}
            made = {
                "type": "record",
                "name": self.name,
                "namespace": self.namespace,
                "version": self.full_version,
                **keep,
            }
        return made

    def proto(self) -> str:
        """Text of a .proto file (proto3)."""
        return proto_text(file_descriptor(self), f"version {self.full_version}")

    def text(self, format: str) -> str:
        """The schema in one of :data:`FORMATS`, ready to be written to a file."""
        if format == "proto":
            return self.proto()
        value = self.json() if format == "json" else self.avro()
        return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode() + "\n"


_JSON_TYPES: dict[str, dict[str, Any]] = {
    "string": {"type": "string"},
    "integer": {"type": "integer"},
    "uint64": {"type": "integer", "minimum": 0},
    "number": {"type": "number"},
    "boolean": {"type": "boolean"},
    "bytes": {"type": "string", "contentEncoding": "base64"},
    "time": {"type": "string", "format": "date-time"},
    "null": {"type": "null"},
}


def _json(shape: Shape) -> dict[str, Any]:
    kind = shape.kind
    if kind == "any":
        return {}
    if kind == "null":
        return {"type": "null"}
    made: dict[str, Any]
    if kind == "record":
        made = {
            "type": "object",
            "properties": {m.key: _json(m.shape) for m in shape.members},
            "required": [m.key for m in shape.members if m.required],
            "additionalProperties": False,
        }
    elif kind == "list":
        made = {"type": "array", "items": _json(shape.items or ANY)}
    elif kind == "map":
        made = {"type": "object", "additionalProperties": _json(shape.items or ANY)}
    else:
        made = dict(_JSON_TYPES[kind])
        if shape.doc == "date-time":
            made["format"] = "date-time"
    if shape.nullable:
        made["type"] = [made["type"], "null"]
    return made


_AVRO_TYPES = {
    "string": "string",
    "integer": "long",
    "uint64": "long",
    "number": "double",
    "boolean": "boolean",
    "bytes": "bytes",
    "time": "string",
    "any": "string",
    "null": "null",
}


def _avro(shape: Shape, path: str) -> Any:
    made: Any
    if shape.kind == "record":
        fields = []
        for member, name in zip(shape.members, safe_names(shape.members)):
            inner = _avro(member.shape if member.required else member.shape.or_null(), f"{path}_{name}")
            entry: dict[str, Any] = {"name": name, "type": inner}
            if name != member.key:
                entry["key"] = member.key
            if isinstance(inner, list) and inner[0] == "null":
                entry["default"] = None
            fields.append(entry)
        made = {"type": "record", "name": path, "fields": fields}
    elif shape.kind == "list":
        made = {"type": "array", "items": _avro(shape.items or ANY, f"{path}_item")}
    elif shape.kind == "map":
        made = {"type": "map", "values": _avro(shape.items or ANY, f"{path}_value")}
    else:
        made = _AVRO_TYPES[shape.kind]
    return ["null", made] if shape.nullable and made != "null" else made
