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

from countline.config.base import OutputConfig

__all__ = ["BUILT_IN", "config_class", "kinds", "package"]

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
