"""What every rule has in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal, TypeAlias

from pydantic import Field, field_validator, model_validator

from countline.config.base import Model
from countline.config.faults import ConfigFault
from countline.config.points import Points

__all__ = ["Anchor", "AreaConfig", "PlacedConfig", "RuleConfig", "Shape", "positive"]

Anchor: TypeAlias = Literal[
    "bottom-center",
    "center",
    "top-center",
    "bottom-left",
    "bottom-right",
    "top-left",
    "top-right",
    "center-left",
    "center-right",
]
Shape: TypeAlias = Literal["", "line", "area", "arrow", "quad"]
"""What a rule's points are: nothing, a line of two or more points, the corners of a polygon, tail and head of an arrow, or the
corners of a quadrangle. Of lines the engine tells who passed them, of areas who is in them."""


class RuleConfig(Model):
    """What every rule has in common."""

    kind: ClassVar[str]
    """What kind of rule it is; ``analytics.native.kinds`` has the module of this name."""
    shape: ClassVar[Shape] = ""
    events: ClassVar[tuple[str, ...]] = ()
    """Kinds of event that it may tell of, each a trigger of messages."""
    waypoint: ClassVar[bool] = False
    """Whether journeys may begin and end here."""

    name: str = Field(min_length=1)
    """How messages, counters and events call it; unique among the rules of a source."""
    source: str | None = None
    """Name of the source it applies to; all sources unless set."""
    classes: list[str | int] | None = None
    """Classes it looks at, by name (or class id); all unless set."""
    reset: bool = False
    """Begin at 0 when the rule counts something else than before, because it was moved, say; its count goes on unless set. A line
    that is turned round begins at 0 in any case."""

    def check_beside(self, rules: Sequence[RuleConfig]) -> None:
        """Raises ConfigFault (``loc`` within this rule) for what is wrong in the company of all rules."""


class PlacedConfig(RuleConfig):
    """A rule with points in the picture."""

    outlines: ClassVar[tuple[str, ...]] = ("points",)
    """Fields that hold points in the picture, first those that are its shape."""

    resolution: tuple[int, int] | None = None
    """Width and height of the picture in whose pixels this rule's points are written; 0..1 unless set."""
    anchor: Anchor = "bottom-center"
    """Point of the box that stands for the object. The bottom centre is where a person or vehicle touches the ground."""

    @field_validator("resolution")
    @classmethod
    def _positive(cls, value: tuple[int, int] | None) -> tuple[int, int] | None:
        return positive(value)


class AreaConfig(PlacedConfig):
    """A rule about objects that are in a polygon."""

    shape: ClassVar[Shape] = "area"

    points: Points
    """Three or more corners of a polygon; it closes itself. Where it crosses itself, inside is what an odd number of
    edges surrounds."""
    band: float | None = Field(default=None, ge=0, le=2)
    """How far an object must be outside before it has left, as a fraction of the longer side of its box (as for lines)."""
    grace: float = Field(default=1.0, ge=0, le=60)
    """Seconds for which an object that is not seen any more still counts as inside; then it has left."""

    @model_validator(mode="after")
    def _corners(self) -> AreaConfig:
        corners = len(set(self.points))
        if corners < 3:
            raise ConfigFault(
                f"a polygon needs at least three different points, {self.kind} '{self.name}' has {corners}",
                fix="write points: [[x1, y1], [x2, y2], [x3, y3]]",
                loc=("points",),
            )
        return self


def positive(value: tuple[int, int] | None) -> tuple[int, int] | None:
    """A resolution as it is; ConfigFault for one that is none."""
    if value is not None and min(value) <= 0:
        raise ConfigFault("a resolution is two positive numbers", fix="write [width, height]")
    return value
