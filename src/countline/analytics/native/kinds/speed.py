"""Speeds over the ground, measured over a time window."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from countline.analytics.geometry import homography, project
from countline.analytics.native.arrays import F8, Hit, boxes_anchors
from countline.analytics.native.counter import Counter, FrameView, PendingEvent
from countline.analytics.native.history import earliest
from countline.analytics.native.kind import EvaluationView, Part, RuleKind, admits
from countline.analytics.native.rule import Rule, admitted
from countline.analytics.native.source import SourceState
from countline.analytics.native.table import Column
from countline.analytics.native.tables import Tables
from countline.analytics.native.track_record import TrackRecord
from countline.config.kinds.speed import SpeedConfig
from countline.types import Analytics, Speeding

__all__ = ["KIND", "SpeedCounter", "SpeedKind"]

SPEEDING_ENDS = 0.9
"""Fraction of the limit below which an object that was speeding no longer is."""


@dataclass(slots=True)
class Grounds:
    """Speed rules of all plans: (P, V) each."""

    ground: F8
    """(P, V, 3, 3) from the picture (in picture heights) to metres."""
    quad: F8
    """(4, P, V, 4) x1, y1, x2, y2 of the quadrangle's edges."""
    limit: F8
    """km/h."""
    window: NDArray[np.int64]
    """ns."""
    anchor: NDArray[np.intp]
    admits: NDArray[np.bool_]
    """(P, V, classes + 1)"""


class SpeedCounter(Counter):
    """Nothing is counted; that an object goes over the limit is reported."""

    def repeated(self, frame: FrameView, index: int, slot: int, hit: Hit) -> str:
        """In words."""
        return f"went over the limit at {hit.value:.1f} km/h"

    def hit(self, frame: FrameView, index: int, slot: int, hit: Hit) -> None:
        """An object goes over the limit, at ``value`` km/h."""
        extra = {"speed": hit.value}
        frame.events.append(PendingEvent(index, self.rule.order, Speeding, self.name, slot, extra))
        frame.note(slot, self.name, f"went over the limit at {hit.value:.1f} km/h")


class SpeedKind(RuleKind):
    """See the module."""

    config = SpeedConfig
    key = "speeds"
    columns = {"speeding": Column(np.bool_, False)}
    evaluates = True

    def counter(self, rule: Rule) -> Counter:
        """Tells of excesses."""
        return SpeedCounter(rule)

    def window(self, rule: Rule) -> int:
        """Over which the speed is measured."""
        assert isinstance(rule.config, SpeedConfig)
        return int(rule.config.window * 1e9)

    def compile(self, tables: Tables, classes: int) -> Grounds:
        """All speed rules as arrays."""
        mine = [plan.of("speed") for plan in tables.plans]
        n, most = len(mine), max(map(len, mine), default=0)
        made = Grounds(
            np.zeros((n, most, 3, 3)),
            np.zeros((4, n, most, 4)),
            np.full((n, most), np.inf),
            np.ones((n, most), np.int64),
            np.zeros((n, most), np.intp),
            np.zeros((n, most, classes + 1), bool),
        )
        for p, plan in enumerate(tables.plans):
            for i, rule in enumerate(mine[p]):
                config = rule.config
                assert isinstance(config, SpeedConfig)
                points = rule.isotropic(plan.aspect)
                made.ground[p, i] = homography(points, config.metres)
                corners = np.array(points)
                made.quad[:2, p, i], made.quad[2:, p, i] = corners.T, np.roll(corners, -1, axis=0).T
                made.limit[p, i] = np.inf if config.limit is None else config.limit
                made.window[p, i] = self.window(rule)
                made.anchor[p, i] = tables.anchor_index[rule.anchor]
                made.admits[p, i] = admitted(rule, classes)
        return made

    def evaluate(self, view: EvaluationView) -> tuple[list[Hit], NDArray[Any] | None]:
        """Who goes over the limit (``value``: km/h); (N,) the speed of each object in km/h, NaN where unknown.

        Straight distance on the ground between the begin of the window and now, over the time between; known once half the
        window has passed, for objects within the quadrangle.
        """
        tables, table, rows, own = view.tables, view.table, view.rows, view.own
        speeding = view.columns["speeding"]
        speeds = np.full(len(rows), np.nan)
        hits: list[Hit] = []
        for i in range(speeding.shape[1] if len(rows) else 0):
            window = own.window[rows.plan, i]
            clock, box = earliest(table, rows.slots, rows.clock() - window)
            anchor = np.broadcast_to(own.anchor[rows.plan, i], len(rows))
            each = np.arange(len(rows))
            x, y = rows.anchors[:, each, anchor]
            px, py = boxes_anchors(box, rows.aspect, tables.anchors)[:, each, anchor]
            ground = own.ground[rows.plan, i]
            u, v = project(ground, x, y)
            pu, pv = project(ground, px, py)
            seconds = (rows.clock() - clock) / 1e9
            enough = (seconds > 0) & (seconds * 2e9 >= window) & within(own.quad[:, rows.plan, i], x, y)
            enough &= admits(own.admits, rows, i)
            speed = np.divide(np.hypot(u - pu, v - pv) * 3.6, seconds, out=np.full(len(rows), np.nan), where=enough)
            was = speeding[rows.slots, i]
            limit = own.limit[rows.plan, i]
            now = np.where(np.isnan(speed), was, speed > np.where(was, limit * SPEEDING_ENDS, limit))
            speeding[rows.slots, i] = now
            hits += [Hit(int(r), i, float(speed[r])) for r in np.flatnonzero(now & ~was)]
            speeds = np.where(np.isnan(speeds), speed, speeds)
        return hits, speeds

    def publish(self, analytics: Analytics, source: SourceState, part: Part | None) -> None:
        """``Analytics.speeds``."""
        if part is not None:
            at = np.flatnonzero(~np.isnan(part.found))
            analytics.speeds = dict(zip(part.table.track_id[part.slots[at]].tolist(), part.found[at].tolist()))

    def explain(self, track: TrackRecord) -> str:
        """Why an object was not over the limit."""
        config = track.rule.config
        assert isinstance(config, SpeedConfig)
        limit = "the rule has no limit" if config.limit is None else f"was never measured above {config.limit:g} km/h"
        return f"{limit}; a speed is known after {config.window / 2:g} s within the four points"


def within(quad: F8, x: F8, y: F8) -> NDArray[np.bool_]:
    """Whether points lie in a convex quadrangle (4, ..., 4): on one side of all its edges."""
    x1, y1, x2, y2 = quad
    side = (x2 - x1) * (y[:, None] - y1) - (y2 - y1) * (x[:, None] - x1)
    result: NDArray[np.bool_] = (side >= 0).all(axis=1) | (side <= 0).all(axis=1)
    return result


KIND = SpeedKind()
