"""Which options FFmpeg knows. It takes any, and says nothing of those that it does not know."""

from __future__ import annotations

import ctypes
import difflib
import logging
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import av

__all__ = ["known_options", "unknown_options"]

log = logging.getLogger("countline.video")

OWN = frozenset({"stream"})
"""Read by countline itself."""


def unknown_options(names: Iterable[str]) -> list[str]:
    """For each option that neither FFmpeg nor countline knows, a sentence with the nearest known one."""
    known = known_options()
    sentences = []
    for name in names if known else ():
        if name not in known and name not in OWN:
            near = difflib.get_close_matches(name, known, 1, 0.7)
            sentences.append(f"FFmpeg knows no option '{name}'" + (f"; did you mean '{near[0]}'?" if near else ""))
    return sentences


@cache
def known_options() -> frozenset[str]:
    """Names of all options of formats and protocols. Empty where this build of FFmpeg cannot be asked.

    PyAV does not hand out what FFmpeg leaves over of the options it was given, nor its tables; but it has the libraries
    loaded that hold them.
    """
    try:
        formats, utils = _library("avformat"), _library("avutil")
        _library("avdevice").avdevice_register_all()  # cameras have options, too
        formats.avformat_get_class.restype = ctypes.c_void_p
        for function in (utils.av_opt_child_class_iterate, utils.av_opt_next):
            function.restype, function.argtypes = ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_void_p]
        names: set[str] = set()
        _walk(utils, formats.avformat_get_class(), names, 3)
        return frozenset(names) if "fflags" in names else frozenset()
    except (OSError, AttributeError, StopIteration, UnicodeDecodeError) as error:
        log.debug("FFmpeg's options cannot be listed: %s", error)
        return frozenset()


class _Option(ctypes.Structure):
    """The beginning of FFmpeg's AVOption."""

    _fields_ = (("name", ctypes.c_char_p), ("help", ctypes.c_char_p), ("offset", ctypes.c_int))


def _walk(utils: Any, kind: int, names: set[str], depth: int) -> None:
    """Names of the options of a class and of its children."""
    holder = ctypes.c_void_p(kind)  # av_opt_next takes a pointer to something whose first field is the class
    option = None
    while option := utils.av_opt_next(ctypes.addressof(holder), option):
        found = _Option.from_address(option)
        if found.offset:  # named values of an option have none
            names.add(found.name.decode())
    state = ctypes.c_void_p(None)
    while depth and (child := utils.av_opt_child_class_iterate(kind, ctypes.addressof(state))):
        _walk(utils, child, names, depth - 1)


def _library(name: str) -> ctypes.CDLL:
    """The library that PyAV has loaded: beside the package (wheels), else the one of the system that is mapped. OpenCV
    brings one of its own."""
    package = Path(av.__file__).parent
    for folder in (package.parent / "av.libs", package / ".dylibs"):
        for path in folder.glob(f"*{name}*"):
            return ctypes.CDLL(str(path))
    lines = Path("/proc/self/maps").read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    return ctypes.CDLL(next(line.split(maxsplit=5)[5] for line in lines if f"/lib{name}." in line))
