"""YAML as DeepStream's parser (yaml-cpp) reads it, where PyYAML is stricter.

Seen with yaml-cpp 0.7: directives that it does not know, such as the ``%YAML:1.0`` of OpenCV's files, are passed over, and
no ``---`` need follow; an anchor may be set twice; tabs may stand wherever blanks may, except in the indentation; of several
documents the first counts. Where it is more lenient still (control characters), the file is refused with its line.
"""

from __future__ import annotations

import re

import yaml

from countline.errors import ConfigError, Place, RuleError

__all__ = ["MOST_BYTES", "compose", "scalar"]

MOST_BYTES = 1 << 20
"""Longest text that is read, characters."""
_MOST_AGAIN = 1 << 19
"""Most characters that are parsed again on account of tabs that stand in no plain line."""
_PLAIN_TAB = re.compile(r"( *(?:- )*[\w.+/-]+:)([ \t]*\t[ \t]*)(?=[^ \t])")
"""A key, and a tab between it and its value."""

_TAB = "\ue000"
"""Stands for a tab within a plain scalar, which PyYAML's scanner would end there."""
_VERSION = re.compile(r"%YAML[ \t]+(.*?)[ \t]*(?:#.*)?$")


class _Loader(yaml.SafeLoader):
    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """An anchor may be set anew, which PyYAML refuses."""
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if not isinstance(event, yaml.AliasEvent):
            self.anchors.pop(getattr(event, "anchor", None), None)
        return super().compose_node(parent, index)


def compose(text: str, file: str, kind: type[ConfigError | RuleError] = ConfigError) -> yaml.Node | None:
    """The first document's node, None where there is none. Raises ``kind`` with file, line and column."""
    if len(text) > MOST_BYTES:
        raise kind(f"is larger than {MOST_BYTES >> 20} MiB", where=file, fix="give a configuration of DeepStream's")
    lines = [re.sub(r"[ \t]*\t[ \t]*(\r?)$", r"\1", line) for line in text.split("\n")]
    _blank_directives(lines, file, kind)
    again = 0
    while True:
        try:
            loader = _Loader("\n".join(lines))
            return loader.get_node() if loader.check_node() else None
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            if mark is not None and again <= _MOST_AGAIN and _untab(lines, mark.line, mark.column):
                if not again:
                    _untab_plain(lines, mark.line + 1)
                again += len(text)
                continue
            if again > _MOST_AGAIN:
                row = mark.line + 1 if mark else 0
                raise kind("has too many tabs", where=Place(file, row), fix="write blanks for tabs") from None
            where = Place(file, mark.line + 1, mark.column + 1) if mark else Place(file)
            raise kind(
                f"is not valid YAML: {error.problem or error.context}",
                where=where,
                fix="check indentation (no tabs) and quotes near this line",
            ) from None
        except yaml.reader.ReaderError as error:
            before = "\n".join(lines)[: error.position]
            where = Place(file, before.count("\n") + 1, error.position - before.rfind("\n"))
            raise kind(
                f"the character U+{int(error.character):04X} may not stand in YAML", where=where, fix="remove it"
            ) from None
        except RecursionError:
            raise kind("is nested too deep", where=file, fix="write groups of keys with plain values") from None


def scalar(node: yaml.ScalarNode) -> str:
    """The words of a scalar of :func:`compose`."""
    return str(node.value).replace(_TAB, "\t")


def _blank_directives(lines: list[str], file: str, kind: type[ConfigError | RuleError]) -> None:
    """Turn the directives before the first line of content into comments."""
    seen = False
    for number, line in enumerate(lines):
        words = line.strip(" \t\r\ufeff")
        if not words.startswith("%"):
            if words and not words.startswith("#"):
                return
            continue
        version = _VERSION.match(words)
        if version:
            numbers = re.match(r"([0-9]+)\.[0-9]+$", version[1])
            if numbers is None or int(numbers[1]) > 1 or seen:
                raise kind(
                    f"the directive '{words}' is not understood: DeepStream aborts on it",
                    where=Place(file, number + 1, 1),
                    fix="remove the line",
                )
            seen = True
        lines[number] = line.replace("%", "#", 1)


def _untab_plain(lines: list[str], start: int) -> None:
    """As :func:`_untab` for every plain ``key:<tab>value`` from a line on, so that the text need not be parsed anew for each;
    nothing where a text may reach over lines, whose tabs are its own."""
    if any(
        re.search(r"[|>][-+0-9]*\s*(?:#.*)?$", line) or line.count('"') % 2 or line.count("'") % 2 for line in lines
    ):
        return
    for row in range(start, len(lines)):
        lines[row] = _PLAIN_TAB.sub(r"\1 ", lines[row], count=1) if _PLAIN_TAB.match(lines[row]) else lines[row]


def _untab(lines: list[str], row: int, column: int) -> bool:
    """Replace the tab there, if it is one that yaml-cpp passes over or keeps; False if there is none or it indents."""
    if row >= len(lines) or lines[row][column : column + 1] != "\t":
        return False
    line = lines[row]
    before, after = line[:column], line[column + 1 :].lstrip(" \t\r")
    empty = not after or after.startswith("#")
    if not before.strip(" ") and not empty:
        return False
    # A separator may become a blank; a tab between words belongs to them.
    separates = empty or after.startswith(":") or before.rstrip(" \t")[-1:] in ":-?,[]{}\"'"
    lines[row] = before + (" " if separates else _TAB) + line[column + 1 :]
    return True
