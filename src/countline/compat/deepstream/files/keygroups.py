"""Groups of a key file with typed getters, for the description files, broker files and detector files of DeepStream."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import yaml

from countline.compat.deepstream.files.keyfile import Entry, KeyFile, boolean, foreign, integer, integer_list, unescape
from countline.compat.deepstream.files.yaml_cpp import compose, scalar
from countline.config.yaml_reader import MOST_BYTES
from countline.errors import ConfigError, Place

__all__ = ["Group", "parse_groups", "read_groups", "read_text", "yaml_groups"]

_SPACE = " \t\n\v\f\r"
_DOUBLE = re.compile(
    r"[ \t\n\v\f\r]*[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?"
    r"|0x[0-9a-f]+\.?[0-9a-f]*(?:p[+-]?[0-9]+)?|inf(?:inity)?|nan)",
    re.IGNORECASE,
)


class Group:
    """One ``[group]``: keys in the order of their lines; a key that stands twice is visited twice, with its last value.
    Getters raise ConfigError with file, line, group and key where a key is absent or its value is none of the kind."""

    def __init__(self, file: str, name: str, line: int, entries: list[Entry]) -> None:
        self.file = file
        self.name = name
        self.line = line
        """Line of the first header."""
        self._entries = entries
        self._last = {entry.key: entry for entry in entries}

    def __contains__(self, key: object) -> bool:
        return key in self._last

    def __iter__(self) -> Iterator[str]:
        return iter([entry.key for entry in self._entries])

    def place(self, key: str = "") -> Place:
        """Where a key (or the group's header) stands."""
        entry = self._last.get(key)
        return (
            Place(self.file, entry.line, 0, f"{self.name}.{key}")
            if entry
            else Place(self.file, self.line, 0, self.name)
        )

    def raw(self, key: str) -> str:
        """The value as it stands, trailing blanks included."""
        if key not in self._last:
            raise ConfigError(
                f"the key '{key}' is missing", where=self.place(), fix=f"add `{key}=...` to [{self.name}]"
            )
        return self._last[key].value

    def string(self, key: str) -> str:
        r"""The value with ``\s \n \t \r \\`` replaced."""
        return unescape(self.raw(key), self.place(key))[0]

    def quoted(self, key: str) -> str:
        """The value without blanks around it, and without double quotes around that."""
        value = self.raw(key).strip(_SPACE)
        return value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value

    def boolean(self, key: str) -> bool:
        """``1`` / ``true`` or ``0`` / ``false``."""
        return boolean(self.raw(key), self.place(key))

    def integer(self, key: str) -> int:
        """Base 10, 32 bit."""
        return integer(self.raw(key), self.place(key))

    def integers(self, key: str) -> list[int]:
        """A ``;`` list of integers; one ``;`` at the end is allowed."""
        return list(integer_list(self.raw(key), self.place(key)))

    def double(self, key: str) -> float:
        """A decimal number with a point; trailing blanks are not allowed."""
        return self._double(key, self.raw(key))

    def doubles(self, key: str) -> list[float]:
        """A ``;`` list of decimal numbers; one ``;`` at the end is allowed."""
        return [self._double(key, part) for part in unescape(self.raw(key), self.place(key), lists=True)]

    def _double(self, key: str, value: str) -> float:
        if not _DOUBLE.fullmatch(value):
            raise ConfigError(
                f"{value!r} is not a number",
                where=self.place(key),
                fix="write it with a point, such as 45.29, and without blanks after it",
            )
        return float.fromhex(value) if "x" in value.lower() else float(value)


def read_text(path: str | Path, what: str = "file") -> str:
    """Text of a file that a user named. Of a key file comments may be in another encoding, as GLib takes them; YAML is UTF-8. Raises
    ConfigError: missing, unreadable, too large, or not text."""
    yaml = str(path).lower().endswith((".yml", ".yaml"))
    try:
        with open(path, "rb") as file:
            data = file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        raise ConfigError(f"no such {what}", where=str(path), fix="check the path") from None
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", where=str(path), fix="give a readable file") from None
    if len(data) > MOST_BYTES:
        raise ConfigError(f"is larger than {MOST_BYTES >> 20} MiB", where=str(path), fix=f"give a {what}")
    where = str(path)
    try:
        if b"\0" in data:
            raise ConfigError("is no text", where=where, fix=f"give a {what}")
        return data.decode("utf-8", "strict" if yaml else "surrogateescape").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = Place(where, data.count(b"\n", 0, error.start) + 1)
        raise ConfigError("is not UTF-8 text", where=line, fix="save the file as UTF-8") from None


def parse_groups(text: str, file: str = "") -> list[Group]:
    """Groups of a key file's text, in the order of their first headers. Raises ConfigError with the line that is none of
    group, key or comment."""
    parsed = KeyFile.parse(text, file)
    for name, entries in parsed.groups.items():
        for entry in entries:
            if foreign(entry.key + entry.value):
                raise ConfigError(
                    "is not UTF-8 text", where=Place(file, entry.line, 0, name), fix="save the file as UTF-8"
                )
    return [Group(file, name, parsed.lines[name], entries) for name, entries in parsed.groups.items()]


def read_groups(path: str | Path, what: str = "file") -> list[Group]:
    """Groups of a key file on disk."""
    return parse_groups(read_text(path, what), str(path))


class _YamlGroup(Group):
    """A mapping of the YAML form: scalars are taken as they are written, without escapes."""

    def string(self, key: str) -> str:
        return self.raw(key)

    def doubles(self, key: str) -> list[float]:
        return [self._double(key, part.strip(_SPACE)) for part in self.raw(key).split(";")]


def yaml_groups(text: str, file: str) -> Iterator[Group]:
    """Groups of DeepStream's YAML form: a mapping of mappings of scalars, which are taken as they are written."""
    root = compose(text, file)
    if root is None:
        return
    if not isinstance(root, yaml.MappingNode):
        raise ConfigError("must be a mapping of groups", where=Place(file, 1), fix="write `sensor0:` and its keys")
    for key_node, value_node in root.value:
        entries = []
        if isinstance(value_node, yaml.MappingNode):
            for name, value in value_node.value:
                if isinstance(value, yaml.ScalarNode):
                    null = value.tag.endswith(":null") and value.style is None
                    entries.append(Entry(_key(name), "" if null else scalar(value), name.start_mark.line + 1))
        yield _YamlGroup(file, _key(key_node), key_node.start_mark.line + 1, entries)


def _key(node: yaml.Node) -> str:
    return scalar(node) if isinstance(node, yaml.ScalarNode) else str(node.value)
