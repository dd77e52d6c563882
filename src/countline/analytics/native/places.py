"""Lines and regions: where the objects are with respect to each, for many objects at once.

One pass gives the distance of every anchor point to every segment of a line and every edge of a region. From it follow
all conditions; only pairs of object and rule for which something changes are then moved on, one by one (``nearby``).

Up to ``FEW`` objects, plain floats are quicker than arrays. Both ways do the same operations and give the same bits.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from countline.analytics.native.calm import calm_down, zone
from countline.analytics.native.nearby import Object, cross, look, pass_edge, stray
from countline.analytics.native.plan import Tables
from countline.analytics.native.rows import Hit, Rows, boxes_anchors
from countline.analytics.native.table import BORN, NEW, OUTSIDE, TrackTable

__all__ = ["FEW", "evaluate_places", "few", "sides"]

FEW = 300
"""Up to so many sums, as reckoned by ``few``, are done with plain floats."""

F8 = NDArray[np.float64]


def few(tables: Tables, objects: int) -> bool:
    """Whether plain floats are quicker for so many objects: each costs about as much as eight segments."""
    return bool(objects * (8 + tables.segments.shape[2]) <= FEW)


def sides(tables: Tables, rows: Rows) -> F8:
    """(N, M) signed distance to the line of each segment of each line, positive on its left-hand side."""
    m = tables.line_segments
    x, y = _points(tables, rows.anchors, rows.plan)
    a, b, c = tables.segments[:3, rows.plan]
    result: F8 = x * a + y * b - c
    return result[:, :m]


def evaluate_places(tables: Tables, table: TrackTable, chosen: Rows | list[Object]) -> tuple[list[Hit], list[Hit]]:
    """Move every object on by one frame. Returns the crossings found (``value`` +1 to the left-hand side, -1 to the right),
    and who entered (+1) or left (-1) which region; each by object, then by rule. Each object gets its calm zone.

    ``table.box`` must still hold the boxes of the previous frame.
    """
    lines: list[Hit] = []
    regions: list[Hit] = []
    if isinstance(chosen, list):
        if chosen:
            _look_at_each(tables, table, chosen, lines, regions)
        return lines, regions
    rows = chosen
    x, y = _points(tables, rows.anchors, rows.plan)
    a, b, c, d, e, f, length = tables.segments[:, rows.plan]
    side = x * a + y * b - c
    along = x * d + y * e - f
    beyond = along - np.minimum(np.maximum(along, 0.0), length)
    square = side * side + beyond * beyond
    room = np.full(len(rows), np.inf)
    m = tables.line_segments
    if tables.lines:
        was = boxes_anchors(table.box.take(rows.slots, 0), rows.aspect, tables.anchors)
        u, v = _points(tables, was, rows.plan)
        before = (u * a + v * b - c)[:, :m] >= 0
        lines = _lines(tables, table, rows, (before, side[:, :m] >= 0), square[:, :m], room)
    if tables.regions:
        heights = y[:, m:].reshape(len(rows), tables.regions, -1) if y.shape[1] > 1 else y[:, :, None]
        regions = _regions(tables, table, rows, heights, side[:, m:], square[:, m:], room)
    calm_down(tables, table, rows.slots, rows.box, rows.aspect, room)
    if not tables.all_admit:
        table.looked[rows.slots] = rows.class_id
    return lines, regions


def _look_at_each(
    tables: Tables, table: TrackTable, chosen: list[Object], lines: list[Hit], regions: list[Hit]
) -> None:
    zones = []
    for row, one in enumerate(chosen):
        room = look(tables, table, row, one, lines, regions)
        zones.append(zone(tables, one.box, one.aspect, room))
    slots = [one.slot for one in chosen]
    bounds = np.array(zones)
    table.low[slots] = bounds[:, :4]
    table.high[slots] = bounds[:, 4:]
    if not tables.all_admit:
        table.looked[slots] = [one.class_id for one in chosen]


def _points(tables: Tables, anchors: F8, plan: Any) -> tuple[F8, F8]:
    """x and y, each (N, 1) or (N, Z), of the anchor point that each segment is for."""
    x, y = anchors
    if tables.same_anchor:
        return x, y
    index = tables.segment_anchor[plan]
    if index.ndim == 1:
        return x[:, index], y[:, index]
    return np.take_along_axis(x, index, 1), np.take_along_axis(y, index, 1)


def _lines(
    tables: Tables,
    table: TrackTable,
    rows: Rows,
    sides: tuple[NDArray[np.bool_], NDArray[np.bool_]],
    square: F8,
    room: F8,
) -> list[Hit]:
    """``sides``: (N, M) whether each object is on the left-hand side of each segment, in the frame before and now."""
    slots = rows.slots
    before, after = sides
    seen = table.left.take(slots, 0)
    table.left[slots] = after
    turned, strayed = after != before, after != seen
    if tables.parts > 1:
        shape = (len(rows), tables.lines, tables.parts)
        turned, strayed = turned.reshape(shape).any(axis=2), strayed.reshape(shape).any(axis=2)
        square = np.minimum.reduce(square.reshape(shape), axis=2)
    width = _half_width(tables.one_band if tables.same_band else tables.line_band[:, rows.plan], rows)
    gap = np.sqrt(square)
    outside = square > width * width
    phase = table.phase.take(slots, 0)
    fresh = phase == NEW
    if fresh.any():
        phase = np.where(fresh, np.where(outside, OUTSIDE, BORN), phase).astype(np.int8)
        table.phase[slots] = phase
        table.begun[slots] |= fresh & ~outside
        turned &= ~fresh
        strayed &= ~fresh
    # Outside, the band is the next thing to come; within, the line or the band's end.
    np.minimum(
        room, np.minimum.reduce(np.minimum(np.abs(gap - width), np.where(outside, np.inf, gap)), axis=1), out=room
    )
    hits = []
    for row, line in zip(*(at.tolist() for at in (turned | (outside != (phase == OUTSIDE))).nonzero())):
        part = slice(line * tables.parts, (line + 1) * tables.parts)
        both = (before[row, part].tolist(), after[row, part].tolist())
        value, along = cross(tables, table, _object(rows, row), line, bool(outside[row, line]), *both)
        if value:
            hits.append(Hit(row, line, value, along))
    if strayed.any():
        for row, line in zip(*(at.tolist() for at in strayed.nonzero())):
            stray(tables, table, _object(rows, row), line)
    return hits


def _half_width(bands: Any, rows: Rows) -> F8:
    """(N, 1) or (N, rules) half-width of the band for each object; ``bands``: see :data:`countline.analytics.native.band.Band`."""
    factor, least, soft, growth, most = bands
    size = rows.size[:, None]
    width: F8 = np.minimum(np.maximum(np.minimum(np.maximum(size * factor, least), soft), size * growth), most)
    return width


def _regions(tables: Tables, table: TrackTable, rows: Rows, y: F8, side: F8, square: F8, room: F8) -> list[Hit]:
    shape = (len(rows), tables.regions, tables.edges)
    p = rows.plan
    # Even-odd rule: an edge that spans the point's height is counted if the point is on its right-hand side on screen.
    spans = (tables.edge[1, p] <= y) != (tables.edge[3, p] <= y)
    spans &= (side.reshape(shape) < 0) == tables.edge_down[p]
    now = np.logical_xor.reduce(spans, axis=2)
    if tables.any_inverse:
        now ^= tables.inverse[p]
    near = np.minimum.reduce(square.reshape(shape), axis=2)
    gap = np.sqrt(near)
    changed = now != table.inside.take(rows.slots, 0)
    hits = []
    if changed.any():
        # Who is out of the polygon has left when out of the band as well.
        width = _half_width(tables.region_band[:, p], rows)
        within = changed & ~now & (near <= width * width)
        np.minimum(gap, width - gap, out=gap, where=within)
        for row, region in zip(*(at.tolist() for at in (changed ^ within).nonzero())):
            value = pass_edge(tables, table, _object(rows, row), region, bool(now[row, region]))
            if value:
                hits.append(Hit(row, region, value))
    np.minimum(room, np.minimum.reduce(gap, axis=1), out=room)
    return hits


def _object(rows: Rows, row: int) -> Object:
    if isinstance(rows.plan, np.ndarray):
        plan, aspect = int(rows.plan[row]), float(rows.aspect[row])
    else:
        plan, aspect = rows.plan, rows.aspect
    return Object(int(rows.slots[row]), rows.box[row].tolist(), plan, aspect, int(rows.class_id[row]))
