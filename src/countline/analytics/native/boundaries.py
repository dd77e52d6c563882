"""Lines and areas: who passed which, for all objects of a micro-batch. One door: :func:`select`, then :func:`follow`.

One pass gives the distance of every anchor point to every segment of a line and every edge of an area. From it follow
all conditions; only pairs of object and rule for which something changes are then moved on, one by one.

:func:`follow_arrays` on all objects is the specification. Two short cuts stand before it, which change no result: objects
in their safe region are not looked at (``safe_region``), and up to ``SMALL_BATCH`` the others are looked at with plain floats,
which does the same operations and gives the same bits.
"""

from __future__ import annotations

from math import inf
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from countline.analytics.native import areas, polylines
from countline.analytics.native.arrays import F8, MOST_EXTENT, Hit, Object, Rows, boxes_anchors
from countline.analytics.native.batch import MicroBatch, rows_of
from countline.analytics.native.polylines import anchor_of
from countline.analytics.native.safe_region import bounds, draw, left_safe_region
from countline.analytics.native.table import TrackTable
from countline.analytics.native.tables import Tables

__all__ = ["SMALL_BATCH", "Selection", "follow", "follow_arrays", "select", "sides"]

SMALL_BATCH = 300
"""Up to so many sums, as reckoned by ``_small``, are done with plain floats."""


class Selection(NamedTuple):
    """The objects of a micro-batch that must be looked at."""

    which: NDArray[np.intp]
    """Their rows in the micro-batch, in ascending order."""
    chosen: Rows | list[Object]

    def sound(self) -> bool:
        """Whether all their boxes are boxes. NaN makes every comparison false."""
        chosen = self.chosen
        if not chosen:
            return True
        if isinstance(chosen, list):
            extents = [(right - left, bottom - top) for left, top, right, bottom in [one.box for one in chosen]]
            return all(0 <= width < MOST_EXTENT and 0 <= height < MOST_EXTENT for width, height in extents)
        return bool(chosen.extent.min() >= 0 and chosen.extent.max() < MOST_EXTENT)


def select(
    tables: Tables,
    table: TrackTable,
    batch: MicroBatch,
    boxes: F8,
    classes: NDArray[np.int32],
    *,
    fast: bool = True,
) -> Selection:
    """Who must be looked at, given (N, 4) normalised boxes and (N,) classes of all; everybody unless ``fast``."""
    if not fast:
        return Selection(np.arange(len(boxes)), rows_of(tables, batch, boxes, classes))
    index = left_safe_region(tables, table, batch.slots, boxes, classes)
    if not _small(tables, len(index)):
        return Selection(index, rows_of(tables, batch, boxes, classes, index))
    if not len(index):
        return Selection(index, [])
    slots, plan, aspect = batch.slots.take(index).tolist(), batch.plan, batch.aspect
    columns = boxes.take(index, 0).tolist(), classes.take(index).tolist()
    if isinstance(plan, np.ndarray):
        chosen = [Object(*o) for o in zip(slots, columns[0], plan[index].tolist(), aspect[index].tolist(), columns[1])]
    else:
        chosen = [Object(slot, box, plan, aspect, class_id) for slot, box, class_id in zip(slots, *columns)]
    return Selection(index, chosen)


def _small(tables: Tables, objects: int) -> bool:
    """Whether plain floats are quicker for so many objects: each costs about as much as eight segments."""
    return bool(objects * (8 + tables.segments.shape[2]) <= SMALL_BATCH)


def follow(tables: Tables, table: TrackTable, selection: Selection) -> tuple[list[Hit], list[Hit]]:
    """Move the selected objects on by one frame. Returns the crossings found (``value`` +1 to the left-hand side, -1 to the
    right), and who entered (+1) or left (-1) which area; each by object, then by rule. Each object gets its safe region.

    ``table.box`` must still hold the boxes of the previous frame.
    """
    which, chosen = selection
    if isinstance(chosen, list):
        crossings, passages = _follow_each(tables, table, chosen) if chosen else ([], [])
    else:
        crossings, passages = follow_arrays(tables, table, chosen)
    for hit in (*crossings, *passages):
        hit.row = int(which[hit.row])
    return crossings, passages


