"""GLib's key files (``[group]``, ``key=value``), read the way GLib reads them, with the line of everything.

DeepStream's ``.txt`` configurations are such files. Differences from Python's ``configparser`` that matter: no inline
comments, trailing blanks belong to the value, a key may stand twice, groups of one name are merged, CRLF is fine, and any
other line makes the whole file invalid.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from countline.errors import Place, RuleError

__all__ = ["Entry", "KeyFile", "boolean", "foreign", "integer", "integer_list", "strtol", "unescape"]

_SPACE = " \t\n\f\r"
_TRANSLATION = re.compile(r"[^\[\]]*[^\[\]\s]\[[\w.@-]*\]")
_DIGITS = frozenset("0123456789")


@dataclass(frozen=True, slots=True)
class Entry:
    """One ``key=value``; ``line`` counts from 1."""

    key: str
    value: str
    line: int


@dataclass(slots=True)
class KeyFile:
    """Groups in the order of their first appearance; entries of a group in the order of the file, doubles included."""

    file: str
    groups: dict[str, list[Entry]] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    """Line of each group's first header."""

    def last(self, group: str, key: str) -> Entry | None:
        """The entry that counts: the last one of that name."""
        return next((entry for entry in reversed(self.groups.get(group, [])) if entry.key == key), None)

    def place(self, group: str, entry: Entry | None = None) -> Place:
        """Where an entry, or else the group, stands."""
        if entry is None:
            return Place(self.file, self.lines.get(group, 0), 0, group)
        return Place(self.file, entry.line, 0, f"{group}.{entry.key}")

    @classmethod
    def parse(cls, text: str, file: str = "") -> KeyFile:
        """Raises RuleError with the line that is no group, comment or ``key=value``."""
        result = cls(file)
        current: list[Entry] | None = None
        raws = text.split("\n")
        for number, raw in enumerate(raws, 1):
            line = (
                raw[:-1] if raw.endswith("\r") and number < len(raws) else raw
            )  # a last line keeps its CR, as in GLib
            stripped = line.lstrip(_SPACE)
            if not stripped or stripped[0] == "#":
                continue
            where = Place(file, number)
            if stripped[0] == "[" and _is_group(stripped):
                name = stripped[1 : stripped.index("]")]
                if not name or "[" in name or any(ord(c) < 32 or ord(c) == 127 for c in name):
                    raise RuleError(
                        f"'{name}' is no valid group name", where=where, fix="write [name] without brackets inside"
                    )
                current = result.groups.setdefault(name, [])
                result.lines.setdefault(name, number)
                continue
            entry = _entry(line, number, where)
            if current is None:
                raise RuleError(
                    "the file does not start with a group", where=where, fix="put [property] before the first key"
                )
            if entry is None:
                continue
            if entry.key == "Encoding" and len(result.groups) == 1 and entry.value.upper() != "UTF-8":
                raise RuleError(f"the encoding '{entry.value}' is not read", where=where, fix="write the file in UTF-8")
            current.append(entry)
        return result


def _is_group(line: str) -> bool:
    end = line.find("]")
    return end > 0 and not line[end + 1 :].strip(" \t")


def _entry(line: str, number: int, where: Place) -> Entry | None:
    text = line.lstrip(_SPACE)
    at = text.find("=")
    if at <= 0:
        raise RuleError(
            f"'{line.strip()}' is neither a [group], a comment nor key=value",
            where=where,
            fix="begin comments with # at the start of the line; write key=value",
        )
    key = text[:at].rstrip(_SPACE)
    if "]" in key or "[" in key:
        if not _TRANSLATION.fullmatch(key):
            raise RuleError(f"'{key}' is no valid key", where=where, fix="use no square brackets in a key")
        if not key.endswith("[]"):
            return None  # key[locale]: a translation, which GLib leaves out unless it is the user's language
    return Entry(key, text[at + 1 :].lstrip(_SPACE), number)


def foreign(text: str) -> bool:
    """Whether a text holds bytes that were no UTF-8 (as ``surrogateescape`` keeps them)."""
    return any("\ud800" <= character <= "\udfff" for character in text)


def strtol(text: str) -> tuple[int | None, str]:
    """C's strtol in base 10: the number (None: no digits) and the rest behind it."""
    at = 0
    while at < len(text) and text[at] in _SPACE + "\v":
        at += 1
    start = at
    if at < len(text) and text[at] in "+-":
        at += 1
    digits = at
    while at < len(text) and text[at] in _DIGITS:
        at += 1
    return (int(text[start:at]), text[at:]) if at > digits else (None, text)


def integer(text: str, place: Place) -> int:
    """A 32-bit number as GLib reads it: what follows a blank behind it is not looked at, and blanks alone are 0. Raises
    RuleError."""
    value, rest = strtol(text)
    if (value is None and not rest) or (rest and rest[0] not in _SPACE):
        raise RuleError(
            f"'{text}' is not a whole number", where=place, fix="write digits only; a comment needs its own line"
        )
    if value is not None and not -(2**31) <= value < 2**31:
        raise RuleError(f"{value} does not fit into 32 bits", where=place, fix="write a smaller number")
    return value or 0


def boolean(text: str, place: Place) -> bool:
    """``1``, ``0``, ``true`` or ``false``; trailing blanks are allowed. Raises RuleError."""
    word = text.rstrip(_SPACE)
    if word not in ("1", "0", "true", "false"):
        raise RuleError(f"'{word}' is not a truth value", where=place, fix="write 1 or 0; a comment needs its own line")
    return word in ("1", "true")


def unescape(text: str, place: Place, *, lists: bool = False) -> list[str]:
    """GLib's escapes (``\\s`` ``\\n`` ``\\t`` ``\\r`` ``\\\\``); with ``lists`` split at ``;`` too, an empty last piece left
    out. Raises RuleError for any other escape."""
    if foreign(text):
        raise RuleError("the value is not UTF-8", where=place, fix="write the file in UTF-8")
    words = {"s": " ", "n": "\n", "t": "\t", "r": "\r", "\\": "\\"}
    pieces, piece, characters = [], "", iter(text)
    for character in characters:
        if character == "\\":
            follower = next(characters, "")
            if follower not in words and not (lists and follower == ";"):
                raise RuleError(f"'\\{follower}' is no escape", where=place, fix="write the backslash twice, or none")
            piece += words.get(follower, follower)
        elif character == ";" and lists:
            pieces.append(piece)
            piece = ""
        else:
            piece += character
    if piece or not lists:
        pieces.append(piece)
    return pieces


def integer_list(text: str, place: Place) -> tuple[int, ...]:
    """Numbers joined by ``;``, one trailing ``;`` allowed; may be empty. Raises RuleError."""
    return tuple(integer(piece, place) for piece in unescape(text, place, lists=True))
