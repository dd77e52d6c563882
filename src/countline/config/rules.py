"""What a user can say of rules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any, Literal, get_args

from pydantic import (
    Field,
    GetJsonSchemaHandler,
    ModelWrapValidatorHandler,
    create_model,
    field_validator,
    model_validator,
)
from pydantic_core import CoreSchema

from countline.config import kinds
from countline.config.base import Model
from countline.config.faults import ConfigFault, validated
from countline.config.field_docs import described
from countline.config.kinds.base import Anchor, AreaConfig, PlacedConfig, RuleConfig, positive
from countline.config.kinds.direction import DirectionConfig
from countline.config.kinds.journey import JourneyConfig
from countline.config.kinds.line import LineConfig
from countline.config.kinds.region import CrowdingConfig, RegionConfig
from countline.config.kinds.speed import SpeedConfig
from countline.config.points import Point
from countline.errors import PluginError
from countline.registry.kinds import RULE_KINDS

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
    "RegionConfig",
    "RuleConfig",
    "RulesConfig",
    "SpeedConfig",
    "brought_events",
    "brought_model",
    "check_sources",
    "rule_models",
]

_LEAST, _MOST = -1.0, 2.0
"""Normalised coordinates may lie outside the picture by its own width or height: beyond that pixels are meant."""


class ExactConfig(Model):
    """What the exact engine does otherwise than nvdsanalytics."""

    ignore_untracked: bool = False
    """Leave objects without a track id out. In nvdsanalytics one of them switches off every line and direction that looks at
    it, for good."""


class _Rules(Model):
    """All rules but those of kinds that are found by their file."""

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


def _found() -> dict[str, Any]:
    """A list for each further kind: those files of ``countline.config.kinds`` that say their ``KEY``."""
    found: dict[str, Any] = {}
    for name in sorted(module.name for module in iter_modules(kinds.__path__)):
        module = import_module(f"{kinds.__name__}.{name}")
        if key := vars(module).get("KEY"):
            found[key] = (list[module.Config], Field(default_factory=list))  # type: ignore[name-defined]
    return found


if TYPE_CHECKING:
    _AllRules = _Rules
else:
    _AllRules = create_model("_AllRules", __base__=_Rules, **_found())


class RulesConfig(_AllRules):
    """All rules."""

    @model_validator(mode="wrap")
    @classmethod
    def _with_kinds_of_others(cls, data: Any, handler: ModelWrapValidatorHandler[RulesConfig]) -> RulesConfig:
        """What is made is of a class that has the lists of further kinds, too, where the rules have some."""
        if cls is not RulesConfig or not isinstance(data, Mapping) or all(key in cls.model_fields for key in data):
            return handler(data)
        brought = RULE_KINDS.brought()
        more = []
        for key in data:
            if key in brought and key not in cls.model_fields:
                try:
                    more.append((key, brought_model(key)))
                except PluginError as error:
                    raise ConfigFault(error.what, fix=error.fix, loc=(key,)) from None
        if not more:
            return handler(data)
        return validated(_with(*more), data)

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """With the keys of other distributions, so that editors know them."""
        made = super().__get_pydantic_json_schema__(core_schema, handler)
        more = (
            {key: model for key, model in rule_models().items() if key not in RULE_KEYS} if cls is RulesConfig else {}
        )
        for key, model in more.items():
            items = described(model, handler)
            handler.resolve_ref_schema(made)["properties"][key] = {"type": "array", "items": items}
        return made

    @field_validator("resolution")
    @classmethod
    def _positive(cls, value: tuple[int, int] | None) -> tuple[int, int] | None:
        return positive(value)

    @model_validator(mode="after")
    def _consistent(self) -> RulesConfig:
        if self.coordinates == "pixels" and self.resolution is None:
            raise ConfigFault(
                "pixel coordinates need the size of the picture they were measured in",
                fix="add `resolution: [1920, 1080]` (width, height) beside `coordinates: pixels`",
                loc=("coordinates",),
            )
        if self.coordinates == "normalized" and self.resolution is not None:
            raise ConfigFault(
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
        for key in _kinds_of_rules(type(self)):
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
                    raise ConfigFault(
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
                raise ConfigFault(
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
            except ConfigFault as fault:
                raise ConfigFault(fault.what, fix=fault.fix, loc=(key, i, *fault.loc)) from None


@lru_cache(maxsize=64)
def _kinds_of_rules(model: type[RulesConfig]) -> Mapping[str, type[RuleConfig]]:
    found = {}
    for key, field in model.model_fields.items():
        for item in get_args(field.annotation):
            if isinstance(item, type) and issubclass(item, RuleConfig):
                found[key] = item
    return found


RULE_KEYS = _kinds_of_rules(RulesConfig)
"""Keys under which countline's own kinds of rules stand, with the model of each, in the order in which rules are evaluated."""


def brought_model(key: str) -> type[RuleConfig]:
    """The model of rules under ``key`` that another distribution brings. Raises KeyError if none does, PluginError if it cannot
    be used."""
    model: type[RuleConfig] = RULE_KINDS.get(key, "config", "Config", RuleConfig)
    own = {m.kind for m in RULE_KEYS.values()} | {event for m in RULE_KEYS.values() for event in m.events}
    taken = sorted(own & {model.kind, *model.events})
    if key in RulesConfig.model_fields or taken:
        raise RULE_KINDS.fault(key, f"countline itself has '{taken[0] if taken else key}'")
    return model


def rule_models() -> dict[str, type[RuleConfig]]:
    """Keys of all kinds of rules with their models: countline's own, then those of other distributions that can be used."""
    found = dict(RULE_KEYS)
    for key in RULE_KINDS.brought():
        with suppress(PluginError):
            found[key] = brought_model(key)
    return found


def brought_events() -> tuple[str, ...]:
    """Kinds of event that rules of other distributions have."""
    return tuple(event for key, model in rule_models().items() if key not in RULE_KEYS for event in model.events)


@lru_cache(maxsize=64)
def _with(*more: tuple[str, type[RuleConfig]]) -> type[RulesConfig]:
    """``RulesConfig`` with the lists of further kinds."""
    fields: dict[str, Any] = {key: (list[model], Field(default_factory=list)) for key, model in more}  # type: ignore[valid-type]
    made: type[RulesConfig] = create_model("RulesConfig", __base__=RulesConfig, __doc__=RulesConfig.__doc__, **fields)
    return made


def check_sources(config: RulesConfig, names: Sequence[str]) -> list[ConfigFault]:
    """Faults for rules whose ``source`` is none of ``names``; paths are relative to the rules."""
    return [
        ConfigFault(
            f"rule '{rule.name}' names the source '{rule.source}', which does not exist",
            fix="known are: " + ", ".join(names),
            loc=(key, i, "source"),
        )
        for key, i, rule in config.each()
        if rule.source is not None and rule.source not in names
    ]
