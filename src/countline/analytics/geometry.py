"""Plane geometry for rules, vectorised. Pure functions of NumPy arrays.

Two coordinate frames occur. *Normalised*: x and y are 0..1 of the picture's width and height; rules are written and
track memory is kept in it, so that a change of resolution changes nothing. *Isotropic*: x is multiplied by the
picture's aspect ratio (width / height), so both axes are in units of the picture's height and lengths and angles are
those on screen; all distances are measured in it. Neither knows pixels, so the same motion gives the same result
at any resolution.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "ANCHORS",
    "distance_to_segments",
    "homography",
    "project",
]

F8 = NDArray[np.float64]

ANCHORS: dict[str, tuple[float, float]] = {
    "bottom-center": (0.5, 1.0),
    "center": (0.5, 0.5),
    "top-center": (0.5, 0.0),
    "bottom-left": (0.0, 1.0),
    "bottom-right": (1.0, 1.0),
    "top-left": (0.0, 0.0),
    "top-right": (1.0, 0.0),
    "center-left": (0.0, 0.5),
    "center-right": (1.0, 0.5),
}
"""Point of a box as fractions of its width (from the left) and height (from the top)."""


def distance_to_segments(px: F8, py: F8, ax: F8, ay: F8, bx: F8, by: F8) -> F8:
    """Distance of points to segments A-B, all of one broadcast shape, in the unit of the arguments.

    The nearest point of a segment of no length is its only point.
    """
    dx, dy = bx - ax, by - ay
    square = dx * dx + dy * dy
    along = (px - ax) * dx + (py - ay) * dy
    t = np.minimum(np.maximum(np.divide(along, square, out=np.zeros_like(along), where=square > 0), 0.0), 1.0)
    distance: F8 = np.hypot(px - ax - t * dx, py - ay - t * dy)
    return distance


def homography(image: Sequence[tuple[float, float]], world: Sequence[tuple[float, float]]) -> F8:
    """(3, 3) projective map that takes four image points to four world points.

    Solved exactly from the eight linear equations of the direct linear transformation with h33 = 1 (Hartley and
    Zisserman, Multiple View Geometry, section 4.1). Both quadrangles must be convex; numpy.linalg.LinAlgError else.
    """
    rows = []
    for (x, y), (u, v) in zip(image, world):
        rows.append([x, y, 1, 0, 0, 0, -u * x, -u * y])
        rows.append([0, 0, 0, x, y, 1, -v * x, -v * y])
    right = np.array([value for point in world for value in point], np.float64)
    h = np.append(np.linalg.solve(np.array(rows, np.float64), right), 1.0).reshape(3, 3)
    side = h[2, 0] * image[0][0] + h[2, 1] * image[0][1] + h[2, 2]  # the horizon lies where this is 0
    return h if side > 0 else -h


def project(h: F8, x: F8, y: F8) -> tuple[F8, F8]:
    """Points through a homography (..., 3, 3); NaN where they lie on or beyond its horizon."""
    w = h[..., 2, 0] * x + h[..., 2, 1] * y + h[..., 2, 2]
    u = h[..., 0, 0] * x + h[..., 0, 1] * y + h[..., 0, 2]
    v = h[..., 1, 0] * x + h[..., 1, 1] * y + h[..., 1, 2]
    w = np.where(w > 1e-12, w, np.nan)
    return u / w, v / w