def follow_arrays(tables: Tables, table: TrackTable, rows: Rows) -> tuple[list[Hit], list[Hit]]:
    """What ``follow`` does, with arrays; ``row`` of what is found counts among ``rows``."""
    crossings: list[Hit] = []
    passages: list[Hit] = []
    x, y = _points(tables, rows.anchors, rows.plan)
    a, b, c, d, e, f, length = tables.segments[:, rows.plan]
    side = x * a + y * b - c
    along = x * d + y * e - f
    beyond = along - np.minimum(np.maximum(along, 0.0), length)
    square = side * side + beyond * beyond
    clearance = np.full(len(rows), np.inf)
    m = tables.line_segments
    if tables.lines:
        was = boxes_anchors(table.box.take(rows.slots, 0), rows.aspect, tables.anchors)
        u, v = _points(tables, was, rows.plan)
        before = (u * a + v * b - c)[:, :m] >= 0
        crossings = polylines.follow(tables, table, rows, (before, side[:, :m] >= 0), square[:, :m], clearance)
    if tables.areas:
        heights = y[:, m:].reshape(len(rows), tables.areas, tables.edges) if y.shape[1] > 1 else y[:, :, None]
        passages = areas.follow(tables, table, rows, heights, side[:, m:], square[:, m:], clearance)
    draw(tables, table, rows.slots, rows.box, rows.aspect, clearance)
    if not tables.all_admit:
        table.looked[rows.slots] = rows.class_id
    return crossings, passages


def _follow_each(tables: Tables, table: TrackTable, chosen: list[Object]) -> tuple[list[Hit], list[Hit]]:
    crossings: list[Hit] = []
    passages: list[Hit] = []
    regions = []
    for row, one in enumerate(chosen):
        clearance = _follow_one(tables, table, row, one, crossings, passages)
        regions.append(bounds(tables, one.box, one.aspect, clearance))
    slots = [one.slot for one in chosen]
    safe = np.array(regions)
    table.low[slots] = safe[:, :4]
    table.high[slots] = safe[:, 4:]
    if not tables.all_admit:
        table.looked[slots] = [one.class_id for one in chosen]
    return crossings, passages


def _follow_one(
    tables: Tables, table: TrackTable, row: int, one: Object, crossings: list[Hit], passages: list[Hit]
) -> float:
    """Move an object on by one frame: what ``follow_arrays`` does, operation by operation, so that the result does
    not depend on how many objects are looked at. What is found is added to the two lists. Returns its clearance."""
    left, top, right, bottom = one.box
    size = max((right - left) * one.aspect, bottom - top)
    points = [anchor_of(one.box, one.aspect, fraction) for fraction in tables.fractions]
    plain_lines, plain_areas = tables.plain[one.plan]
    clearance = inf
    if plain_lines:
        was = table.box[one.slot].tolist()
        origins = [anchor_of(was, one.aspect, fraction) for fraction in tables.fractions]
        phases, seen = table.phase[one.slot].tolist(), table.left[one.slot].tolist()
        for column, line in enumerate(plain_lines):
            way = origins[line.anchor], points[line.anchor]
            known = way, phases[column], seen
            gap, value, along = polylines.follow_one(tables, table, (one, size, column), line, known)
            if gap < clearance:
                clearance = gap
            if value:
                crossings.append(Hit(row, column, value, along))
    if plain_areas:
        inside = table.inside[one.slot].tolist()
        for column, area in enumerate(plain_areas):
            gap, goes = areas.follow_one(size, area, points[area.anchor], inside[column])
            if gap < clearance:
                clearance = gap
            if goes is not None:
                value = areas.pass_edge(tables, table, one, column, goes)
                if value:
                    passages.append(Hit(row, column, value))
    return clearance


def sides(tables: Tables, rows: Rows) -> F8:
    """(N, M) signed distance to the line of each segment of each line, positive on its left-hand side."""
    m = tables.line_segments
    x, y = _points(tables, rows.anchors, rows.plan)
    a, b, c = tables.segments[:3, rows.plan]
    result: F8 = x * a + y * b - c
    return result[:, :m]


def _points(tables: Tables, anchors: F8, plan: Any) -> tuple[F8, F8]:
    """x and y, each (N, 1) or (N, Z), of the anchor point that each segment is for."""
    x, y = anchors
    if tables.same_anchor:
        return x, y
    index = tables.segment_anchor[plan]
    if index.ndim == 1:
        return x[:, index], y[:, index]
    return np.take_along_axis(x, index, 1), np.take_along_axis(y, index, 1)
