"""Line crossing with a hysteresis band.

An object is *outside* a line's band when its anchor point is farther from the line (from the nearest of its segments)
than the band's half-width. Between two moments outside, the passages of its path through the line's segments are summed
up with their sign. When it is outside again and the sum is not 0, it has crossed, in the direction of the sum's sign.
So jitter on the line cancels itself, no speed or number of frames is asked for, an object that walks round the end of
the line has passed nothing, and one that jumps over it between two frames has passed it. An object first seen inside
the band has no known origin and is not counted until it has been outside once.

One case is left: the sum is 0, but the object is on the other side. It went round the very end of the line without ever
leaving the band, so its point was never farther from the line than the point is uncertain. Then the straight way between
the two moments outside, which are certain, decides.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from countline.analytics.geometry import crossing_sign, overshoot, square_distance
from countline.analytics.native.nearby import advance_one, straight_way
from countline.analytics.native.plan import Tables
from countline.analytics.native.rows import Hit, Rows, boxes_anchors
from countline.analytics.native.table import ARMED, BORN, NEW, OUTSIDE, TrackTable

__all__ = ["FEW", "evaluate_lines", "sides"]

FEW = 12
"""Up to so many objects near lines, plain floats are quicker than arrays. Both give the same bits."""


def sides(tables: Tables, rows: Rows) -> NDArray[np.float64]:
    """(N, M) signed distance to each segment's line, positive on its left-hand side."""
    x, y = rows.anchors
    if not tables.same_anchor:
        index = tables.part_anchor[rows.plan]
        if index.ndim == 1:
            x, y = x[:, index], y[:, index]
        else:
            x, y = np.take_along_axis(x, index, 1), np.take_along_axis(y, index, 1)
    result: NDArray[np.float64] = x * tables.nx[rows.plan] + y * tables.ny[rows.plan] - tables.c[rows.plan]
    return result


def half_width(bands: NDArray[np.float64], same: bool, rows: Rows) -> NDArray[np.float64]:
    """(N, 1) or (N, rules) half-width of the band for each object."""
    size = rows.size[:, None]
    if same:
        factor, least, most = bands.reshape(3, -1)[:, 0]
    else:
        factor, least, most = bands[:, rows.plan]
    width: NDArray[np.float64] = np.minimum(np.maximum(size * factor, least), most)
    return width


def evaluate_lines(tables: Tables, table: TrackTable, rows: Rows) -> list[Hit]:
    """Move every object on by one frame; crossings found, ``value`` +1 to the left-hand side, -1 to the right.

    ``table.box`` must still hold the boxes of the previous frame.
    """
    if not tables.lines or not len(rows):
        return []
    slots = rows.slots
    side = sides(tables, rows)
    left = side >= 0
    before = table.left[slots]
    band = half_width(tables.line_band, tables.same_band, rows)
    wide = band if band.shape[1] == 1 or tables.parts == 1 else np.repeat(band, tables.parts, axis=1)
    near = (np.abs(side) <= wide) | (left != before)
    if tables.parts > 1:
        near = near.reshape(len(rows), tables.lines, tables.parts).any(axis=2)
    near |= table.phase[slots] != OUTSIDE
    table.left[slots] = left
    index = np.flatnonzero(near)
    if not len(index):
        return []
    row, line = np.divmod(index, tables.lines)
    known = rows.pick(tables.real, row, line, 0)
    if not known.all():
        row, line = row[known], line[known]
    width = band[row, 0] if band.shape[1] == 1 else band[row, line]
    if len(row) <= FEW:
        pairs = zip(row.tolist(), line.tolist(), width.tolist())
        hits = [advance_one(tables, table, rows, pair, before, left) for pair in pairs]
        return [hit for hit in hits if hit is not None]
    return _advance(tables, table, rows, row, line, width, before, left)


