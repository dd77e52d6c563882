"""What rules say after a frame. Re-exported by ``countline.types``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol


@dataclass(slots=True)
class Count:
    """``current``: in this frame. ``cumulative``: since the last reset."""

    current: int = 0
    cumulative: int = 0


@dataclass(slots=True)
class LineState:
    """One line after one frame. Totals over all directions and classes, then apart.

    The fields of states are fields of messages, too: ``metadata`` says how; see ``countline.messages.table``."""

    current: int = 0
    cumulative: int = 0
    directions: dict[str, Count] = field(default_factory=dict, metadata={"by": "direction"})
    """By direction name; empty where the engine knows none."""
    classes: dict[str, Count] = field(default_factory=dict)
    """By class name, all directions together; only classes that were counted."""
    epoch: int = 0
    """Grows by one at each reset."""
    reset_at: int = field(default=0, metadata={"time": True, "whole": False})
    """Time of the last reset, ns since the Unix epoch; 0: never."""


@dataclass(slots=True)
class RegionState:
    """One region after one frame."""

    occupancy: int = 0
    """Objects inside now (outside, for an inverse region)."""
    classes: dict[str, int] = field(default_factory=dict)
    """Occupancy by class name."""
    entered: Count = field(default_factory=Count, metadata={"counter": "enter"})
    left: Count = field(default_factory=Count, metadata={"counter": "leave"})
    crowded: bool = False
    longest_dwell: float = 0.0
    """Seconds the object that has been inside longest has been there."""
    epoch: int = 0
    reset_at: int = field(default=0, metadata={"time": True, "whole": False})


@dataclass(slots=True)
class DirectionState:
    """How many objects head the configured way in this frame."""

    current: int = 0


@dataclass(slots=True)
class ObjectStatus:
    """What the rules say of one object in one frame (nvdsanalytics' object information)."""

    regions: list[str] = field(default_factory=list)
    crowding: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    direction: str = ""
    text: str = ""


class RuleState(Protocol):
    """State of a rule after one frame: a dataclass of numbers, texts and :class:`Count`."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    def watched(self) -> tuple[Any, ...]:
        """What ``on: change`` looks at: all that changes when something happens, not with time alone."""
        ...

    def summary(self) -> str:
        """In a few words, for pictures and for the summary of a run."""
        ...
