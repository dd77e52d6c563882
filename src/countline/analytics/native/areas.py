"""Areas: who is in them, for one object with plain floats and for many with arrays.

An object is inside as soon as its anchor point is in the polygon (even-odd rule), and has left when the point is farther
outside than the band's half-width. (Entering asks for no depth, so areas that are smaller than the band work too.)
"""

from __future__ import annotations

from math import inf, sqrt

import numpy as np

from countline.analytics.native.arrays import F8, Hit, Object, Rows
from countline.analytics.native.band import half_width, half_widths
from countline.analytics.native.table import TrackTable
from countline.analytics.native.tables import PlainArea, Tables

__all__ = ["follow", "follow_one", "pass_edge"]


def follow(tables: Tables, table: TrackTable, rows: Rows, y: F8, side: F8, square: F8, clearance: F8) -> list[Hit]:
    """Move many objects on by one frame at all areas. Returns who entered (``value`` +1) or left (-1), and lessens the (N,)
    ``clearance`` of each. ``y``: (N, R or 1, 1) heights of the anchor points; ``side``, ``square``: (N, R x E) distance to the left of
    each edge's line, squared distance from the edge."""
    shape = (len(rows), tables.areas, tables.edges)
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
        width = half_widths(tables.area_band[:, p], rows.size)
        within = changed & ~now & (near <= width * width)
        np.minimum(gap, width - gap, out=gap, where=within)
        for row, area in zip(*(at.tolist() for at in (changed ^ within).nonzero())):
            value = pass_edge(tables, table, rows.object(row), area, bool(now[row, area]))
            if value:
                hits.append(Hit(row, area, value))
    np.minimum(clearance, np.minimum.reduce(gap, axis=1), out=clearance)
    return hits


def follow_one(size: float, area: PlainArea, point: tuple[float, float], was: bool) -> tuple[float, bool | None]:
    """What ``follow`` does for one object, operation by operation. Returns (clearance that an object of this size has at an area;
    True if it may enter, False if it may leave, None if it stays). ``was``: whether it has been inside."""
    x, y = point
    near = inf
    inside = area.inverse
    for (a, b, c, d, e, f, length), y1, y2 in area.edges:
        side = x * a + y * b - c
        square = side * side
        if square < near:  # else it is farther from this edge's line than from an edge before
            beyond = x * d + y * e - f
            if beyond > 0.0:
                beyond = beyond - length if beyond > length else 0.0
            square += beyond * beyond
            if square < near:
                near = square
        if (y1 <= y) != (y2 <= y) and (side < 0) == (y2 > y1):
            inside = not inside
    gap = sqrt(near)
    if inside == was:
        return gap, None
    if not inside:  # it has left when out of the band as well
        width = half_width(area.band, size)
        if near <= width * width:
            return min(gap, width - gap), None
    return gap, inside


def pass_edge(tables: Tables, table: TrackTable, one: Object, area: int, goes_in: bool) -> float:
    """An object's point is in an area of which the object was outside, or beyond the band of one that it was in. Returns +1
    if it enters, -1 if it leaves, 0 if the area does not look at its class. (Who is inside may leave as anything.)"""
    if goes_in:
        last = tables.admits.shape[2] - 1
        if not tables.admits[one.plan, area, one.class_id if 0 <= one.class_id < last else last]:
            return 0.0
    table.inside[one.slot, area] = goes_in
    return 1.0 if goes_in else -1.0
