"""What a user can say of rules."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, TypeAlias

from pydantic import Field, field_validator, model_validator

from countline.config.base import Model
from countline.config.loader import CountlineFault
from countline.config.points import Point, Points

__all__ = [
    "Anchor",
    "CrowdingConfig",
    "DirectionConfig",
    "JourneyConfig",
    "LineConfig",
    "Point",
    "RegionConfig",
    "RuleConfig",
    "RulesConfig",
    "SpeedConfig",
    "check_sources",
]

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
_LEAST, _MOST = -1.0, 2.0
"""Normalised coordinates may lie outside the picture by its own width or height: beyond that pixels are meant."""


class RuleConfig(Model):
    """What every rule has in common."""

    name: str = Field(min_length=1)
    """How messages, counters and events call it; unique among the rules of a source."""
    source: str | None = None
    """Name of the source it applies to; all sources unless set."""
    classes: list[str | int] | None = None
    """Classes it looks at, by name (or class id); all unless set."""


class PlacedConfig(RuleConfig):
    """A rule with points in the picture."""

    resolution: tuple[int, int] | None = None
    """Width and height of the picture in whose pixels this rule's points are written; 0..1 unless set."""
    anchor: Anchor = "bottom-center"
    """Point of the box that stands for the object. The bottom centre is where a person or vehicle touches the ground."""

    @field_validator("resolution")
    @classmethod
    def _positive(cls, value: tuple[int, int] | None) -> tuple[int, int] | None:
        return _resolution(value)


class LineConfig(PlacedConfig):
    """A line that objects cross."""

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
    longer side of its box. 0.15 unless set, but at least 1 % of the picture's height, from 2.5 % of it on growing
    with 0.13 of the side, and at most 60 % of the room to the picture's edge."""

    @model_validator(mode="after")
    def _shape(self) -> LineConfig:
        if len(self.points) < 2:
            raise CountlineFault(
                "a line needs at least two points", fix="write points: [[x1, y1], [x2, y2]]", loc=("points",)
            )
        for i, (a, b) in enumerate(zip(self.points, self.points[1:])):
            if a == b:
                raise CountlineFault(
                    f"points {i + 1} and {i + 2} of line '{self.name}' are equal, so it has no sides",
                    fix="move or remove one of them",
                    loc=("points", i + 1),
                )
        for key, value in self.names.items():
            if not value:
                raise CountlineFault("a direction needs a name", fix=f"write a word for '{key}'", loc=("names", key))
        if self.direction_name("in") == self.direction_name("out"):
            raise CountlineFault("both directions have one name", fix="give them different names", loc=("names",))
        return self

    def direction_name(self, direction: Literal["in", "out"]) -> str:
        """The user's name of a direction, or its own."""
        return self.names.get(direction, direction)


class CrowdingConfig(Model):
    """When a region is crowded."""

    objects: int = Field(default=1, ge=1)
    """Crowded with at least so many objects."""
    seconds: float = Field(default=0.0, ge=0)
    """For at least so long."""


class RegionConfig(PlacedConfig):
    """An area in which objects stand."""

    points: Points
    """Three or more corners of a polygon; it closes itself. Where it crosses itself, inside is what an odd number of
    edges surrounds."""
    inverse: bool = False
    """True: what is outside the polygon counts as inside the region."""
    band: float | None = Field(default=None, ge=0, le=2)
    """How far an object must be outside before it has left, as a fraction of the longer side of its box (as for lines)."""
    dwell: float | None = Field(default=None, gt=0)
    """Seconds of stay after which a dwell event is sent."""
    crowding: CrowdingConfig | None = None
    """When the region counts as crowded; never unless set."""
    limits: dict[str, int] = Field(default_factory=dict)
    """Highest number of objects allowed, by class; one more makes the region crowded with that class."""
    grace: float = Field(default=1.0, ge=0, le=60)
    """Seconds for which an object that is not seen any more still counts as inside; then it has left."""

    @model_validator(mode="after")
    def _shape(self) -> RegionConfig:
        corners = len(set(self.points))
        if corners < 3:
            raise CountlineFault(
                f"a polygon needs at least three different points, region '{self.name}' has {corners}",
                fix="write points: [[x1, y1], [x2, y2], [x3, y3]]",
                loc=("points",),
            )
        for name, limit in self.limits.items():
            if limit < 0:
                raise CountlineFault("a limit cannot be negative", fix="write 0 or more", loc=("limits", name))
        return self


class DirectionConfig(PlacedConfig):
    """A direction in which objects move."""

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
            raise CountlineFault(
                f"direction '{self.name}' needs two different points, tail and head of an arrow",
                fix="write points: [[x1, y1], [x2, y2]]",
                loc=("points",),
            )
        return self


class SpeedConfig(PlacedConfig):
    """Speed over the ground, from four points whose true distances are known."""

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
            raise CountlineFault(
                f"speed '{self.name}' needs four points on the ground", fix="write four [x, y]", loc=("points",)
            )
        if (self.world is None) == (self.width is None or self.length is None):
            raise CountlineFault(
                f"speed '{self.name}' needs the true size of its quadrangle",
                fix="write either `world` (four points in metres), or `width` and `length` in metres",
            )
        for key, quad in (("points", self.points), ("world", self.metres)):
            if len(quad) != 4 or not _convex(quad):
                raise CountlineFault(
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


class JourneyConfig(RuleConfig):
    """From where to where objects go, between lines and regions."""

    places: list[str]
    """Names of the lines and regions between which journeys are counted."""

    @model_validator(mode="after")
    def _shape(self) -> JourneyConfig:
        if len(set(self.places)) < 2 or len(set(self.places)) != len(self.places):
            raise CountlineFault(
                f"journey '{self.name}' needs at least two different places",
                fix="name two or more lines or regions, each once",
                loc=("places",),
            )
        return self


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

    @field_validator("resolution")
    @classmethod
    def _positive(cls, value: tuple[int, int] | None) -> tuple[int, int] | None:
        return _resolution(value)

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
        self._check_places()
        return self

    def each(self) -> Iterator[tuple[str, int, RuleConfig]]:
        """(key of the list, index, rule) for all rules, in the order in which they are evaluated."""
        for key in ("lines", "regions", "directions", "speeds", "journeys"):
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
            raw: list[Point] = getattr(rule, "points")  # noqa: B009 - not a field of the base
            pixels = rule.resolution is not None or self.coordinates == "pixels"
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
                    loc=(key, i, "points", j),
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

    def _check_places(self) -> None:
        for i, journey in enumerate(self.journeys):
            known = {
                rule.name
                for rule in (*self.lines, *self.regions)
                if rule.source is None or journey.source is None or rule.source == journey.source
            }
            for j, place in enumerate(journey.places):
                if place not in known:
                    raise CountlineFault(
                        f"journey '{journey.name}' names the place '{place}', which is no line or region there",
                        fix="known are: " + (", ".join(sorted(known)) or "none"),
                        loc=("journeys", i, "places", j),
                    )


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


def _resolution(value: tuple[int, int] | None) -> tuple[int, int] | None:
    if value is not None and min(value) <= 0:
        raise CountlineFault("a resolution is two positive numbers", fix="write [width, height]")
    return value


def _convex(quad: Sequence[Point]) -> bool:
    """All four turns go the same way, none is straight."""
    turns = []
    for i in range(4):
        (ax, ay), (bx, by), (cx, cy) = quad[i], quad[(i + 1) % 4], quad[(i + 2) % 4]
        turns.append((bx - ax) * (cy - by) - (by - ay) * (cx - bx))
    return all(t > 0 for t in turns) or all(t < 0 for t in turns)
