"""Values as YAML text that this package (YAML 1.1) and others (YAML 1.2) read as the same."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

__all__ = ["block_lines", "flow", "in_block", "scalar"]

_PLAIN = re.compile(r"[^\W\d](?:[\w ./+()-]*[\w./+()])?")
"""Texts that need no quotes unless they look like something else. Between words one space only would do, but no sign with a meaning."""
_WORDS = frozenset(("y", "n", "yes", "no", "on", "off", "true", "false", "null"))
_NUMBER = re.compile(r"[-+.\d_:eE]+|0[xob].*|\.(inf|nan)", re.IGNORECASE)


def scalar(value: object, *, json_like: bool = False, style: str = "") -> str:
    """A text, number, truth or nothing. ``style``: the quotes that stood there before, kept where they can be."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        text = repr(value)
        if "e" in text:  # YAML 1.1 wants a point before it
            text = f"{value:.17f}".rstrip("0")
        return text + "0" if text.endswith(".") else text
    return _text(str(value), json_like, style)


def _text(value: str, json_like: bool, style: str) -> str:
    printable = value.isprintable() and not yaml.reader.Reader.NON_PRINTABLE.search(value)
    if json_like:
        return json.dumps(value, ensure_ascii=not printable)
    if style == "'" and printable:
        return "'" + value.replace("'", "''") + "'"
    if style != '"' and _PLAIN.fullmatch(value) and value.lower() not in _WORDS and not _NUMBER.fullmatch(value):
        return value
    return '"' + "".join(map(_escaped, value)) + '"'


def _escaped(sign: str) -> str:
    if sign in '"\\':
        return "\\" + sign
    return sign if sign.isprintable() and not yaml.reader.Reader.NON_PRINTABLE.match(sign) else f"\\U{ord(sign):08x}"


def flow(value: object, *, json_like: bool = False) -> str:
    """Any plain data on one line."""
    if isinstance(value, Mapping):
        pairs = (f"{_text(str(k), json_like, '')}: {flow(v, json_like=json_like)}" for k, v in value.items())
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(flow(v, json_like=json_like) for v in value) + "]"
    return scalar(value, json_like=json_like)


def in_block(value: object) -> bool:
    """Whether a value is written in lines of its own: a list of mappings, and what holds one."""
    if isinstance(value, Mapping):
        return any(in_block(v) for v in value.values())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return any(isinstance(v, Mapping) for v in value)
    return False


def block_lines(value: Any, indent: int) -> list[str]:
    """A mapping, or a list of mappings, as lines that are indented by so many spaces."""
    space = " " * indent
    found: list[str] = []
    if isinstance(value, Mapping):
        for key, item in value.items():
            head = f"{space}{_text(str(key), False, '')}:"
            found += [head, *block_lines(item, indent + 2)] if in_block(item) else [f"{head} {flow(item)}"]
        return found
    for item in value:
        if not isinstance(item, Mapping) or not item:
            found.append(f"{space}- {flow(item)}")
            continue
        lines = block_lines(item, indent + 2)
        found += [f"{space}- {lines[0].lstrip(' ')}", *lines[1:]]
    return found
