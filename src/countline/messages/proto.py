"""Protobuf from a shape, without protoc: a file descriptor, its text, and an encoder.

Integers are int64 (uint64 for track ids), numbers double, times text. What may be null is ``optional``. What has no fixed
shape is ``google.protobuf.Value``, as are elements that may be null and containers inside containers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from countline.errors import MissingExtra
from countline.messages.convert import Convert, converter
from countline.messages.schema_names import record_name, safe_names
from countline.messages.shape import ANY, Shape, record

if TYPE_CHECKING:
    from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto

__all__ = ["RecordSchema", "file_descriptor", "message_class", "proto_converter", "proto_text"]

_SCALARS = {"string": 9, "time": 9, "integer": 3, "uint64": 4, "number": 1, "boolean": 8, "bytes": 12}
_WORDS = {9: "string", 3: "int64", 4: "uint64", 1: "double", 8: "bool", 12: "bytes"}
_MESSAGE, _OPTIONAL, _REPEATED = 11, 1, 3
_VALUE = ".google.protobuf.Value"


class RecordSchema(Protocol):
    """What a descriptor is made of; see ``schema.Schema``."""

    @property
    def name(self) -> str: ...

    @property
    def namespace(self) -> str: ...

    @property
    def shape(self) -> Shape: ...

    @property
    def numbers(self) -> Mapping[str, int]: ...


def _pb() -> Any:
    try:
        from google.protobuf import descriptor_pb2
    except ImportError:
        raise MissingExtra("protobuf", "protobuf", what_for="Protobuf encoding") from None
    return descriptor_pb2


def file_descriptor(schema: RecordSchema) -> FileDescriptorProto:
    """The descriptor of one file with one outermost message."""
    pb = _pb()
    file: FileDescriptorProto = pb.FileDescriptorProto(
        name=f"{schema.namespace.replace('.', '/')}/{schema.name}.proto", package=schema.namespace, syntax="proto3"
    )
    shape = schema.shape
    if shape.kind != "record":
        shape = record(value=shape)
    file.message_type.append(_message(shape, schema.name, "", f".{schema.namespace}", schema.numbers))
    if _VALUE in str(file):
        file.dependency.append("google/protobuf/struct.proto")
    return file


def _message(shape: Shape, name: str, path: str, scope: str, numbers: Any) -> DescriptorProto:
    message: DescriptorProto = _pb().DescriptorProto(name=name)
    taken = {n for key, n in numbers.items() if key.rpartition(".")[0] == path.rstrip(".")}
    following = 1
    for member, safe in zip(shape.members, safe_names(shape.members)):
        number = numbers.get(path + member.key)
        if number is None:
            while following in taken or 19000 <= following < 20000:
                following += 1
            number, following = following, following + 1
        field = message.field.add(name=safe, number=number, json_name=member.key, label=_OPTIONAL)
        _type(field, member.shape, message, f"{path}{member.key}.", f"{scope}.{name}", numbers, member.required)
    return message


def is_value(shape: Shape) -> bool:
    """Whether Protobuf has no type of its own for this shape at this place (inside a container)."""
    return shape.kind in ("any", "null", "list", "map") or shape.nullable


def _type(
    field: FieldDescriptorProto,
    shape: Shape,
    message: DescriptorProto,
    path: str,
    scope: str,
    numbers: Any,
    required: bool = True,
) -> None:
    if shape.kind in ("list", "map"):
        items = shape.items or ANY
        field.label = _REPEATED  # type: ignore[assignment]
        if shape.kind == "map":
            entry = message.nested_type.add(name=record_name(field.name) + "Entry")
            entry.options.map_entry = True
            entry.field.add(name="key", number=1, type=9, label=_OPTIONAL)
            value = entry.field.add(name="value", number=2, label=_OPTIONAL)
            _plain(value, items, message, path, scope, numbers)
            field.type, field.type_name = _MESSAGE, f"{scope}.{entry.name}"  # type: ignore[assignment]
        else:
            _plain(field, items, message, path, scope, numbers)
        return
    _plain(field, shape.not_null() if shape.kind not in ("any", "null") else shape, message, path, scope, numbers)
    if field.type != _MESSAGE and (shape.nullable or not required):
        field.proto3_optional = True
        field.oneof_index = len(message.oneof_decl)
        message.oneof_decl.add(name=f"_{field.name}")


def _plain(
    field: FieldDescriptorProto, shape: Shape, message: DescriptorProto, path: str, scope: str, numbers: Any
) -> None:
    if is_value(shape):
        field.type, field.type_name = _MESSAGE, _VALUE  # type: ignore[assignment]
    elif shape.kind == "record":
        name = record_name(path.rstrip(".").rpartition(".")[2])
        while any(n.name == name for n in message.nested_type):
            name += "_"
        message.nested_type.append(_message(shape, name, path, scope, numbers))
        field.type, field.type_name = _MESSAGE, f"{scope}.{name}"  # type: ignore[assignment]
    else:
        field.type = _SCALARS[shape.kind]  # type: ignore[assignment]


def message_class(schema: RecordSchema) -> Any:
    """The message class of the schema, made at run time."""
    _pb()
    from google.protobuf import descriptor_pool, message_factory, struct_pb2

    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(struct_pb2.DESCRIPTOR.serialized_pb)
    file = file_descriptor(schema)
    pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{schema.namespace}.{schema.name}"))


def proto_converter(shape: Shape, pool_value: Any) -> Convert | None:
    """Converter to the keyword arguments of the message class; ``pool_value`` is that class's ``Value`` class."""
    from google.protobuf import json_format

    def value(v: Any) -> Any:
        return json_format.ParseDict(v, pool_value())

    def wrap(shape: Shape) -> Convert | None:
        if shape.kind not in ("list", "map") or not is_value(shape.items or ANY):
            return None
        if shape.kind == "list":
            return lambda vs: [value(v) for v in vs]
        return lambda vs: {k: value(v) for k, v in vs.items()}

    return converter(shape, value, wrap=wrap)


def proto_text(file: FileDescriptorProto, comment: str = "") -> str:
    """The file as .proto text."""
    lines = [f"// {comment}"] if comment else []
    lines += ['syntax = "proto3";', "", f"package {file.package};", ""]
    lines += [f'import "{name}";' for name in file.dependency] + ([""] if file.dependency else [])
    for message in file.message_type:
        lines += _message_text(message, f".{file.package}", "")
    return "\n".join(lines) + "\n"


def _message_text(message: DescriptorProto, scope: str, indent: str) -> list[str]:
    inner, own = indent + "  ", f"{scope}.{message.name}"
    lines = [f"{indent}message {message.name} {{"]
    entries = {f"{own}.{n.name}": n for n in message.nested_type if n.options.map_entry}
    for nested in message.nested_type:
        if not nested.options.map_entry:
            lines += _message_text(nested, own, inner)
    for field in message.field:
        entry = entries.get(field.type_name)
        if entry is not None:
            word = f"map<string, {_word(entry.field[1], own)}>"
        else:
            repeated = "repeated " if field.label == _REPEATED else "optional " if field.proto3_optional else ""
            word = repeated + _word(field, own)
        named = f' [json_name = "{field.json_name}"]' if field.json_name != _json_name(field.name) else ""
        lines.append(f"{inner}{word} {field.name} = {field.number}{named};")
    return [*lines, f"{indent}}}"]


def _word(field: FieldDescriptorProto, scope: str) -> str:
    if field.type != _MESSAGE:
        return _WORDS[field.type]
    return field.type_name.removeprefix(scope + ".").removeprefix(".")


def _json_name(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word[:1].upper() + word[1:] for word in rest)
