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
from typing import NamedTuple

from countline.analytics.native.band import half_width
from countline.analytics.native.plan import PlainLine, PlainRegion, Tables
from countline.analytics.native.rows import Hit
from countline.analytics.native.table import ARMED, BORN, NEW, OUTSIDE, TrackTable

__all__ = ["Object", "cross", "look", "pass_edge", "straight_way", "stray"]

Point = tuple[float, float]
Piece = tuple[float, float, float, float]
LONGER = 1 + 1e-9
"""By so much more than it may be rounded by."""


class Object(NamedTuple):
    """One object of a round."""

    slot: int
    box: list[float]
    """Left, top, right, bottom, normalised."""
    plan: int
    aspect: float
    class_id: int


def look(tables: Tables, table: TrackTable, row: int, one: Object, lines: list[Hit], regions: list[Hit]) -> float:
    """Move an object on by one frame: what ``places.evaluate_places`` does, operation by operation, so that the result does
    not depend on how many objects are looked at. What is found is added to the two lists. Returns the room that the
    object has (see ``calm``)."""
    left, top, right, bottom = one.box
    size = max((right - left) * one.aspect, bottom - top)
    points = [place(one.box, one.aspect, fraction) for fraction in tables.fractions]
    plain_lines, plain_regions = tables.plain[one.plan]
    room = inf
    if plain_lines:
        was = table.box[one.slot].tolist()
        origins = [place(was, one.aspect, fraction) for fraction in tables.fractions]
        phases, seen = table.phase[one.slot].tolist(), table.left[one.slot].tolist()
        for index, line in enumerate(plain_lines):
            way = origins[line.anchor], points[line.anchor]
            gap, value, along = _line(tables, table, (one, size, index), line, (way, phases[index], seen))
            if gap < room:
                room = gap
            if value:
                lines.append(Hit(row, index, value, along))
    if plain_regions:
        inside = table.inside[one.slot].tolist()
        for index, region in enumerate(plain_regions):
            gap, goes = _region(size, region, points[region.anchor], inside[index])
            if gap < room:
                room = gap
            if goes is not None:
                value = pass_edge(tables, table, one, index, goes)
                if value:
                    regions.append(Hit(row, index, value))
    return room


def place(box: list[float], aspect: float, fraction: Point) -> Point:
    """Anchor point of a normalised box in picture heights, as ``rows.anchor_points``."""
    left, top, right, bottom = box
    return (left + (right - left) * fraction[0]) * aspect, top + (bottom - top) * fraction[1]


# In the two functions below, comparisons stand where min() and max() would be shorter: they are called for each object
# that is looked at, and those two would take most of their time.


def _line(
    tables: Tables,
    table: TrackTable,
    who: tuple[Object, float, int],
    line: PlainLine,
    known: tuple[tuple[Point, Point], int, list[bool]],
) -> tuple[float, float, float]:
    """(room that the object has at a line; then what ``cross`` tells). ``known``: its way in this frame, its phase, and the
    sides of all segments on which it was when it was looked at last."""
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
    factor, least, soft, growth, most = line.band  # half_width(line.band, size), without a call for each object and line
    width = min(max(min(max(size * factor, least), soft), size * growth), most)
    gap = sqrt(near)
    outside = near > width * width
    if outside:
        room = gap - width
    else:
        room = width - gap if width - gap < gap else gap
    first = index * tables.parts
    last = first + len(after)
    if phase == NEW:
        table.phase[one.slot, index] = OUTSIDE if outside else BORN
        table.begun[one.slot, index] |= not outside
        table.left[one.slot, first:last] = after
        return room, 0.0, 1.0
    before = after
    if near <= ((x - u) * (x - u) + (y - v) * (y - v)) * LONGER:  # else its way was too short to pass anything
        before = [u * a + v * b - c >= 0 for a, b, c, *_ in line.segments]
    value, share = 0.0, 1.0
    if before != after or outside != (phase == OUTSIDE):
        value, share = cross(tables, table, one, index, outside, before, after)
    if seen[first:last] != after:
        stray(tables, table, one, index)
        table.left[one.slot, first:last] = after
    return room, value, share


def _region(size: float, region: PlainRegion, point: Point, was: bool) -> tuple[float, bool | None]:
    """(room that an object of this size has at a region; True if it may enter, False if it may leave, None if it stays).
    ``was``: whether it has been inside."""
    x, y = point
    near = inf
    inside = region.inverse
    for (a, b, c, d, e, f, length), y1, y2 in region.edges:
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
        width = half_width(region.band, size)
        if near <= width * width:
            return min(gap, width - gap), None
    return gap, inside


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
        total = straight_way(table.entry[slot, line], now, pieces, after)
    table.phase[slot, line] = OUTSIDE if outside else BORN if was == BORN else ARMED
    # Loops round the end of a line inside its band could add up without end.
    table.net[slot, line] = 0 if outside else min(max(total, -100), 100)
    if not outside or total == 0:
        return 0.0, 1.0
    return (1.0 if total > 0 else -1.0), _along(path, pieces, signs)


def stray(tables: Tables, table: TrackTable, one: Object, line: int) -> None:
    """An object has been on the other side of a line when it was looked at last. If it came here beyond the line's ends, note
    for ``explain`` how far beyond."""
    fraction = tables.fractions[int(tables.line_anchor[one.plan, line])]
    low, high = table.low[one.slot].tolist(), table.high[one.slot].tolist()
    # It was looked at in the middle of its calm zone; without a zone, in the frame before.
    was = [(a + b) / 2 for a, b in zip(low, high)] if low[0] < high[0] < inf else table.box[one.slot].tolist()
    path = (*place(was, one.aspect, fraction), *place(one.box, one.aspect, fraction))
    beyond = min([_overshoot(path, piece) for piece in tables.pieces[one.plan][line]])
    if beyond > 0:
        table.passed[one.slot, line] = beyond


def _overshoot(path: Piece, piece: Piece) -> float:
    """How far beyond the ends of segment A-B the movement P->Q meets the segment's line; 0 between the ends, infinite where
    both are parallel."""
    px, py, qx, qy = path
    ax, ay, bx, by = piece
    dx, dy = bx - ax, by - ay
    mx, my = qx - px, qy - py
    det = dx * my - dy * mx
    if det == 0:
        return inf
    t = ((px - ax) * my - (py - ay) * mx) / det
    return max(-t, t - 1.0, 0.0) * sqrt(dx * dx + dy * dy)


def straight_way(entry: complex, now: Point, pieces: list[Piece], after: list[bool]) -> int:
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
