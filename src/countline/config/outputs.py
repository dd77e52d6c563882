"""The outputs that a configuration may name: ``countline.registry.kinds.OUTPUTS``."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from pydantic import GetJsonSchemaHandler
from pydantic_core import CoreSchema

from countline.config.base import OutputConfig
from countline.config.field_docs import described
from countline.errors import PluginError
from countline.registry.kinds import OUTPUTS

__all__ = ["BUILT_IN", "OutputSchema", "config_class", "kind_of", "kinds"]

BUILT_IN = OUTPUTS.built_in


def kinds() -> dict[str, str]:
    """Kind -> package name, the built-in ones and those that other distributions add."""
    return OUTPUTS.packages()


def config_class(kind: str) -> type[OutputConfig]:
    """The pydantic model of an output kind. Raises KeyError if there is none, PluginError if it cannot be used."""
    cls: type[OutputConfig] = OUTPUTS.get(kind, "config", "Config", OutputConfig)
    return cls


def kind_of(config: OutputConfig) -> str:
    """The kind that a configuration is one of. Raises KeyError if it is none's."""
    own = type(config).__module__.removesuffix(".config")
    for kind, package in BUILT_IN.items():
        if package == own:
            return kind
    for kind in OUTPUTS.brought():
        with suppress(PluginError):
            if config_class(kind) is type(config):
                return kind
    raise KeyError(type(config).__name__)


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
            made = described(model, handler)
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
