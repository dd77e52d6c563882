"""Rules compiled to arrays: what is evaluated for one source at one aspect ratio.

A :class:`Plan` lists the rules of a source. :class:`Tables` stacks the plans of all sources, padded to equal width, so
that objects of many sources are evaluated in one NumPy call: a row (object) picks its plan by index. Padding never
meets a condition: a padded segment has every point infinitely far on its left-hand side, a padded polygon edge
spans no height.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from countline.analytics.geometry import ANCHORS, homography
from countline.analytics.native.band import Band, band
from countline.config.rules import (
    DirectionConfig,
    JourneyConfig,
    LineConfig,
    PlacedConfig,
    RegionConfig,
    RuleConfig,
    RulesConfig,
    SpeedConfig,
)

__all__ = ["PlainLine", "PlainRegion", "Plan", "Rule", "Segment", "Tables"]


@dataclass(frozen=True)
class Rule:
    """A rule of the configuration as the engine needs it."""

    config: RuleConfig
    kind: str
    order: int
    """Place in the order of evaluation, which orders events of one object in one frame."""
    points: tuple[tuple[float, float], ...]
    """Normalised."""
    classes: frozenset[int] | None
    identity: tuple[Any, ...]
    """Equal for rules that count the same; a changed rule keeps its state only if this is unchanged."""

    @property
    def name(self) -> str:
        """Name of the rule."""
        return self.config.name

    @property
    def anchor(self) -> tuple[float, float]:
        """Anchor point as fractions of the box."""
        return ANCHORS[self.config.anchor] if isinstance(self.config, PlacedConfig) else ANCHORS["bottom-center"]

    def accepts(self, class_id: int) -> bool:
        """Whether the rule looks at objects of this class."""
        return self.classes is None or class_id in self.classes


Segment = tuple[float, ...]
"""The seven numbers of a segment, see ``Tables.segments``."""


class PlainLine(NamedTuple):
    """A line for plain Python."""

    anchor: int
    band: Band
    segments: list[Segment]


class PlainRegion(NamedTuple):
    """A region for plain Python."""

    anchor: int
    band: Band
    inverse: bool
    edges: list[tuple[Segment, float, float]]
    """With the heights of each edge's ends."""


class Plan:
    """The rules that apply to one source whose picture has one aspect ratio."""

    def __init__(self, rules: Sequence[Rule], aspect: float) -> None:
        self.aspect = aspect
        self.rules = tuple(rules)
        self.lines = [r for r in rules if isinstance(r.config, LineConfig)]
        self.regions = [r for r in rules if isinstance(r.config, RegionConfig)]
        self.directions = [r for r in rules if isinstance(r.config, DirectionConfig)]
        self.speeds = [r for r in rules if isinstance(r.config, SpeedConfig)]
        self.journeys = [r for r in rules if isinstance(r.config, JourneyConfig)]

    def isotropic(self, rule: Rule) -> list[tuple[float, float]]:
        """Points of a rule with both axes in picture heights."""
        return [(x * self.aspect, y) for x, y in rule.points]


