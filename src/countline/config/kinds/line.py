"""Lines: what a user can say of them."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from countline.config.faults import ConfigFault
from countline.config.kinds.base import PlacedConfig, Shape
from countline.config.points import Points

__all__ = ["LineConfig"]


class LineConfig(PlacedConfig):
    """A line that objects cross."""

    kind: ClassVar[str] = "line"
    events: ClassVar[tuple[str, ...]] = ("crossing",)
    shape: ClassVar[Shape] = "line"
    waypoint: ClassVar[bool] = True

    points: Points
    """Two or more points (a polyline), 0..1 of the picture's width and height. Walking from the first point to the
    last, `in` goes to the left-hand side on screen and `out` to the right-hand side."""
    direction: Literal["both", "in", "out"] = "both"
    """Which crossings are counted."""
    names: dict[Literal["in", "out"], str] = Field(default_factory=dict)
    """Names of your own for the two directions, e.g. {in: northbound, out: southbound}."""
    count: Literal["every", "once"] = "every"
    """every: an object that goes back and forth is counted each time; once: one count for each object."""
    band: float | None = Field(default=None, ge=0, le=2)
    """Width of the band on either side of the line that an object must leave before it is counted, as a fraction of the
    longer side of its box. 0.13 unless set, but at least 1 % of the picture's height, and at most 60 % of the room to
    the picture's edge."""

    debounce: float = Field(default=0.5, ge=0, le=60)
    """Seconds for which a reversal must last: after a crossing by a track, one in the opposite direction is counted when so
    many have passed and the track is still on that side; if it came back meanwhile, neither is. 0: each is counted at once."""

    @model_validator(mode="after")
    def _shape(self) -> LineConfig:
        if len(self.points) < 2:
            raise ConfigFault(
                "a line needs at least two points", fix="write points: [[x1, y1], [x2, y2]]", loc=("points",)
            )
        for i, (a, b) in enumerate(zip(self.points, self.points[1:])):
            if a == b:
                raise ConfigFault(
                    f"points {i + 1} and {i + 2} of line '{self.name}' are equal, so it has no sides",
                    fix="move or remove one of them",
                    loc=("points", i + 1),
                )
        for key, value in self.names.items():
            if not value:
                raise ConfigFault("a direction needs a name", fix=f"write a word for '{key}'", loc=("names", key))
        if self.direction_name("in") == self.direction_name("out"):
            raise ConfigFault("both directions have one name", fix="give them different names", loc=("names",))
        return self

    def direction_name(self, direction: Literal["in", "out"]) -> str:
        """The user's name of a direction, or its own."""
        return self.names.get(direction, direction)
