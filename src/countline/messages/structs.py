"""msgspec Structs, for those who have msgspec."""

from __future__ import annotations

from typing import Any

__all__ = ["struct_to_dict"]


def struct_to_dict(value: Any) -> dict[str, Any]:
    """A Struct as a dict with its encoded names."""
    import msgspec

    made: dict[str, Any] = msgspec.to_builtins(value)
    return made
