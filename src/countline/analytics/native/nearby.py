"""Lines and regions for one object, with plain floats.

**Lines.** An object is *outside* a line's band when its anchor point is farther from the line (from the nearest of its
segments) than the band's half-width. Between two moments outside, the passages of its path through the line's segments
are summed up with their sign. When it is outside again and the sum is not 0, it has crossed, in the direction of the
sum's sign. So jitter on the line cancels itself, no speed or number of frames is asked for, an object that walks round
the end of the line has passed nothing, and one that jumps over it between two frames has passed it. An object first seen
inside the band has no known origin and is not counted until it has been outside once.

One case is left: the sum is 0, but the object is on the other side. It went round the very end of the line without ever
leaving the band, so its point was never farther from the line than the point is uncertain. Then the straight way between
the two moments outside, which are certain, decides.

**Regions.** An object is inside as soon as its anchor point is in the polygon, and has left when the point is farther
outside than the band's half-width. (Entering asks for no depth, so regions that are smaller than the band work too.)
"""

from __future__ import annotations

from math import inf, sqrt
from typing import Any, NamedTuple

import numpy as np

from countline.analytics.geometry import overshoot
from countline.analytics.native.calm import ROUNDING
from countline.analytics.native.plan import PlainRegion, Segment, Tables
from countline.analytics.native.rows import Hit
from countline.analytics.native.table import ARMED, BORN, NEW, OUTSIDE, TrackTable

__all__ = ["Object", "cross", "look", "pass_edge"]

Point = tuple[float, float]
Piece = tuple[float, float, float, float]


class Object(NamedTuple):
    """One object of a round."""

    slot: int
    box: list[float]
    """Left, top, right, bottom, normalised."""
    plan: int
    aspect: float
    class_id: int


def look(tables: Tables, table: TrackTable, row: int, one: Object, lines: list[Hit], regions: list[Hit]) -> float:
    """Move an object on by one frame: what ``places.evaluate_places`` does, with the same operations wherever they decide
    something, so that the result does not depend on how many objects are looked at. What is found is added to the two
    lists. Returns the room that the object has (see ``calm``) or, where that is less work, what it has at least."""
    left, top, right, bottom = one.box
    size = max((right - left) * one.aspect, bottom - top)
    points = [place(one.box, one.aspect, fraction) for fraction in tables.fractions]
    plain_lines, plain_regions = tables.plain[one.plan]
    room = inf
    for index, (anchor, band, segments) in enumerate(plain_lines):
        width = min(max(size * band[0], band[1]), band[2])
        near, after = _sides(points[anchor], segments)
        outside = near * near > width * width
        # Farther from the segments' lines than the band is wide, it is farther from the segments too.
        gap = near - width
        if not outside:
            square = min([_square(points[anchor], segment) for segment in segments])
            outside = square > width * width
            gap = abs(sqrt(square) - width)
        room = min(room, near, gap)
        first = index * tables.parts
        sides = table.left[one.slot, first : first + len(after)]
        before = sides.tolist()
        phase = table.phase.item(one.slot, index)
        if before != after:
            sides[:] = after
        elif outside == (phase == OUTSIDE) and phase != NEW:
            continue
        if phase == NEW:
            table.phase[one.slot, index] = OUTSIDE if outside else BORN
            table.begun[one.slot, index] |= not outside
        else:
            value, way = cross(tables, table, one, index, outside, before, after)
            if value:
                lines.append(Hit(row, index, value, way))
    for index, region in enumerate(plain_regions):
        gap, value = _region(tables, table, (one, size, index), region, points[region.anchor])
        room = min(room, gap)
        if value:
            regions.append(Hit(row, index, value))
    return room


def place(box: list[float], aspect: float, fraction: Point) -> Point:
    """Anchor point of a normalised box in picture heights, as ``rows.anchor_points``."""
    left, top, right, bottom = box
    return (left + (right - left) * fraction[0]) * aspect, top + (bottom - top) * fraction[1]


def _sides(point: Point, segments: list[Segment]) -> tuple[float, list[bool]]:
    """(distance to the nearest of the segments' lines, whether the point is on the left-hand side of each)."""
    x, y = point
    sides = [x * a + y * b - c for a, b, c, *_ in segments]
    return min([abs(side) for side in sides]), [side >= 0 for side in sides]


def _square(point: Point, segment: Segment) -> float:
    """Square of the distance to a segment."""
    x, y = point
    a, b, c, d, e, f, length = segment
    side = x * a + y * b - c
    along = x * d + y * e - f
    beyond = along - min(max(along, 0.0), length)
    return side * side + beyond * beyond


