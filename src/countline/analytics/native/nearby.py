"""The line test for one object at a time, with plain floats: what ``lines._advance`` does with arrays, operation by
operation, so that the result does not depend on how many objects happen to be near lines."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from countline.analytics.geometry import overshoot, square_distance_one
from countline.analytics.native.plan import Tables
from countline.analytics.native.rows import Hit, Rows
from countline.analytics.native.table import ARMED, BORN, NEW, OUTSIDE, TrackTable

__all__ = ["advance_one", "straight_way"]

Piece = tuple[float, float, float, float]


def advance_one(
    tables: Tables,
    table: TrackTable,
    rows: Rows,
    pair: tuple[int, int, float],
    before: NDArray[np.bool_],
    after: NDArray[np.bool_],
) -> Hit | None:
    """Move the object in a row on with respect to a line; ``pair`` is (row, line, half-width of the band)."""
    row, line, width = pair
    slot = int(rows.slots[row])
    plan = rows.plan if isinstance(rows.plan, int) else int(rows.plan[row])
    aspect = rows.aspect if isinstance(rows.aspect, float) else float(rows.aspect[row])
    anchor = int(tables.line_anchor[plan, line])
    qx, qy = rows.anchors[:, row, anchor].tolist()
    pieces: list[Piece] = tables.pieces[plan][line]
    was = int(table.phase[slot, line])
    outside = min(square_distance_one(qx, qy, piece) for piece in pieces) > width * width
    signs: list[int] = []
    turned = False
    path = (0.0, 0.0, qx, qy)
    if was != NEW:
        first = line * tables.parts
        turns = [(bool(before[row, first + k]), bool(after[row, first + k])) for k in range(len(pieces))]
        turned = any(a != b for a, b in turns)
        if turned:
            path = (*_anchor(table.box[slot].tolist(), aspect, tables.anchors[anchor].tolist()), qx, qy)
            signs = [_sign(path, piece, a, b) for piece, (a, b) in zip(pieces, turns)]
    step = sum(signs)
    total = 0 if was >= BORN else int(table.net[slot, line]) + step
    if was == OUTSIDE and not outside:
        table.entry[slot, line] = complex(*_anchor(table.box[slot].tolist(), aspect, tables.anchors[anchor].tolist()))
    if was == ARMED and outside and total == 0:
        total = straight_way(table.entry[slot, line], (qx, qy), pieces, after[row, line * tables.parts :])
    table.phase[slot, line] = OUTSIDE if outside else BORN if was >= BORN else ARMED
    table.net[slot, line] = 0 if outside else min(max(total, -100), 100)
    if was == NEW and not outside:
        table.begun[slot, line] = True
    if turned and step == 0:
        ends: Any = np.array(pieces).T
        table.passed[slot, line] = overshoot(*(np.full(len(pieces), v) for v in path), *ends).min()
    if not outside or total == 0:
        return None
    return Hit(row, line, 1.0 if total > 0 else -1.0, _along(path, pieces, signs))


def straight_way(entry: complex, now: tuple[float, float], pieces: list[Piece], after: NDArray[np.bool_]) -> int:
    """Passages of the straight way from where the object last was outside the band to where it is outside again."""
    total = 0
    path = (entry.real, entry.imag, *now)
    for piece, left in zip(pieces, after):
        ax, ay, bx, by = piece
        was_left = (bx - ax) * (entry.imag - ay) - (by - ay) * (entry.real - ax) <= 0
        total += _sign(path, piece, was_left, bool(left))
    return total


def _anchor(box: list[float], aspect: float, fraction: list[float]) -> tuple[float, float]:
    left, top, right, bottom = box
    return (left + (right - left) * fraction[0]) * aspect, top + (bottom - top) * fraction[1]


def _sign(path: Piece, piece: Piece, before: bool, after: bool) -> int:
    """As ``geometry.crossing_sign``."""
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
    """As ``lines._along``."""
    for sign, (ax, ay, bx, by) in zip(signs, pieces):
        if sign:
            px, py, qx, qy = path
            start = abs((bx - ax) * (py - ay) - (by - ay) * (px - ax))
            end = abs((bx - ax) * (qy - ay) - (by - ay) * (qx - ax))
            return start / (start + end) if start + end else 0.0
    return 0.0
