"""Which boxes lie beside which."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["BESIDE", "beside_stronger", "clearly_beside", "overlap", "parts", "shared", "singles"]

_Real = TypeVar("_Real", np.float32, np.float64)

BESIDE = 0.1
"""Overlap (IoU) from which a detection is beside another."""

_SAME = 0.45
"""Overlap (IoU) from which a new track is taken for a second box on an object that has one."""
_WITHIN = 0.85
"""Part of its box that must lie in the other one to be a second box on a part of that."""
_LOWER = 0.03
"""Heights of the other by which it may reach farther down: what stands nearer to the camera is no part of it."""
_CRUMB = 0.1
"""Area of the other of which it is at least: what is smaller is a thing of its own."""


def clearly_beside(boxes: NDArray[np.float32], others: NDArray[np.float32]) -> bool:
    """Whether each box overlaps one of the others by more than :data:`BESIDE`, and by so much that the precision of the
    sum does not matter. Mostly so: a doubtful box is the next sighting of somebody. False: look closely."""
    neighbours = others.tolist()
    for left, top, right, bottom in boxes.tolist():
        area = (right - left) * (bottom - top)
        for x0, y0, x1, y1 in neighbours:
            if x0 < right and left < x1 and y0 < bottom and top < y1:
                common = (min(right, x1) - max(left, x0)) * (min(bottom, y1) - max(top, y0))
                if common > 1.01 * BESIDE * (area + (x1 - x0) * (y1 - y0) - common):
                    break
        else:
            return False
    return True


def beside_stronger(
    boxes: NDArray[np.float32], confidence: NDArray[np.float32], rows: NDArray[np.intp]
) -> NDArray[np.bool_]:
    """Which of the rows overlap a stronger detection."""
    stronger = confidence > confidence.take(rows)[:, None]
    return np.asarray(((overlap(boxes.take(rows, axis=0), boxes) > BESIDE) & stronger).any(axis=1))


def overlap(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """(len(a), len(b)) intersection over union of xyxy boxes that are not empty."""
    # Coordinate by coordinate, each a row of its own in memory: that is what NumPy is quick with.
    a, b = np.ascontiguousarray(a.T)[:, :, None], np.ascontiguousarray(b.T)[:, None]
    size_a, size_b = a[2:] - a[:2], b[2:] - b[:2]
    sides = np.minimum(a[2:], b[2:])
    sides -= np.maximum(a[:2], b[:2])
    np.maximum(sides, 0, out=sides)
    common = sides[0] * sides[1]
    result: NDArray[np.float32] = common / (size_a[0] * size_a[1] + size_b[0] * size_b[1] - common)
    return result


def shared(a: NDArray[_Real], b: NDArray[_Real]) -> NDArray[_Real]:
    """(len(a), len(b)) areas that xyxy boxes have in common."""
    a, b = np.ascontiguousarray(a.T)[:, :, None], np.ascontiguousarray(b.T)[:, None]
    sides = np.maximum(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0)
    result: NDArray[_Real] = sides[0] * sides[1]
    return result


def singles(boxes: NDArray[np.float32], classes: NDArray[np.int32], known: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(N,) False for tracks that are not ``known`` yet, without a public id, and lie on one that is: a second box on the same
    object, or on a part of one of its class. They get their id when they part, so that nobody is counted twice."""
    fresh = (~known).nonzero()[0]
    result = np.ones(len(boxes), bool)
    if known.any():
        mine, others = boxes[fresh], boxes[known]
        part = parts(mine, others) & (classes[fresh][:, None] == classes[known])
        result[fresh] = ~((overlap(mine, others) > _SAME) | part).any(axis=1)
    return result


def parts(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.bool_]:
    """(len(a), len(b)) which boxes look like a part of which: they lie within, reach no farther down, are not much smaller."""
    common = shared(a, b)
    a, b = np.ascontiguousarray(a.T)[:, :, None], np.ascontiguousarray(b.T)[:, None]
    size_a, size_b = a[2:] - a[:2], b[2:] - b[:2]
    area = size_a[0] * size_a[1]
    result: NDArray[np.bool_] = common >= _WITHIN * area
    result &= (area >= _CRUMB * size_b[0] * size_b[1]) & (a[3] <= b[3] + _LOWER * size_b[1])
    return result
