"""Occupancy of polygons with hysteresis: an object is inside as soon as its anchor point is in the polygon, and has left
when the point is farther outside than the band's half-width. (Entering asks for no depth, so regions that are smaller
than the band work too.)"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from countline.analytics.geometry import square_distance, square_distance_one
from countline.analytics.native.lines import half_width
from countline.analytics.native.plan import Tables
from countline.analytics.native.rows import Hit, Rows
from countline.analytics.native.table import TrackTable

__all__ = ["FEW", "contains", "evaluate_regions"]

FEW = 12
"""As for lines: up to so many, plain floats are quicker, and give the same bits."""


def contains(tables: Tables, rows: Rows) -> NDArray[np.bool_]:
    """(N, R) whether each anchor point is in each polygon: even-odd rule, inverse regions turned round."""
    x, y = rows.anchors
    if not tables.same_anchor:
        index = tables.region_anchor[rows.plan]
        if index.ndim == 1:
            x, y = x[:, index], y[:, index]
        else:
            x, y = np.take_along_axis(x, index, 1), np.take_along_axis(y, index, 1)
    x, y = x[:, :, None], y[:, :, None]
    p = rows.plan
    spans = (tables.edge[1, p] <= y) != (tables.edge[3, p] <= y)
    cross = tables.edge_dx[p] * y - tables.edge_dy[p] * x - tables.edge_c[p]
    spans &= (cross > 0) == tables.edge_down[p]
    inside: NDArray[np.bool_] = np.logical_xor.reduce(spans, axis=2)
    if tables.any_inverse:
        inside ^= tables.inverse[p]
    return inside


def evaluate_regions(tables: Tables, table: TrackTable, rows: Rows) -> list[Hit]:
    """Who entered (``value`` 1) or left (-1) which region in this round."""
    if not tables.regions or not len(rows):
        return []
    now = contains(tables, rows)
    was = table.inside[rows.slots]
    changed = now != was
    if not changed.any():
        return []
    row, region = np.nonzero(changed)
    goes_in = now[row, region]
    valid = goes_in.copy()
    if not tables.all_admit:
        last = tables.admits.shape[2] - 1
        class_id = np.where((rows.class_id < 0) | (rows.class_id > last), last, rows.class_id)[row]
        valid &= rows.pick(tables.admits, row, region, class_id)
    out = np.flatnonzero(~goes_in)
    if len(out):
        valid[out] = _far(tables, rows, row[out], region[out])
    row, region, goes_in = row[valid], region[valid], goes_in[valid]
    table.inside[rows.slots[row], region] = goes_in
    return [Hit(int(a), int(b), 1.0 if c else -1.0) for a, b, c in zip(row, region, goes_in)]


def _far(tables: Tables, rows: Rows, row: NDArray[np.intp], region: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Whether the anchor point is farther from the polygon's edge than the band."""
    if len(row) <= FEW:
        pairs = zip(row.tolist(), region.tolist())
        return np.array([_far_one(tables, rows, at, index) for at, index in pairs], bool)
    anchor = rows.pick(tables.region_anchor, row, region)
    x, y = rows.anchors[:, row, anchor, None]
    x1, y1, x2, y2 = (rows.pick(tables.edge[i], row, region) for i in range(4))
    distance = square_distance(x, y, x1, y1, x2, y2).min(axis=1)
    band = half_width(tables.region_band, False, rows)
    limit = band[row, region]
    far: NDArray[np.bool_] = distance > limit * limit
    return far


def _far_one(tables: Tables, rows: Rows, row: int, region: int) -> bool:
    """``_far`` for one object."""
    plan = rows.plan if isinstance(rows.plan, int) else int(rows.plan[row])
    x, y = rows.anchors[:, row, int(tables.region_anchor[plan, region])].tolist()
    factor, least, most = tables.region_band[:, plan, region].tolist()
    limit = min(max(float(rows.size[row]) * factor, least), most)
    nearest = min(square_distance_one(x, y, edge) for edge in tables.corners[plan][region])
    return bool(nearest > limit * limit)
