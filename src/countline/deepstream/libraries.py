"""Finds and loads NVIDIA's metadata libraries and GStreamer, and declares the functions that are used of them.

Two handles exist for each library. Calls that may wait go through one that lets other Python threads run meanwhile; calls
that cannot wait go through one that does not, because getting the interpreter back costs up to its switch interval (5 ms).
"""

from __future__ import annotations

import ctypes
import ctypes.util
import glob
import importlib.util
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from countline.deepstream.errors import DeepStreamError

__all__ = ["ENVIRONMENT", "GLIB", "GSTREAMER", "Libraries", "find", "folders", "load", "version"]

ENVIRONMENT = "COUNTLINE_DEEPSTREAM_LIB"
"""Environment variable: folder of libnvds_meta.so and libnvdsgst_meta.so."""
INSTALLED = "/opt/nvidia/deepstream/deepstream*"
META = "libnvds_meta.so"
GST_META = "libnvdsgst_meta.so"
GSTREAMER = "libgstreamer-1.0.so.0"
GLIB = "libglib-2.0.so.0"
_WHEEL = "nvidia.deepstream_videodecode"

_P, _U = ctypes.c_void_p, ctypes.c_uint
_FUNCTIONS: dict[str, dict[str, tuple[Any, tuple[Any, ...]]]] = {
    META: {
        "nvds_create_batch_meta": (_P, (_U,)),
        "nvds_destroy_batch_meta": (ctypes.c_int, (_P,)),
        "nvds_acquire_frame_meta_from_pool": (_P, (_P,)),
        "nvds_acquire_obj_meta_from_pool": (_P, (_P,)),
        "nvds_acquire_user_meta_from_pool": (_P, (_P,)),
        "nvds_add_frame_meta_to_batch": (None, (_P, _P)),
        "nvds_add_obj_meta_to_frame": (None, (_P, _P, _P)),
        "nvds_add_user_meta_to_frame": (None, (_P, _P)),
        "nvds_acquire_meta_lock": (None, (_P,)),
        "nvds_release_meta_lock": (None, (_P,)),
    },
    GST_META: {"gst_buffer_get_nvds_batch_meta": (_P, (_P,))},
    GLIB: {
        "g_malloc": (_P, (ctypes.c_size_t,)),
        "g_free": (None, (_P,)),
        "g_rec_mutex_trylock": (ctypes.c_int, (_P,)),
    },
}


@dataclass(frozen=True)
class Libraries:
    """Loaded libraries. ``meta``, ``gst`` and ``glib`` keep the interpreter; ``waiting`` (of libnvds_meta) lets it go."""

    folder: Path
    meta: Any
    gst: Any
    glib: Any
    waiting: Any
    version: str
    """What the installation says of itself; empty where it says nothing. Never used to choose a layout."""


def folders() -> Iterator[Path]:
    """Where the libraries are looked for, best first: what this process has loaded already, the folder named by
    ``COUNTLINE_DEEPSTREAM_LIB``, installed DeepStream (newest first), the wheel from PyPI."""
    yield from _mapped()
    if named := os.environ.get(ENVIRONMENT):
        yield Path(named)
    for root in sorted(glob.glob(INSTALLED), reverse=True):
        yield Path(root) / "lib"
    try:
        spec = importlib.util.find_spec(_WHEEL)
    except (ImportError, ValueError):
        spec = None
    for place in (spec.submodule_search_locations or ()) if spec else ():
        yield Path(place) / "_libs"


def _mapped() -> Iterator[Path]:
    try:
        maps = Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return
    for line in maps.splitlines():
        if line.endswith("/" + GST_META):
            yield Path(line[line.index("/") :]).parent
            return


def find() -> Path | None:
    """The first folder that holds both metadata libraries; None if there is none."""
    return next((f for f in folders() if (f / META).is_file() and (f / GST_META).is_file()), None)


def load() -> Libraries:
    """Load the libraries. Raises DeepStreamError where they, or GStreamer, cannot be had; each case says what to do."""
    folder = find()
    if folder is None:
        raise DeepStreamError(
            f"{GST_META} was not found",
            where="DeepStream",
            fix=f"run inside the DeepStream container, or name the folder that holds it in {ENVIRONMENT}; looked in: "
            + (", ".join(dict.fromkeys(map(str, folders()))) or f"{INSTALLED}/lib"),
        )
    _open(ctypes.CDLL, GLIB)
    _open(ctypes.CDLL, GSTREAMER)
    # The second library names the first by its plain name: it is found because it is loaded already.
    # Not RTLD_GLOBAL: that would put GStreamer's libunwind into the whole process, and C++ exceptions of others (OpenVINO)
    # would end in abort().
    waiting = _open(ctypes.CDLL, str(folder / META))
    return Libraries(
        folder,
        _declare(_open(ctypes.PyDLL, str(folder / META)), META),
        _declare(_open(ctypes.PyDLL, str(folder / GST_META)), GST_META),
        _declare(_open(ctypes.PyDLL, GLIB), GLIB),
        _declare(waiting, META),
        version(folder),
    )


def _open(kind: type[Any], name: str, mode: int = ctypes.DEFAULT_MODE) -> Any:
    try:
        return kind(name, mode=mode)
    except OSError as error:
        what = Path(name).name
        fix = {
            GLIB: "install GLib (Debian: libglib2.0-0)",
            GSTREAMER: "install GStreamer (Debian: libgstreamer1.0-0)",
        }.get(
            what,
            f"check that the libraries beside it belong to one DeepStream version ({ENVIRONMENT} names another folder)",
        )
        raise DeepStreamError(f"{what} cannot be loaded: {error}", where="DeepStream", fix=fix) from None


def _declare(library: Any, name: str) -> Any:
    for function, (result, arguments) in _FUNCTIONS[name].items():
        try:
            found = getattr(library, function)
        except AttributeError:
            raise DeepStreamError(
                f"{name} has no function {function}",
                where="DeepStream",
                fix="countline knows DeepStream 6.0 to 9.1; `countline deepstream check` shows what was found",
            ) from None
        found.restype, found.argtypes = result, list(arguments)
    return library


def version(folder: Path) -> str:
    """Version of the installation that a folder of libraries belongs to, as its file ``version`` or the wheel says it."""
    try:
        for line in (folder.parent / "version").read_text(encoding="utf-8").splitlines():
            if line.lower().startswith("version"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    if folder.name == "_libs":
        from importlib.metadata import distributions

        for one in distributions():
            name = one.metadata["Name"] or ""
            if name.startswith("nvidia-deepstream-videodecode"):
                return f"{one.version} (PyPI)"
    return ""
