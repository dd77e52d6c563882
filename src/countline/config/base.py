"""Base of all configuration models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import (
    BaseModel,
    ConfigDict,
    GetJsonSchemaHandler,
    PlainSerializer,
    PlainValidator,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import CoreSchema

from countline.config.faults import ConfigFault
from countline.config.field_docs import add_meanings
from countline.config.renames import describe, in_new_names, under_both_names
from countline.config.secret_places import address_secrets, secrets_of
from countline.redaction import remember
from countline.types import Message

__all__ = ["FileName", "Model", "OutputConfig"]


def _file_name(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("a name must be text")
    return value


def _printable(value: str) -> str:
    return value.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


FileName = Annotated[
    str,
    PlainValidator(_file_name),
    PlainSerializer(_printable, when_used="json"),
    WithJsonSchema({"type": "string"}),
]
"""Name of a file as the operating system knows it: bytes that are no UTF-8 are lone surrogates, which plain texts may not
hold."""


class Model(BaseModel):
    """Unknown keys are errors; values are fixed once read; docstrings under fields become JSON Schema descriptions. What has
    the type SecretStr is kept out of every text for as long as it lives."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, hide_input_in_errors=True)

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        made = handler(core_schema)
        add_meanings(cls, handler.resolve_ref_schema(made))
        return made

    @model_validator(mode="after")
    def _remember_secrets(self) -> Model:
        for holder, secret in secrets_of(self):
            remember(holder, secret)
        remember(self, *address_secrets(self))
        return self


class OutputConfig(Model):
    """What every output has in common."""

    name: str = ""
    """Name of this output, for messages that go to some outputs only and for its position in the outbox; its kind unless
    set. Two outputs of one kind need two names."""

    renamed: ClassVar[Mapping[str, str]] = {}
    """Options that were called otherwise, old name -> new name; ``security.tls``: the key ``tls`` in the mapping ``security``.
    Both work; the old one is told when a configuration is loaded."""

    @model_validator(mode="before")
    @classmethod
    def _new_names(cls, data: Any) -> Any:
        if not isinstance(data, Mapping) or not cls.renamed:
            return data
        both = under_both_names(data, cls.renamed)
        if both is not None:
            new = cls.renamed[both]
            what = f"'{both}' and '{new}' are the old and the new name of one option"
            raise ConfigFault(what, fix=f"keep {new}", loc=both.split("."))
        made = in_new_names(data, cls.renamed)
        for head, keys in cls._old_groups().items():
            if head in made:
                unknown = next(iter(made[head]), None) if isinstance(made[head], Mapping) else None
                what = "must be a mapping" if unknown is None else f"unknown key '{unknown}'"
                fix = f"{' and '.join(keys)} stand beside it now, as options of the output"
                raise ConfigFault(what, fix=fix, loc=(head,) if unknown is None else (head, unknown))
        return made

    @classmethod
    def _old_groups(cls) -> dict[str, list[str]]:
        groups: dict[str, list[str]] = {}
        for old in cls.renamed:
            head, _, key = old.partition(".")
            if key:
                groups.setdefault(head, []).append(key)
        return groups

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        made = super().__get_pydantic_json_schema__(core_schema, handler)
        describe(handler.resolve_ref_schema(made), cls.renamed)
        return made

    @property
    def explicit_only(self) -> bool:
        """Whether messages come only when their definition names this output."""
        return False

    @property
    def holds_objects(self) -> bool:
        """Whether pictures may be put here (``attach: {as: object}``)."""
        return False

    @property
    def schema_topic(self) -> str | None:
        """Topic that the subjects of schemas are named after; None where messages go to no topic of Kafka's kind."""
        return None

    def files(self) -> list[str]:
        """Names of files that are written; words in braces stand for anything."""
        return []

    def object_url(self, message: Message, prefix: str | None = None) -> str:
        """URL of what a message becomes here; ``prefix`` stands for the output's own address. Raises TypeError unless
        ``holds_objects``."""
        raise TypeError(f"output '{self.name}' holds no objects")
