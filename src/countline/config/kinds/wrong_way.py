"""Wrong ways: what a user can say of them."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field, model_validator

from countline.config.faults import ConfigFault
from countline.config.kinds.base import AreaConfig
from countline.config.points import Points

__all__ = ["KEY", "Config", "WrongWayConfig"]

KEY = "wrong_ways"
"""Under which users list such rules."""


class WrongWayConfig(AreaConfig):
    """An area in which objects may travel one way only."""

    kind: ClassVar[str] = "wrong-way"
    events: ClassVar[tuple[str, ...]] = ("wrong-way",)
    outlines: ClassVar[tuple[str, ...]] = ("points", "arrow")

    arrow: Points
    """Tail and head of an arrow that points the right way; only where it points to matters, not where it stands."""
    tolerance: float = Field(default=60.0, gt=0, le=90)
    """Degrees to either side of the arrow's reverse that still count as the wrong way."""
    seconds: float = Field(default=1.0, ge=0)
    """An object must have travelled against the arrow for so long."""
    distance: float = Field(default=1.0, gt=0)
    """And so far, measured against the arrow, as a fraction of the longer side of its box."""

    @model_validator(mode="after")
    def _direction(self) -> WrongWayConfig:
        if len(self.arrow) != 2:
            raise ConfigFault(
                f"the arrow of '{self.name}' has {len(self.arrow)} point{'' if len(self.arrow) == 1 else 's'}, not two",
                fix="write arrow: [[x1, y1], [x2, y2]], tail and head",
                loc=("arrow",),
            )
        if self.arrow[0] == self.arrow[1]:
            raise ConfigFault(
                f"the arrow of '{self.name}' has no length, so it points nowhere",
                fix="move its head: arrow: [[x1, y1], [x2, y2]], tail and head",
                loc=("arrow",),
            )
        return self


Config = WrongWayConfig
