"""Kinds that a configuration names, and the packages they live in: whoever asks for one need not know it.

A kind is built in, or comes from another distribution by an entry point, whose name is the kind and whose value is the
package. What such a package holds is said at each registry below. Packages are imported when they are first asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

__all__ = ["CLASS_SETS", "MESSAGES", "RULE_FILES", "Kinds", "message_kind"]


@dataclass(frozen=True)
class Kinds:
    """The kinds of one sort of thing."""

    group: str
    """Entry-point group of those that other distributions bring."""
    built_in: Mapping[str, str]
    """Kind -> package."""

    def packages(self) -> dict[str, str]:
        """Kind -> package, the built-in ones first."""
        found = dict(self.built_in)
        for entry in entry_points(group=self.group):
            found.setdefault(entry.name, entry.value)
        return found

    def package(self, kind: str) -> str:
        """Package of a kind. Raises KeyError if there is none."""
        return self.built_in.get(kind) or self.packages()[kind]

    def module(self, kind: str, part: str = "") -> Any:
        """The package of a kind, or a module of it. Raises KeyError if there is no such kind, and what its import raises."""
        package = self.package(kind)
        return import_module(f"{package}.{part}" if part else package)


MESSAGES = Kinds("countline.messages", {"deepstream": "countline.compat.deepstream.payloads"})
"""Ready payloads, which ``type:`` names as ``kind`` or ``kind/form``. Module ``config``: ``Config``, a subclass of
``countline.config.messages.MessageConfig`` with the keys that such a message has besides, and ``TYPES``, the names that
``type:`` may take. Module ``definition``: ``make(config, context, loc) -> Definition``, where ``context`` is a
``countline.messages.context.Context`` and ``loc`` the message's place in the document; raises MessageError."""

RULE_FILES = Kinds("countline.rule_files", {"nvdsanalytics": "countline.compat.deepstream.rules"})
"""Files of rules for engines of their own, which ``rules: {file: ...}`` names. Module ``by_file``:
``make(config, sources, labels) -> (RuleSet, warnings)``, where ``config`` is a ``RulesConfig``."""

CLASS_SETS = Kinds("countline.class_sets", {"deepstream": "countline.compat.deepstream.files"})
"""Known numberings of classes. Module ``classes``: ``CLASSES``, the mapping from a model's class names to class ids, and
``LABELS``, the class name for each id."""


def message_kind(type_: str) -> str:
    """The kind of ``type:``: ``deepstream/full`` -> ``deepstream``."""
    return type_.partition("/")[0]
