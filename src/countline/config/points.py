"""Points of rules: how they are written, and what can be said of them alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, TypeAlias

from pydantic import BeforeValidator

from countline.config.faults import ConfigFault

__all__ = ["Point", "Points", "flat", "turns_back"]

Point: TypeAlias = tuple[float, float]


def _pairs(value: Any) -> Any:
    """Raises ConfigFault for what is no list of pairs, with the same numbers written right."""
    if not isinstance(value, (list, tuple)):
        raise ConfigFault("must be a list of points", fix="write points: [[x1, y1], [x2, y2]]")
    numbers = [v for v in value if isinstance(v, (int, float)) and not isinstance(v, bool)]
    if value and len(numbers) == len(value):
        pairs = ", ".join(f"[{x}, {y}]" for x, y in zip(numbers[::2], numbers[1::2]))
        fix = f"write points: [{pairs}]" if len(numbers) % 2 == 0 else "write points: [[x1, y1], [x2, y2]]"
        raise ConfigFault(f"is a list of {len(numbers)} numbers, not of points", fix=fix)
    for i, point in enumerate(value):
        if not isinstance(point, (list, tuple)):
            raise ConfigFault(f"point {i + 1} is {point!r}, not two numbers", fix="write [x, y]", loc=(i,))
    return value


Points = Annotated[list[Point], BeforeValidator(_pairs)]
"""Two numbers each: 0..1 of the picture's width and height, or pixels where the rule says so."""


def flat(points: Sequence[Point]) -> bool:
    """Whether all points lie on one straight line: such a polygon surrounds nothing."""
    (x0, y0), *rest = points
    far = max(rest, key=lambda p: (p[0] - x0) ** 2 + (p[1] - y0) ** 2)
    dx, dy = far[0] - x0, far[1] - y0
    square = dx * dx + dy * dy
    return all(abs(dx * (y - y0) - dy * (x - x0)) <= 1e-9 * square for x, y in rest)


def turns_back(points: Sequence[Point]) -> int | None:
    """Number (from 0) of the first point of a polyline at which it turns back onto itself; None if there is none. Whoever
    crosses there crosses once in and once out."""
    for i, (a, b, c) in enumerate(zip(points, points[1:], points[2:])):
        ux, uy, vx, vy = b[0] - a[0], b[1] - a[1], c[0] - b[0], c[1] - b[1]
        across, along = ux * vy - uy * vx, ux * vx + uy * vy
        if along < 0 and abs(across) <= 1e-9 * -along:
            return i + 1
    return None
