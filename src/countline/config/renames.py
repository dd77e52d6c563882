"""Options that have another name now: the old one still works, and a run says so once.

A model lists them as ``renamed``, old name -> new name; ``security.tls`` is the key ``tls`` within the mapping ``security``.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Protocol

__all__ = ["Renames", "as_written", "describe", "in_new_names", "old_values", "tell", "under_both_names"]

log = logging.getLogger("countline.config")

Renames = Mapping[str, str]
Loc = tuple[str | int, ...]


class _Document(Protocol):
    def has(self, loc: Sequence[str | int]) -> bool: ...
    def place(self, loc: Sequence[str | int]) -> object: ...


def old_values(data: Mapping[str, Any], renames: Renames) -> Iterator[tuple[str, Any]]:
    """(old name, value) of what stands there under an old name."""
    for old in renames:
        head, _, inner = old.partition(".")
        value = data.get(head)
        if head not in data:
            continue
        if not inner:
            yield old, value
        elif isinstance(value, Mapping) and inner in value:
            yield old, value[inner]


def under_both_names(data: Mapping[str, Any], renames: Renames) -> str | None:
    """An old name that stands beside its new one."""
    return next((old for old, _ in old_values(data, renames) if renames[old] in data), None)


def in_new_names(data: Mapping[str, Any], renames: Renames) -> dict[str, Any]:
    """The same options under their new names. What stands in a mapping of old and is no option stays there."""
    made = dict(data)
    for old, value in old_values(data, renames):
        head, _, inner = old.partition(".")
        if inner:
            made[head] = {key: item for key, item in made[head].items() if key != inner}
        else:
            del made[old]
        made[renames[old]] = value
    for head in {old.partition(".")[0] for old in renames if "." in old}:
        if made.get(head) == {}:
            del made[head]
    return made


def as_written(document: _Document, path: Loc, loc: Sequence[str | int], renames: Renames) -> tuple[str | int, ...]:
    """``loc`` below ``path`` with the first name as the user wrote it."""
    if not loc or document.has((*path, loc[0])):
        return tuple(loc)
    for old, new in renames.items():
        parts = tuple(old.split("."))
        if new == loc[0] and document.has((*path, *parts)):
            return (*parts, *loc[1:])
    return tuple(loc)


def tell(document: _Document, path: Loc, data: Any, renames: Renames) -> None:
    """Log the old names among the options at ``path``, each place once in the life of the process."""
    if isinstance(data, Mapping):
        for old, _ in old_values(data, renames):
            _warn(str(document.place((*path, *old.split(".")))), old, renames[old])


@lru_cache(maxsize=1000)
def _warn(place: str, old: str, new: str) -> None:
    log.warning("%s: '%s' is now called '%s'; the old name still works", place, old, new)


def describe(schema: dict[str, Any], renames: Renames) -> None:
    """Add the old names to a JSON Schema, as deprecated."""
    properties = schema.get("properties", {})
    for old, new in renames.items():
        head, _, inner = old.partition(".")
        entry = {**properties[new], "deprecated": True, "description": f"Old name of {new}."}
        entry.pop("default", None)
        if inner:
            group = properties.setdefault(head, {"type": "object", "additionalProperties": False, "properties": {}})
            group |= {"deprecated": True, "description": "What stands here has its place beside it now."}
            group["properties"][inner] = entry
        else:
            properties[old] = entry
        if new in schema.get("required", []):
            schema["required"] = [name for name in schema["required"] if name != new]
            schema.setdefault("allOf", []).append({"anyOf": [{"required": [new]}, {"required": [head]}]})
