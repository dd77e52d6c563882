"""The tests of the items on one batch of objects (no track twice in it)."""

from __future__ import annotations

import math

import numpy as np

from countline.analytics.deepstream.memory import Motion, TrackMemory
from countline.analytics.deepstream.numeric import Array, float_to_int32, ragged, wrap32
from countline.analytics.deepstream.tables import (
    PLUS_TO_MINUS,
    DirectionTable,
    LineTable,
    RegionTable,
    Table,
    meeting_point,
    normal_form,
    renormalised,
)

__all__ = ["COUNTED", "LineTests", "directions", "regions"]

# How far an object has come with a line; the furthest is remembered for the explanation.
SHORT, NEAR, SAME_SIDE, WRONG_WAY, BESIDE, COUNTED = 1, 2, 3, 4, 5, 6


NONE = np.zeros(0, np.int64)


def _pairs(table: Table, stream: int | Array, class_id: Array, which: Array) -> tuple[Array, Array]:
    """(object, item) for every item of the object's stream that is enabled and looks at its class, object by object.
    ``stream``: of each object, or one for all."""
    if not len(table) or not len(which):
        return NONE, NONE
    if isinstance(stream, int):
        items = table.active(stream)
        obj, item = np.repeat(which, len(items)), np.tile(items, len(which))
        if not len(table.classes.named):
            return obj, item
        keep = table.classes.allowed[item, table.classes.column(class_id)[obj]]
    else:
        owner, item = ragged(table.count[stream[which]], table.offset[stream[which]])
        obj = which[owner]
        keep = table.enabled[item]
        if len(table.classes.named):
            keep &= table.classes.allowed[item, table.classes.column(class_id)[obj]]
    return obj[keep], item[keep]


