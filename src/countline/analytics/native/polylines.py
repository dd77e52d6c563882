"""Lines: who passes them, for one object with plain floats and for many with arrays.

An object is *outside* a line's band when its anchor point is farther from the line (from the nearest of its
segments) than the band's half-width. Between two moments outside, the passages of its path through the line's segments
are summed up with their sign. When it is outside again and the sum is not 0, it has crossed, in the direction of the
sum's sign. So jitter on the line cancels itself, no speed or number of frames is asked for, an object that walks round
the end of the line has passed nothing, and one that jumps over it between two frames has passed it. An object first seen
within half the band has no known origin and is not counted until it has been outside once; one first seen in the outer half
came from that side (boxes jitter by far less than half a band) and is counted if it gets outside on the other.

One case is left: the sum is 0, but the object is on the other side. It went round the very end of the line without ever
leaving the band, so its point was never farther from the line than the point is uncertain. Then the straight way between
the two moments outside, which are certain, decides.
"""

from __future__ import annotations

from math import inf, sqrt

import numpy as np
from numpy.typing import NDArray

from countline.analytics.native.arrays import F8, Hit, Object, Rows
from countline.analytics.native.band import half_widths
from countline.analytics.native.table import FIRST_SEEN_IN_BAND, OUTSIDE, PENDING, UNSEEN, TrackTable
from countline.analytics.native.tables import PlainLine, Span, Tables

__all__ = ["SIDE_KNOWN", "Point", "anchor_of", "follow", "follow_one", "straight_way"]

Point = tuple[float, float]
SIDE_KNOWN = 0.5
"""Part of the band's half-width from which on an object that is first seen there is on the side where it is seen."""
LONGER = 1 + 1e-9
"""By so much more than it may be rounded by."""


def follow(
    tables: Tables,
    table: TrackTable,
    rows: Rows,
    sides: tuple[NDArray[np.bool_], NDArray[np.bool_]],
    square: F8,
    clearance: F8,
) -> list[Hit]:
    """Move many objects on by one frame at all lines. Returns the crossings (``value`` +1 to the left-hand side, -1 to the right),
    and lessens the (N,) ``clearance`` of each.

    ``sides``: (N, M) whether each object is on the left-hand side of each segment, in the frame before and now; ``square``:
    (N, M) its squared distance from it.
    """
    slots = rows.slots
    before, after = sides
    seen = table.left.take(slots, 0)
    table.left[slots] = after
    turned, strayed = after != before, after != seen
    if tables.parts > 1:
        shape = (len(rows), tables.lines, tables.parts)
        turned, strayed = turned.reshape(shape).any(axis=2), strayed.reshape(shape).any(axis=2)
        square = np.minimum.reduce(square.reshape(shape), axis=2)
    width = half_widths(tables.one_band if tables.same_band else tables.line_band[:, rows.plan], rows.size)
    gap = np.sqrt(square)
    outside = square > width * width
    phase = table.phase.take(slots, 0)
    fresh = phase == UNSEEN
    if fresh.any():
        sure = gap > SIDE_KNOWN * width
        first = np.where(outside, OUTSIDE, np.where(sure, PENDING, FIRST_SEEN_IN_BAND))
        phase = np.where(fresh, first, phase).astype(np.int8)
        table.phase[slots] = phase
        table.begun[slots] |= fresh & ~outside & ~sure
        for row, line in zip(*(at.tolist() for at in (fresh & ~outside & sure).nonzero())):
            one = rows.object(row)
            fraction = tables.fractions[int(tables.line_anchor[one.plan, line])]
            table.entry[one.slot, line] = complex(*anchor_of(one.box, one.aspect, fraction))
        turned &= ~fresh
        strayed &= ~fresh
    # Outside, the band is the next thing to come; within, the line or the band's end.
    np.minimum(
        clearance,
        np.minimum.reduce(np.minimum(np.abs(gap - width), np.where(outside, np.inf, gap)), axis=1),
        out=clearance,
    )
    hits = []
    for row, line in zip(*(at.tolist() for at in (turned | (outside != (phase == OUTSIDE))).nonzero())):
        part = slice(line * tables.parts, (line + 1) * tables.parts)
        both = (before[row, part].tolist(), after[row, part].tolist())
        value, along = cross(tables, table, rows.object(row), line, bool(outside[row, line]), *both)
        if value:
            hits.append(Hit(row, line, value, along))
    if strayed.any():
        for row, line in zip(*(at.tolist() for at in strayed.nonzero())):
            stray(tables, table, rows.object(row), line)
    return hits


