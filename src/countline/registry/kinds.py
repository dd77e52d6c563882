"""Kinds that a configuration names, and the packages they live in: whoever asks for one need not know it.

A kind is built in, or comes from another distribution by an entry point, whose name is the kind and whose value is the
package, or one module that holds all. What such a package holds is said at each registry below. Packages are imported
when they are first asked for. A built-in kind goes before one of the same name that a distribution brings, which is
logged; a name that two distributions bring is refused when it is used.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

from countline.errors import CountlineError, PluginError
from countline.registry.plugins import Plugin, attribute, installed, module_of, tell_shadowed, words

__all__ = [
    "CLASS_SETS",
    "LAYOUTS",
    "MESSAGES",
    "OUTPUTS",
    "RULE_FILES",
    "RULE_KINDS",
    "SOURCES",
    "Kinds",
    "describe_brought",
    "message_kind",
]


@dataclass(frozen=True)
class Kinds:
    """The kinds of one sort of thing."""

    group: str
    """Entry-point group of those that other distributions bring."""
    noun: str
    """What one is called in errors."""
    built_in: Mapping[str, str]
    """Kind -> package."""

    def packages(self) -> dict[str, str]:
        """Kind -> package, the built-in ones first."""
        return {**self.built_in, **{name: plugins[0].module for name, plugins in self._brought()}}

    def brought(self) -> dict[str, Sequence[Plugin]]:
        """Kinds that other distributions bring, each with those who do: more than one is a clash."""
        return dict(self._brought())

    def package(self, kind: str) -> str:
        """Package of a kind. Raises KeyError if there is none, PluginError if several distributions bring one."""
        return self.built_in.get(kind) or self._plugin(kind).module

    def module(self, kind: str, part: str = "") -> Any:
        """The package of a kind, or a module of it. Raises KeyError if there is no such kind, PluginError if it comes from
        another distribution and cannot be imported."""
        package = self.built_in.get(kind)
        if package is None:
            return module_of(self._plugin(kind), part, self.noun)
        return import_module(f"{package}.{part}" if part else package)

    def get(self, kind: str, part: str, name: str, base: type | None = None) -> Any:
        """What a kind's module ``part`` has under ``name``; a subclass of ``base`` if that is given. Raises as ``module``
        does, and PluginError where a distribution's module has no such thing."""
        if kind in self.built_in:
            return getattr(self.module(kind, part), name)
        plugin = self._plugin(kind)
        found = attribute(plugin, part, name, self.noun)
        if base is not None and not (isinstance(found, type) and issubclass(found, base)):
            raise plugin.error(self.noun, f"its {name} is no subclass of {base.__module__}.{base.__name__}")
        return found

    def fault(self, kind: str, what: str) -> PluginError:
        """The error that what another distribution brings under this name cannot be used."""
        return self._plugin(kind).error(self.noun, what)

    def call(self, kind: str, part: str, name: str, *arguments: Any) -> Any:
        """What the function ``name`` of a kind's module returns. Raises what countline has words for as it is; whatever
        else a distribution's function raises becomes a PluginError."""
        function = self.get(kind, part, name)
        if kind in self.built_in:
            return function(*arguments)
        try:
            return function(*arguments)
        except CountlineError:
            raise
        except Exception as error:
            raise self._plugin(kind).error(self.noun, words(error)) from error

    def _brought(self) -> Iterator[tuple[str, Sequence[Plugin]]]:
        for name, plugins in installed(self.group).items():
            if name not in self.built_in:
                yield name, plugins
            else:
                for plugin in plugins:
                    tell_shadowed(plugin, self.noun)

    def _plugin(self, kind: str) -> Plugin:
        plugins = installed(self.group)[kind]
        if len(plugins) > 1:
            raise PluginError(
                f"several distributions bring the {self.noun} '{kind}': " + ", ".join(p.distribution for p in plugins),
                fix=f"keep one of them: pip uninstall {plugins[-1].project}",
            )
        return plugins[0]


def _outputs() -> dict[str, str]:
    """Each package of countline.outputs, Kafka's first; what they are built on is none."""
    names = {m.name for m in iter_modules([str(Path(__file__).parents[1] / "outputs")]) if m.ispkg} - {"base"}
    return {name: f"countline.outputs.{name}" for name in sorted(names, key=lambda name: (name != "kafka", name))}


