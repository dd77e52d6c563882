"""librdkafka's own list of options, for checking and for hints. Asked of the library, so it is always the right one."""

from __future__ import annotations

import ctypes
import difflib
from functools import cache

from confluent_kafka import cimpl

__all__ = ["names", "nearest"]


@cache
def names() -> frozenset[str]:
    """Every option that a producer of the installed librdkafka knows; empty where the library cannot be asked."""
    try:
        return frozenset(_listed())
    except (OSError, AttributeError, ValueError):
        return frozenset()


def _listed() -> list[str]:
    # The library prints the table of CONFIGURATION.md to a C stream; open_memstream gives one into memory.
    library = ctypes.CDLL(cimpl.__file__)  # symbols of the librdkafka it is linked with are found through it
    libc = ctypes.CDLL(None)
    libc.open_memstream.restype = ctypes.c_void_p
    libc.fclose.argtypes = [ctypes.c_void_p]
    libc.free.argtypes = [ctypes.c_void_p]
    text, size = ctypes.c_void_p(), ctypes.c_size_t()
    stream = libc.open_memstream(ctypes.byref(text), ctypes.byref(size))
    if not stream:
        raise OSError("no stream in memory")
    show = library.rd_kafka_conf_properties_show
    show.argtypes = [ctypes.c_void_p]
    show(stream)
    libc.fclose(stream)
    table = ctypes.string_at(text, size.value).decode()
    libc.free(text)
    found = []
    for line in table.splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) > 3 and cells[1] in ("*", "P") and "." in cells[0] + ".":
            found.append(cells[0])
    return found


def nearest(name: str) -> str:
    """The known option that looks most like ``name``; '' if none does."""
    found = difflib.get_close_matches(name, names(), 1, cutoff=0.6)
    return found[0] if found else ""