def anchor_of(box: list[float], aspect: float, fraction: Point) -> Point:
    """Anchor point of a normalised box in picture heights, as ``arrays.anchor_points``."""
    left, top, right, bottom = box
    return (left + (right - left) * fraction[0]) * aspect, top + (bottom - top) * fraction[1]


# Here comparisons stand where min() and max() would be shorter: this is called for each object that is looked at, and those
# two would take most of its time.


def follow_one(
    tables: Tables,
    table: TrackTable,
    who: tuple[Object, float, int],
    line: PlainLine,
    known: tuple[tuple[Point, Point], int, list[bool]],
) -> tuple[float, float, float]:
    """Move one object on by one frame at a line, operation by operation as ``follow`` does. Returns (clearance that it has there;
    then what ``cross`` tells).

    ``known``: its way in this frame, its phase, and the sides of all segments on which it was when it was looked at last.
    """
    one, size, index = who
    ((u, v), (x, y)), phase, seen = known
    near = inf
    after = []
    for a, b, c, d, e, f, length in line.segments:
        side = x * a + y * b - c
        beyond = x * d + y * e - f
        if beyond > 0.0:
            beyond = beyond - length if beyond > length else 0.0
        square = side * side + beyond * beyond
        if square < near:
            near = square
        after.append(side >= 0)
    factor, least, most = line.band  # half_width(line.band, size), without a call for each object and line
    width = min(max(size * factor, least), most)
    gap = sqrt(near)
    outside = near > width * width
    if outside:
        clearance = gap - width
    else:
        clearance = width - gap if width - gap < gap else gap
    first = index * tables.parts
    last = first + len(after)
    if phase == UNSEEN:
        sure = gap > SIDE_KNOWN * width
        table.phase[one.slot, index] = OUTSIDE if outside else PENDING if sure else FIRST_SEEN_IN_BAND
        if not outside:
            table.begun[one.slot, index] |= not sure
            if sure:
                table.entry[one.slot, index] = complex(x, y)
        table.left[one.slot, first:last] = after
        return clearance, 0.0, 1.0
    before = after
    if near <= ((x - u) * (x - u) + (y - v) * (y - v)) * LONGER:  # else its way was too short to pass anything
        before = [u * a + v * b - c >= 0 for a, b, c, *_ in line.segments]
    value, share = 0.0, 1.0
    if before != after or outside != (phase == OUTSIDE):
        value, share = cross(tables, table, one, index, outside, before, after)
    if seen[first:last] != after:
        stray(tables, table, one, index)
        table.left[one.slot, first:last] = after
    return clearance, value, share


def cross(
    tables: Tables, table: TrackTable, one: Object, line: int, outside: bool, before: list[bool], after: list[bool]
) -> tuple[float, float]:
    """An object that is not new to a line has changed the side of one of its segments, or entered or left its band.

    Returns (+1 if it has crossed to the left-hand side, -1 to the right, 0 if it has not crossed; how far along its
    movement in this frame, 0..1).
    """
    slot = one.slot
    spans: list[Span] = tables.spans[one.plan][line]
    was = table.phase.item(slot, line)
    fraction = tables.fractions[int(tables.line_anchor[one.plan, line])]
    now = anchor_of(one.box, one.aspect, fraction)
    origin = anchor_of(table.box[slot].tolist(), one.aspect, fraction)
    path = (*origin, *now)
    signs = [_sign(path, span, a, b) for span, a, b in zip(spans, before, after)]
    step = sum(signs)
    total = 0 if was == FIRST_SEEN_IN_BAND else int(table.net[slot, line]) + step
    if was == OUTSIDE and not outside:
        table.entry[slot, line] = complex(*origin)
    if was == PENDING and outside and total == 0:
        total = straight_way(table.entry[slot, line], now, spans, after)
    table.phase[slot, line] = OUTSIDE if outside else FIRST_SEEN_IN_BAND if was == FIRST_SEEN_IN_BAND else PENDING
    # Loops round the end of a line inside its band could add up without end.
    table.net[slot, line] = 0 if outside else min(max(total, -100), 100)
    if not outside or total == 0:
        return 0.0, 1.0
    return (1.0 if total > 0 else -1.0), _along(path, spans, signs)