def _meets_left(table: RegionTable, edge: Array, x: Array, y: Array) -> Array:
    """Whether the ray from (x, y) to the left meets the edge, in whole numbers; the edge spans y."""
    a = table.a[edge]
    above = wrap32(-wrap32(wrap32(table.b[edge] * y) + table.c[edge]))
    meets = np.sign(above) * np.sign(a) * (np.abs(above) // np.abs(a))
    result: Array = (meets >= 0) & (meets <= x)
    return result


def _regions_of_one(table: RegionTable, motion: Motion, stream: int, class_id: Array) -> tuple[Array, Array]:
    """As :func:`regions`, for objects of one stream."""
    items = table.active(stream)
    if not len(items):
        return NONE, NONE
    edge, place = table.edges_of(stream)
    y = motion.cy + motion.foot
    if not motion.tame:
        y = wrap32(y)
    column = y[:, None]
    y0, y1 = table.y0[edge], table.y1[edge]
    obj, at = np.nonzero((column >= y0) != (column >= y1))
    hit = _meets_left(table, edge[at], motion.cx[obj], y[obj])
    counts = np.bincount((obj * len(items) + place[at])[hit], minlength=len(y) * len(items))
    inside = (counts & 1).astype(bool).reshape(len(y), len(items)) ^ table.inverse[items]
    if len(table.classes.named):
        inside &= table.classes.allowed[items][:, table.classes.column(class_id)].T
    obj, at = np.nonzero(inside)
    return obj, items[at]


def regions(table: RegionTable, motion: Motion, stream: int | Array, class_id: Array) -> tuple[Array, Array]:
    """(object, region) of every hit, by the even-odd rule on whole numbers with the ray to the left."""
    if not len(table):
        return NONE, NONE
    if isinstance(stream, int):
        return _regions_of_one(table, motion, stream, class_id)
    obj, region = _pairs(table, stream, class_id, np.arange(len(stream)))
    if not len(obj):
        return obj, region
    counts = table.edges[region]
    owner, edge = ragged(counts, table.first_edge[region])
    x = motion.cx[obj][owner]
    y = wrap32(motion.cy + motion.foot)[obj][owner]
    spans = np.flatnonzero((y >= table.y0[edge]) != (y >= table.y1[edge]))
    hit = _meets_left(table, edge[spans], x[spans], y[spans])
    hits = np.bincount(owner[spans][hit], minlength=len(obj))
    inside = (hits & 1).astype(bool) ^ table.inverse[region]
    return obj[inside], region[inside]


def _heads(ux: Array, uy: Array, x: Array, y: Array, cosine: Array | float) -> Array:
    """Whether a movement (x, y) in whole pixels goes along a unit vector, at least with this cosine."""
    with np.errstate(all="ignore"):
        along = (ux * x + uy * y) / np.sqrt(wrap32(wrap32(x * x) + wrap32(y * y)).astype(np.float64))
    result: Array = ((x != 0) | (y != 0)) & ~(along < cosine)
    return result


def directions(
    table: DirectionTable, motion: Motion, stream: int | Array, class_id: Array
) -> tuple[Array, Array, Array]:
    """(objects that have stopped, (object, direction) of every match)."""
    if not len(table):
        return NONE, NONE, NONE
    moving = (motion.displacement > 3000) & (motion.n > 10)
    obj, item = _pairs(table, stream, class_id, np.flatnonzero(motion.stopped | moving))
    if not len(obj):
        return obj, obj, item
    still = motion.stopped[obj]
    stopped = np.unique(obj[still])
    obj, item = obj[~still], item[~still]
    x = wrap32(motion.cx - motion.px)[obj]
    y = wrap32(motion.cy - motion.py)[obj]
    match = _heads(table.ux[item], table.uy[item], x, y, 0.5)
    return stopped, obj[match], item[match]


class LineTests:
    """Line crossing of one batch. The lines' own numbers can change a last bit at each segment test, as NVIDIA's do."""

    def __init__(
        self, table: LineTable, memory: TrackMemory, motion: Motion, stream: int | Array, class_id: Array
    ) -> None:
        self.table, self.memory, self.motion = table, memory, motion
        gate = np.flatnonzero((motion.n > 3) & (motion.displacement > 1000)) if len(table) else NONE
        obj, line = _pairs(table, stream, class_id, gate)
        self.obj = obj
        if not len(obj):
            return
        slot = motion.slot[obj]
        label = table.label[line]
        fresh = ~memory.crossed[slot, label]
        obj, line, slot, label = obj[fresh], line[fresh], slot[fresh], label[fresh]
        stage = np.full(len(obj), SHORT, np.int8)
        long = motion.n[obj] > table.long[line]
        stage[long] = NEAR
        passed = long & (motion.displacement[obj] > table.far[line])
        self._note(slot, label, np.maximum(stage, np.where(passed, SAME_SIDE, 0)))
        self.obj, self.line, self.slot, self.label = obj[passed], line[passed], slot[passed], label[passed]
        if len(self.obj):
            self._gather()

    def _note(self, slot: Array, label: Array, stage: Array) -> None:
        np.maximum.at(self.memory.stage, (slot, label), stage.astype(np.int8))

    def _gather(self) -> None:
        """Columns of the pairs that passed the gate."""
        motion, obj = self.motion, self.obj
        foot = motion.bottom
        self.x = motion.cx[obj].astype(np.float64)
        self.y = foot[obj].astype(np.float64)
        self.before_x = motion.px[obj].astype(np.float64)
        before_y = motion.py[obj]
        with np.errstate(all="ignore"):
            mean_foot = motion.mean_h[obj] / np.float32(2)
            self.before_y = (before_y.astype(np.float32) + mean_foot).astype(np.float64)
        self.whole_y = wrap32(before_y + motion.foot[obj])
        self.by_side = self.table.by_side[self.line]
        plus_first = self.table.sense[self.line] == PLUS_TO_MINUS
        self.turn = np.where(plus_first, 1.0, -1.0)
        self.along = np.ones(len(obj), bool)
        self.all_by_side = bool(self.by_side.all())
        if not self.all_by_side:
            other = np.flatnonzero(~self.by_side)
            at, line = obj[other], self.line[other]
            dx = wrap32(motion.cx[at] - motion.px[at])
            dy = wrap32(foot[at] - self.whole_y[other])
            self.along[other] = _heads(self.table.ux[line], self.table.uy[line], dx, dy, self.table.cosine[line])

    def _crosses(self, at: Array) -> Array:
        """Whether the pairs change sides, with the line's numbers as they are now."""
        a, b, c = self.table.abc[self.line[at]].T
        with np.errstate(all="ignore"):
            now = a * self.x[at] + b * self.y[at] + c
            then = a * self.before_x[at] + b * self.before_y[at] + c
        turn = self.turn[at]
        loose: Array = (then * turn > 0) & (now * turn <= 0)
        if self.all_by_side:
            return loose
        with np.errstate(all="ignore"):
            whole = float_to_int32(a * self.before_x[at] + b * self.whole_y[at].astype(np.float64) + c)
            whole_now = float_to_int32(now)
        strict = ((whole < 0) & (whole_now > 0)) | ((whole > 0) & (whole_now < 0))
        return np.where(self.by_side[at], loose, strict)

    def crossings(self) -> list[tuple[int, int]]:
        """(object, line) of every count, in the order of objects and lines; the tracks remember them."""
        if not len(self.obj):
            return []
        side = self._crosses(np.arange(len(self.obj)))
        if not side.any():
            return []
        self._note(self.slot[side], self.label[side], np.where(self.along[side], BESIDE, WRONG_WAY))
        candidate = side & self.along
        found: list[tuple[int, int]] = []
        at = 0
        while True:
            ahead = np.flatnonzero(candidate[at:])
            if not len(ahead):
                return found
            for pair in (ahead + at).tolist():
                if self._count(pair, found):
                    at = pair + 1
                    break  # the line moved by a bit: look again at what is ahead
            else:
                return found
            rest = np.arange(at, len(self.obj))
            candidate[rest] = self._crosses(rest) & self.along[rest]

    def _count(self, at: int, found: list[tuple[int, int]]) -> bool:
        """Finish one pair; True if the test changed the line."""
        slot, label, line = int(self.slot[at]), int(self.label[at]), int(self.line[at])
        crossed = self.memory.crossed
        if crossed[slot, label]:
            return False  # another line of this label has just counted it
        changed = False
        if not self.table.extended[line]:
            hit, changed = self._on_segment(int(self.obj[at]), line)
            if not hit:
                return changed
        crossed[slot, label] = True
        self.memory.stage[slot, label] = COUNTED
        found.append((int(self.obj[at]), line))
        return changed

    def _on_segment(self, obj: int, line: int) -> tuple[bool, bool]:
        """(whether the movement, or one of its parallels half a width aside, hits the open segment; line changed)."""
        motion = self.motion
        mean_h = float(motion.mean_h[obj])
        x0, y0 = float(motion.px[obj]), float(motion.py[obj]) + mean_h / 2.0
        x1, y1 = float(motion.cx[obj]), float(motion.cy[obj]) + float(motion.height[obj]) / 2.0
        aside0, aside1 = _half(int(motion.pw[obj])), _half(int(motion.width[obj]))
        before = abc = _triple(self.table.abc[line])
        hit = False
        for sign in (0, 1, -1):
            movement = normal_form(x0 + sign * aside0, y0, x1 + sign * aside1, y1)
            abc = renormalised(abc)
            if _hits(renormalised(movement), abc, *self.table.ends[line]):
                hit = True
                break
        changed = abc != before
        if changed:
            self.table.abc[line] = abc
        return hit, changed


def _triple(row: Array) -> tuple[float, float, float]:
    a, b, c = row.tolist()
    return a, b, c


def _half(value: int) -> int:
    return int(math.copysign(abs(value) // 2, value))


def _hits(
    movement: tuple[float, float, float], line: tuple[float, float, float], start: tuple[int, int], end: tuple[int, int]
) -> bool:
    meeting = meeting_point(movement, line)
    if meeting is None:
        return False
    x, y = meeting[0] - start[0], meeting[1] - start[1]
    along_x, along_y = float(end[0] - start[0]), float(end[1] - start[1])
    return x * along_x + y * along_y > 0 and along_x * along_x + along_y * along_y > x * x + y * y
