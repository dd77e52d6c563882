"""What a user can say of messages of ``type: deepstream/...`` besides what holds for all messages."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from countline.compat.deepstream.files.msgconv import StaticDescription
from countline.compat.deepstream.files.msgconv import read as read_static
from countline.config.base import Model
from countline.config.messages import MessageConfig, Names

__all__ = ["FORMS", "TYPES", "Config", "PlaceConfig"]

FORMS = ("full", "minimal", "protobuf", "analytics", "occupancy")
TYPES = tuple(f"deepstream/{form}" for form in FORMS)


def _static(value: Any) -> Any:
    return read_static(value) if isinstance(value, (str, Path)) else value


class PlaceConfig(Model):
    """Which crossings enter and leave a place."""

    entry: Names = []
    """Lines, or lines with one of their directions: [door.in, Entry]."""
    exit: Names = []


class Config(MessageConfig):
    """One message with a payload of DeepStream's."""

    msgconv: Annotated[StaticDescription | None, BeforeValidator(_static), WithJsonSchema({"type": "string"})] = None
    """Static data of the deepstream payloads: a msgconv_config.txt, .yml or .csv."""
    api: Literal["event", "dsmeta"] | None = None
    """Which of nvmsgconv's two forms deepstream/full, minimal and protobuf have: event = one for what happened, dsmeta = all
    objects of the frame; by the trigger unless set."""
    every: int | None = Field(default=None, ge=1)
    """With `on: frame` and a deepstream type: only frames whose number is a multiple; 30 for full, minimal and protobuf
    (nvmsgconv's frame-interval), else 1."""
    places: dict[str, PlaceConfig] = {}
    """Places of deepstream/occupancy; by the names and directions of the lines unless set."""

    def files(self) -> list[str]:
        """The static description."""
        file = getattr(self.msgconv, "file", None)
        return [str(file)] if file else []
