"""GStreamer through PyGObject. Debian's python3-gi belongs to Debian's Python, but works in any of the same version: then only
this one package is taken from there."""

from __future__ import annotations

import ctypes
import functools
import importlib.util
import sys
from pathlib import Path
from typing import Any

DEBIAN = Path("/usr/lib/python3/dist-packages/gi")


def _import_gi() -> Any:
    try:
        import gi
    except ImportError:
        if not DEBIAN.is_dir():
            raise
        spec = importlib.util.spec_from_file_location(
            "gi", DEBIAN / "__init__.py", submodule_search_locations=[str(DEBIAN)]
        )
        assert spec is not None
        assert spec.loader is not None
        gi = importlib.util.module_from_spec(spec)
        sys.modules["gi"] = gi
        try:
            spec.loader.exec_module(gi)
        except BaseException:
            del sys.modules["gi"]
            raise
    return gi


@functools.cache
def gst() -> Any:
    """The module Gst, ready for use."""
    # GStreamer brings libunwind into the whole process. Where its unwinder is found before GCC's, C++ exceptions of other
    # libraries (OpenVINO throws and catches some while it loads) end in abort(): GCC's comes first.
    ctypes.CDLL("libgcc_s.so.1", mode=ctypes.RTLD_GLOBAL)
    gi = _import_gi()
    gi.require_version("Gst", "1.0")
    gi.require_version("GstApp", "1.0")
    from gi.repository import Gst, GstApp  # noqa: F401

    Gst.init(None)
    return Gst


@functools.cache
def missing() -> str:
    """Why the tests cannot run here; empty where they can."""
    try:
        found = gst()
    except (ImportError, ValueError) as error:
        return f"GStreamer with PyGObject for this Python is not installed ({error}); see tools/install_gstreamer.sh"
    lacking = [name for name in ("appsrc", "identity", "fakesink") if found.ElementFactory.find(name) is None]
    if lacking:
        return f"GStreamer has no {', '.join(lacking)}; see tools/install_gstreamer.sh"
    from countline.deepstream import DeepStreamError
    from countline.deepstream.libraries import load

    try:
        load()
    except DeepStreamError as error:
        return f"NVIDIA's metadata libraries: {error}; pip install 'countline[deepstream-test]'"
    return ""
