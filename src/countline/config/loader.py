"""YAML in, checked models out, with file and line in every error."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

from countline.errors import ConfigError, Place

__all__ = ["Document", "read_yaml", "validate"]

M = TypeVar("M", bound=BaseModel)
Loc = tuple[str | int, ...]

_VARIABLE = re.compile(r"\$\{(?:(file):([^}]+)|([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?)\}")


class Document:
    """A parsed YAML file that knows on which line each key stands."""

    def __init__(self, data: Any, marks: Mapping[Loc, tuple[int, int]], file: str) -> None:
        self.data = data
        self.marks = marks
        self.file = file

    def has(self, loc: Sequence[str | int]) -> bool:
        """Whether the data has something at this path."""
        value = self.data
        for part in loc:
            if isinstance(value, Mapping):
                if part not in value:
                    return False
            elif isinstance(value, str) or not isinstance(value, Sequence) or not isinstance(part, int) or part >= len(value):
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
    that file without its final newline (for secrets). Raises ConfigError: file missing, not YAML, a key twice in one
    mapping, variable not set.
    """
    file = str(path)
    if text is None:
        try:
            text = Path(path).read_text(encoding="utf-8-sig")
        except FileNotFoundError:
            raise ConfigError(
                "no such file",
                where=file,
                fix="check the path; `countline run --help` shows what can be given without a file",
            ) from None
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"cannot be read: {error}", where=file, fix="give a UTF-8 YAML file") from None
    try:
        return _document(text, file)
    except RecursionError:
        raise ConfigError(
            "is nested too deeply, or contains itself", where=file, fix="look for an alias (*name) inside its own anchor"
        ) from None


def _document(text: str, file: str) -> Document:
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
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
    except yaml.YAMLError as error:
        raise ConfigError(
            f"is not valid YAML: {error}", where=file, fix="remove characters that YAML does not allow"
        ) from None
    marks: dict[Loc, tuple[int, int]] = {}
    constructor = yaml.SafeLoader("")
    data = _build(node, (), marks, file, constructor) if node is not None else {}
    return Document(data, marks, file)


def _build(
    node: yaml.Node, loc: Loc, marks: dict[Loc, tuple[int, int]], file: str, constructor: yaml.SafeLoader
) -> Any:
    marks.setdefault(loc, (node.start_mark.line + 1, node.start_mark.column + 1))
    if isinstance(node, yaml.MappingNode):
        constructor.flatten_mapping(node)  # YAML merge keys: <<: *anchor
        result: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            key = constructor.construct_object(key_node, deep=True)
            place = Place(file, key_node.start_mark.line + 1, key_node.start_mark.column + 1, _dotted((*loc, str(key))))
            if not isinstance(key, (str, int, float, bool)) and key is not None:
                raise ConfigError("a key must be a plain word", where=place)
            # YAML 1.1 reads an unquoted `on:` key as true; nobody means that here.
            name = {True: "on", False: "off"}.get(key, key) if isinstance(key, bool) else key
            name = str(name)
            if name in result:
                raise ConfigError(
                    f"the key '{name}' stands twice in one mapping", where=place, fix="keep one of the two"
                )
            path = (*loc, name)
            marks[path] = (place.line, place.column)
            result[name] = _build(value_node, path, marks, file, constructor)
        return result
    if isinstance(node, yaml.SequenceNode):
        return [_build(child, (*loc, i), marks, file, constructor) for i, child in enumerate(node.value)]
    value = constructor.construct_object(node, deep=True)
    if isinstance(value, str) and "${" in value:
        value = _expand(value, Place(file, *marks[loc], _dotted(loc)))
    return value


def _expand(text: str, place: Place) -> str:
    def replace(match: re.Match[str]) -> str:
        kind, path, name, default = match.groups()
        if kind:
            try:
                return Path(path).read_text(encoding="utf-8").rstrip("\r\n")
            except (OSError, UnicodeDecodeError) as error:
                reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
                raise ConfigError(f"the file {path} cannot be read: {reason}", where=place) from None
        value = os.environ.get(name, default)
        if value is None:
            raise ConfigError(
                f"the environment variable {name} is not set", where=place, fix=f"set it, or write ${{{name}:-default}}"
            )
        return value

    return _VARIABLE.sub(replace, text)


