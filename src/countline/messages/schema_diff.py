"""Whether two versions of a schema can be read by each other's users.

``backward``: readers with NEW read what was written with OLD. ``forward``: readers with OLD read what is written with NEW.
``full``: both. Rules, the same for JSON Schema, Avro and Protobuf as far as their formats go:

* A field that NEW adds and requires (no default, not optional) breaks backward; one that it drops breaks forward if OLD
  required it. In a JSON object that is closed (``additionalProperties: false``) an unknown field breaks the reader, too.
* A type may widen for the reader: integer to number, T to T-or-null; never the other way round.
* Protobuf: fields are known by number. A number may not change its type or its name's JSON form, other than between
  types of one wire form (int64 and uint64 are not taken as one: signs differ); new and missing fields are fine.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from countline.errors import ConfigError

__all__ = ["MODES", "differences", "kind_of", "read"]

MODES = ("backward", "forward", "full")


def kind_of(schema: Any) -> str:
    """'avro', 'json' or 'proto', by what a parsed JSON document or a text looks like."""
    if isinstance(schema, str):
        return "proto"
    if isinstance(schema, Mapping) and ("$schema" in schema or "properties" in schema or "$id" in schema):
        return "json"
    return "avro"


def read(name: str, text: str) -> Any:
    """A schema from the text of a file: .proto text as it is, all else parsed. Raises ConfigError."""
    if name.endswith(".proto") or text.lstrip().startswith(("syntax", "//")):
        if not _proto_fields(text):
            raise ConfigError("has no message with fields", where=name, fix="give a .proto file as countline prints it")
        return text
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise ConfigError(
            f"is not JSON: {error}", where=name, fix="give a JSON Schema, an Avro schema or a .proto"
        ) from None


def differences(old: Any, new: Any, mode: str = "backward") -> list[str]:
    """What makes NEW incompatible with OLD, one sentence each; empty if it is compatible.

    Parameters
    ----------
    old, new: parsed JSON (JSON Schema or Avro), or .proto text as countline writes it.
    mode: one of :data:`MODES`.

    Raises ConfigError for two schemas of different languages or an unknown mode."""
    if mode not in MODES:
        raise ConfigError(f"unknown mode '{mode}'", fix=f"known are: {', '.join(MODES)}")
    kinds = kind_of(old), kind_of(new)
    if kinds[0] != kinds[1]:
        raise ConfigError(f"one schema is {kinds[0]}, the other {kinds[1]}", fix="compare two of one language")
    compare = {"json": _json, "avro": _avro, "proto": _proto}[kinds[0]]
    found: list[str] = []
    if mode in ("backward", "full"):
        found += [f"backward: {text}" for text in compare(old, new, "value")]
    if mode in ("forward", "full"):
        found += [f"forward: {text}" for text in compare(new, old, "value")]
    return found


def _json(writer: Mapping[str, Any], reader: Mapping[str, Any], path: str) -> Iterator[str]:
    types, accepted = _types(writer), _types(reader)
    if accepted is not None:
        if types is None:
            yield f"{path} could be anything and is now {_or(accepted)}"
            return
        missing = {t for t in types if t not in accepted and not (t == "integer" and "number" in accepted)}
        if missing:
            yield f"{path} may be {_or(missing)} where the reader takes {_or(accepted)} only"
            return
    for word in ("format", "contentEncoding"):
        if reader.get(word) is not None and reader.get(word) != writer.get(word):
            yield f"{path} has the {word} {writer.get(word)} where the reader wants {reader[word]}"
    if types is not None and "object" in types:
        yield from _json_object(writer, reader, path)
    if types is not None and "array" in types and reader.get("items"):
        yield from _json(writer.get("items", {}), reader["items"], f"{path}[]")


def _json_object(writer: Mapping[str, Any], reader: Mapping[str, Any], path: str) -> Iterator[str]:
    written, known = writer.get("properties", {}), reader.get("properties", {})
    others = reader.get("additionalProperties", True)
    for name, schema in written.items():
        if name in known:
            yield from _json(schema, known[name], f"{path}.{name}")
        elif others is False:
            yield f"{path}.{name} is not known to the reader, which takes no other fields"
        elif isinstance(others, Mapping):
            yield from _json(schema, others, f"{path}.{name}")
    always = set(writer.get("required", ()))
    for name in reader.get("required", ()):
        if name not in always:
            yield f"{path}.{name} is required by the reader and not always written"
    more = writer.get("additionalProperties", True)
    if isinstance(more, Mapping) and isinstance(others, Mapping):
        yield from _json(more, others, f"{path}.*")
    elif more is not False and others is False:
        yield f"{path} may have any other fields, and the reader takes none"


def _types(schema: Mapping[str, Any]) -> set[str] | None:
    found = schema.get("type")
    return None if found is None else {found} if isinstance(found, str) else set(found)


def _or(words: set[str]) -> str:
    return " or ".join(sorted(words))


_PROMOTIONS = {("int", "long"), ("int", "float"), ("int", "double"), ("long", "float"), ("long", "double"),
               ("float", "double"), ("string", "bytes"), ("bytes", "string")}  # fmt: skip
"""Avro specification, schema resolution: what a writer's type may be read as."""


