"""The path of an object's anchor through the picture, and its nearest approach to a rule. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from countline.analytics.geometry import ANCHORS, distance_to_segments

__all__ = ["Approach", "Path", "approach"]

F8 = NDArray[np.float64]


@dataclass(frozen=True)
class Path:
    """The boxes of an object over time."""

    times: NDArray[np.int64]
    """(n,) capture times, ns since the Unix epoch."""
    numbers: NDArray[np.int64]
    """(n,) of the frames."""
    boxes: F8
    """(n, 4) left, top, right, bottom, as fractions of the picture's width and height."""
    aspect: float
    """Width / height of the picture."""

    def points(self, anchor: str = "bottom-center") -> F8:
        """(n, 2) the anchor of each box: a point by its name, such as bottom-center."""
        fx, fy = ANCHORS[anchor]
        left, top, right, bottom = self.boxes.T
        return np.stack([left + (right - left) * fx, top + (bottom - top) * fy], axis=1)

    def at(self, number: int, anchor: str = "bottom-center") -> tuple[list[float], int] | None:
        """Anchor and capture time (ns) in a frame; None where the object was not seen in it."""
        found = np.flatnonzero(self.numbers == number)
        if not len(found):
            return None
        x, y = self.points(anchor)[found[-1]].tolist()
        return [round(x, 5), round(y, 5)], int(self.times[found[-1]])


@dataclass(frozen=True)
class Approach:
    """The nearest approach of a path to a line or an area."""

    gap: float
    """Least distance, as a fraction of the picture's height; 0: it was touched."""
    side: str
    """Where the anchor was then, relative to the rule: above, below, left of, right of."""
    point: list[float]
    """The anchor then, fractions of the picture."""
    time: int
    """ns since the Unix epoch."""
    inside: bool
    """Of an area: the anchor was in it at some time."""


def approach(path: Path, outline: Sequence[tuple[float, float]], anchor: str, *, area: bool) -> Approach:
    """The nearest approach of a path. ``outline``: points of a line or corners of an area, fractions of the picture."""
    scale = np.array([path.aspect, 1.0])
    way, shape = path.points(anchor) * scale, np.array(outline, float) * scale
    ends = np.roll(shape, -1, axis=0) if area else shape[1:]
    starts = shape if area else shape[:-1]
    each = distance_to_segments(
        *(np.broadcast_to(a, (len(way), len(starts))) for a in (way[:, :1], way[:, 1:])),
        *(np.broadcast_to(a, (len(way), len(starts))) for a in (*starts.T, *ends.T)),
    )
    gaps = each.min(axis=1)
    crossed = _crossings(way, starts, ends)
    i = int(crossed[0]) if len(crossed) else int(gaps.argmin())
    k = int(each[i].argmin())
    nearest = _nearest_point(way[i], starts[k], ends[k])
    dx, dy = way[i] - nearest
    side = ("above" if dy < 0 else "below") if abs(dy) >= abs(dx) else ("left of" if dx < 0 else "right of")
    inside = area and bool(_inside(way, shape).any())
    x, y = (way[i] / scale).tolist()
    gap = 0.0 if len(crossed) or inside else float(gaps[i])
    return Approach(gap, side, [round(x, 5), round(y, 5)], int(path.times[i]), inside)


def _nearest_point(point: F8, start: F8, end: F8) -> F8:
    """The nearest point of a segment."""
    along = end - start
    square = float(along @ along)
    t = min(max(float((point - start) @ along) / square, 0.0), 1.0) if square else 0.0
    found: F8 = start + t * along
    return found


def _crossings(way: F8, starts: F8, ends: F8) -> NDArray[np.intp]:
    """Indexes of the steps of a path that cross a segment."""
    if len(way) < 2:
        return np.empty(0, np.intp)
    a, b = way[:-1, None], way[1:, None]

    def turn(p: F8, q: F8, r: F8) -> F8:
        found: F8 = (q[..., 0] - p[..., 0]) * (r[..., 1] - p[..., 1]) - (q[..., 1] - p[..., 1]) * (
            r[..., 0] - p[..., 0]
        )
        return found

    s, e = starts[None], ends[None]
    cross = (turn(s, e, a) * turn(s, e, b) < 0) & (turn(a, b, s) * turn(a, b, e) < 0)
    return np.flatnonzero(cross.any(axis=1))


def _inside(way: F8, corners: F8) -> NDArray[np.bool_]:
    """Whether points lie in a polygon, by the even-odd rule."""
    x, y = way[:, :1], way[:, 1:]
    (x1, y1), (x2, y2) = corners.T, np.roll(corners, -1, axis=0).T
    with np.errstate(divide="ignore", invalid="ignore"):
        at = (x2 - x1) * (y - y1) / (y2 - y1) + x1
    found: NDArray[np.bool_] = (((y1 > y) != (y2 > y)) & (x < at)).sum(axis=1) % 2 == 1
    return found
