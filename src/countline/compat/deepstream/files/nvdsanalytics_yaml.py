"""The YAML form of nvdsanalytics' configuration, as NVIDIA's second parser reads it.

It differs from the key-file form: ``property`` counts only for the groups behind it, and a group with a fault ends the
reading without an error, so that it and all later groups are missing. That is reproduced, with a warning. Where NVIDIA's
parser throws (the process aborts) or reads beyond a list's end, this one raises RuleError.
"""

from __future__ import annotations

import re

import yaml

from countline.compat.deepstream.files.nvdsanalytics_items import (
    Group,
    NvdsAnalyticsConfig,
    StreamRules,
    group_kind,
    note_oddities,
    note_stream,
    read_mode,
)
from countline.compat.deepstream.files.yaml_cpp import compose, scalar
from countline.errors import Place, RuleError

__all__ = ["parse_yaml"]


class _Stop(Exception):
    """NVIDIA's parser ends here and takes what it has read so far."""


def parse_yaml(text: str, file: str = "") -> NvdsAnalyticsConfig:
    """Raises RuleError."""
    root = _compose(text, file)
    config = NvdsAnalyticsConfig(file)
    groups = [(_text(key, file, "group"), key, value) for key, value in root.value]
    present = False
    for name, key, _ in groups:
        value = next(value for other, _, value in groups if other == name)  # a second one of a name reads the first
        kind, stream = group_kind(name)
        place = _place(key, file, name)
        if name == "property":
            present = _property(config, value, file)
        elif kind:
            note_stream(name, stream, place, config)
            try:
                _group(config, kind, stream, value, place)
            except _Stop as stop:
                where = Place(file, place.line, place.column, name)
                config.warn(where, f"{stop}: DeepStream leaves out this group and all that follow, without a word")
                note_oddities(config)
                return config
        else:
            config.warn(place, "unknown group, ignored")
    if not present:
        raise RuleError(
            "the group 'property' is missing or empty",
            where=file,
            fix="add property: with enable, config-width and config-height",
        )
    note_oddities(config)
    return config


def _compose(text: str, file: str) -> yaml.MappingNode:
    root = compose(text, file, RuleError)
    if not isinstance(root, yaml.MappingNode) or not root.value:
        raise RuleError(
            "is empty or no mapping of groups", where=file, fix="write property: and the groups at the left margin"
        )
    return root


def _pairs(node: yaml.Node, file: str, key: str) -> list[tuple[yaml.Node, yaml.Node]]:
    """Keys and values of a group; none where it is a plain value. A list aborts DeepStream."""
    if isinstance(node, yaml.SequenceNode) and node.value:
        raise RuleError(
            "is a list: DeepStream aborts on it", where=_place(node, file, key), fix="write keys without dashes"
        )
    return node.value if isinstance(node, yaml.MappingNode) else []


def _place(node: yaml.Node, file: str, key: str = "") -> Place:
    return Place(file, node.start_mark.line + 1, node.start_mark.column + 1, key)


def _text(node: yaml.Node, file: str, key: str) -> str:
    """The words of a scalar as they stand; an empty value or a list aborts DeepStream."""
    if not isinstance(node, yaml.ScalarNode) or (node.tag.endswith(":null") and not node.style):
        raise RuleError("is no plain value", where=_place(node, file, key), fix="write one value; join numbers by ;")
    return scalar(node)


def _number(node: yaml.Node, file: str, key: str, *, signed: bool) -> int:
    """yaml-cpp's conversion: C prefixes 0x and 0, no sign for unsigned; anything else aborts DeepStream."""
    text = _text(node, file, key)
    place = _place(node, file, key)
    match = re.fullmatch(r"([+-]?)(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)\s*", text)
    if match is None or (match[1] == "-" and not signed):
        hint = "write 1 or 0" if text.lower() in ("true", "false", "yes", "no", "on", "off") else "write a whole number"
        raise RuleError(
            f"'{text}' is not a {'' if signed else 'positive '}whole number: DeepStream aborts on it",
            where=place,
            fix=hint,
        )
    digits = match[2]
    base = 16 if digits[:2] in ("0x", "0X") else 8 if digits.startswith("0") and digits != "0" else 10
    value = int(digits, base) * (-1 if match[1] == "-" else 1)
    if not (-(2**31) <= value < 2**31 if signed else value < 2**32):
        raise RuleError(
            f"{value} does not fit into 32 bits: DeepStream aborts on it", where=place, fix="write a smaller number"
        )
    return value


