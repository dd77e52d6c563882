"""The hysteresis band beside lines and regions, which an object must leave before it counts: how wide it is.

Boxes jitter in proportion to their size, so the band grows with the object; beyond it there must be space to be outside.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from countline.analytics.native.rule import Rule

__all__ = ["Band", "band", "default_band", "half_width", "half_widths"]

BAND_SIZE = 0.13
"""Half-width of the hysteresis band, as a fraction of the longer side of the object's box. The edges of a box move from
frame to frame by an amount that grows with the box: detectors place them within a few per cent of its size, and up to
about a tenth when feet are hidden or a pose changes. 13 % is more than four times the 3 % of good boxes; each per cent more
tells slow ones later."""
BAND_FLOOR = 0.01
"""Least half-width, as a fraction of the picture's height: detectors see the picture scaled to some 400-640 pixels,
and place the edges of small objects within one or two of those."""
BAND_LIMIT = 0.025
"""Half-width that the band may have wherever it lies, as a fraction of the picture's height."""
_AMPLE = 0.2
"""Greatest half-width (picture heights) from which none is needed: an object of it has one and a half picture heights."""
BAND_SHARE = 0.6
"""Greatest half-width, as a fraction of the way between a line or a region and the picture's edge: beyond it must be a place
where large objects are outside."""


Band = tuple[float, float, float]
"""What a band's half-width is: a fraction of the longer side of the object's box; at least; at most, both in picture heights."""


def band(rule: Rule, aspect: float) -> Band:
    """Of a rule, in a picture that is ``aspect`` times as wide as high."""
    config = rule.config
    chosen = getattr(config, "band", None)
    if chosen is not None:
        return float(chosen), 0.0, np.inf
    if getattr(config, "inverse", False):  # its outside is within the polygon
        return BAND_SIZE, BAND_FLOOR, BAND_LIMIT
    return default_band(rule.points, aspect, closed=rule.shape == "area")


def default_band(points: Sequence[Sequence[float]], aspect: float, *, closed: bool = False) -> Band:
    """Of a line, or a (``closed``) polygon, of normalised points, where none was chosen."""
    most = max(BAND_LIMIT, BAND_SHARE * _clearance(points, aspect, closed=closed))
    # Infinity is equal for most rules, which are then evaluated faster.
    return BAND_SIZE, BAND_FLOOR, most if most < _AMPLE else np.inf


def half_width(band: Band, size: float) -> float:
    """Of the band for an object whose box has ``size`` as its longer side, both in picture heights."""
    factor, least, most = band
    return min(max(size * factor, least), most)


def half_widths(bands: Any, size: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, 1) or (N, rules) the same of many: ``bands`` holds the three numbers of a :data:`Band`, each a float or (N, rules), and
    ``size`` is (N,)."""
    factor, least, most = bands
    width: NDArray[np.float64] = np.minimum(np.maximum(size[:, None] * factor, least), most)
    return width


def _clearance(points: Sequence[Sequence[float]], aspect: float, *, closed: bool) -> float:
    """From the middle of each part of a line (to both sides) or of each edge of a polygon (outward) to the edge of the picture,
    the least of them, in picture heights. An edge with next to none is not meant: nobody gets out there."""
    corners = [(x * aspect, y) for x, y in points]
    ends = corners[1:] + corners[:1] if closed else corners[1:]
    turn = sum(ax * by - bx * ay for (ax, ay), (bx, by) in zip(corners, ends))
    senses = (1, -1) if not closed else (1,) if turn > 0 else (-1,)
    ways = []
    for (ax, ay), (bx, by) in zip(corners, ends):
        length = float(np.hypot(bx - ax, by - ay))
        for sense in senses if length else ():
            across, down = sense * (by - ay) / length, sense * (ax - bx) / length
            ways.append(max(0.0, min(_steps((ax + bx) / 2, across, aspect), _steps((ay + by) / 2, down, 1.0))))
    return min((way for way in ways if way > BAND_LIMIT), default=0.0)


def _steps(start: float, step: float, end: float) -> float:
    """How many steps it is from a start to the end of 0 … ``end`` towards which they go."""
    return ((end if step > 0 else 0.0) - start) / step if step else np.inf
