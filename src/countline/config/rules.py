"""What a user can say of rules."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, get_args

from pydantic import Field, field_validator, model_validator

from countline.config.base import Model
from countline.config.kinds.base import Anchor, AreaConfig, PlacedConfig, RuleConfig, positive
from countline.config.kinds.direction import DirectionConfig
from countline.config.kinds.journey import JourneyConfig
from countline.config.kinds.line import LineConfig
from countline.config.kinds.queue import QueueConfig
from countline.config.kinds.region import CrowdingConfig, RegionConfig
from countline.config.kinds.speed import SpeedConfig
from countline.config.kinds.wrong_way import WrongWayConfig
from countline.config.loader import CountlineFault
from countline.config.points import Point

__all__ = [
    "RULE_KEYS",
    "Anchor",
    "AreaConfig",
    "CrowdingConfig",
    "DirectionConfig",
    "JourneyConfig",
    "LineConfig",
    "PlacedConfig",
    "Point",
    "QueueConfig",
    "RegionConfig",
    "RuleConfig",
    "RulesConfig",
    "SpeedConfig",
    "WrongWayConfig",
    "check_sources",
]

_LEAST, _MOST = -1.0, 2.0
"""Normalised coordinates may lie outside the picture by its own width or height: beyond that pixels are meant."""


class ExactConfig(Model):
    """What the exact engine does otherwise than nvdsanalytics."""

    ignore_untracked: bool = False
    """Leave objects without a track id out. In nvdsanalytics one of them switches off every line and direction that looks at
    it, for good."""


class RulesConfig(Model):
    """All rules."""

    engine: Literal["native", "deepstream"] = "native"
    """native: counts right; deepstream: counts as nvdsanalytics does, bit for bit, with the rules of `file`, which it needs."""
    file: str | None = None
    """A config_nvdsanalytics.txt or .yml; chooses the deepstream engine."""
    exact: ExactConfig = ExactConfig()
    """Deviations of the deepstream engine; none unless set."""
    coordinates: Literal["normalized", "pixels"] = "normalized"
    """normalized: 0..1 of the picture's width and height; pixels: of a picture of `resolution`."""
    resolution: tuple[int, int] | None = None
    """Width and height to which pixel coordinates refer. Sources may have another: points are scaled."""
    lines: list[LineConfig] = Field(default_factory=list)
    regions: list[RegionConfig] = Field(default_factory=list)
    directions: list[DirectionConfig] = Field(default_factory=list)
    speeds: list[SpeedConfig] = Field(default_factory=list)
    journeys: list[JourneyConfig] = Field(default_factory=list)
    queues: list[QueueConfig] = Field(default_factory=list)
    wrong_ways: list[WrongWayConfig] = Field(default_factory=list)

    @field_validator("resolution")
    @classmethod
    def _positive(cls, value: tuple[int, int] | None) -> tuple[int, int] | None:
        return positive(value)

    @model_validator(mode="after")
    def _whole(self) -> RulesConfig:
        if self.coordinates == "pixels" and self.resolution is None:
            raise CountlineFault(
                "pixel coordinates need the size of the picture they were measured in",
                fix="add `resolution: [1920, 1080]` (width, height) beside `coordinates: pixels`",
                loc=("coordinates",),
            )
        if self.coordinates == "normalized" and self.resolution is not None:
            raise CountlineFault(
                "`resolution` says nothing of normalised coordinates",
                fix="add `coordinates: pixels`, or remove `resolution`",
                loc=("resolution",),
            )
        self._check_points()
        self._check_names()
        self._check_company()
        return self

    def each(self) -> Iterator[tuple[str, int, RuleConfig]]:
        """(key of the list, index, rule) for all rules, in the order in which they are evaluated."""
        for key in RULE_KEYS:
            for i, rule in enumerate(getattr(self, key)):
                yield key, i, rule

    def normalised(self, rule: PlacedConfig, points: Sequence[Point]) -> tuple[Point, ...]:
        """Points of a rule as 0..1 of the picture's width and height."""
        size = rule.resolution or (self.resolution if self.coordinates == "pixels" else None)
        width, height = size or (1, 1)
        return tuple((x / width, y / height) for x, y in points)

    def _check_points(self) -> None:
        for key, i, rule in self.each():
            if not isinstance(rule, PlacedConfig):
                continue
            pixels = rule.resolution is not None or self.coordinates == "pixels"
            for outline in rule.outlines:
                raw: list[Point] = getattr(rule, outline)
                for j, point in enumerate(self.normalised(rule, raw)):
                    if all(_LEAST <= value <= _MOST for value in point):
                        continue
                    x, y = raw[j]
                    raise CountlineFault(
                        f"point {j + 1} of '{rule.name}' is far outside the picture: [{x:g}, {y:g}]",
                        fix="check the point and `resolution`"
                        if pixels
                        else "points are 0..1 of width and height; for pixels add `coordinates: pixels` and "
                        "`resolution: [width, height]` to the rules",
                        loc=(key, i, outline, j),
                    )

    def _check_names(self) -> None:
        seen: dict[str, list[str | None]] = {}
        for key, i, rule in self.each():
            others = seen.setdefault(rule.name, [])
            if any(other is None or rule.source is None or other == rule.source for other in others):
                raise CountlineFault(
                    f"two rules are named '{rule.name}'" + (f" at source '{rule.source}'" if rule.source else ""),
                    fix="give each rule a name of its own (one name may serve several sources, once at each)",
                    loc=(key, i, "name"),
                )
            others.append(rule.source)

    def _check_company(self) -> None:
        rules = [rule for _, _, rule in self.each()]
        for key, i, rule in self.each():
            try:
                rule.check_beside(rules)
            except CountlineFault as fault:
                raise CountlineFault(fault.what, fix=fault.fix, loc=(key, i, *fault.loc)) from None


def _kinds_of_rules() -> dict[str, type[RuleConfig]]:
    found = {}
    for key, field in RulesConfig.model_fields.items():
        for item in get_args(field.annotation):
            if isinstance(item, type) and issubclass(item, RuleConfig):
                found[key] = item
    return found


RULE_KEYS = _kinds_of_rules()
"""Keys under which rules stand, with the model of each, in the order in which rules are evaluated."""


def check_sources(config: RulesConfig, names: Sequence[str]) -> list[CountlineFault]:
    """Faults for rules whose ``source`` is none of ``names``; paths are relative to the rules."""
    return [
        CountlineFault(
            f"rule '{rule.name}' names the source '{rule.source}', which does not exist",
            fix="known are: " + ", ".join(names),
            loc=(key, i, "source"),
        )
        for key, i, rule in config.each()
        if rule.source is not None and rule.source not in names
    ]
