"""DeepStream's ``.txt`` / ``.ini`` files: key files as GLib's GKeyFile reads them, with file and line in every error.

What differs from Python's ``configparser`` and matters: ``#`` begins a comment only as the first character of a line
that is not blank; a group that stands twice is merged; a key that stands twice in a group is *visited* twice, and both
visits see the last value; leading blanks of a value are dropped, trailing ones stay; lists are separated by ``;``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from countline.errors import ConfigError, Place

__all__ = ["Group", "KeyFile", "parse_keyfile", "read_keyfile"]

T = TypeVar("T")

_SPACE = " \t\n\v\f\r"
_INTEGER = re.compile(r"[ \t\n\v\f\r]*([+-]?[0-9]+)")
_DOUBLE = re.compile(
    r"[ \t\n\v\f\r]*[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?"
    r"|0x[0-9a-f]+\.?[0-9a-f]*(?:p[+-]?[0-9]+)?|inf(?:inity)?|nan)",
    re.IGNORECASE,
)
_ESCAPES = {"s": " ", "n": "\n", "t": "\t", "r": "\r", "\\": "\\"}


class Group:
    """One ``[group]``: keys in the order of their lines, duplicates included."""

    def __init__(self, file: str, name: str, line: int) -> None:
        self.file = file
        self.name = name
        self.line = line
        """Line of the first header."""
        self.keys: list[str] = []
        """Every key line in order: a key that stands twice is here twice."""
        self._values: dict[str, tuple[str, int]] = {}

    def add(self, key: str, value: str, line: int) -> None:
        """Append a key line; the last value of a key wins."""
        self.keys.append(key)
        self._values[key] = (value, line)

    def __contains__(self, key: object) -> bool:
        return key in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys)

    def place(self, key: str = "") -> Place:
        """Where a key (or the group's header) stands."""
        if key in self._values:
            return Place(self.file, self._values[key][1], 0, f"{self.name}.{key}")
        return Place(self.file, self.line, 0, self.name)

    def raw(self, key: str) -> str:
        """The value as it stands, trailing blanks included. Raises ConfigError where the key is absent."""
        if key not in self._values:
            raise ConfigError(f"the key '{key}' is missing", where=self.place(), fix=f"add `{key}=...` to this group")
        return self._values[key][0]

    def string(self, key: str) -> str:
        r"""The value with ``\s \n \t \r \\`` replaced. Raises ConfigError for any other backslash."""
        return self._unescape(key, self.raw(key))

    def boolean(self, key: str) -> bool:
        """``1`` / ``true`` or ``0`` / ``false``, nothing else; trailing blanks do not matter."""
        value = self.raw(key).rstrip(_SPACE)
        if value in ("1", "true"):
            return True
        if value in ("0", "false"):
            return False
        raise self._bad(key, value, "is not a truth value", "write 1 or 0; a comment needs a line of its own")

    def integer(self, key: str) -> int:
        """Base 10, 32 bit; whatever follows a blank after the number is ignored, as in GLib."""
        return self._integer(key, self.raw(key))

    def double(self, key: str) -> float:
        """A decimal number with a point; trailing blanks are not allowed."""
        return self._double(key, self.raw(key))

    def integers(self, key: str) -> list[int]:
        """A ``;`` list of integers; one ``;`` at the end is allowed."""
        return [self._integer(key, part) for part in self.strings(key)]

    def doubles(self, key: str) -> list[float]:
        """A ``;`` list of decimal numbers; one ``;`` at the end is allowed."""
        return [self._double(key, part) for part in self.strings(key)]

    def strings(self, key: str) -> list[str]:
        r"""A ``;`` list; ``\;`` is a semicolon that does not separate."""
        parts: list[str] = []
        part = ""
        text = self.raw(key)
        i = 0
        while i < len(text):
            if text[i] == "\\":
                part += ";" if text[i + 1 : i + 2] == ";" else self._unescape(key, text[i : i + 2])
                i += 2
                continue
            if text[i] == ";":
                parts.append(part)
                part = ""
            else:
                part += text[i]
            i += 1
        if part:
            parts.append(part)
        return parts

    def _integer(self, key: str, value: str) -> int:
        match = _INTEGER.match(value)
        # strtol stops at the first character that is no digit; GLib looks at that one character only.
        rest = value[match.end() :] if match else value
        if not value or (rest and rest[0] not in _SPACE):
            raise self._bad(key, value, "is not an integer", "write a whole number in base 10")
        number = int(match[1]) if match else 0
        if not -(2**31) <= number < 2**31:
            raise self._bad(
                key, value, "does not fit into 32 bits", "write a number between -2147483648 and 2147483647"
            )
        return number

    def _double(self, key: str, value: str) -> float:
        if not _DOUBLE.fullmatch(value):
            raise self._bad(
                key, value, "is not a number", "write it with a point, such as 45.29, and without blanks after it"
            )
        return float.fromhex(value) if "x" in value.lower() else float(value)

    def _unescape(self, key: str, text: str) -> str:
        def replace(match: re.Match[str]) -> str:
            if match[1] not in _ESCAPES:
                raise self._bad(key, text, f"has the unknown escape '{match[0]}'", "write a backslash twice")
            return _ESCAPES[match[1]]

        return re.sub(r"\\(.?)", replace, text, flags=re.DOTALL) if "\\" in text else text

    def _bad(self, key: str, value: str, what: str, fix: str) -> ConfigError:
        return ConfigError(f"{value!r} {what}", where=self.place(key), fix=fix)


class KeyFile:
    """A parsed key file: groups by name, in the order of their first headers."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.groups: dict[str, Group] = {}

    def __iter__(self) -> Iterator[Group]:
        return iter(self.groups.values())

    def __contains__(self, name: object) -> bool:
        return name in self.groups

    def __getitem__(self, name: str) -> Group:
        return self.groups[name]

    def get(self, group: str, key: str, reader: Callable[[Group, str], T], default: T) -> T:
        """``reader(group, key)`` where both exist, e.g. ``file.get("property", "enable", Group.boolean, False)``."""
        found = self.groups.get(group)
        return reader(found, key) if found is not None and key in found else default


def read_keyfile(path: str | Path) -> KeyFile:
    """Read a key file. Raises ConfigError: file missing or not UTF-8, or a line that is none of the three kinds."""
    try:
        text = Path(path).read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise ConfigError("no such file", where=str(path), fix="check the path") from None
    except OSError as error:
        raise ConfigError(
            f"cannot be read: {error.strerror}", where=str(path), fix="check the rights of the file"
        ) from None
    except UnicodeDecodeError:
        raise ConfigError("is not UTF-8 text", where=str(path), fix="save the file as UTF-8") from None
    return parse_keyfile(text, str(path))


def parse_keyfile(text: str, file: str = "") -> KeyFile:
    """Parse a key file's text as if it stood in ``file``."""
    result = KeyFile(file)
    group: Group | None = None
    for number, line in enumerate(text.split("\n"), 1):
        line = line.removesuffix("\r").lstrip(_SPACE)
        if not line or line.startswith("#"):
            continue
        if line.startswith("["):
            header = re.fullmatch(r"\[([^\[\]\x00-\x1f\x7f]+)\][ \t]*", line)
            if header:
                group = result.groups.setdefault(header[1], Group(file, header[1], number))
                continue
        key, equals, value = line.partition("=")
        if not equals or not key or line.startswith("["):
            raise ConfigError(
                f"{line.rstrip()!r} is neither [group], key=value nor a comment",
                where=Place(file, number),
                fix="begin a comment with # on a line of its own",
            )
        if group is None:
            raise ConfigError(
                "a key stands before the first [group]",
                where=Place(file, number, 0, key.strip()),
                fix="put a [group] line above it",
            )
        key = key.rstrip(_SPACE)
        if not re.fullmatch(r"[^\[\]]+(\[[A-Za-z0-9_.@-]+\])?", key):
            raise ConfigError(
                f"{key!r} is not a name for a key", where=Place(file, number), fix="leave the brackets out"
            )
        group.add(key, value.lstrip(_SPACE), number)
    return result
