"""Directions: who heads which way, measured over a time window."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from countline.analytics.native.arrays import F8, Hit, boxes_anchors
from countline.analytics.native.counter import Counter, FrameView, PendingEvent
from countline.analytics.native.history import earliest
from countline.analytics.native.kind import EvaluationView, Part, RuleKind, admits
from countline.analytics.native.rule import Rule, admitted
from countline.analytics.native.source import SourceState
from countline.analytics.native.table import Column
from countline.analytics.native.tables import Tables
from countline.analytics.native.track_record import TrackRecord
from countline.config.kinds.direction import DirectionConfig
from countline.types import Analytics, DirectionState, Heading

__all__ = ["KIND", "DirectionCounter", "DirectionKind"]


@dataclass(slots=True)
class Arrows:
    """Directions of all plans: (P, D) each."""

    arrow: F8
    """(2, P, D) unit vectors in picture heights."""
    cos: F8
    """(2, P, D) least cosine to begin and to go on; 2, which nothing reaches, where there is no rule."""
    least: F8
    """Least movement, in longer sides of the box."""
    window: NDArray[np.int64]
    """ns."""
    anchor: NDArray[np.intp]
    admits: NDArray[np.bool_]
    """(P, D, classes + 1)"""


class DirectionCounter(Counter):
    """Nothing is counted; that an object begins to head this way is reported."""

    def repeated(self, frame: FrameView, index: int, slot: int, hit: Hit) -> str:
        """In words."""
        return "began to head this way"

    def hit(self, frame: FrameView, index: int, slot: int, hit: Hit) -> None:
        """An object begins to head this way."""
        name = self.name
        frame.events.append(PendingEvent(index, self.rule.order, Heading, name, slot, {"direction": name}))
        frame.note(slot, name, "began to head this way")


class DirectionKind(RuleKind):
    """See the module."""

    config = DirectionConfig
    key = "directions"
    columns = {"heading": Column(np.bool_, False)}
    evaluates = True
    heads = True

    def counter(self, rule: Rule) -> Counter:
        """Tells of headings."""
        return DirectionCounter(rule)

    def window(self, rule: Rule) -> int:
        """Over which the movement is measured."""
        assert isinstance(rule.config, DirectionConfig)
        return int(rule.config.window * 1e9)

    def compile(self, tables: Tables, classes: int) -> Arrows:
        """All directions as arrays."""
        mine = [plan.of("direction") for plan in tables.plans]
        n, most = len(mine), max(map(len, mine), default=0)
        made = Arrows(
            np.zeros((2, n, most)),
            np.full((2, n, most), 2.0),
            np.full((n, most), np.inf),
            np.zeros((n, most), np.int64),
            np.zeros((n, most), np.intp),
            np.zeros((n, most, classes + 1), bool),
        )
        for p, plan in enumerate(tables.plans):
            for i, rule in enumerate(mine[p]):
                config = rule.config
                assert isinstance(config, DirectionConfig)
                (x1, y1), (x2, y2) = rule.isotropic(plan.aspect)
                length = float(np.hypot(x2 - x1, y2 - y1))
                made.arrow[:, p, i] = (x2 - x1) / length, (y2 - y1) / length
                # 15 degrees more to go on than to begin, so that a heading at the edge does not flap.
                made.cos[0, p, i] = np.cos(np.radians(config.tolerance))
                made.cos[1, p, i] = np.cos(np.radians(min(config.tolerance + 15.0, 180.0)))
                made.least[p, i] = config.distance
                made.window[p, i] = self.window(rule)
                made.anchor[p, i] = tables.anchor_index[rule.anchor]
                made.admits[p, i] = admitted(rule, classes)
        return made

    def evaluate(self, view: EvaluationView) -> tuple[list[Hit], NDArray[Any] | None]:
        """Who begins to head which way; (N, D) who heads which way."""
        tables, table, rows, own = view.tables, view.table, view.rows, view.own
        heading = view.columns["heading"]
        hits: list[Hit] = []
        for i in range(heading.shape[1] if len(rows) else 0):
            _, box = earliest(table, rows.slots, rows.clock() - own.window[rows.plan, i])
            anchor = np.broadcast_to(own.anchor[rows.plan, i], len(rows))
            each = np.arange(len(rows))
            move = rows.anchors[:, each, anchor] - boxes_anchors(box, rows.aspect, tables.anchors)[:, each, anchor]
            length = np.hypot(*move)
            arrow = own.arrow[:, rows.plan, i]
            along = move[0] * arrow[0] + move[1] * arrow[1]
            was = heading[rows.slots, i]
            cos = np.where(was, own.cos[1][rows.plan, i], own.cos[0][rows.plan, i])
            # Half the distance is enough to go on, so that a slow object does not flap.
            least = own.least[rows.plan, i] * rows.size * np.where(was, 0.5, 1.0)
            now = (length > 0) & (length >= least) & (along >= cos * length - 1e-12)
            now &= admits(own.admits, rows, i)
            heading[rows.slots, i] = now
            hits += [Hit(int(r), i) for r in np.flatnonzero(now & ~was)]
        return hits, heading[rows.slots]

    def publish(self, analytics: Analytics, source: SourceState, part: Part | None) -> None:
        """``Analytics.directions``."""
        if part is not None:
            counts = part.counts()
            analytics.directions = {name: DirectionState(n) for name, n in zip(source.names("direction"), counts)}

    def explain(self, track: TrackRecord) -> str:
        """Why an object did not head this way."""
        config = track.rule.config
        assert isinstance(config, DirectionConfig)
        return (
            f"never moved by {config.distance:g} of its size within {config.window:g} s, "
            f"at most {config.tolerance:g} degrees off this direction"
        )


KIND = DirectionKind()