def _advance(
    tables: Tables,
    table: TrackTable,
    rows: Rows,
    row: NDArray[np.intp],
    line: NDArray[np.intp],
    width: NDArray[np.float64],
    before: NDArray[np.bool_],
    after: NDArray[np.bool_],
) -> list[Hit]:
    """The exact test for the pairs (object, line) that may matter."""
    slot = rows.slots[row]
    anchor = rows.pick(tables.line_anchor, row, line)
    qx, qy = rows.anchors[:, row, anchor, None]
    was = table.phase[slot, line]
    px, py = _previous(tables, table, rows, row, anchor)
    ax, ay, bx, by = (rows.pick(e, row, line) for e in (tables.ax, tables.ay, tables.bx, tables.by))
    part = line[:, None] * tables.parts + np.arange(tables.parts)
    sign = crossing_sign(px, py, qx, qy, ax, ay, bx, by, before[row[:, None], part], after[row[:, None], part])
    if tables.parts > 1:
        sign = sign * rows.pick(tables.real, row, line)
    step = np.where(was == NEW, 0, sign.sum(axis=1))
    total = np.where(was >= BORN, 0, table.net[slot, line] + step)
    outside = square_distance(qx, qy, ax, ay, bx, by).min(axis=1) > width * width
    entered = (was == OUTSIDE) & ~outside
    if entered.any():
        table.entry[slot[entered], line[entered]] = px[entered, 0] + 1j * py[entered, 0]
    round_end = np.flatnonzero(outside & (was == ARMED) & (total == 0))
    for i in round_end.tolist():
        pieces = tables.pieces[_plan(rows, int(row[i]))][int(line[i])]
        total[i] = straight_way(table.entry[slot[i], line[i]], (float(qx[i, 0]), float(qy[i, 0])), pieces, after[row[i], part[i]])
    crossed = outside & (total != 0)
    table.phase[slot, line] = np.where(outside, OUTSIDE, np.where(was >= BORN, BORN, ARMED))
    table.begun[slot, line] |= (was == NEW) & ~outside
    # Loops round the end of a line inside its band could add up without end.
    table.net[slot, line] = np.where(outside, 0, np.clip(total, -100, 100))
    _note_extension(tables, table, rows, row, line, (px, py, qx, qy, ax, ay, bx, by), (before, after, part, was, step))
    return [
        Hit(int(row[i]), int(line[i]), float(np.sign(total[i])), _along((px, py, qx, qy, ax, ay, bx, by), sign, i))
        for i in np.flatnonzero(crossed)
    ]


def _plan(rows: Rows, row: int) -> int:
    return rows.plan if isinstance(rows.plan, int) else int(rows.plan[row])


def _along(path: tuple[NDArray[np.float64], ...], sign: NDArray[np.int8], i: np.intp) -> float:
    """How far along its movement in this frame an object passed the line; 0 if it was past it before."""
    part = np.flatnonzero(sign[i])
    if not len(part):
        return 0.0
    px, py, qx, qy = (float(v[i, 0]) for v in path[:4])
    ax, ay, bx, by = (float(v[i, part[0]]) for v in path[4:])
    start = abs((bx - ax) * (py - ay) - (by - ay) * (px - ax))
    end = abs((bx - ax) * (qy - ay) - (by - ay) * (qx - ax))
    return start / (start + end) if start + end else 0.0


def _previous(
    tables: Tables, table: TrackTable, rows: Rows, row: NDArray[np.intp], anchor: NDArray[np.intp]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(K, 1) where the anchor point was in the frame before."""
    points = boxes_anchors(table.box[rows.slots[row]], rows.at(rows.aspect, row), tables.anchors)
    x, y = points[:, np.arange(len(row)), anchor, None]
    return x, y


def _note_extension(
    tables: Tables,
    table: TrackTable,
    rows: Rows,
    row: NDArray[np.intp],
    line: NDArray[np.intp],
    path: tuple[NDArray[np.float64], ...],
    change: tuple[Any, ...],
) -> None:
    """Remember for ``explain`` who passed a line beyond its ends, and how far beyond."""
    before, after, part, was, step = change
    turned = (before[row[:, None], part] != after[row[:, None], part]).any(axis=1) & (step == 0) & (was != NEW)
    if turned.any():
        at = np.flatnonzero(turned)
        beyond = overshoot(*(np.broadcast_to(p, path[4].shape)[at] for p in path)).min(axis=1)
        table.passed[rows.slots[row[at]], line[at]] = beyond