class Tables:
    """All plans side by side. First axis: plan; then line (L), segment (S, M), region (R), edge (E) and so on."""

    def __init__(self, plans: Sequence[Plan], classes: int) -> None:
        self.plans = plans
        anchors = sorted({r.anchor for p in plans for r in p.rules}) or [ANCHORS["bottom-center"]]
        self.anchors = np.array(anchors)
        """(A, 2) the anchor points that occur."""
        self.fractions: list[tuple[float, float]] = anchors
        self._index = {a: i for i, a in enumerate(anchors)}
        self._lines()
        self._regions(classes)
        self._segments()
        self._motion(classes)
        widest = max([0.0, *self.line_band[0].flat, *self.region_band[0].flat])
        self.slack = 2**0.5 + 2 * widest
        """Room that an object needs for each unit by which the edges of its box move (see ``calm``)."""

    def _lines(self) -> None:
        plans = self.plans
        n = len(plans)
        lines = max((len(p.lines) for p in plans), default=0)
        most = max((len(r.points) - 1 for p in plans for r in p.lines), default=0)
        self.lines, self.parts = lines, most
        ends = np.zeros((4, n, lines, most))
        self.line_anchor = np.zeros((n, lines), np.intp)
        self.line_band = np.zeros((5, n, lines))
        self.real = np.zeros((n, lines, most), bool)
        """(P, L, S) False where a line has fewer segments than others."""
        for p, plan in enumerate(plans):
            for i, rule in enumerate(plan.lines):
                points = np.array(plan.isotropic(rule))
                k = len(points) - 1
                ends[:2, p, i, :k], ends[2:, p, i, :k] = points[:-1].T, points[1:].T
                # Repeat the last segment: that leaves the least distance as it is.
                ends[:, p, i, k:] = ends[:, p, i, k - 1, None]
                self.real[p, i, :k] = True
                self.line_anchor[p, i] = self._index[rule.anchor]
                self.line_band[:, p, i] = band(rule, plan.aspect)
        self.ax, self.ay, self.bx, self.by = ends
        self.pieces = [
            [[tuple(ends[:, p, i, k].tolist()) for k in range(len(r.points) - 1)] for i, r in enumerate(plan.lines)]
            for p, plan in enumerate(plans)
        ]
        """The same numbers for plain Python: pieces[plan][line] is a list of (ax, ay, bx, by)."""
        self.same_band = _one(self.line_band)
        self.one_band: list[float] = self.line_band.reshape(5, -1)[:, 0].tolist() if lines else []
        """Band of all lines, if it is the same."""
        self.same_anchor = len(self.anchors) == 1

    def _regions(self, classes: int) -> None:
        plans = self.plans
        n = len(plans)
        regions = max((len(p.regions) for p in plans), default=0)
        most = max((len(r.points) for p in plans for r in p.regions), default=0)
        self.regions, self.edges = regions, most
        self.edge = np.zeros((4, n, regions, most))
        """(4, P, R, E): x1, y1, x2, y2."""
        self.region_anchor = np.zeros((n, regions), np.intp)
        self.region_band = np.zeros((5, n, regions))
        self.inverse = np.zeros((n, regions), bool)
        self.admits = np.zeros((n, regions, classes + 1), bool)
        """(P, R, C + 1) whether a region looks at a class; the last column stands for classes without a label."""
        for p, plan in enumerate(plans):
            for i, rule in enumerate(plan.regions):
                assert isinstance(rule.config, RegionConfig)
                points = np.array(plan.isotropic(rule))
                k = len(points)
                self.edge[:2, p, i, :k], self.edge[2:, p, i, :k] = points.T, np.roll(points, -1, axis=0).T
                self.edge[:, p, i, k:] = np.concatenate([points[0], points[0]])[:, None]
                self.region_anchor[p, i] = self._index[rule.anchor]
                self.region_band[:, p, i] = band(rule, plan.aspect)
                self.inverse[p, i] = rule.config.inverse
                self.admits[p, i] = admitted(rule, classes)
        self.edge_down = self.edge[3] > self.edge[1]
        self.any_inverse = bool(self.inverse.any())
        self.all_admit = bool(self.admits.all())

    def _segments(self) -> None:
        """All segments of lines, then all edges of regions, as one axis: Z = L x S + R x E."""
        n = len(self.plans)
        m, k = self.lines * self.parts, self.regions * self.edges
        ends = zip((self.ax, self.ay, self.bx, self.by), self.edge)
        x1, y1, x2, y2 = (np.concatenate([a.reshape(n, m), b.reshape(n, k)], axis=1) for a, b in ends)
        length = np.hypot(x2 - x1, y2 - y1)
        real = (length > 0) & np.concatenate([self.real.reshape(n, m), np.full((n, k), True)], axis=1)
        unit = np.where(real, length, 1.0)
        ux, uy = np.where(real, (x2 - x1) / unit, 0.0), np.where(real, (y2 - y1) / unit, 0.0)
        # Of an axis-parallel segment ux, uy are 0 and 1, so that its offset is exact.
        offset = np.where(real, x1 * uy - y1 * ux, -np.inf)
        self.segments = np.stack([uy, -ux, offset, ux, uy, x1 * ux + y1 * uy, np.where(real, length, 0.0)])
        """(7, P, Z) a, b, c, d, e, f, l: a x + b y - c is the distance to the left of the segment's line, d x + e y - f the way
        along it from the segment's begin, l its length. Padding, and a segment without length (whose ends its neighbours
        have too), has every point infinitely far on its left-hand side."""
        self.line_segments = m
        anchors = [np.repeat(self.line_anchor, self.parts, axis=1), np.repeat(self.region_anchor, self.edges, axis=1)]
        self.segment_anchor = np.concatenate(anchors, axis=1)
        self.plain = [self._plain(p, plan) for p, plan in enumerate(self.plans)]
        """The same for plain Python: lists of each plan's lines and regions."""

    def _plain(self, p: int, plan: Plan) -> tuple[list[PlainLine], list[PlainRegion]]:
        columns = [tuple(column) for column in self.segments[:, p].T.tolist()]
        lines = []
        for i, rule in enumerate(plan.lines):
            at = i * self.parts
            lines.append(
                PlainLine(int(self.line_anchor[p, i]), band(rule, plan.aspect), columns[at : at + len(rule.points) - 1])
            )
        regions = []
        for i, rule in enumerate(plan.regions):
            at, k = self.line_segments + i * self.edges, len(rule.points)
            heights = self.edge[1::2, p, i, :k].T.tolist()
            edges = [(segment, y1, y2) for segment, (y1, y2) in zip(columns[at : at + k], heights)]
            anchor, inverse = int(self.region_anchor[p, i]), bool(self.inverse[p, i])
            regions.append(PlainRegion(anchor, band(rule, plan.aspect), inverse, edges))
        return lines, regions

    def _motion(self, classes: int) -> None:
        plans = self.plans
        n = len(plans)
        self.directions = max((len(p.directions) for p in plans), default=0)
        self.speeds = max((len(p.speeds) for p in plans), default=0)
        self.arrow = np.zeros((2, n, self.directions))
        self.cos = np.full((2, n, self.directions), 2.0)
        """Least cosine to begin and to go on; 2, which nothing reaches, where there is no rule."""
        self.least = np.full((n, self.directions), np.inf)
        self.direction_window = np.zeros((n, self.directions), np.int64)
        self.direction_admits = np.zeros((n, self.directions, classes + 1), bool)
        self.direction_anchor = np.zeros((n, self.directions), np.intp)
        self.ground = np.zeros((n, self.speeds, 3, 3))
        self.quad = np.zeros((4, n, self.speeds, 4))
        self.limit = np.full((n, self.speeds), np.inf)
        self.speed_window = np.ones((n, self.speeds), np.int64)
        self.speed_admits = np.zeros((n, self.speeds, classes + 1), bool)
        self.speed_anchor = np.zeros((n, self.speeds), np.intp)
        for p, plan in enumerate(plans):
            for i, rule in enumerate(plan.directions):
                self._direction(p, i, plan, rule)
                self.direction_admits[p, i] = admitted(rule, classes)
            for i, rule in enumerate(plan.speeds):
                self._speed(p, i, plan, rule)
                self.speed_admits[p, i] = admitted(rule, classes)

    def _direction(self, p: int, i: int, plan: Plan, rule: Rule) -> None:
        config = rule.config
        assert isinstance(config, DirectionConfig)
        (x1, y1), (x2, y2) = plan.isotropic(rule)
        length = float(np.hypot(x2 - x1, y2 - y1))
        self.arrow[:, p, i] = (x2 - x1) / length, (y2 - y1) / length
        # 15 degrees more to go on than to begin, so that a heading at the edge does not flap.
        self.cos[0, p, i] = np.cos(np.radians(config.tolerance))
        self.cos[1, p, i] = np.cos(np.radians(min(config.tolerance + 15.0, 180.0)))
        self.least[p, i] = config.distance
        self.direction_window[p, i] = int(config.window * 1e9)
        self.direction_anchor[p, i] = self._index[rule.anchor]

    def _speed(self, p: int, i: int, plan: Plan, rule: Rule) -> None:
        config = rule.config
        assert isinstance(config, SpeedConfig)
        points = plan.isotropic(rule)
        self.ground[p, i] = homography(points, config.metres)
        corners = np.array(points)
        self.quad[:2, p, i], self.quad[2:, p, i] = corners.T, np.roll(corners, -1, axis=0).T
        self.limit[p, i] = np.inf if config.limit is None else config.limit
        self.speed_window[p, i] = int(config.window * 1e9)
        self.speed_anchor[p, i] = self._index[rule.anchor]


