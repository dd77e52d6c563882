"""Events: one thing that happened at one time to one object or one region. Re-exported by ``countline.types``."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar

from countline._frames import FrameInfo, SourceInfo, utc


@dataclass(frozen=True, slots=True)
class Event:
    """Base of all events. Box in pixels of the source's picture; times in ns since the Unix epoch."""

    kind: ClassVar[str] = ""
    of_object: ClassVar[bool] = True
    """False: it happens to a rule as a whole, and has no track, class or box."""

    frame: FrameInfo
    rule: str
    sequence: int = 0
    """Place among the events of this frame, from 0."""
    track_id: int | None = None
    """None for events of a region as a whole."""
    class_id: int | None = None
    class_name: str = ""
    confidence: float = 0.0
    box: tuple[float, float, float, float] | None = None
    """Left, top, right, bottom."""

    @property
    def source(self) -> SourceInfo:
        """The camera or file it happened in."""
        return self.frame.source

    @property
    def time_ns(self) -> int:
        """Event time: capture time of the frame, ns since the Unix epoch."""
        return self.frame.time

    @property
    def time(self) -> datetime:
        """Event time as an aware UTC ``datetime``."""
        return utc(self.frame.time)


@dataclass(frozen=True, slots=True)
class Crossing(Event):
    """An object crossed a line."""

    kind: ClassVar[str] = "crossing"
    direction: str = ""
    """'in' / 'out' or the user's names; '' where the engine knows none."""


@dataclass(frozen=True, slots=True)
class Enter(Event):
    """An object entered a region."""

    kind: ClassVar[str] = "enter"


@dataclass(frozen=True, slots=True)
class Leave(Event):
    """An object left a region; ``dwell`` seconds after it entered."""

    kind: ClassVar[str] = "leave"
    dwell: float = 0.0


@dataclass(frozen=True, slots=True)
class Dwell(Event):
    """An object has stayed in a region for the threshold time; ``dwell`` in seconds."""

    kind: ClassVar[str] = "dwell"
    dwell: float = 0.0


@dataclass(frozen=True, slots=True)
class Crowding(Event):
    """A region became crowded (``phase`` 'begin') or ceased to be (``phase`` 'end')."""

    kind: ClassVar[str] = "crowding"
    of_object: ClassVar[bool] = False
    phase: str = "begin"
    occupancy: int = 0


@dataclass(frozen=True, slots=True)
class Heading(Event):
    """An object began to move in the rule's direction."""

    kind: ClassVar[str] = "heading"
    direction: str = ""


@dataclass(frozen=True, slots=True)
class Speeding(Event):
    """An object went over the rule's limit; ``speed`` in km/h."""

    kind: ClassVar[str] = "speeding"
    speed: float = field(default=0.0, metadata={"digits": 2})


@dataclass(frozen=True, slots=True)
class Journey(Event):
    """An object that was at ``origin`` has reached ``destination`` (names of lines or regions)."""

    kind: ClassVar[str] = "journey"
    origin: str = ""
    destination: str = ""


@dataclass(frozen=True, slots=True)
class ViewChange(Event):
    """The camera of a source that is stabilised shows another view (``change`` 'cut': tracks and what rules know of them were
    dropped, counts stay), or has turned (``change`` 'pan': rules follow the scene). No rule is behind it: ``rule`` is ''."""

    kind: ClassVar[str] = "view-change"
    of_object: ClassVar[bool] = False
    change: str = "cut"
