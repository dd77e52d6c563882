"""What definitions are made for: the rules, sources, labels and outputs of a run, and tools of the outside world."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Any

from countline.messages.clip import ClipMaker
from countline.messages.fields import TABLE, FieldTable
from countline.types import Message, RuleInfo, SourceInfo

__all__ = ["Context", "Tools"]


@dataclass(frozen=True)
class Tools:
    """What a definition may need from the outside world, handed in so that this package stays pure."""

    encode_image: Callable[[Any, int, int], bytes] | None = None
    """(BGR picture, longest side, quality) -> JPEG; see ``countline.attach``."""
    store: Callable[[str, str, bytes], None] | None = None
    """(folder, relative name, content): writes a file; see ``countline.attach``."""
    schema_id: Callable[[Any], int] | None = None
    """``schema.SchemaRequest`` -> id in the registry; see ``countline.registry``."""
    objects: Mapping[str, Callable[[Message, str | None], str]] = field(default_factory=dict)
    """Outputs that hold objects, by name: (message, what stands before the object's name instead of the store's own address)
    -> URL of the object that the message becomes."""
    clips: ClipMaker | None = None
    """Cuts clips; see ``countline.pipeline.clips``."""


@dataclass(frozen=True)
class Context:
    """What the definitions of one run have in common."""

    rules: Sequence[RuleInfo]
    sources: Sequence[SourceInfo]
    labels: Sequence[str] = ()
    """Class name for each class id."""
    tools: Tools = Tools()
    outputs: Sequence[str] | None = None
    """Names of the outputs that a message goes to which names none; None: all."""
    zone: tzinfo | None = None
    """Whose hours and days intervals follow that name no time zone; None: UTC."""
    table: FieldTable = TABLE
    """The fields there are."""