def admitted(rule: Rule, classes: int) -> NDArray[np.bool_]:
    """(classes + 1,) whether the rule looks at each class."""
    mask = np.full(classes + 1, rule.classes is None)
    if rule.classes is not None:
        mask[[c for c in rule.classes if c < classes]] = True
    return mask


def _one(values: NDArray[np.float64]) -> bool:
    """Whether all entries along the first axis are one (so a table need not be picked from by row)."""
    flat = values.reshape(len(values), -1)
    return bool((flat == flat[:, :1]).all()) if flat.size else True


def compile_rules(config: RulesConfig, labels: Sequence[str]) -> list[Rule]:
    """All rules of a configuration, in the order in which they are evaluated."""
    found = []
    for order, (key, _, rule) in enumerate(config.each()):
        points: Sequence[tuple[float, float]] = getattr(rule, "points", ())
        normal = config.normalised(rule, points) if isinstance(rule, PlacedConfig) else ()
        classes = class_ids(rule, labels)
        identity = (key, rule.model_dump_json(exclude={"points", "resolution"}), normal, classes)
        found.append(Rule(rule, key[:-1], order, normal, classes, identity))
    return found


def class_ids(rule: RuleConfig, labels: Sequence[str]) -> frozenset[int] | None:
    """Ids of the classes a rule names; RuleError for a name that is no label."""
    if rule.classes is None:
        return None
    return frozenset(class_id(name, labels, rule.name) for name in rule.classes)


def class_id(name: str | int, labels: Sequence[str], rule: str) -> int:
    """Id of a class given by name or id; RuleError for a name that is no label."""
    from difflib import get_close_matches

    from countline.errors import RuleError

    if isinstance(name, int):
        return name
    if name in labels:
        return list(labels).index(name)
    if name.isdigit():
        return int(name)
    near = get_close_matches(name, labels, n=3)
    fix = (
        f"did you mean {' or '.join(near)}?"
        if near
        else "known are: " + (", ".join(labels[:100]) or "none; give class ids")
    )
    raise RuleError(f"the class '{name}' is none of the detector's labels", where=f"rule '{rule}'", fix=fix)
