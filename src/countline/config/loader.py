"""Plain data in, checked models out, with file and line in every error."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from countline.config.faults import ConfigFault, Nested
from countline.config.harvest import harvest
from countline.config.renames import as_written
from countline.config.secret_places import holds_secrets
from countline.config.yaml_reader import Document, Loc, read_yaml
from countline.errors import ConfigError, Place
from countline.redaction import during
from countline.secret_forms import SECRET_NAME

__all__ = ["ConfigFault", "Document", "Nested", "read_yaml", "validate"]

M = TypeVar("M", bound=BaseModel)


def validate(model: type[M], data: Any, document: Document, loc: Sequence[str | int] = ()) -> M:
    """Check ``data`` (which stands at ``loc`` of the document) against a model; all faults in one ConfigError."""
    with during([*document.secrets, *harvest(data, model)]):
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
        path = _path(item, document, prefix, model)
        if isinstance(inner, Nested):  # a model that a validator chose and checked by itself
            for i, fault in enumerate(_faults(inner.error, inner.model, document, (*path, *inner.loc))):
                place = (*path, f"nested {i}")
                faults[place] = fault
        elif item["type"] == "missing" and item["loc"] in renamed:
            continue  # the unknown key beside it says it
        else:
            fault = _unexpanded(_fault(item, model, document, path), document, path)
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


def _path(item: Any, document: Document, prefix: Loc, model: type[BaseModel]) -> Loc:
    # pydantic puts the tag of a chosen union member into the path; keep only what the document has, and a missing key.
    path = prefix
    for part in as_written(document, prefix, item["loc"], getattr(model, "renamed", {})):
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
        if isinstance(inner, ConfigFault):
            loc = as_written(document, path, inner.loc, getattr(model, "renamed", {})) if not item["loc"] else inner.loc
            return ConfigError(inner.what, where=document.place((*path, *loc)), fix=inner.fix)
        what = str(inner) if inner is not None else what
        return ConfigError(what, where=place)
    shown = item.get("input")
    hidden = path in document.written or _is_secret(item["loc"], model)
    value = f" (here: {shown!r})" if isinstance(shown, (str, int, float, bool)) and not hidden else ""
    quotes = f'put it in quotes: "{shown!s}"' if kind == "string_type" and value else ""
    if kind == "string_type" and hidden:
        quotes = "put the secret in quotes, or write ${NAME} to take it from the environment"
    return ConfigError(what[:1].lower() + what[1:] + value, where=place, fix=quotes)


def _is_secret(loc: Loc, model: type[BaseModel]) -> bool:
    """Whether the value there is a secret, or stands where some should stand within."""
    found: type[BaseModel] | None = model
    for part in loc:
        if isinstance(part, str) and SECRET_NAME.search(part):
            return True
        if isinstance(part, str) and found is not None and part in found.model_fields:
            annotation = found.model_fields[part].annotation
            found = next((m for m in _models(annotation) if holds_secrets(m)), next(_models(annotation), None))
            if part == loc[-1] and holds_secrets(annotation):
                return True
            if found is None and holds_secrets(annotation):
                return True  # a mapping of secrets
    return False


def _unexpanded(fault: ConfigError, document: Document, path: Loc) -> ConfigError:
    """The fault of a value that came from elsewhere, with ``${NAME}`` in place of what it stands for."""
    value, written = document.written.get(path, ("", ""))
    if not value:
        return fault
    return ConfigError(fault.what.replace(value, written), where=fault.where, fix=fault.fix.replace(value, written))


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
