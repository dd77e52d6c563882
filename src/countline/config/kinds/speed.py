"""Speeds: what a user can say of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field, model_validator

from countline.config.faults import ConfigFault
from countline.config.kinds.base import PlacedConfig, Shape
from countline.config.points import Point, Points

__all__ = ["SpeedConfig"]


class SpeedConfig(PlacedConfig):
    """Speed over the ground, from four points whose true distances are known."""

    kind: ClassVar[str] = "speed"
    events: ClassVar[tuple[str, ...]] = ("speeding",)
    shape: ClassVar[Shape] = "quad"

    points: Points
    """Four points on the ground, in order round the quadrangle; objects are measured while they are inside it."""
    world: list[Point] | None = None
    """Where these points are in reality, in metres, in any flat frame of your own."""
    width: float | None = Field(default=None, gt=0)
    """Instead of `world`, for a rectangle: metres from the first point to the second."""
    length: float | None = Field(default=None, gt=0)
    """Metres from the second point to the third."""
    limit: float | None = Field(default=None, gt=0)
    """km/h above which a speeding event is sent."""
    window: float = Field(default=1.0, gt=0, le=30)
    """Seconds over which the speed is measured."""

    @model_validator(mode="after")
    def _shape(self) -> SpeedConfig:
        if len(self.points) != 4:
            raise ConfigFault(
                f"speed '{self.name}' needs four points on the ground", fix="write four [x, y]", loc=("points",)
            )
        if (self.world is None) == (self.width is None or self.length is None):
            raise ConfigFault(
                f"speed '{self.name}' needs the true size of its quadrangle",
                fix="write either `world` (four points in metres), or `width` and `length` in metres",
            )
        for key, quad in (("points", self.points), ("world", self.metres)):
            if len(quad) != 4 or not _convex(quad):
                raise ConfigFault(
                    f"the four {key} of speed '{self.name}' are not the corners of a convex quadrangle in order",
                    fix="go round the quadrangle: top left, top right, bottom right, bottom left",
                    loc=(key,) if getattr(self, key) is not None else (),
                )
        return self

    @property
    def metres(self) -> list[Point]:
        """The four points on the ground in metres."""
        if self.world is not None:
            return self.world
        assert self.width is not None
        assert self.length is not None
        return [(0.0, 0.0), (self.width, 0.0), (self.width, self.length), (0.0, self.length)]


def _convex(quad: Sequence[Point]) -> bool:
    """All four turns go the same way, none is straight."""
    turns = []
    for i in range(4):
        (ax, ay), (bx, by), (cx, cy) = quad[i], quad[(i + 1) % 4], quad[(i + 2) % 4]
        turns.append((bx - ax) * (cy - by) - (by - ay) * (cx - bx))
    return all(t > 0 for t in turns) or all(t < 0 for t in turns)