def _region(
    tables: Tables, table: TrackTable, who: tuple[Object, float, int], region: PlainRegion, point: Point
) -> tuple[float, float]:
    """(room that the object has at a region, at least; +1 if it enters, -1 if it leaves, 0 if neither)."""
    one, size, index = who
    x, y = point
    west, north, east, south = region.bounds
    was = table.inside.item(one.slot, index)
    clear = max(west - x, x - east, north - y, y - south)
    if clear > ROUNDING and was == region.inverse:
        return clear, 0.0  # far from its edges, on the same side as before
    near = inf
    inside = region.inverse
    for segment, (y1, y2) in region.edges:
        near = min(near, _square(point, segment))
        if (y1 <= y) != (y2 <= y):
            inside ^= (x * segment[0] + y * segment[1] - segment[2] < 0) == (y2 > y1)
    gap = sqrt(near)
    if inside == was:
        return gap, 0.0
    if not inside:  # it has left when out of the band as well
        factor, least, most = region.band
        width = min(max(size * factor, least), most)
        if near <= width * width:
            return min(gap, width - gap), 0.0
    return gap, pass_edge(tables, table, one, index, inside)


def pass_edge(tables: Tables, table: TrackTable, one: Object, region: int, goes_in: bool) -> float:
    """An object's point is in a region of which the object was outside, or beyond the band of one that it was in. Returns +1
    if it enters, -1 if it leaves, 0 if the region does not look at its class. (Who is inside may leave as anything.)"""
    if goes_in:
        last = tables.admits.shape[2] - 1
        if not tables.admits[one.plan, region, one.class_id if 0 <= one.class_id < last else last]:
            return 0.0
    table.inside[one.slot, region] = goes_in
    return 1.0 if goes_in else -1.0


def cross(
    tables: Tables, table: TrackTable, one: Object, line: int, outside: bool, before: list[bool], after: list[bool]
) -> tuple[float, float]:
    """An object that is not new to a line has changed the side of one of its segments, or entered or left its band.

    Returns (+1 if it has crossed to the left-hand side, -1 to the right, 0 if it has not crossed; how far along its
    movement in this frame, 0..1).
    """
    slot = one.slot
    pieces: list[Piece] = tables.pieces[one.plan][line]
    was = table.phase.item(slot, line)
    fraction = tables.fractions[int(tables.line_anchor[one.plan, line])]
    now = place(one.box, one.aspect, fraction)
    origin = place(table.box[slot].tolist(), one.aspect, fraction)
    path = (*origin, *now)
    signs = [_sign(path, piece, a, b) for piece, a, b in zip(pieces, before, after)]
    step = sum(signs)
    total = 0 if was == BORN else int(table.net[slot, line]) + step
    if was == OUTSIDE and not outside:
        table.entry[slot, line] = complex(*origin)
    if was == ARMED and outside and total == 0:
        total = _straight_way(table.entry[slot, line], now, pieces, after)
    table.phase[slot, line] = OUTSIDE if outside else BORN if was == BORN else ARMED
    # Loops round the end of a line inside its band could add up without end.
    table.net[slot, line] = 0 if outside else min(max(total, -100), 100)
    if step == 0 and before != after:
        # For ``explain``: it passed beyond the line's ends, and so far beyond.
        ends: Any = np.array(pieces).T
        table.passed[slot, line] = overshoot(*(np.full(len(pieces), v) for v in path), *ends).min()
    if not outside or total == 0:
        return 0.0, 1.0
    return (1.0 if total > 0 else -1.0), _along(path, pieces, signs)


def _straight_way(entry: complex, now: Point, pieces: list[Piece], after: list[bool]) -> int:
    """Passages of the straight way from where the object last was outside the band to where it is outside again."""
    total = 0
    path = (entry.real, entry.imag, *now)
    for piece, left in zip(pieces, after):
        ax, ay, bx, by = piece
        was_left = (bx - ax) * (entry.imag - ay) - (by - ay) * (entry.real - ax) <= 0
        total += _sign(path, piece, was_left, left)
    return total


def _sign(path: Piece, piece: Piece, before: bool, after: bool) -> int:
    """+1 where the movement P->Q passes through segment A-B from its right-hand to its left-hand side (on screen,
    walking A->B), -1 the other way, 0 where it does not pass.

    ``before`` and ``after`` tell whether P and Q are on the left-hand side; a point on the line counts as left. All
    tests are half-open in the same sense, so that a movement through the common end of two segments of a polyline
    passes exactly one of them, and a path that is split at any point passes as often as the whole.
    """
    if before == after:
        return 0
    px, py, qx, qy = path
    ax, ay, bx, by = piece
    mx, my = qx - px, qy - py
    a_left = mx * (ay - py) - my * (ax - px) >= 0
    b_left = mx * (by - py) - my * (bx - px) >= 0
    if a_left == b_left:
        return 0
    return 1 if after else -1


def _along(path: Piece, pieces: list[Piece], signs: list[int]) -> float:
    """How far along its movement in this frame an object passed the line; 0 if it was past it before."""
    px, py, qx, qy = path
    for sign, (ax, ay, bx, by) in zip(signs, pieces):
        if sign:
            start = abs((bx - ax) * (py - ay) - (by - ay) * (px - ax))
            end = abs((bx - ax) * (qy - ay) - (by - ay) * (qx - ax))
            return start / (start + end) if start + end else 0.0
    return 0.0
