"""JSON text: compact by orjson, or as json-glib prints it."""

from __future__ import annotations

import math
from typing import Any

from countline.messages.compact import dumps

__all__ = ["dump"]

_ESCAPES = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_ESCAPED = str.maketrans(
    {**{chr(i): f"\\u{i:04x}" for i in range(0x20)}, "\x7f": "\\u007f", **_ESCAPES},
)


def dump(value: Any, *, pretty: bool = False) -> bytes:
    """JSON text; ``pretty`` gives the layout of DeepStream's own payloads (json-glib). Numbers that are not finite
    become null: JSON has none."""
    return _glib(value, 0).encode("utf-8", "replace") if pretty else dumps(value)


def _glib(value: Any, level: int) -> str:
    indent = "  " * (level + 1)
    if isinstance(value, dict):
        if not value:
            return "{" + "  " * level + "}"
        rows = [f"{indent}{_string(key)} : {_glib(item, level + 1)}" for key, item in value.items()]
        return "{\n" + ",\n".join(rows) + "\n" + "  " * level + "}"
    if isinstance(value, list):
        if not value:
            return "[]"
        rows = [indent + _glib(item, level + 1) for item in value]
        return "[\n" + ",\n".join(rows) + "\n" + "  " * level + "]"
    if isinstance(value, str):
        return _string(value)
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "null"
    if isinstance(value, float):
        text = f"{value:.17g}"
        return text if "." in text or "e" in text else text + ".0"
    return str(value)


def _string(text: str) -> str:
    return f'"{text.translate(_ESCAPED)}"'
