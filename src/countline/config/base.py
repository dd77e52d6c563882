"""Base of all configuration models."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, PlainSerializer, PlainValidator, WithJsonSchema, model_validator

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

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False, hide_input_in_errors=True
    )

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

    @property
    def only_named(self) -> bool:
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
