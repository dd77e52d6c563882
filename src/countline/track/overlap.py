"""Which boxes lie beside which."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["BESIDE", "beside_stronger", "clearly_beside", "overlap"]

BESIDE = 0.1
"""Overlap (IoU) from which a detection is beside another."""


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
    shared = np.minimum(a[2:], b[2:])
    shared -= np.maximum(a[:2], b[:2])
    np.maximum(shared, 0, out=shared)
    common = shared[0] * shared[1]
    result: NDArray[np.float32] = common / (size_a[0] * size_a[1] + size_b[0] * size_b[1] - common)
    return result
