"""Directions: what a user can say of them."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field, model_validator

from countline.config.faults import ConfigFault
from countline.config.kinds.base import PlacedConfig, Shape
from countline.config.points import Points

__all__ = ["DirectionConfig"]


class DirectionConfig(PlacedConfig):
    """A direction in which objects move."""

    kind: ClassVar[str] = "direction"
    events: ClassVar[tuple[str, ...]] = ("heading",)
    shape: ClassVar[Shape] = "arrow"

    points: Points
    """Tail and head of an arrow; only where it points to matters, not where it stands."""
    tolerance: float = Field(default=45.0, gt=0, le=180)
    """Degrees to either side that still count as this direction."""
    window: float = Field(default=1.0, gt=0, le=30)
    """Seconds over which the movement is measured."""
    distance: float = Field(default=0.25, gt=0)
    """Least movement within the window, as a fraction of the longer side of the box; less is standing."""

    @model_validator(mode="after")
    def _shape(self) -> DirectionConfig:
        if len(self.points) != 2 or self.points[0] == self.points[1]:
            raise ConfigFault(
                f"direction '{self.name}' needs two different points, tail and head of an arrow",
                fix="write points: [[x1, y1], [x2, y2]]",
                loc=("points",),
            )
        return self