def validate(model: type[M], data: Any, document: Document, loc: Sequence[str | int] = ()) -> M:
    """Check ``data`` (which stands at ``loc`` of the document) against a model; all faults in one ConfigError."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise merge_faults(_faults(error, model, document, tuple(loc))) from None


def _faults(error: ValidationError, model: type[BaseModel], document: Document, prefix: Loc) -> list[ConfigError]:
    faults: dict[Loc, ConfigError] = {}
    items = error.errors(include_url=False)
    renamed = _renamed(items, model)
    for item in items:
        inner = item.get("ctx", {}).get("error")
        path = _path(item, document, prefix)
        if isinstance(inner, Nested):  # a model that a validator chose and checked by itself
            for i, fault in enumerate(_faults(inner.error, inner.model, document, (*path, *inner.loc))):
                place = (*path, f"nested {i}")
                faults[place] = fault
        elif item["type"] == "missing" and item["loc"] in renamed:
            continue  # the unknown key beside it says it
        else:
            fault = _fault(item, model, document, path)
            known = faults.get(path)
            # Several kinds of value were possible and each said no: one fault with all of them.
            faults[path] = fault if known is None else _either(known, fault)
    return list(faults.values())


def _either(first: ConfigError, second: ConfigError) -> ConfigError:
    whats = [first.what.removesuffix(")").rpartition(" (here: ")[0] or first.what, second.what]
    return (
        first
        if first.what == second.what
        else ConfigError(", or ".join(whats), where=first.where, fix=first.fix or second.fix)
    )


def _renamed(items: Sequence[Any], model: type[BaseModel]) -> set[Loc]:
    """Paths of missing keys for which a misspelt one stands beside."""
    found = set()
    for item in items:
        if item["type"] == "extra_forbidden":
            near = difflib.get_close_matches(str(item["loc"][-1]), _fields(item["loc"], model), 1)
            found |= {(*item["loc"][:-1], name) for name in near}
    return found


def _path(item: Any, document: Document, prefix: Loc) -> Loc:
    # pydantic puts the tag of a chosen union member into the path; keep only what the document has, and a missing key.
    path = prefix
    for part in item["loc"]:
        if document.has((*path, part)):
            path = (*path, part)
    return (*path, item["loc"][-1]) if item["type"] == "missing" else path


def merge_faults(faults: Sequence[ConfigError]) -> ConfigError:
    """Several faults as one error, a paragraph each, in the order of their lines."""
    unique = list({str(f): f for f in faults}.values())
    unique.sort(key=lambda f: f.where.line if isinstance(f.where, Place) else 0)
    if len(unique) == 1:
        return unique[0]
    return ConfigError(f"{len(unique)} faults:\n" + "\n".join(str(f) for f in unique))


_WORDS = {
    "empty": "must not be empty",
    "string_type": "must be text",
    "list_type": "must be a list",
    "dict_type": "must be a mapping",
    "model_type": "must be a mapping",
    "too_short": "needs at least {min_length} of these, here are {actual_length}",
    "string_too_short": "must have at least {min_length} character(s)",
    "string_pattern_mismatch": "has characters that cannot stand here; allowed is {pattern}",
    "finite_number": "must be a finite number",
    "tuple_type": "must be a list",
    "too_long": "has {actual_length} entries, at most {max_length} can stand here",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "set_type": "must be a list",
    "path_type": "must be a path",
    "literal_error": "must be {expected}",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be {ge} or more",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be {le} or less",
}
"""In place of pydantic's words, where those speak of its own workings."""


def _fault(item: Any, model: type[BaseModel], document: Document, path: Loc) -> ConfigError:
    place = document.place(path)
    kind = item["type"]
    if kind == "extra_forbidden":
        return ConfigError(f"unknown key '{item['loc'][-1]}'", where=place, fix=_known(item["loc"], model))
    if kind == "missing":
        last = item["loc"][-1]
        missing = f"number {last + 1} of these is missing" if isinstance(last, int) else f"the key '{last}' is missing"
        return ConfigError(missing, where=place, fix="add it")
    if kind == "too_short" and not item["ctx"]["actual_length"]:
        kind = "empty"
    what = _WORDS.get(kind, "{}").format(item["msg"], **item.get("ctx", {}))
    if kind == "value_error":
        inner = item.get("ctx", {}).get("error")
        if isinstance(inner, CountlineFault):
            return ConfigError(inner.what, where=document.place((*path, *inner.loc)), fix=inner.fix)
        what = str(inner) if inner is not None else what
        return ConfigError(what, where=place)
    shown = item.get("input")
    value = f" (here: {shown!r})" if isinstance(shown, (str, int, float, bool)) else ""
    quotes = f'put it in quotes: "{shown!s}"' if kind == "string_type" and value else ""
    return ConfigError(what[:1].lower() + what[1:] + value, where=place, fix=quotes)


def _known(loc: Loc, model: type[BaseModel]) -> str:
    """The keys that may stand where an unknown one was found, the likely one first."""
    fields = _fields(loc, model)
    if not fields:
        return "check the spelling; `countline schema` prints every key that may stand here"
    near = difflib.get_close_matches(str(loc[-1]), fields, 1)
    return (f"did you mean '{near[0]}'? " if near else "") + "known here: " + ", ".join(fields)


def _fields(loc: Loc, model: type[BaseModel]) -> list[str]:
    """Keys of the model in which the last part of the path stands."""
    found: type[BaseModel] | None = model
    for part in loc[:-1]:
        if isinstance(part, str) and found is not None and part in found.model_fields:
            found = next(_models(found.model_fields[part].annotation), None)
    return list(found.model_fields) if found is not None else []


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)


class CountlineFault(ValueError):
    """Raise this in a pydantic validator to give a fix, and the path below the validated value."""

    def __init__(self, what: str, *, fix: str = "", loc: Sequence[str | int] = ()) -> None:
        super().__init__(what)
        self.what = what
        self.fix = fix
        self.loc = tuple(loc)


class Nested(ValueError):
    """Carries the faults of a model that was validated inside a validator, at ``loc`` below the validated value."""

    def __init__(self, error: ValidationError, model: type[BaseModel], loc: Sequence[str | int]) -> None:
        super().__init__(str(error))
        self.error = error
        self.model = model
        self.loc = tuple(loc)
