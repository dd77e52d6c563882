"""Base of all configuration models."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

__all__ = ["Model", "OutputConfig"]


class Model(BaseModel):
    """Unknown keys are errors; values are fixed once read; docstrings under fields become JSON Schema descriptions."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False)


class OutputConfig(Model):
    """What every output has in common."""

    name: str = ""
    """Name of this output, for messages that go to some outputs only and for its position in the outbox; its kind unless
    set. Two outputs of one kind need two names."""
