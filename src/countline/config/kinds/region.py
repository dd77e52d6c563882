"""Regions: what a user can say of them."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field, model_validator

from countline.config.base import Model
from countline.config.faults import ConfigFault
from countline.config.kinds.base import AreaConfig

__all__ = ["CrowdingConfig", "RegionConfig"]


class CrowdingConfig(Model):
    """When a region is crowded."""

    objects: int = Field(default=1, ge=1)
    """Crowded with at least so many objects."""
    seconds: float = Field(default=0.0, ge=0)
    """For at least so long."""


class RegionConfig(AreaConfig):
    """An area in which objects stand."""

    kind: ClassVar[str] = "region"
    events: ClassVar[tuple[str, ...]] = ("enter", "leave", "dwell", "crowding")
    waypoint: ClassVar[bool] = True

    inverse: bool = False
    """True: what is outside the polygon counts as inside the region."""
    dwell: float | None = Field(default=None, gt=0)
    """Seconds of stay after which a dwell event is sent."""
    crowding: CrowdingConfig | None = None
    """When the region counts as crowded; never unless set."""
    limits: dict[str, int] = Field(default_factory=dict)
    """Highest number of objects allowed, by class; one more makes the region crowded with that class."""

    @model_validator(mode="after")
    def _limits(self) -> RegionConfig:
        for name, limit in self.limits.items():
            if limit < 0:
                raise ConfigFault("a limit cannot be negative", fix="write 0 or more", loc=("limits", name))
        return self
