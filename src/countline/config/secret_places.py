"""Where in a configuration secrets stand: options of the type SecretStr, options whose name says so, addresses."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from typing import Any, get_args

from pydantic import BaseModel, SecretStr

from countline.config.renames import old_values
from countline.secret_forms import SECRET_NAME, uri_secrets

__all__ = [
    "address_secrets",
    "harvest",
    "holds_secrets",
    "named_secrets",
    "secret_fields",
    "secrets_of",
    "text_secrets",
]

_PUBLIC_NAMES = frozenset(
    {
        *("accept", "accept-encoding", "accept-language", "content-encoding", "content-type", "host", "user-agent"),
        *("account_name", "region", "server_side_encryption", "storage_account_name"),
    }
)
"""Headers and options of stores that are no secrets, though they stand among such."""
_LINE = re.compile(
    r"(?<![\w.\-])(?P<name>[\w.\-]{1,64})[\"']?[ \t]{0,16}[:=][ \t]{0,16}"
    r"(?P<value>\"(?:[^\"\\]|\\.){0,512}\"|'[^']{0,512}'|[^\s,}{\[\]#;\"'|>][^,}\n;]{0,512})"
)
_LONGEST_LINE = 4096
_MOST = 5000


@cache
def secret_fields(model: type[BaseModel]) -> tuple[str, ...]:
    """Fields that are secrets themselves, or a mapping or list of such; not those that are models with secrets."""
    return tuple(name for name, field in model.model_fields.items() if _holds(field.annotation, deep=False))


def holds_secrets(annotation: Any) -> bool:
    """Whether values of this type are, or have somewhere within, secrets."""
    return _holds(annotation, deep=True)


def _holds(annotation: Any, *, deep: bool) -> bool:
    if isinstance(annotation, type) and issubclass(annotation, SecretStr):
        return True
    if deep and isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return any(_holds(field.annotation, deep=True) for field in annotation.model_fields.values())
    return any(_holds(part, deep=deep) for part in get_args(annotation))


def secrets_of(model: BaseModel) -> Iterator[tuple[object, str]]:
    """Secrets in the fields of a model that was checked, each with the object that holds it; not those of models within."""
    for name in secret_fields(type(model)):
        value = getattr(model, name)
        items = value.items() if isinstance(value, Mapping) else [(name, value)]
        for key, item in items:
            if not isinstance(item, SecretStr):
                continue
            text = item.get_secret_value()
            public = key.lower() in _PUBLIC_NAMES or (
                isinstance(value, Mapping) and len(text) < 8 and not SECRET_NAME.search(key)
            )
            if not public:
                yield item, text


def address_secrets(model: BaseModel) -> Iterator[str]:
    """Passwords within the texts of a model's own fields: people write ``user:password@host`` where a host is asked for."""
    for value in model.__dict__.values():
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str) and "@" in text:
                yield from uri_secrets(text)


def named_secrets(options: Mapping[str, Any]) -> Iterator[object]:
    """Values of options whose name says that they are secrets, and secrets within addresses among the others."""
    for name, value in options.items():
        if SECRET_NAME.search(name):
            yield value
        elif isinstance(value, str):
            yield from uri_secrets(value)


def text_secrets(text: str) -> list[str]:
    """What stands behind names of secrets in the text of a file that may not even be YAML."""
    found: list[str] = []
    for line in text.splitlines():
        if len(line) > _LONGEST_LINE:
            continue
        for match in _LINE.finditer(line) if SECRET_NAME.search(line) else ():
            if SECRET_NAME.search(match["name"]):
                value = match["value"].strip()
                found += [value, value.strip("\"'"), value.lstrip("*&!@%")] if "{" not in value else []
        found += uri_secrets(line.strip()) if "@" in line or "://" in line else []
    return list(dict.fromkeys(found))[:_MOST]


def harvest(data: Any, model: type[BaseModel] | None = None) -> list[object]:
    """Every value of raw data that is, or holds, a secret: by the model's types, by names of keys, and within addresses."""
    found: list[object] = []
    if isinstance(data, Mapping):
        messages = data.get("messages")
        _by_name({key: value for key, value in data.items() if key != "messages"}, found)
        for message in messages if isinstance(messages, list) else ():
            if isinstance(message, Mapping):  # its value is a template of the user's own words
                _by_name(message.get("schema"), found)
        for output in data["outputs"] if isinstance(data.get("outputs"), list) else ():
            _by_kind(output, found)
    if model is not None:
        _by_type(data, model, found)
    return found


def _by_kind(output: Any, found: list[object]) -> None:
    from countline.config.outputs import config_class

    if isinstance(output, Mapping) and len(output) == 1:
        kind, options = next(iter(output.items()))
        try:
            _by_type(options, config_class(kind), found)
        except Exception:
            return  # no such kind, or its package cannot be imported: told elsewhere


def _by_name(data: Any, found: list[object], depth: int = 0) -> None:
    if isinstance(data, Mapping) and depth < 64:
        for key, value in data.items():
            if SECRET_NAME.search(str(key)):
                found.extend(item for item in (value if isinstance(value, list) else [value]) if _scalar(item))
            if isinstance(key, str):
                found.extend(uri_secrets(key))
            _by_name(value, found, depth + 1)
    elif isinstance(data, list) and depth < 64:
        for value in data:
            _by_name(value, found, depth + 1)
    elif isinstance(data, str):
        found.extend(uri_secrets(data))


def _by_type(data: Any, model: type[BaseModel], found: list[object]) -> None:
    if not isinstance(data, Mapping):
        return
    renamed = getattr(model, "renamed", {})
    heads = {old.partition(".")[0] for old in renamed}
    _stray(data, {*model.model_fields, *heads}, found)
    for head in heads:  # what stood in a mapping of its own
        if isinstance(data.get(head), Mapping):
            _stray(data[head], {old.partition(".")[2] for old in renamed}, found)
    given = [(renamed[old], value) for old, value in old_values(data, renamed)]
    given += [(name, data.get(name, data.get(field.alias or name))) for name, field in model.model_fields.items()]
    for name, value in given:
        if name in secret_fields(model):
            _beneath(value, found)
        for inner in _models(model.model_fields[name].annotation):
            if holds_secrets(inner):
                _by_type(value, inner, found)


def _stray(data: Mapping[str, Any], known: Collection[str], found: list[object]) -> None:
    # `sasl: {the password}`: a key without a value that is no misspelt option either
    found += [key for key, value in data.items() if value is None and key not in known and not get_close_matches(str(key), known, 1)]


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)


def _beneath(value: Any, found: list[object], depth: int = 0) -> None:
    if isinstance(value, Mapping) and depth < 16:
        for key, item in value.items():
            # `{Authorization:Bearer x}`, without the blank that would make it a key with a value.
            if item is None and isinstance(key, str):
                found.extend([key, *key.split()[1:], key.partition(":")[2]])
            if not (isinstance(item, str) and str(key).lower() in _PUBLIC_NAMES):
                _beneath(item, found, depth + 1)
    elif isinstance(value, list) and depth < 16:
        for item in value:
            _beneath(item, found, depth + 1)
    elif _scalar(value):
        found.append(value)


def _scalar(value: Any) -> bool:
    return value is not None and not isinstance(value, (Mapping, list))
