"""Wrong ways: who travels against an arrow within an area. (Who is in the area: ``areas``.)

An object's *foremost* point is where it has been farthest along the arrow since it entered. Its way against the arrow begins
where it was last within ``SLACK`` of that, so that standing and jitter are no way. From there it is the wrong way once it has
come back by ``distance``, the begin lies ``seconds`` behind, and the straight way from the begin deviates from the arrow's
reverse by no more than ``tolerance``. No speed is asked for, and no number of frames.

It is reported once. The object has turned when it has come forward by ``distance`` from where it was hindmost; from there all
begins anew, as it does for an object that leaves the area and comes back.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from countline.analytics.native.arrays import F8, Hit
from countline.analytics.native.counter import AreaCounter, Counter, DwellInterval, FrameView, PendingEvent
from countline.analytics.native.kind import EvaluationView, Part, RuleKind
from countline.analytics.native.rule import Rule
from countline.analytics.native.source import SourceState
from countline.analytics.native.table import Column
from countline.analytics.native.tables import Tables
from countline.analytics.native.track_record import TrackRecord
from countline.config.kinds.wrong_way import WrongWayConfig
from countline.types import Analytics, Count, Event, RuleInfo

__all__ = ["KIND", "SLACK", "WrongWay", "WrongWayCounter", "WrongWayKind", "WrongWayState"]

SLACK = 0.1
"""Way against the arrow that is none yet, in longer sides of the box: three times the 3 % by which the edges of good boxes
jitter."""


@dataclass(frozen=True, slots=True)
class WrongWay(Event):
    """An object has travelled against the arrow."""

    kind: ClassVar[str] = "wrong-way"
    seconds: float = 0.0
    """For how long so far."""
    distance: float = 0.0
    """How far so far, measured against the arrow, in longer sides of its box."""


@dataclass(slots=True)
class WrongWayState:
    """One such area after one frame."""

    objects: int = 0
    """Objects in the frame that travel the wrong way: told, and neither turned nor gone since."""
    counted: Count = field(default_factory=Count, metadata={"counter": "wrong-way"})
    epoch: int = 0
    reset_at: int = field(default=0, metadata={"time": True})

    def watched(self) -> tuple[Any, ...]:
        """All of it."""
        return self.objects, self.counted.cumulative

    def summary(self) -> str:
        """'2 wrong (1 now)'."""
        return f"{self.counted.cumulative} wrong" + (f" ({self.objects} now)" if self.objects else "")


@dataclass(slots=True)
class Ways:
    """Rules of all plans: (P, W) each."""

    arrow: F8
    """(2, P, W) unit vectors in picture heights."""
    area: NDArray[np.intp]
    """Index of the rule among all areas of its plan; -1 where there is no rule."""
    anchor: NDArray[np.intp]
    cos: F8
    """Least cosine of the angle to the arrow's reverse."""
    least: F8
    """Least way against the arrow, in longer sides of the box."""
    time: NDArray[np.int64]
    """Least time, ns."""


class WrongWayCounter(AreaCounter):
    """How many travelled the wrong way."""

    counters = ("wrong-way",)

    def __init__(self, rule: Rule) -> None:
        assert isinstance(rule.config, WrongWayConfig)
        super().__init__(rule, rule.config.grace)
        self._state = WrongWayState()

    def hit(self, frame: FrameView, index: int, slot: int, hit: Hit) -> None:
        """An object is known to travel the wrong way (``value``: how far so far), or has turned (0)."""
        if not hit.value:
            frame.note(slot, self.name, "turned")
            return
        begin = int(frame.table.own["wrong-way"]["clock"][slot, self.column])
        seconds = (frame.clock - begin) / 1e9
        frame.count(self, "wrong-way", frame.class_name(frame.class_id(index)))
        extra = {"seconds": seconds, "distance": hit.value}
        frame.events.append(PendingEvent(index, self.rule.order, WrongWay, self.name, slot, extra))
        note = f"travelled the wrong way for {seconds:.1f} s over {hit.value:.2g} of its size"
        frame.note(slot, self.name, note)

    def repeated(self, frame: FrameView, index: int, slot: int, hit: Hit) -> str:
        """In words."""
        return f"travelled the wrong way over {hit.value:.2g} of its size" if hit.value else "turned"

    def merged(self, frame: FrameView, index: int, slot: int, other: str) -> None:
        """It goes on as it went."""
        self.inside.pop(slot, None)

    def left(self, frame: FrameView, index: int, slot: int, interval: DwellInterval, seconds: float, how: str) -> None:
        """If it comes back, it begins anew."""
        own = frame.table.own["wrong-way"]
        own["foremost"][slot, self.column] = np.nan
        own["wrong"][slot, self.column] = False

    def state(self, clock: int) -> WrongWayState:
        """Without the number of objects."""
        if self.dirty:
            self._state = WrongWayState(0, self.total("wrong-way"), self.epoch, self.reset_at)
            self.dirty = False
        return self._state


