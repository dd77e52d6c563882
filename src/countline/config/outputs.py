"""The outputs that a configuration may name.

Each kind is a package ``countline.outputs.<kind>`` with a module ``config`` (class ``Config``, pydantic only) and a
module ``output`` (function ``make(config) -> Output``). Others come from the entry-point group ``countline.outputs``,
whose entries name such a package. Imported by name so that a configuration that does not use an output does not need its
client library.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from pydantic import GetJsonSchemaHandler
from pydantic_core import CoreSchema

from countline.config.base import OutputConfig

__all__ = ["BUILT_IN", "OutputSchema", "config_class", "kinds", "package"]

BUILT_IN: Mapping[str, str] = {
    kind: f"countline.outputs.{kind}"
    for kind in ("kafka", "mqtt", "amqp", "redis", "nats", "webhook", "object_store", "file", "stdout", "sql")
}


def kinds() -> dict[str, str]:
    """Kind -> package name, the built-in ones and those that other distributions add."""
    found = dict(BUILT_IN)
    for entry in entry_points(group="countline.outputs"):
        found.setdefault(entry.name, entry.value)
    return found


def package(kind: str) -> str:
    """Package of an output kind; KeyError if there is none."""
    return kinds()[kind]


def config_class(kind: str) -> type[OutputConfig]:
    """The pydantic model of an output kind; KeyError if there is none."""
    module: Any = import_module(f"{package(kind)}.config")
    cls: type[OutputConfig] = module.Config
    return cls


class OutputSchema:
    """Annotation of an entry under ``outputs``: its JSON Schema is one of all kinds with that kind's options."""

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        options: dict[str, Any] = {}
        bare = []
        for kind in kinds():
            try:
                model = config_class(kind)
            except Exception:  # another distribution's, which cannot be imported: anything may stand there
                options[kind] = {}
                continue
            made = handler(model.__pydantic_core_schema__)
            options[kind] = {"anyOf": [made, {"type": "null"}]}
            if not handler.resolve_ref_schema(made).get("required"):
                bare.append(kind)
        mapping = {
            "type": "object",
            "properties": options,
            "additionalProperties": False,
            "minProperties": 1,
            "maxProperties": 1,
        }
        return {"anyOf": [mapping, {"enum": bare}]}
