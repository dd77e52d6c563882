"""Ways of objects in the picture, and where they pass a line: geometry alone.

A way is a polyline in time: between two of its points the object's ground point (bottom centre) moves straight and evenly. So
its passages through a line are known exactly, without a frame rate.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

__all__ = ["Passage", "Seen", "Way", "clear", "distance", "passages"]

Ends = tuple[tuple[float, float], tuple[float, float]]
"""Of a line, in pixels."""


@dataclass(frozen=True)
class Passage:
    """One crossing of a line."""

    time: float
    """Seconds."""
    sign: str
    """'+' towards the side where (b - a) x (p - a) is positive, '-' to the other."""
    along: float
    """Where on the line: 0 at its first point, 1 at its last."""


class Way:
    """(n,) seconds, ascending, and (n, 2) pixels."""

    def __init__(self, times: np.ndarray, points: np.ndarray) -> None:
        self.times = np.asarray(times, float)
        self.points = np.asarray(points, float)

    def at(self, time: np.ndarray | float) -> np.ndarray:
        """(..., 2) where it is."""
        return np.stack([np.interp(time, self.times, self.points[:, i]) for i in (0, 1)], -1)

    def moved(self, by: np.ndarray) -> Way:
        """The same way beside this one."""
        return Way(self.times, self.points + by)


def sides(points: np.ndarray, line: Ends) -> np.ndarray:
    """(n,) pixels from the infinite line, positive on the + side."""
    a, b = np.array(line, float)
    along = b - a
    return (along[0] * (points[:, 1] - a[1]) - along[1] * (points[:, 0] - a[0])) / np.hypot(*along)


def passages(way: Way, line: Ends) -> list[Passage]:
    """All crossings of a line, in time. Who touches it and turns back has not passed."""
    a, b = np.array(line, float)
    along = b - a
    side = sides(way.points, line)
    found: list[Passage] = []
    last = 0
    while last < len(side) and side[last] == 0:
        last += 1
    for i in range(last + 1, len(side)):
        if side[i] == 0:
            continue
        if side[i] * side[last] < 0:
            # The piece that ends at i; where it begins on the line, that is where it passes.
            part = side[i - 1] / (side[i - 1] - side[i])
            at = way.points[i - 1] + part * (way.points[i] - way.points[i - 1])
            place = float((at - a) @ along / (along @ along))
            if 0 <= place <= 1:
                time = float(way.times[i - 1] + part * (way.times[i] - way.times[i - 1]))
                found.append(Passage(time, "+" if side[i] > 0 else "-", place))
        last = i
    return found


def distance(points: np.ndarray, line: Ends) -> np.ndarray:
    """(n,) pixels of points from a line."""
    a, b = np.array(line, float)
    along = b - a
    part = np.clip((points - a) @ along / (along @ along), 0, 1)
    return np.hypot(*(points - a - part[:, None] * along).T)


@dataclass(frozen=True)
class Seen:
    """Dense samples of a way as a camera has it."""

    times: np.ndarray
    """(n,) seconds."""
    points: np.ndarray
    """(n, 2) bottom centre of the part of its box that lies in the picture."""
    sizes: np.ndarray
    """(n,) longer side of the box in pixels."""
    whole: np.ndarray
    """(n,) whether all of it is in the picture."""
    part: np.ndarray
    """(n,) whether any of it is."""


def clear(seen: Seen, found: list[Passage], line: Ends, room: float, least: float) -> bool:
    """Whether nobody could doubt what a way does at a line, of which ``found`` are its passages.

    Before the first, between two, and after the last it is seen whole ``room`` sizes away from the line; it comes no nearer to
    the line's ends than that, also where it is cut off at the picture's edge; and no nearer to the line without passing. It is in
    the picture, in part at least, for ``least`` seconds before and after all that it passes.
    """
    a, b = np.array(line, float)
    reach = room * seen.sizes
    near = distance(seen.points, line) < reach
    if not found:
        return not near[seen.part].any()
    ends = np.minimum(np.hypot(*(seen.points - a).T), np.hypot(*(seen.points - b).T))
    if (ends < reach)[seen.part].any():
        return False
    shown = seen.times[seen.part]
    if not len(shown) or found[0].time - shown[0] < least or shown[-1] - found[-1].time < least:
        return False
    length = float(np.hypot(*(b - a)))
    if any(min(p.along, 1 - p.along) * length < float(np.interp(p.time, seen.times, reach)) for p in found):
        return False
    edges = [-np.inf, *(p.time for p in found), np.inf]
    away = seen.whole & ~near
    return all((away & (seen.times > begin) & (seen.times < end)).any() for begin, end in itertools.pairwise(edges))
