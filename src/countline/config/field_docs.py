"""What the docstrings under the fields of a model say.

pydantic would read them from the source while each class is made, which is a fifth of the time that importing the
configuration takes; they are needed for JSON Schemas and pages alone.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Mapping
from functools import cache
from itertools import pairwise
from textwrap import dedent
from typing import Any

from pydantic import BaseModel, GetJsonSchemaHandler

__all__ = ["add_meanings", "described", "meanings"]


@cache
def meanings(model: type[BaseModel]) -> Mapping[str, str]:
    """Field name -> its description, or the docstring under it; those of base classes, too. Without those of which neither is
    to be had."""
    found: dict[str, str] = {}
    for cls in reversed(model.__mro__):
        if issubclass(cls, BaseModel) and cls is not BaseModel:
            found |= _docstrings(cls)
    for name, field in model.model_fields.items():
        if field.description is not None:
            found[name] = field.description
    return {name: text for name, text in found.items() if name in model.model_fields}


def add_meanings(model: type[BaseModel], schema: dict[str, Any]) -> None:
    """Describe the properties of a model's JSON Schema."""
    properties = schema.get("properties", {})
    for name, text in meanings(model).items():
        entry = properties.get(model.model_fields[name].alias or name)
        if entry is not None:
            entry.setdefault("description", text)


def described(model: type[BaseModel], handler: GetJsonSchemaHandler) -> dict[str, Any]:
    """The JSON Schema of a model inside that of another, which the other does not name as the type of a field."""
    made = handler(model.__pydantic_core_schema__)
    add_meanings(model, handler.resolve_ref_schema(made))
    return made


def _docstrings(cls: type[BaseModel]) -> dict[str, str]:
    try:
        body = ast.parse(dedent(inspect.getsource(cls))).body[0]
    except (OSError, TypeError, SyntaxError, IndexError):  # made by a program, or its source is not there
        return {}
    if not isinstance(body, ast.ClassDef):
        return {}
    return {
        field.target.id: inspect.cleandoc(text.value.value)
        for field, text in pairwise(body.body)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant) and isinstance(text.value.value, str)
    }  # fmt: skip
