"""ByteTrack from ``pyxtrackers``, and nothing else from there.

The package's ``__init__`` imports all of its trackers. One of them, ``pyxtrackers.sort``, is a port of SORT, whose original is
under the GPL 3; countline uses no code of the GPL. So the module of ByteTrack (a port of MIT-licensed code) is imported without
running that ``__init__``, and whatever else it might ask for meanwhile is refused.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import threading
import types
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from typing import Any

__all__ = ["PACKAGE", "tracker_class"]

PACKAGE = "pyxtrackers"
_NEEDED = f"{PACKAGE}.bytetrack"
_lock = threading.Lock()


class _Guard:
    """An import hook that lets only ByteTrack's modules of the package be found."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: types.ModuleType | None = None
    ) -> ModuleSpec | None:
        if name.startswith(PACKAGE + ".") and name != _NEEDED and not name.startswith(_NEEDED + "."):
            raise ImportError(f"{name} is not used by countline: its licence does not fit", name=name)
        return None


def tracker_class() -> Any:
    """``BYTETracker``. Raises ImportError where the package is not installed, or its ByteTrack needs its other trackers."""
    with _lock:
        name = f"{_NEEDED}.bytetrack"
        if sys.modules.get(PACKAGE, guard := _Guard()) is None:
            raise ImportError(f"import of {PACKAGE} is barred", name=PACKAGE)
        if name in sys.modules:
            return sys.modules[name].BYTETracker
        if PACKAGE in sys.modules:  # somebody else's import has run the whole of it
            return importlib.import_module(name).BYTETracker
        spec = importlib.util.find_spec(PACKAGE)
        if spec is None or spec.submodule_search_locations is None:
            raise ImportError(f"no module named {PACKAGE}", name=PACKAGE)
        stand_in = types.ModuleType(PACKAGE)
        stand_in.__path__ = list(spec.submodule_search_locations)
        stand_in.__spec__ = spec
        sys.modules[PACKAGE] = stand_in
        sys.meta_path.insert(0, guard)
        try:
            return importlib.import_module(name).BYTETracker
        finally:
            sys.meta_path.remove(guard)
            del sys.modules[PACKAGE]  # who imports the package later gets the real one