def _stoi(piece: str, place: Place, bits: int = 32) -> int:
    """std::stoi / std::stoul: leading blanks and whatever follows the digits are passed over; no digits at all abort."""
    match = re.match(r"[ \t\n\v\f\r]*([+-]?[0-9]+)", piece)
    limit = 2**31 if bits == 32 else 2**64
    if match is None or not -limit <= int(match[1]) < limit:
        raise RuleError(
            f"'{piece}' is not a number: DeepStream aborts on it",
            where=place,
            fix="write numbers joined by ; without a ; at the end",
        )
    return int(match[1])


def _property(config: NvdsAnalyticsConfig, node: yaml.Node, file: str) -> bool:
    pairs = _pairs(node, file, "property")
    window = 0
    for key_node, value in pairs:
        key = _text(key_node, file, "property")
        name = f"property.{key}"
        if key == "config-width":
            config.width = _number(value, file, name, signed=False)
        elif key == "config-height":
            config.height = _number(value, file, name, signed=False)
        elif key == "enable":
            config.enable = _number(value, file, name, signed=True) != 0
        elif key == "display-font-size":
            config.font_size = _number(value, file, name, signed=False) or config.font_size
        elif key == "osd-mode":
            config.osd_mode = min(_number(value, file, name, signed=False), 2)
        elif key == "obj-cnt-win-in-ms":
            window = _number(value, file, name, signed=False)
        elif key == "display-obj-cnt":
            config.display_obj_cnt = _number(value, file, name, signed=True) != 0
        else:
            config.warn(_place(key_node, file, name), "unknown key, ignored")
    config.window = window or 50
    return bool(pairs)


def _group(config: NvdsAnalyticsConfig, kind: str, stream: int, node: yaml.Node, where: Place) -> None:
    group = Group(kind)
    for key_node, value in _pairs(node, where.file, where.key):
        key = _text(key_node, where.file, where.key)
        name = f"{where.key}.{key}"
        if _group_key(group, key, value, where.file, name, config):
            continue
        if key.startswith(group.prefix):
            _item(group, key, value, _place(key_node, where.file, name))
        else:
            config.warn(_place(key_node, where.file, name), "unknown key, ignored")
    if not group.items:
        raise _Stop(f"no {group.prefix}<label> in this group")
    if stream not in config.streams:
        config.streams[stream] = StreamRules(stream, config.width, config.height)
    group.finish(config.streams[stream])


def _group_key(group: Group, key: str, value: yaml.Node, file: str, name: str, config: NvdsAnalyticsConfig) -> bool:
    place = _place(value, file, name)
    if key == "enable":
        group.enabled = _number(value, file, name, signed=True) != 0
    elif key == "class-id":
        # stoul, kept in 32 bits: -1 stays -1
        values = [_stoi(piece, place, 64) & 0xFFFFFFFF for piece in _text(value, file, name).split(";")]
        group.class_ids = tuple(v - 2**32 if v >= 2**31 else v for v in values)
    elif key == "inverse-roi" and group.kind == "roi":
        group.inverse = _number(value, file, name, signed=True) != 0
    elif key == "extended" and group.kind == "line":
        group.extended = _number(value, file, name, signed=True) != 0
    elif key == "object-threshold" and group.kind == "crowding":
        group.object_threshold = _number(value, file, name, signed=False)
    elif key == "time-threshold" and group.kind == "crowding":
        group.time_threshold_ms = _number(value, file, name, signed=False)
    elif key == "mode" and group.kind in ("line", "direction"):
        group.mode = read_mode(_text(value, file, name), group.kind, place, config)
    else:
        return False
    return True


def _item(group: Group, key: str, value: yaml.Node, place: Place) -> None:
    pieces = _text(value, place.file, place.key).split(";")
    wanted = {"line": 8, "direction": 4}.get(group.kind)
    if wanted is not None and len(pieces) != wanted:
        raise _Stop(f"{key} has {len(pieces)} numbers instead of {wanted}")
    if group.kind == "roi" and len(pieces) % 2:
        raise _Stop(f"{key} has an odd number of coordinates (no ; may stand at the end)")
    if group.kind == "crowding" and len(pieces) % 2:
        raise RuleError(
            f"{key} has an odd number of coordinates: DeepStream reads beyond them",
            where=place,
            fix="write x;y;x;y without a ; at the end",
        )
    numbers = []
    for piece in pieces:
        numbers.append(_stoi(piece, place))
        # Lines and directions are tested one number at a time, polygons a point at a time; both before anything is kept.
        if numbers[-1] < 0 and (wanted is not None or len(numbers) % 2 == 0):
            raise _Stop(f"{key} has a negative coordinate")
        if wanted is None and len(numbers) % 2 == 0 and numbers[-2] < 0:
            raise _Stop(f"{key} has a negative coordinate")
    group.add(key[len(group.prefix) :], numbers, place)
