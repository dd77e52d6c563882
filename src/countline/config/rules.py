"""What a user can say of rules."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from countline.config.base import Model

__all__ = ["LineConfig", "RulesConfig"]

Point = tuple[float, float]


class LineConfig(Model):
    """A line that objects cross."""

    name: str
    source: str | None = None
    """Name of the source it applies to; all sources unless set."""
    points: list[Point] = Field(min_length=2)
    """Two or more points, 0..1 of the picture's width and height."""
    direction: Literal["both", "in", "out"] = "both"
    count: Literal["every", "once"] = "every"


class RulesConfig(Model):
    """All rules."""

    engine: Literal["native", "deepstream"] = "native"
    file: str | None = None
    """A config_nvdsanalytics.txt or .yml; chooses the deepstream engine."""
    lines: list[LineConfig] = []
