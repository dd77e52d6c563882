"""Typed values of key files are those that GLib reads."""

from __future__ import annotations

import ctypes
import ctypes.util
import random
from typing import Any

import pytest

from countline.compat.deepstream.files.keygroups import Group, parse_groups
from countline.errors import ConfigError

PIECES = ["1", "23", ";", "-", "+", ".", " ", "\t", "\\n", "\\;", "e", "x", "0", "true", "#", "é", '"', "=", "[", "]"]
FAILED = "failed"


class GError(ctypes.Structure):
    _fields_ = (("domain", ctypes.c_uint32), ("code", ctypes.c_int), ("message", ctypes.c_char_p))


class GLib:
    """The C library itself."""

    def __init__(self, name: str) -> None:
        self.lib = ctypes.CDLL(name)
        for function in ("new", "get_string", "get_integer_list", "get_double_list"):
            getattr(self.lib, f"g_key_file_{function}").restype = ctypes.c_void_p
        self.lib.g_key_file_get_double.restype = ctypes.c_double
        self.lib.g_free.argtypes = [ctypes.c_void_p]
        self.lib.g_key_file_free.argtypes = [ctypes.c_void_p]

    def values(self, text: str) -> dict[str, Any] | None:
        file = ctypes.c_void_p(self.lib.g_key_file_new())
        data = text.encode()
        try:
            if not self.lib.g_key_file_load_from_data(file, data, ctypes.c_size_t(len(data)), 0, None):
                return None
            return {
                kind: self.value(file, kind)
                for kind in ("string", "integer", "boolean", "double", "integers", "doubles")
            }
        finally:
            self.lib.g_key_file_free(file)

    def value(self, file: ctypes.c_void_p, kind: str) -> Any:
        error = ctypes.POINTER(GError)()
        length = ctypes.c_size_t()
        many = kind.endswith("s")
        function = getattr(self.lib, "g_key_file_get_" + (kind[:-1] + "_list" if many else kind))
        extra = (ctypes.byref(length),) if many else ()
        got = function(file, b"a", b"k", *extra, ctypes.byref(error))
        if error:
            self.lib.g_clear_error(ctypes.byref(error))
            return FAILED
        if kind == "string":
            made = ctypes.string_at(got).decode()
            self.lib.g_free(got)
            return made
        if many:
            item = ctypes.c_int if kind == "integers" else ctypes.c_double
            made = list(ctypes.cast(got, ctypes.POINTER(item))[: length.value]) if got else []
            self.lib.g_free(got)
            return made
        return bool(got) if kind == "boolean" else got


def ours(text: str) -> dict[str, Any] | None:
    try:
        (group,) = (g for g in parse_groups(text) if g.name == "a")
    except ConfigError:
        return None

    def value(kind: str) -> Any:
        try:
            return getattr(Group, kind)(group, "k")
        except ConfigError:
            return FAILED

    return {kind: value(kind) for kind in ("string", "integer", "boolean", "double", "integers", "doubles")}


@pytest.fixture(scope="module")
def glib() -> GLib:
    name = ctypes.util.find_library("glib-2.0")
    if name is None:
        pytest.skip("GLib is not installed")
    return GLib(name)


def test_random_files_are_read_as_glib_reads_them(glib: GLib) -> None:
    random_ = random.Random(7)
    accepted = 0
    for _ in range(8000):
        value = "".join(random_.choice(PIECES) for _ in range(random_.randint(0, 6)))
        above = random_.choice(["", "[a]", "  [a]", " # hi", "", "x", "[b]", "[a]]", "[a\tb]", "k=9"])
        key = random_.choice(["k", "k ", "k k", " k", "", "[k]", "k]"])
        text = f"[a]\nk=0\n{above}{random_.choice(['', chr(13)])}\n{key}={value}\n"
        theirs = glib.values(text)
        assert repr(ours(text)) == repr(theirs), text
        accepted += theirs is not None
    assert 2000 < accepted < 7000


def test_missing_key_names_its_group() -> None:
    (group,) = parse_groups("[a]\nb=1\n", "f.txt")
    with pytest.raises(ConfigError, match=r"f\.txt:1 \[a\]: the key 'c' is missing"):
        group.raw("c")


def test_quotes_around_a_value() -> None:
    (group,) = parse_groups('[a]\nx = "p q" \ny="\nz=""\n')
    assert [group.quoted(key) for key in "xyz"] == ["p q", '"', ""]
