"""Every secret of a configuration that was read but not checked yet, so that no error can show it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel

from countline.config.outputs import config_class
from countline.config.renames import old_values
from countline.config.secret_places import PUBLIC_NAMES, holds_secrets, secret_fields
from countline.registry.kinds import MESSAGES, message_kind
from countline.secret_forms import SECRET_NAME, uri_secrets

__all__ = ["harvest"]


def harvest(data: Any, model: type[BaseModel] | None = None) -> list[object]:
    """Every value of raw data that is, or holds, a secret: by the model's types, by names of keys, and within addresses."""
    found: list[object] = []
    if isinstance(data, Mapping):
        messages = data.get("messages")
        _by_name({key: value for key, value in data.items() if key != "messages"}, found)
        for message in messages if isinstance(messages, list) else ():
            if isinstance(message, Mapping):  # its value is a template of the user's own words
                _by_name(message.get("schema"), found)
                _by_message_kind(message, found)
        for output in data["outputs"] if isinstance(data.get("outputs"), list) else ():
            _by_kind(output, found)
    if model is not None:
        _by_type(data, model, found)
    return found


def _by_kind(output: Any, found: list[object]) -> None:
    if isinstance(output, Mapping) and len(output) == 1:
        kind, options = next(iter(output.items()))
        try:
            _by_type(options, config_class(kind), found)
        except Exception:
            return  # no such kind, or its package cannot be imported: told elsewhere


def _by_message_kind(message: Mapping[Any, Any], found: list[object]) -> None:
    type_ = message.get("type")
    if isinstance(type_, str):
        try:
            _by_type(message, MESSAGES.get(message_kind(type_), "config", "Config"), found)
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
    named_values = [(renamed[old], value) for old, value in old_values(data, renamed)]
    named_values += [
        (name, data.get(name, data.get(field.alias or name))) for name, field in model.model_fields.items()
    ]
    for name, value in named_values:
        if name in secret_fields(model):
            _beneath(value, found)
        for inner in _models(model.model_fields[name].annotation):
            if holds_secrets(inner):
                _by_type(value, inner, found)


def _stray(data: Mapping[str, Any], known: Collection[str], found: list[object]) -> None:
    # `sasl: {the password}`: a key without a value that is no misspelt option either
    found += [
        key
        for key, value in data.items()
        if value is None and key not in known and not get_close_matches(str(key), known, 1)
    ]


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
            if not (isinstance(item, str) and str(key).lower() in PUBLIC_NAMES):
                _beneath(item, found, depth + 1)
    elif isinstance(value, list) and depth < 16:
        for item in value:
            _beneath(item, found, depth + 1)
    elif _scalar(value):
        found.append(value)


def _scalar(value: Any) -> bool:
    return value is not None and not isinstance(value, (Mapping, list))
