"""Base of all configuration models."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from countline.types import Message

__all__ = ["Model", "OutputConfig"]


class Model(BaseModel):
    """Unknown keys are errors; values are fixed once read; docstrings under fields become JSON Schema descriptions."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False)


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

    def files(self) -> list[str]:
        """Names of files that are written; words in braces stand for anything."""
        return []

    def object_url(self, message: Message, prefix: str | None = None) -> str:
        """URL of what a message becomes here; ``prefix`` stands for the output's own address. Raises TypeError unless
        ``holds_objects``."""
        raise TypeError(f"output '{self.name}' holds no objects")
