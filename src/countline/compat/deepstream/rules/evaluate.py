"""The tests of the items on one batch of objects (no track twice in it)."""

from __future__ import annotations

import math

import numpy as np

from countline.compat.deepstream.rules.memory import Motion, TrackMemory
from countline.compat.deepstream.rules.numeric import NOUGHT, Array, float_to_int32, ragged, wrap32
from countline.compat.deepstream.rules.tables import (
    DirectionTable,
    LineTable,
    RegionTable,
    Table,
    meeting_point,
    normal_form,
    renormalised,
    squared_length,
)

__all__ = ["COUNTED", "LineTests", "directions", "regions"]

# How far an object has come with a line; the furthest is remembered for the explanation.
# All are odd, so that `| 1` changes none of them.
SAME_SIDE, WRONG_WAY, BESIDE, COUNTED = 1, 3, 5, 7
_COUNTED, _ZERO = np.array(COUNTED, np.int8), np.array(0.0)

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


def _inside(above: Array, a: Array, x: Array) -> Array:
    """Whether a ray from x to the left meets an edge, in whole numbers: 0 <= above / a <= x with the quotient cut towards
    zero, for a > 0."""
    result: Array = (above > -a) & (above < (x + (x >= NOUGHT)) * a)
    return result


def _above(b: Array, y: Array, c: Array) -> Array:
    """-(b·y + c) in 32 bits."""
    return wrap32(-wrap32(wrap32(b * y) + c))


def _regions_of_one(table: RegionTable, motion: Motion, stream: int, class_id: Array) -> tuple[Array, Array]:
    """As :func:`regions`, for objects of one stream."""
    edges = table.polygons(stream)
    if not len(edges.regions):
        return NONE, NONE
    y = motion.cy + motion.bottom_offset
    if motion.fits_int32 and edges.fits_int32:
        above = edges.b * y + edges.c
    else:
        y = wrap32(y)
        above = edges.sign * _above(edges.b * -edges.sign, y, edges.c * -edges.sign)
    hit = ((y >= edges.y0) != (y >= edges.y1)) & _inside(above, edges.a, motion.cx)
    inside = np.logical_xor.reduceat(hit, edges.first, axis=0)
    if edges.inverse is not None:
        inside ^= edges.inverse
    if edges.allowed is not None:
        inside &= edges.allowed[:, table.classes.column(class_id)]
    obj, at = inside.T.nonzero()
    return obj, edges.regions.take(at)


def regions(table: RegionTable, motion: Motion, stream: int | Array, class_id: Array) -> tuple[Array, Array]:
    """(object, region of its stream) of every hit, by the even-odd rule on whole numbers with the ray to the left."""
    if not len(table):
        return NONE, NONE
    if isinstance(stream, int):
        return _regions_of_one(table, motion, stream, class_id)
    obj, region = _pairs(table, stream, class_id, np.arange(len(stream)))
    if not len(obj):
        return obj, region
    owner, edge = ragged(table.edges[region], table.first_edge[region])
    y = wrap32(motion.cy + motion.bottom_offset)[obj][owner]
    spans = np.flatnonzero((y >= table.y0[edge]) != (y >= table.y1[edge]))
    owner, edge, y = owner[spans], edge[spans], y[spans]
    sign = table.sign[edge]
    above = sign * _above(table.b[edge], y, table.c[edge])
    hit = _inside(above, sign * table.a[edge], motion.cx[obj[owner]])
    inside = (np.bincount(owner[hit], minlength=len(obj)) & 1).astype(bool) ^ table.inverse[region]
    obj, region = obj[inside], region[inside]
    return obj, region - table.offset[stream[obj]]


def _heads(ux: Array, uy: Array, x: Array, y: Array, cosine: Array | float) -> Array:
    """Whether a movement (x, y) in whole pixels goes along a unit vector, at least with this cosine."""
    with np.errstate(all="ignore"):
        along = (ux * x + uy * y) / np.sqrt(wrap32(wrap32(x * x) + wrap32(y * y)).astype(np.float64))
    result: Array = ((x != 0) | (y != 0)) & ~(along < cosine)
    return result


def directions(
    table: DirectionTable, motion: Motion, stream: int | Array, class_id: Array
) -> tuple[Array, Array, Array]:
    """(objects that have stopped, (object, direction of its stream) of every match)."""
    if motion.stopped is None:
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
    obj, item = obj[match], item[match]
    return stopped, obj, item - table.offset[stream if isinstance(stream, int) else stream[obj]]


