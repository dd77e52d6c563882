"""Rules compiled to arrays: what is evaluated for one source at one aspect ratio.

A :class:`Plan` lists the rules of a source. :class:`Tables` stacks the plans of all sources, padded to equal width, so
that objects of many sources are evaluated in one NumPy call: a row (object) picks its plan by index. Padding never
meets a condition: a padded segment has every point infinitely far on its left-hand side, a padded polygon edge
spans no height.

Here stand the shapes that the engine follows for whatever kind of rule has them: lines and areas. What else a kind needs
it compiles itself (``Tables.own``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from countline.analytics.geometry import ANCHORS
from countline.analytics.native.band import Band, band
from countline.analytics.native.rule import Rule, admitted

__all__ = ["PlainArea", "PlainLine", "Plan", "Segment", "Span", "Tables"]


Segment = tuple[float, ...]
"""The seven numbers of a segment, see ``Tables.segments``."""


Span = tuple[float, float, float, float]
"""Begin and end of a segment in picture heights: ax, ay, bx, by."""


class PlainLine(NamedTuple):
    """A line for plain Python."""

    anchor: int
    band: Band
    segments: list[Segment]


class PlainArea(NamedTuple):
    """An area for plain Python."""

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
        self.lines = [r for r in rules if r.shape == "line"]
        self.areas = [r for r in rules if r.shape == "area"]

    def of(self, kind: str) -> list[Rule]:
        """The rules of a kind."""
        return [r for r in self.rules if r.kind == kind]


class Tables:
    """All plans side by side. First axis: plan; then line (L), segment (S, M), area (R), edge (E)."""

    def __init__(self, plans: Sequence[Plan], classes: int) -> None:
        self.plans = plans
        anchors = sorted({r.anchor for p in plans for r in p.rules}) or [ANCHORS["bottom-center"]]
        self.anchors = np.array(anchors)
        """(A, 2) the anchor points that occur."""
        self.fractions: list[tuple[float, float]] = anchors
        self.anchor_index = {a: i for i, a in enumerate(anchors)}
        self._lines()
        self._areas(classes)
        self._segments()
        widest = max([0.0, *self.line_band[0].flat, *self.area_band[0].flat])
        self.slack = 2**0.5 + 2 * widest
        """Clearance that an object needs for each unit by which the edges of its box move (see ``safe_region``)."""
        self.own: dict[str, Any] = {}
        """Kind of rule -> what it compiled for itself (``RuleKind.compile``)."""

    def _lines(self) -> None:
        plans = self.plans
        n = len(plans)
        lines = max((len(p.lines) for p in plans), default=0)
        most = max((len(r.points) - 1 for p in plans for r in p.lines), default=0)
        self.lines, self.parts = lines, most
        ends = np.zeros((4, n, lines, most))
        self.line_anchor = np.zeros((n, lines), np.intp)
        self.line_band = np.zeros((3, n, lines))
        self.real = np.zeros((n, lines, most), bool)
        """(P, L, S) False where a line has fewer segments than others."""
        for p, plan in enumerate(plans):
            for i, rule in enumerate(plan.lines):
                points = np.array(rule.isotropic(plan.aspect))
                k = len(points) - 1
                ends[:2, p, i, :k], ends[2:, p, i, :k] = points[:-1].T, points[1:].T
                # Repeat the last segment: that leaves the least distance as it is.
                ends[:, p, i, k:] = ends[:, p, i, k - 1, None]
                self.real[p, i, :k] = True
                self.line_anchor[p, i] = self.anchor_index[rule.anchor]
                self.line_band[:, p, i] = band(rule, plan.aspect)
        self.ax, self.ay, self.bx, self.by = ends
        self.spans: list[list[list[Span]]] = [
            [[_span(ends[:, p, i, k]) for k in range(len(r.points) - 1)] for i, r in enumerate(plan.lines)]
            for p, plan in enumerate(plans)
        ]
        """The same numbers for plain Python: spans[plan][line] is a list."""
        self.same_band = _one(self.line_band)
        self.one_band: list[float] = self.line_band.reshape(3, -1)[:, 0].tolist() if lines else []
        """Band of all lines, if it is the same."""
        self.same_anchor = len(self.anchors) == 1

    def _areas(self, classes: int) -> None:
        plans = self.plans
        n = len(plans)
        areas = max((len(p.areas) for p in plans), default=0)
        most = max((len(r.points) for p in plans for r in p.areas), default=0)
        self.areas, self.edges = areas, most
        self.edge = np.zeros((4, n, areas, most))
        """(4, P, R, E): x1, y1, x2, y2."""
        self.area_anchor = np.zeros((n, areas), np.intp)
        self.area_band = np.zeros((3, n, areas))
        self.inverse = np.zeros((n, areas), bool)
        self.admits = np.zeros((n, areas, classes + 1), bool)
        """(P, R, C + 1) whether an area looks at a class; the last column stands for classes without a label."""
        for p, plan in enumerate(plans):
            for i, rule in enumerate(plan.areas):
                points = np.array(rule.isotropic(plan.aspect))
                k = len(points)
                self.edge[:2, p, i, :k], self.edge[2:, p, i, :k] = points.T, np.roll(points, -1, axis=0).T
                self.edge[:, p, i, k:] = np.concatenate([points[0], points[0]])[:, None]
                self.area_anchor[p, i] = self.anchor_index[rule.anchor]
                self.area_band[:, p, i] = band(rule, plan.aspect)
                self.inverse[p, i] = getattr(rule.config, "inverse", False)
                self.admits[p, i] = admitted(rule, classes)
        self.edge_down = self.edge[3] > self.edge[1]
        self.any_inverse = bool(self.inverse.any())
        self.all_admit = bool(self.admits.all())

    def _segments(self) -> None:
        """All segments of lines, then all edges of areas, as one axis: Z = L x S + R x E."""
        n = len(self.plans)
        m, k = self.lines * self.parts, self.areas * self.edges
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
        anchors = [np.repeat(self.line_anchor, self.parts, axis=1), np.repeat(self.area_anchor, self.edges, axis=1)]
        self.segment_anchor = np.concatenate(anchors, axis=1)
        self.plain = [self._plain(p, plan) for p, plan in enumerate(self.plans)]
        """The same for plain Python: lists of each plan's lines and areas."""

    def _plain(self, p: int, plan: Plan) -> tuple[list[PlainLine], list[PlainArea]]:
        columns = [tuple(column) for column in self.segments[:, p].T.tolist()]
        lines = []
        for i, rule in enumerate(plan.lines):
            at = i * self.parts
            lines.append(
                PlainLine(int(self.line_anchor[p, i]), band(rule, plan.aspect), columns[at : at + len(rule.points) - 1])
            )
        areas = []
        for i, rule in enumerate(plan.areas):
            at, k = self.line_segments + i * self.edges, len(rule.points)
            heights = self.edge[1::2, p, i, :k].T.tolist()
            edges = [(segment, y1, y2) for segment, (y1, y2) in zip(columns[at : at + k], heights)]
            anchor, inverse = int(self.area_anchor[p, i]), bool(self.inverse[p, i])
            areas.append(PlainArea(anchor, band(rule, plan.aspect), inverse, edges))
        return lines, areas


def _span(ends: NDArray[np.float64]) -> Span:
    ax, ay, bx, by = ends.tolist()
    return ax, ay, bx, by


def _one(values: NDArray[np.float64]) -> bool:
    """Whether all entries along the first axis are one (so a table need not be picked from by row)."""
    flat = values.reshape(len(values), -1)
    return bool((flat == flat[:, :1]).all()) if flat.size else True
