"""Where in a configuration secrets stand: options of the type SecretStr, options whose name says so, addresses."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, get_args

from pydantic import BaseModel, SecretStr

from countline.secret_forms import MASK, SECRET_NAME, uri_secrets

__all__ = [
    "PUBLIC_NAMES",
    "address_secrets",
    "holds_secrets",
    "named_secrets",
    "secret_fields",
    "secrets_of",
    "text_secrets",
    "without_secrets",
]

PUBLIC_NAMES = frozenset(
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
            public = key.lower() in PUBLIC_NAMES or (
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


def without_secrets(text: str) -> str:
    """The text of a file, or of a part of one, without what stands behind names of secrets, however short it is."""

    def hidden(match: re.Match[str]) -> str:
        if not SECRET_NAME.search(match["name"]):
            return match[0]
        return match[0][: match.start("value") - match.start()] + MASK

    return "\n".join(_LINE.sub(hidden, line) if SECRET_NAME.search(line) else line for line in text.split("\n"))