class WrongWayKind(RuleKind):
    """See the module. Points are kept normalised, so that a change of resolution changes nothing."""

    config = WrongWayConfig
    key = "wrong_ways"
    columns = {
        "foremost": Column(np.complex128, np.nan),
        "begin": Column(np.complex128, np.nan),
        "clock": Column(np.int64, 0),
        "hindmost": Column(np.complex128, np.nan),
        "wrong": Column(np.bool_, False),
        "most": Column(np.float32, np.nan),
    }
    evaluates = True
    events = (WrongWay,)
    state = WrongWayState

    def counter(self, rule: Rule) -> Counter:
        """Counts objects."""
        return WrongWayCounter(rule)

    def info(self, rule: Rule) -> RuleInfo:
        """With the arrow."""
        return replace(super().info(rule), arrow=rule.outlines["arrow"])

    def compile(self, tables: Tables, classes: int) -> Ways:
        """All rules as arrays."""
        mine = [plan.of("wrong-way") for plan in tables.plans]
        n, most = len(mine), max(map(len, mine), default=0)
        made = Ways(
            np.zeros((2, n, most)),
            np.full((n, most), -1, np.intp),
            np.zeros((n, most), np.intp),
            np.ones((n, most)),
            np.ones((n, most)),
            np.zeros((n, most), np.int64),
        )
        for p, plan in enumerate(tables.plans):
            for i, rule in enumerate(mine[p]):
                config = rule.config
                assert isinstance(config, WrongWayConfig)
                (x1, y1), (x2, y2) = rule.isotropic(plan.aspect, "arrow")
                length = float(np.hypot(x2 - x1, y2 - y1))
                made.arrow[:, p, i] = (x2 - x1) / length, (y2 - y1) / length
                made.area[p, i] = plan.areas.index(rule)
                made.anchor[p, i] = tables.anchor_index[rule.anchor]
                made.cos[p, i] = np.cos(np.radians(config.tolerance))
                made.least[p, i] = config.distance
                made.time[p, i] = round(config.seconds * 1e9)
        return made

    def evaluate(self, view: EvaluationView) -> tuple[list[Hit], NDArray[Any] | None]:
        """Who is known to travel the wrong way from now on; (N, W) who does."""
        hits: list[Hit] = []
        wrong = view.columns["wrong"]
        for i in range(wrong.shape[1] if len(view.rows) else 0):
            hits += _evaluate(view, i)
        return hits, wrong[view.rows.slots]

    def publish(self, analytics: Analytics, source: SourceState, part: Part | None) -> None:
        """With the number of objects."""
        states = source.states["wrong-way"]
        if part is not None and part.found.any():
            counts = part.counts()
            states = {name: replace(state, objects=n) for (name, state), n in zip(states.items(), counts)}
        analytics.states[self.key] = states

    def explain(self, track: TrackRecord) -> str:
        """Why an object did not travel the wrong way."""
        config, most = track.rule.config, float(track.of_kind("most"))
        assert isinstance(config, WrongWayConfig)
        if np.isnan(most):
            return f"{track.lived()} {track.distance():.0f} px from the area's edge and was never inside"
        return (
            f"went at most {most:.2g} of its size against the arrow; that is the wrong way from {config.distance:g} on, "
            f"after {config.seconds:g} s, at most {config.tolerance:g} degrees off the arrow's reverse"
        )


def _evaluate(view: EvaluationView, i: int) -> list[Hit]:
    """Move all objects on by one frame at the i-th rule of each plan."""
    rows, own, table, columns = view.rows, view.own, view.table, view.columns
    slots, plan, each = rows.slots, rows.plan, np.arange(len(rows))
    area = np.broadcast_to(own.area[plan, i], len(rows))
    inside = (area >= 0) & table.inside[slots, area]
    x, y = rows.anchors[:, each, np.broadcast_to(own.anchor[plan, i], len(rows))]
    ax, ay = own.arrow[:, plan, i]
    clock, here = np.broadcast_to(rows.clock(), len(rows)), x / rows.aspect + 1j * y
    foremost, begin, hindmost, since, wrong, most = (
        columns[name][slots, i] for name in ("foremost", "begin", "hindmost", "clock", "wrong", "most")
    )

    def along(point: NDArray[np.complex128]) -> F8:
        """How far along the arrow a point lies, in picture heights."""
        result: F8 = point.real * rows.aspect * ax + point.imag * ay
        return result

    now, fresh = along(here), np.isnan(foremost)
    need = own.least[plan, i] * rows.size
    turned = inside & wrong & (now >= along(hindmost) + need)
    front = inside & ~wrong & (fresh | (now >= along(foremost) - SLACK * rows.size))
    against = along(begin) - now
    way = np.hypot(x - begin.real * rows.aspect, y - begin.imag)
    going = inside & ~wrong & ~front
    found = going & (against >= need) & (against >= own.cos[plan, i] * way) & (clock - since >= own.time[plan, i])
    anew = front | turned
    foremost = np.where(turned | (front & (fresh | (now > along(foremost)))), here, foremost)
    columns["foremost"][slots, i] = np.where(inside, foremost, np.nan)
    columns["begin"][slots, i] = np.where(anew, here, begin)
    columns["clock"][slots, i] = np.where(anew, clock, since)
    columns["hindmost"][slots, i] = np.where(found | (wrong & (now < along(hindmost))), here, hindmost)
    columns["wrong"][slots, i] = inside & (wrong | found) & ~turned
    size = np.maximum(rows.size, 1e-12)
    columns["most"][slots, i] = np.where(inside, np.fmax(most, np.where(going, against / size, 0.0)), most)
    which = np.flatnonzero(found | turned)
    return [Hit(int(r), i, float(against[r] / size[r]) if found[r] else 0.0) for r in which]


KIND = WrongWayKind()
