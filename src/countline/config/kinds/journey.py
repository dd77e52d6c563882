"""Journeys: what a user can say of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from pydantic import model_validator

from countline.config.faults import ConfigFault
from countline.config.kinds.base import RuleConfig

__all__ = ["JourneyConfig"]


class JourneyConfig(RuleConfig):
    """From where to where objects go, between lines and regions."""

    kind: ClassVar[str] = "journey"
    events: ClassVar[tuple[str, ...]] = ("journey",)

    places: list[str]
    """Names of the lines and regions between which journeys are counted."""

    @model_validator(mode="after")
    def _shape(self) -> JourneyConfig:
        if len(set(self.places)) < 2 or len(set(self.places)) != len(self.places):
            raise ConfigFault(
                f"journey '{self.name}' needs at least two different places",
                fix="name two or more lines or regions, each once",
                loc=("places",),
            )
        return self

    def check_beside(self, rules: Sequence[RuleConfig]) -> None:
        """Raises ConfigFault for a place that is no waypoint at a source of this rule."""
        known = {
            rule.name
            for rule in rules
            if rule.waypoint and (rule.source is None or self.source is None or rule.source == self.source)
        }
        for i, place in enumerate(self.places):
            if place not in known:
                raise ConfigFault(
                    f"journey '{self.name}' names the place '{place}', which is no line or region there",
                    fix="known are: " + (", ".join(sorted(known)) or "none"),
                    loc=("places", i),
                )