class LineTests:
    """Line crossing of one batch: (line of its stream, object) as (L, N). The lines' own numbers can change a last bit at
    each segment test, as NVIDIA's do."""

    def __init__(self, table: LineTable, memory: TrackMemory, motion: Motion, stream: int | Array) -> None:
        self.table, self.memory, self.motion, self.stream = table, memory, motion, stream
        self.column: slice | Array = slice(stream, stream + 1) if isinstance(stream, int) else stream
        """The columns of the tables that belong to the objects: one that is broadcast, or one for each."""

    def crossings(self, class_id: Array) -> list[tuple[int, int]]:
        """(object, line) of every count, in the order of objects and lines; the tracks remember them."""
        table, motion = self.table, self.motion
        if not table.any:
            return []
        stages = self.memory.stage.take(motion.slot, axis=0)
        stage = stages.T
        passed = (motion.displacement > table.far[:, self.column]) & (stage < _COUNTED)
        if table.patient:
            passed &= motion.n > table.long[:, self.column]
        if table.classes is not None:
            passed &= table.allowed[:, table.classes.column(class_id), self.stream]
        if not np.count_nonzero(passed):
            return []
        stage |= passed  # SAME_SIDE at least
        self.memory.stage[motion.slot] = stages
        self.before_y = motion.py.astype(np.float32) + motion.half_h
        side = passed & self._crosses()
        if not np.count_nonzero(side):
            return []
        along = True if table.all_by_side else self._along()
        candidate = side & along
        line, obj = side.nonzero()
        furthest = np.where(candidate[line, obj], BESIDE, WRONG_WAY)
        self.memory.stage[motion.slot[obj], line] = np.maximum(stage[line, obj], furthest)
        return self._counted(passed & along, candidate)

    def _along(self) -> Array:
        """Whether the objects move along the arrows of those lines that ask for it."""
        table, motion, column = self.table, self.motion, self.column
        dx = wrap32(motion.cx - motion.px)
        dy = wrap32(motion.bottom - wrap32(motion.py + motion.bottom_offset))
        heads = _heads(table.ux[:, column], table.uy[:, column], dx, dy, table.cosine[:, column])
        result: Array = table.by_side[:, column] | heads
        return result

    def _crosses(self) -> Array:
        """Whether the objects change sides, with the lines' numbers as they are now."""
        table, motion = self.table, self.motion
        a, b, c = table.abc[:, :, self.column]
        now = a * motion.cx + b * motion.bottom + c
        then = a * motion.px + b * self.before_y + c
        loose: Array = (then > _ZERO) & (now <= _ZERO)
        if table.all_by_side:
            return loose
        then_int32 = float_to_int32(a * motion.px + b * wrap32(motion.py + motion.bottom_offset) + c)
        now_int32 = float_to_int32(now)
        strict = ((then_int32 < 0) & (now_int32 > 0)) | ((then_int32 > 0) & (now_int32 < 0))
        return np.where(table.by_side[:, self.column], loose, strict)

    def _counted(self, open_: Array, candidate: Array) -> list[tuple[int, int]]:
        """Finish the candidates one after the other. ``open_``: the pairs that can become candidates when a line moves."""
        found: list[tuple[int, int]] = []
        width = len(candidate)
        at = 0
        while True:
            for pair in (np.flatnonzero(candidate.T.ravel()[at:]) + at).tolist():
                if self._count(pair // width, pair % width, found):
                    at = pair + 1
                    break  # the line moved by a bit: look again at what is ahead
            else:
                return found
            candidate = open_ & self._crosses()

    def _count(self, obj: int, line: int, found: list[tuple[int, int]]) -> bool:
        """Finish one pair; True if the test changed the line."""
        slot = int(self.motion.slot[obj])
        stream = self.stream if isinstance(self.stream, int) else int(self.stream[obj])
        stage = self.memory.stage
        if stage[slot, line] == COUNTED:
            return False  # another line of this label has just counted it
        changed = False
        if not self.table.lines[stream][line].extended:
            hit, changed = self._on_segment(obj, stream, line)
            if not hit:
                return changed
        stage[slot, self.table.same[stream][line]] = COUNTED
        found.append((obj, line))
        return changed

    def _on_segment(self, obj: int, stream: int, line: int) -> tuple[bool, bool]:
        """(whether the movement, or one of its parallels half a width aside, hits the open segment; line changed)."""
        motion = self.motion
        mean_h = float(motion.mean_h[obj])
        x0, y0 = float(motion.px[obj]), float(motion.py[obj]) + mean_h / 2.0
        x1, y1 = float(motion.cx[obj]), float(motion.cy[obj]) + float(motion.height[obj]) / 2.0
        aside0, aside1 = _half(int(motion.pw[obj])), _half(int(motion.width[obj]))
        before = abc = _triple(self.table.abc[:, line, stream])
        hit = False
        for sign in (0, 1, -1):
            movement = normal_form(x0 + sign * aside0, y0, x1 + sign * aside1, y1)
            abc = renormalised(abc)
            if _hits(renormalised(movement), abc, *self.table.ends[stream][line]):
                hit = True
                break
        changed = abc != before
        if changed:
            self.table.abc[:, line, stream] = abc
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
    along_x, along_y = end[0] - start[0], end[1] - start[1]
    return x * along_x + y * along_y > 0 and squared_length(along_x, along_y) > x * x + y * y
