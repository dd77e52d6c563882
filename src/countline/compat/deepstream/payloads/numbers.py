"""Numbers as C++ holds and prints them: float32 rounding, conversion to int64, ``%g`` and ``%f`` text."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

__all__ = ["box", "fixed", "float32", "general", "integer", "unsigned"]

_FLOAT = struct.Struct("<f")
_INT64_MIN = -(2**63)


def float32(value: float) -> float:
    """The nearest 32-bit float, as a 64-bit one; infinite beyond the range."""
    try:
        return float(_FLOAT.unpack(_FLOAT.pack(value))[0])
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def integer(value: float) -> int:
    """C conversion of a floating-point number to int64 on x86-64: truncated, and the least int64 where it does not fit."""
    if value != value or not -(2.0**63) <= value < 2.0**63:
        return _INT64_MIN
    return int(value)


def unsigned(value: int) -> str:
    """A 64-bit unsigned integer in decimal."""
    return str(int(value) & 0xFFFFFFFFFFFFFFFF)


def general(value: float) -> str:
    """What a C++ stream prints by default: ``%g`` with 6 significant digits."""
    return f"{value:g}"


def fixed(value: float) -> str:
    """What ``std::to_string`` prints: six decimals."""
    return f"{value:f}"


def box(bbox: Mapping[str, Any], scale_x: float = 1.0, scale_y: float = 1.0) -> tuple[float, float, float, float]:
    """``{left, top, width, height}`` -> left, top, right, bottom, every step in float32."""
    left = float32(float32(bbox.get("left", 0.0)) * scale_x)
    top = float32(float32(bbox.get("top", 0.0)) * scale_y)
    width = float32(float32(bbox.get("width", 0.0)) * scale_x)
    height = float32(float32(bbox.get("height", 0.0)) * scale_y)
    return left, top, float32(left + width), float32(top + height)
