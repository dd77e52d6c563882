"""Options of the standard output."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from countline.config.base import OutputConfig

__all__ = ["Config"]


class Config(OutputConfig):
    """Writes a line per message to standard output."""

    content: Literal["value", "message"] = "value"
    """The value alone, which must be without line breaks; or a JSON object with id, time, key, headers and value."""
    max_in_flight: int = Field(default=1000, ge=1, le=100_000)
    """Most messages that wait to be written, when the reader is slow."""
