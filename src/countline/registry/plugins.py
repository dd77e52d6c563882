"""What other distributions bring: their entry points, loaded when first asked for, with errors that name the distribution."""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from countline.errors import CountlineError, PluginError

__all__ = ["Plugin", "attribute", "installed", "module_of", "tell_shadowed", "words"]

log = logging.getLogger("countline.plugins")

PREFIX = "countline."
_OWN = (__file__, __file__.replace("plugins", "kinds"))


@dataclass(frozen=True)
class Plugin:
    """One entry point."""

    group: str
    """``countline.outputs``, say."""
    name: str
    """The kind, as configurations name it."""
    module: str
    """Package or module."""
    distribution: str
    """Name and version of the distribution it comes with."""

    @property
    def project(self) -> str:
        """Name of the distribution, as pip knows it."""
        return self.distribution.partition(" ")[0]

    def error(self, noun: str, what: str) -> PluginError:
        """The error that this plug-in, a ``noun``, cannot be used; ``what`` is wrong with it."""
        return PluginError(
            f"the {noun} '{self.name}', which {self.distribution} brings, cannot be used: {what}",
            fix=f"pip install --upgrade {self.project}, tell its authors, or take it out: pip uninstall {self.project}",
        )


def installed(group: str) -> Mapping[str, Sequence[Plugin]]:
    """Name -> those who bring it, in the order of the distributions' names. Distributions are looked for once for each
    ``sys.path``."""
    return _installed(tuple(sys.path)).get(group, {})


@lru_cache(maxsize=8)
def _installed(path: tuple[str, ...]) -> dict[str, dict[str, list[Plugin]]]:
    found: dict[str, dict[str, list[Plugin]]] = {}
    every: Any = entry_points()  # its type is another one from Python 3.12 on
    for group in every.groups:
        for entry in every.select(group=group) if group.startswith(PREFIX) else ():
            dist = entry.dist
            distribution = f"{dist.name} {dist.version}" if dist is not None else "a distribution without a name"
            plugin = Plugin(entry.group, entry.name, entry.value.strip(), distribution)
            known = found.setdefault(entry.group, {}).setdefault(entry.name, [])
            if plugin not in known:
                known.append(plugin)
    for kinds in found.values():
        for plugins in kinds.values():
            plugins.sort(key=lambda plugin: plugin.distribution.lower())
    return found


@lru_cache(maxsize=100)
def tell_shadowed(plugin: Plugin, noun: str) -> None:
    """Log once that countline's own kind goes before a plug-in of the same name."""
    log.warning(
        "the %s '%s' of %s is left out: countline has one of this name; it needs another one",
        noun,
        plugin.name,
        plugin.distribution,
    )


def module_of(plugin: Plugin, part: str, noun: str) -> ModuleType:
    """The module ``part`` of a plug-in's package; the plug-in's module itself where it has no such part. Raises PluginError
    for whatever its import raises, except what countline itself has words for (a missing extra, say)."""
    try:
        package = import_module(plugin.module)
        if part and hasattr(package, "__path__") and find_spec(f"{plugin.module}.{part}") is not None:
            return import_module(f"{plugin.module}.{part}")
        return package
    except CountlineError:
        raise
    except Exception as error:
        raise plugin.error(noun, words(error)) from error


def words(error: Exception) -> str:
    """Class and text of an exception, and where in whose file it comes from."""
    frames = [
        f for f in traceback.extract_tb(error.__traceback__) if f.filename not in _OWN and "importlib" not in f.filename
    ]
    where = f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {' '.join(str(error).split())}{where}"


def attribute(plugin: Plugin, part: str, name: str, noun: str) -> Any:
    """What a plug-in's module has under ``name``. Raises PluginError."""
    module = module_of(plugin, part, noun)
    try:
        return getattr(module, name)
    except AttributeError:
        raise plugin.error(noun, f"the module {module.__name__} has no '{name}'") from None
