"""Writes docs/configuration.md from the models, so that the reference is always what the code accepts.

python tools/make_reference.py            # write
python tools/make_reference.py --check    # exit code 1 if the file is not up to date
"""

from __future__ import annotations

import argparse
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from countline.config import Config
from countline.config.base import OutputConfig
from countline.config.field_docs import meanings
from countline.config.messages import MessageConfig, kind_classes
from countline.config.outputs import BUILT_IN, config_class

TARGET = Path(__file__).resolve().parent.parent / "docs" / "configuration.md"

HEAD = """\
# Configuration

<!-- made by tools/make_reference.py from the models; edit their docstrings instead -->

A configuration is a YAML file. `countline schema` prints its JSON Schema, for completion and checks in an editor.
`countline check FILE` tries everything that it names. Unknown keys, wrong types, impossible values and double names are
errors with file and line.

In any string, `${NAME}` and `${NAME:-default}` stand for an environment variable, `${file:PATH}` for the content of a file
(secrets). A key in **bold** must be given.

A configuration is code: it names Python modules to import, which `countline check` does as well, and files to read. See
[SECURITY.md](../SECURITY.md).

The YAML is that of version 1.1, with these differences: a date, `=` and `<<` are texts where they stand as values; an unquoted
`on:` is the key *on*; tags (`!!int`) are known for numbers, texts, booleans and null only; and a key that stands in a mapping
goes before one that `<<: *name` brings, but may not stand twice. A file may be 4 MiB long, nest 64 mappings and lists, and stand
for 200,000 values with its aliases followed; a number may have 100 digits. What is more is refused with its line.

**Secrets** (type *secret text*, options whose name says so, what stands in addresses) are never shown: not in errors, logs, JSON
or tracebacks, in whatever form, as long as they have 4 characters or more. A value that came from `${...}` is shown as `${...}`
in errors. A secret of digits needs quotes.
"""


def type_text(annotation: Any) -> str:
    """An annotation for people."""
    origin = get_origin(annotation)
    args = get_args(annotation)
    if origin is Literal:
        return " \\| ".join(f"`{a}`" for a in args)
    if origin in (Union, types.UnionType):
        return " \\| ".join(dict.fromkeys(type_text(a) for a in args if a is not type(None)))
    if origin is list:
        return f"list of {type_text(args[0])}"
    if origin is tuple:
        return (
            "[" + ", ".join(type_text(a) for a in args if a is not Ellipsis) + (", …" if Ellipsis in args else "") + "]"
        )
    if origin is dict:
        return f"mapping of {type_text(args[0])} to {type_text(args[1])}"
    if origin is not None and args:  # Annotated
        return type_text(args[0])
    if annotation is OutputConfig:
        return "outputs: `- KIND: {...}`, see [those of each kind](#output-kafka)"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return f"[{annotation.__name__}](#{annotation.__name__.lower()})"
    names = {str: "text", int: "integer", float: "number", bool: "true \\| false"}
    return names.get(annotation, {"SecretStr": "secret text"}.get(getattr(annotation, "__name__", ""), "any"))


def models(annotation: Any) -> Iterator[type[BaseModel]]:
    """Models inside an annotation."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from models(part)


def default_text(field: Any) -> str:
    if field.is_required():
        return ""
    value = field.get_default(call_default_factory=True) if field.default is PydanticUndefined else field.default
    if value is None or value == "" or isinstance(value, BaseModel) or value in ([], {}, ()):
        return ""
    return f"`{value}`" if not isinstance(value, bool) else f"`{str(value).lower()}`"


def fields(model: type[BaseModel]) -> dict[str, Any]:
    """Fields of a model; of a message those that its kinds have besides, too."""
    found = dict(model.model_fields)
    if model is MessageConfig:
        for _, own in kind_classes():
            found |= {name: field for name, field in own.model_fields.items() if name not in found}
    return found


def texts(model: type[BaseModel]) -> dict[str, str]:
    """What these fields mean."""
    kinds = [own for _, own in kind_classes()] if model is MessageConfig else []
    return {name: text for own in (*kinds, model) for name, text in meanings(own).items()}


def section(model: type[BaseModel], title: str) -> str:
    """One model as a table."""
    doc = (model.__doc__ or "").strip().split("\n\n")[0].replace("\n", " ")
    rows = [f"## {title}", "", " ".join(doc.split()), "", "| key | type | default | meaning |", "|---|---|---|---|"]
    meaning_of = texts(model)
    for name, field in fields(model).items():
        key = field.alias or name
        key = f"**`{key}`**" if field.is_required() else f"`{key}`"
        meaning = " ".join(meaning_of.get(name, "").split()).replace("|", "\\|")
        known = next((m.built_in() for m in field.metadata if hasattr(m, "built_in")), ())
        type_ = " \\| ".join(f"`{name}`" for name in known) or type_text(field.annotation)
        rows.append(f"| {key} | {type_} | {default_text(field)} | {meaning} |")
    renamed = getattr(model, "renamed", {})
    if renamed:
        rows += [
            "",
            "Old names, which still work and are told: "
            + ", ".join(f"`{o}` (now `{n}`)" for o, n in renamed.items())
            + ".",
        ]
    return "\n".join(rows) + "\n"


def text() -> str:
    """The whole page."""
    parts = [HEAD]
    seen: set[type[BaseModel]] = set()
    waiting: list[tuple[type[BaseModel], str]] = [(Config, "Config")]
    waiting += [(config_class(kind), f"Output `{kind}`") for kind in BUILT_IN]
    while waiting:
        model, title = waiting.pop(0)
        if model in seen or model is OutputConfig:
            continue
        seen.add(model)
        parts.append(section(model, title))
        inner = [m for f in fields(model).values() for m in models(f.annotation)]
        waiting[0:0] = [(m, m.__name__) for m in dict.fromkeys(inner) if m not in seen]
    return "\n".join(parts)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    given = parser.parse_args()
    new = text()
    if given.check:
        if TARGET.read_text(encoding="utf-8") != new:
            print("docs/configuration.md is not up to date: run tools/make_reference.py", file=sys.stderr)
            return 1
        return 0
    TARGET.write_text(new, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