class _Listed(Mapping[str, str]):
    """The names that a package itself lists, which is imported when somebody asks."""

    def __init__(self, package: str, names: str) -> None:
        self._package, self._names = package, names

    def _known(self) -> Mapping[str, Any]:
        known: Mapping[str, Any] = getattr(import_module(self._package), self._names)
        return known

    def __getitem__(self, name: str) -> str:
        if name not in self._known():
            raise KeyError(name)
        return self._package

    def __iter__(self) -> Iterator[str]:
        return iter(self._known())

    def __len__(self) -> int:
        return len(self._known())


OUTPUTS = Kinds("countline.outputs", "output", _outputs())
"""Where messages go. Module ``config``: ``Config``, a subclass of ``countline.config.base.OutputConfig``; it imports no client
library. Module ``output``: ``make(config) -> countline.protocols.Output``."""

SOURCES = Kinds(
    "countline.sources",
    "source",
    dict.fromkeys(
        ("file", "http", "https", "rtmp", "rtmps", "rtp", "rtsp", "rtsps", "srt", "tcp", "udp"), "countline.video"
    ),
)
"""Where frames come from, by the scheme of the ``uri``: ``acme`` for ``acme://...``. FFmpeg reads those that are built in. A
module of another distribution holds
``open_source(config, index, stop) -> countline.protocols.Source``, where ``config`` is a ``SourceConfig``, ``index`` its place
in the configuration and ``stop`` (``threading.Event``-like, or None) tells when to end; and may hold
``probe(config) -> countline.protocols.Check`` for ``countline check``."""

LAYOUTS = Kinds("countline.layouts", "detector layout", _Listed("countline.detect.layouts", "FORMS"))
"""How the outputs of a detection network are read. ``detector: {layout: NAME}`` names one; ``auto`` finds those that are built
in. A module of another distribution holds ``LAYOUT``, a ``countline.detect.OwnLayout``."""

RULE_KINDS = Kinds("countline.rule_kinds", "kind of rule", {})
"""Rules of the native engine, by the key of their list under ``rules:``. The module holds ``Config``, a subclass of
``countline.config.kinds.base.RuleConfig``, in a module ``config`` that imports nothing of the engine, and ``KIND``, a
``countline.analytics.native.kind.RuleKind``, in a module ``kind``."""

MESSAGES = Kinds("countline.messages", "message type", {"deepstream": "countline.compat.deepstream.payloads"})
"""Ready payloads, which ``type:`` names as ``kind`` or ``kind/form``. Module ``config``: ``Config``, a subclass of
``countline.config.messages.MessageConfig`` with the keys that such a message has besides, and ``TYPES``, the names that
``type:`` may take. Module ``definition``: ``make(config, context, loc) -> Definition``, where ``context`` is a
``countline.messages.context.Context`` and ``loc`` the message's place in the document; raises MessageError."""

RULE_FILES = Kinds("countline.rule_files", "file of rules", {"nvdsanalytics": "countline.compat.deepstream.rules"})
"""Files of rules for engines of their own, which ``rules: {file: ...}`` names. Module ``by_file``:
``make(config, sources, labels) -> (RuleSet, warnings)``, where ``config`` is a ``RulesConfig``."""

CLASS_SETS = Kinds("countline.class_sets", "numbering of classes", {"deepstream": "countline.compat.deepstream.files"})
"""Known numberings of classes. Module ``classes``: ``CLASSES``, the mapping from a model's class names to class ids, and
``LABELS``, the class name for each id."""


def message_kind(type_: str) -> str:
    """The kind of ``type:``: ``deepstream/full`` -> ``deepstream``."""
    return type_.partition("/")[0]


def describe_brought() -> Iterator[tuple[str, str]]:
    """(kind, the distribution that brings it) for all that other distributions bring, in words; clashes of names, too."""
    for registry in (OUTPUTS, SOURCES, LAYOUTS, RULE_KINDS, MESSAGES, RULE_FILES, CLASS_SETS):
        for name, plugins in installed(registry.group).items():
            by = " and ".join(plugin.distribution for plugin in plugins)
            if name in registry.built_in:
                by += ", left out: countline has one of this name"
            elif len(plugins) > 1:
                by += ", which is one too many: it cannot be used until one is uninstalled"
            yield f"{registry.noun} '{name}'", f"from {by}"