def stray(tables: Tables, table: TrackTable, one: Object, line: int) -> None:
    """An object has been on the other side of a line when it was looked at last. If it came here beyond the line's ends, note
    for ``explain`` how far beyond."""
    fraction = tables.fractions[int(tables.line_anchor[one.plan, line])]
    low, high = table.low[one.slot].tolist(), table.high[one.slot].tolist()
    # It was looked at in the middle of its safe region; without one, in the frame before.
    was = [(a + b) / 2 for a, b in zip(low, high)] if low[0] < high[0] < inf else table.box[one.slot].tolist()
    path = (*anchor_of(was, one.aspect, fraction), *anchor_of(one.box, one.aspect, fraction))
    beyond = min([_overshoot(path, span) for span in tables.spans[one.plan][line]])
    if beyond > 0:
        table.passed[one.slot, line] = beyond


def _overshoot(path: Span, span: Span) -> float:
    """How far beyond the ends of segment A-B the movement P->Q meets the segment's line; 0 between the ends, infinite where
    both are parallel."""
    px, py, qx, qy = path
    ax, ay, bx, by = span
    dx, dy = bx - ax, by - ay
    mx, my = qx - px, qy - py
    det = dx * my - dy * mx
    if det == 0:
        return inf
    t = ((px - ax) * my - (py - ay) * mx) / det
    return max(-t, t - 1.0, 0.0) * sqrt(dx * dx + dy * dy)


def straight_way(entry: complex, now: Point, spans: list[Span], after: list[bool]) -> int:
    """Passages of the straight way from where the object last was outside the band to where it is outside again."""
    total = 0
    path = (entry.real, entry.imag, *now)
    for span, left in zip(spans, after):
        ax, ay, bx, by = span
        was_left = (bx - ax) * (entry.imag - ay) - (by - ay) * (entry.real - ax) <= 0
        total += _sign(path, span, was_left, left)
    return total


def _sign(path: Span, span: Span, before: bool, after: bool) -> int:
    """+1 where the movement P->Q passes through segment A-B from its right-hand to its left-hand side (on screen,
    walking A->B), -1 the other way, 0 where it does not pass.

    ``before`` and ``after`` tell whether P and Q are on the left-hand side; a point on the line counts as left. All
    tests are half-open in the same sense, so that a movement through the common end of two segments of a polyline
    passes exactly one of them, and a path that is split at any point passes as often as the whole.
    """
    if before == after:
        return 0
    px, py, qx, qy = path
    ax, ay, bx, by = span
    mx, my = qx - px, qy - py
    a_left = mx * (ay - py) - my * (ax - px) >= 0
    b_left = mx * (by - py) - my * (bx - px) >= 0
    if a_left == b_left:
        return 0
    return 1 if after else -1


def _along(path: Span, spans: list[Span], signs: list[int]) -> float:
    """How far along its movement in this frame an object passed the line; 0 if it was past it before."""
    px, py, qx, qy = path
    for sign, (ax, ay, bx, by) in zip(signs, spans):
        if sign:
            start = abs((bx - ax) * (py - ay) - (by - ay) * (px - ax))
            end = abs((bx - ax) * (qy - ay) - (by - ay) * (qx - ax))
            return start / (start + end) if start + end else 0.0
    return 0.0