def _avro(writer: Any, reader: Any, path: str) -> Iterator[str]:
    if isinstance(writer, list):
        for branch in writer:
            yield from _avro(branch, reader, path)
        return
    if isinstance(reader, list):
        if not any(not list(_avro(writer, branch, path)) for branch in reader):
            yield f"{path} may be {_avro_name(writer)} where the reader takes {_or({_avro_name(r) for r in reader})} only"
        return
    one, other = _avro_name(writer), _avro_name(reader)
    if one != other:
        if (one, other) not in _PROMOTIONS:
            yield f"{path} is {one} and read as {other}"
        return
    if one == "record":
        yield from _avro_record(writer, reader, path)
    elif one == "array":
        yield from _avro(writer["items"], reader["items"], f"{path}[]")
    elif one == "map":
        yield from _avro(writer["values"], reader["values"], f"{path}.*")


def _avro_record(writer: Mapping[str, Any], reader: Mapping[str, Any], path: str) -> Iterator[str]:
    written = {f["name"]: f for f in writer["fields"]}
    for entry in reader["fields"]:
        found = next((written[n] for n in (entry["name"], *entry.get("aliases", ())) if n in written), None)
        if found is not None:
            yield from _avro(found["type"], entry["type"], f"{path}.{entry['name']}")
        elif "default" not in entry:
            yield f"{path}.{entry['name']} is not written, and the reader has no default for it"


def _avro_name(schema: Any) -> str:
    found = schema.get("type") if isinstance(schema, Mapping) else schema
    return _avro_name(found) if isinstance(found, Mapping) else str(found)


_FIELD = re.compile(r"^\s*(optional |repeated )?(map<[^>]*>|[\w.]+) (\w+) = (\d+)(?: \[json_name = \"([^\"]*)\"\])?;")
_MESSAGE = re.compile(r"^\s*message (\w+) \{")


def _proto(writer: str, reader: str, path: str) -> Iterator[str]:
    written, known = _proto_fields(writer), _proto_fields(reader)
    for place in sorted(written.keys() & known.keys()):
        if written[place] != known[place]:
            message, number = place
            yield f"{message} field {number} is '{' '.join(written[place])}' and read as '{' '.join(known[place])}'"


def _proto_fields(text: str) -> dict[tuple[str, int], tuple[str, ...]]:
    """(message, number) -> (kind, name); optional and plain fields have one wire form."""
    found: dict[tuple[str, int], tuple[str, ...]] = {}
    stack: list[str] = []
    for line in text.splitlines():
        opened, field = _MESSAGE.match(line), _FIELD.match(line)
        if opened:
            stack.append(opened[1])
        elif line.strip() == "}":
            stack = stack[:-1]
        elif field and stack:
            label = "repeated " if field[1] == "repeated " else ""
            found[(".".join(stack), int(field[4]))] = (label + field[2], field[5] or field[3])
    return found
