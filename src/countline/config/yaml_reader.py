"""YAML in, plain data out, with the line of every key, and with bounds: no file makes countline run long or use much memory."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from countline.config.secret_places import text_secrets
from countline.errors import ConfigError, Place
from countline.redaction import during
from countline.secret_forms import SECRET_NAME

__all__ = ["MOST_BYTES", "MOST_DEPTH", "MOST_DIGITS", "MOST_VALUES", "Document", "Loc", "read_yaml"]

Loc = tuple[str | int, ...]

MOST_BYTES = 4 * 1024 * 1024
"""Longest file that is read."""
MOST_DEPTH = 64
"""Most mappings and lists within each other, aliases followed."""
MOST_VALUES = 200_000
"""Most keys and values, each alias counted as all that it stands for."""
MOST_DIGITS = 100
"""Longest number."""

_VARIABLE = re.compile(r"\$\{(?:(file):([^}]+)|([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?)\}")
_TAG = "tag:yaml.org,2002:"
_TEXTS = frozenset(_TAG + kind for kind in ("timestamp", "value", "merge"))
"""What plain words look like to YAML 1.1 and nobody means here: a date, ``=`` and ``<<``. They are texts, as in YAML 1.2."""
_TAKEN = frozenset(_TAG + kind for kind in ("null", "bool", "int", "float", "str", "timestamp"))


class Document:
    """A parsed YAML file that knows on which line each key stands."""

    def __init__(
        self,
        data: Any,
        marks: Mapping[Loc, tuple[int, int]],
        file: str,
        written: Mapping[Loc, tuple[str, str]] | None = None,
    ) -> None:
        self.data = data
        self.marks = marks
        self.file = file
        self.written = written or {}
        """Values that came from elsewhere (``${NAME}``), by path: what they are, and what stands in the file."""
        self.secrets: list[str] = []
        """What may be a secret, by the words before it."""

    def has(self, loc: Sequence[str | int]) -> bool:
        """Whether the data has something at this path."""
        value = self.data
        for part in loc:
            if isinstance(value, Mapping):
                if part not in value:
                    return False
            elif (
                isinstance(value, str)
                or not isinstance(value, Sequence)
                or not isinstance(part, int)
                or part >= len(value)
            ):
                return False
            value = value[part]
        return True

    def place(self, loc: Sequence[str | int]) -> Place:
        """Place of a key path; of its nearest parent where the key itself is absent."""
        path = tuple(loc)
        while path and path not in self.marks:
            path = path[:-1]
        line, column = self.marks.get(path, (0, 0))
        return Place(self.file, line, column, _dotted(loc))


def _dotted(loc: Sequence[str | int]) -> str:
    text = ""
    for part in loc:
        text += f"[{part}]" if isinstance(part, int) else (f".{part}" if text else part)
    return text


def read_yaml(path: str | Path, text: str | None = None) -> Document:
    """Read a YAML file (or ``text`` as if it stood in that file).

    ``${NAME}`` and ``${NAME:-default}`` in a string are replaced from the environment, ``${file:PATH}`` by the content of
    that file without its final newline (for secrets). Raises ConfigError: file missing, not YAML, too large, too deep, a key
    twice in one mapping, variable not set.
    """
    file = str(path)
    text = _content(path, file) if text is None else text
    if len(text) > MOST_BYTES:
        raise ConfigError(
            f"is larger than {MOST_BYTES >> 20} MiB",
            where=file,
            fix="give a configuration; recorded data is read otherwise",
        )
    secrets = text_secrets(text)
    with during(secrets):
        try:
            document = _document(text, file)
        except RecursionError:
            raise ConfigError("is nested too deeply, or contains itself", where=file, fix=_SELF) from None
    document.secrets += secrets
    return document


def _content(path: str | Path, file: str) -> str:
    try:
        with open(path, "rb") as stream:  # no more than can be used: it may be a device without an end
            return stream.read(MOST_BYTES + 1).decode("utf-8-sig")
    except FileNotFoundError:
        raise ConfigError(
            "no such file",
            where=file,
            fix="check the path; `countline run --help` shows what can be given without a file",
        ) from None
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", where=file, fix="give a UTF-8 YAML file") from None
    except (UnicodeDecodeError, ValueError):
        raise ConfigError("cannot be read: it is not UTF-8 text", where=file, fix="give a UTF-8 YAML file") from None


_SELF = "look for an alias (*name) inside its own anchor"


class _Loader(yaml.SafeLoader):
    """Composes nodes and measures them as it goes, so that nothing is built that would be too much."""

    def __init__(self, text: str, file: str) -> None:
        super().__init__(text)
        self.file = file
        self.depth = self.count = 0
        self.sizes: dict[int, tuple[int, int]] = {}
        """Values and depth of every whole node, by identity."""
        self.own: dict[int, set[int]] = {}
        """Of every mapping the keys that stand in it, not those that ``<<`` brings."""

    def fault(self, what: str, mark: yaml.Mark, fix: str) -> ConfigError:
        return ConfigError(what, where=Place(self.file, mark.line + 1, mark.column + 1), fix=fix)

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        mark = event.start_mark
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in self.anchors:
                raise self.fault(
                    "an alias (*) names an anchor (&) that is not there", mark, "put text that begins with * in quotes"
                )
            if id(self.anchors[event.anchor]) not in self.sizes:
                raise self.fault("contains itself", mark, _SELF)
        elif self.depth >= MOST_DEPTH:
            raise self.fault(
                _DEEP, mark, "close the brackets; see docs/configuration.md for what a configuration looks like"
            )
        self.count += 1
        if self.count > MOST_VALUES:
            raise self.fault(_MANY, mark, "write less, or several configurations")
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        if node is not None and id(node) not in self.sizes:
            self.measure(node, mark)
        return node

    def measure(self, node: yaml.Node, mark: yaml.Mark) -> None:
        """Note how much the node stands for. Raises ConfigError when that is too much."""
        parts: list[yaml.Node] = []
        if isinstance(node, yaml.MappingNode):
            parts = [part for pair in node.value for part in pair]
            self.own[id(node)] = {id(key) for key, _ in node.value}
        elif isinstance(node, yaml.SequenceNode):
            parts = list(node.value)
        sizes = [self.sizes[id(part)] for part in parts]
        size, depth = 1 + sum(n for n, _ in sizes), 1 + max((d for _, d in sizes), default=0)
        if size > MOST_VALUES:
            raise self.fault(_MANY, mark, "write less, or several configurations")
        if depth > MOST_DEPTH + 1:
            raise self.fault(_DEEP, mark, _SELF)
        self.sizes[id(node)] = (size, depth)


_MANY = f"stands for more than {MOST_VALUES:,} values, aliases (*) counted as what they stand for"
_DEEP = f"is nested too deeply (more than {MOST_DEPTH} mappings and lists within each other)"


def _document(text: str, file: str) -> Document:
    loader = None
    try:
        loader = _Loader(text, file)
        node = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        # An open quote or bracket is found at the end of the file; where it was opened is what helps.
        at_end = "end of stream" in str(error.problem)
        mark = (error.context_mark if at_end else None) or error.problem_mark or error.context_mark
        place = Place(file, mark.line + 1, mark.column + 1) if mark else Place(file)
        raise ConfigError(
            f"is not valid YAML: {error.problem or error.context}",
            where=place,
            fix="check indentation, quotes and brackets near this line",
        ) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        sign = f" U+{error.character:04X}" if isinstance(error.character, int) else ""
        raise ConfigError(
            f"is not valid YAML: the character{sign} may not stand in YAML", where=Place(file, line), fix="remove it"
        ) from None
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # ValueError: `%YAML 1.99999…`, `\UFFFFFFFF`
        where = Place(file, loader.line + 1) if loader is not None else file
        raise ConfigError(f"is not valid YAML: {error}", where=where, fix="correct this line") from None
    builder = _Builder(file, loader.own)
    data = builder.build(node, ()) if node is not None else {}
    document = Document(data, builder.marks, file, builder.written)
    document.secrets = builder.secrets
    return document


class _Builder:
    """Makes plain data of nodes."""

    def __init__(self, file: str, own: Mapping[int, set[int]]) -> None:
        self.file = file
        self._own = own
        self.marks: dict[Loc, tuple[int, int]] = {}
        self.written: dict[Loc, tuple[str, str]] = {}
        self.secrets: list[str] = []
        self._constructor = yaml.SafeLoader("")

    def build(self, node: yaml.Node, loc: Loc) -> Any:
        self.marks.setdefault(loc, (node.start_mark.line + 1, node.start_mark.column + 1))
        if isinstance(node, yaml.ScalarNode):
            value = self._scalar(node, loc)
            if isinstance(value, str) and "${" in value:
                expanded = _expand(value, Place(self.file, *self.marks[loc], _dotted(loc)), loc, self.secrets)
                self.written[loc] = (expanded, value)
                return expanded
            return value
        if node.tag not in (_TAG + "map", _TAG + "seq"):
            raise self._fault(
                "a tag (!) has no meaning here", node, loc, "remove it; put text that begins with ! in quotes"
            )
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, loc)
        return [self.build(child, (*loc, i)) for i, child in enumerate(node.value)]

    def _mapping(self, node: yaml.MappingNode, loc: Loc) -> dict[str, Any]:
        try:
            self._constructor.flatten_mapping(node)  # YAML merge keys: <<: *anchor
        except yaml.YAMLError:
            raise self._fault("<< takes a mapping", node, loc, "write <<: *name, the alias of a mapping") from None
        result: dict[str, Any] = {}
        seen: set[str] = set()
        for key_node, value_node in node.value:
            name = self._key(key_node, loc)
            path = (*loc, name)
            place = Place(self.file, key_node.start_mark.line + 1, key_node.start_mark.column + 1, _dotted(path))
            if id(key_node) in self._own[id(node)]:  # goes before what << brings
                if name in seen:
                    raise ConfigError(
                        f"the key '{name}' stands twice in one mapping", where=place, fix="keep one of the two"
                    )
                seen.add(name)
            self.marks[path] = (place.line, place.column)
            result[name] = self.build(value_node, path)
        return result

    def _key(self, node: yaml.Node, loc: Loc) -> str:
        if not isinstance(node, yaml.ScalarNode):
            raise self._fault("a key must be a plain word", node, loc)
        key = self._scalar(node, loc)
        if not isinstance(key, (str, int, float, bool)) and key is not None:
            raise self._fault("a key must be a plain word", node, loc)
        # YAML 1.1 reads an unquoted `on:` key as true; nobody means that here.
        return str({True: "on", False: "off"}[key] if isinstance(key, bool) else key)

    def _scalar(self, node: yaml.ScalarNode, loc: Loc) -> Any:
        if node.tag in _TEXTS and node.style is None and self._implicit(node):
            return str(node.value)
        if node.tag not in _TAKEN:
            raise self._fault(
                "a tag (!) has no meaning here", node, loc, "remove it; put text that begins with ! in quotes"
            )
        kind = node.tag.removeprefix(_TAG)
        if kind in ("int", "float") and len(node.value) > MOST_DIGITS:
            raise self._fault(
                f"a number of {len(node.value)} digits is too long", node, loc, "put it in quotes if it is text"
            )
        try:
            return self._constructor.construct_object(node, deep=True)
        except (yaml.YAMLError, ValueError, KeyError, IndexError, TypeError, OverflowError, AttributeError):
            raise self._fault(f"cannot be read as what its tag says (!!{kind})", node, loc, "remove the tag") from None

    def _implicit(self, node: yaml.ScalarNode) -> bool:
        return bool(self._constructor.resolve(yaml.ScalarNode, node.value, (True, False)) == node.tag)  # type: ignore[no-untyped-call]

    def _fault(self, what: str, node: yaml.Node, loc: Loc, fix: str = "") -> ConfigError:
        where = Place(self.file, node.start_mark.line + 1, node.start_mark.column + 1, _dotted(loc))
        return ConfigError(what, where=where, fix=fix)


def _expand(text: str, place: Place, loc: Loc, secrets: list[str]) -> str:
    def replace(match: re.Match[str]) -> str:
        kind, path, name, default = match.groups()
        if kind:
            return _file(path, place)
        value = os.environ.get(name, default)
        if value is None:
            raise ConfigError(
                f"the environment variable {name} is not set", where=place, fix=f"set it, or write ${{{name}:-default}}"
            )
        if SECRET_NAME.search(name) or any(isinstance(part, str) and SECRET_NAME.search(part) for part in loc):
            secrets.append(value)
        return value

    return _VARIABLE.sub(replace, text)


def _file(path: str, place: Place) -> str:
    try:
        with open(path, "rb") as stream:
            content = stream.read(MOST_BYTES + 1).decode("utf-8").rstrip("\r\n")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise ConfigError(f"the file {path} cannot be read: {reason}", where=place) from None
    if len(content) > MOST_BYTES:
        raise ConfigError(f"the file {path} is larger than {MOST_BYTES >> 20} MiB", where=place)
    return content
