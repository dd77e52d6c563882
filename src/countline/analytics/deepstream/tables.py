"""The items of all streams as flat arrays, scaled to each stream's first frame.

A stream's items of one kind stand side by side; ``offset[s]`` and ``count[s]`` say where.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from countline.analytics.deepstream.numeric import Array, float_to_int32, ragged, wrap32
from countline.config.nvdsanalytics import CrowdingItem, DirectionItem, LineItem, RoiItem, StreamRules

__all__ = ["GATES", "DirectionTable", "LineTable", "RegionTable", "scale"]

GATES = {
    "loose": (1000, 3, float(np.float32(0.1))),
    "balanced": (3000, 10, 0.5),
    "strict": (6000, 20, float(np.float32(0.8))),
}
"""Mode -> squared pixels that the displacement must exceed, samples that must be exceeded, least cosine to the arrow."""

NEITHER, PLUS_TO_MINUS, MINUS_TO_PLUS = 0, 1, 2

AnyItem = RoiItem | CrowdingItem | LineItem | DirectionItem
Scaled = tuple[tuple[int, int], ...]


def scale(item: AnyItem, rules: StreamRules, width: int, height: int) -> Scaled:
    """Points of an item in pixels of a frame, in float32 and truncated as NVIDIA does."""
    with np.errstate(all="ignore"):
        factor = np.array([width, height], np.float32) / np.array([rules.width, rules.height], np.float32)
        points = float_to_int32(np.array(item.points, np.int64).astype(np.float32) * factor)
    return tuple((int(x), int(y)) for x, y in points)


class ClassFilter:
    """Which items look at which classes: a truth table over the classes that are named anywhere, and 'any other'."""

    def __init__(self, items: Sequence[AnyItem]) -> None:
        named = sorted({c for item in items for c in item.class_ids})
        self.named = np.array(named, np.int64)
        columns = [*named, None]
        self.allowed = np.array(
            [[not i.class_ids or -1 in i.class_ids or c in i.class_ids for c in columns] for i in items], bool
        ).reshape(len(items), len(columns))

    def column(self, class_ids: Array) -> Array:
        """Column of each class."""
        if not len(self.named):
            return np.zeros(len(class_ids), np.int64)
        at = np.minimum(np.searchsorted(self.named, class_ids), len(self.named) - 1)
        return np.where(self.named[at] == class_ids, at, len(self.named))


class Table:
    """What all kinds have in common."""

    def __init__(self, streams: Sequence[Sequence[AnyItem]]) -> None:
        items = [item for stream in streams for item in stream]
        self.items = items
        self.count = np.array([len(stream) for stream in streams], np.int64)
        self.offset = np.cumsum(self.count) - self.count
        self.enabled = np.array([item.enabled for item in items], bool)
        self.classes = ClassFilter(items)
        self._active: dict[int, Array] = {}

    def active(self, stream: int) -> Array:
        """The enabled items of a stream."""
        found = self._active.get(stream)
        if found is None:
            first = int(self.offset[stream])
            found = self._active[stream] = first + np.flatnonzero(self.enabled[first : first + int(self.count[stream])])
        return found

    def disable(self, item: int) -> None:
        """Switch an item off."""
        self.enabled[item] = False
        self._active.clear()

    def __len__(self) -> int:
        return len(self.items)


class RegionTable(Table):
    """ROIs and overcrowding regions; of each stream first the ROIs."""

    def __init__(self, streams: Sequence[Sequence[AnyItem]], points: Sequence[Scaled]) -> None:
        super().__init__(streams)
        self.inverse = np.array([isinstance(i, RoiItem) and i.inverse for i in self.items], bool)
        self.crowding = np.array([isinstance(i, CrowdingItem) for i in self.items], bool)
        self.edges = np.array([len(p) for p in points], np.int64)
        self.first_edge = np.cumsum(self.edges) - self.edges
        flat = [(*p, *q) for polygon in points for p, q in zip(polygon, (*polygon[1:], polygon[0]))]
        x0, self.y0, x1, self.y1 = np.array(flat, np.int64).reshape(-1, 4).T
        # a·x + b·y + c = 0 along each edge, in 32 bits
        self.a, self.b = self.y0 - self.y1, x1 - x0
        self.c = wrap32(wrap32(self.y1 * x0) - wrap32(x1 * self.y0))
        self._edges_of: dict[int, tuple[Array, Array]] = {}

    def edges_of(self, stream: int) -> tuple[Array, Array]:
        """Edges of the enabled regions of a stream, and the place of each edge's region among them."""
        found = self._edges_of.get(stream)
        if found is None:
            regions = self.active(stream)
            owner, edge = ragged(self.edges[regions], self.first_edge[regions])
            found = self._edges_of[stream] = edge, owner
        return found


class DirectionTable(Table):
    """Direction arrows as unit vectors."""

    def __init__(self, streams: Sequence[Sequence[AnyItem]], points: Sequence[Scaled]) -> None:
        super().__init__(streams)
        arrows = [_unit(*tail, *head) for tail, head in points]
        self.ux, self.uy = np.array(arrows, np.float64).reshape(-1, 2).T


class LineTable(Table):
    """Lines in normal form a·x + b·y + c = 0; positive on the right-hand side of somebody who walks along the line on
    screen."""

    def __init__(self, streams: Sequence[Sequence[AnyItem]], points: Sequence[Scaled], labels: Sequence[int]) -> None:
        super().__init__(streams)
        self.label = np.array(labels, np.int64)
        """Number of the item's label among those of its stream."""
        gates = [GATES[item.mode] for item in self.items if isinstance(item, LineItem)]
        self.far, self.long, self.cosine = np.array(gates, np.float64).reshape(-1, 3).T
        self.loose = np.array([isinstance(i, LineItem) and i.mode == "loose" for i in self.items], bool)
        self.extended = np.array([isinstance(i, LineItem) and i.extended for i in self.items], bool)
        self.abc = np.array([normal_form(*p[2], *p[3]) for p in points], np.float64).reshape(-1, 3)
        arrows = [_unit(*p[0], *p[1]) for p in points]
        self.ux, self.uy = np.array(arrows, np.float64).reshape(-1, 2).T
        self.sense = np.array([_sense(p) for p in points], np.int64)
        self.ends = [(p[2], p[3]) for p in points]
        self.by_side = self.loose & (self.sense != NEITHER)


def _unit(x1: int, y1: int, x2: int, y2: int) -> tuple[float, float]:
    length = math.sqrt(float((x1 - x2) ** 2 + (y1 - y2) ** 2))
    return ((x2 - x1) / length, (y2 - y1) / length) if length >= 1e-9 else (0.0, 0.0)


def normal_form(x1: float, y1: float, x2: float, y2: float) -> tuple[float, float, float]:
    """(a, b, c) of the line through two points, a² + b² = 1; NaN if they are equal."""
    a, b = float(y1 - y2), float(x2 - x1)
    c = float(x1) * y2 - float(x2) * y1
    size = math.sqrt(a * a + b * b)
    return (a / size, b / size, c / size) if size else (math.nan, math.nan, math.nan)


def renormalised(abc: tuple[float, float, float]) -> tuple[float, float, float]:
    """The same line divided by its length once more, which can change last bits."""
    size = math.sqrt(abc[0] * abc[0] + abc[1] * abc[1])
    return (abc[0] / size, abc[1] / size, abc[2] / size) if size else (math.nan, math.nan, math.nan)


def meeting_point(one: tuple[float, float, float], other: tuple[float, float, float]) -> tuple[float, float] | None:
    """Where two lines in normal form meet; None if they are as good as parallel."""
    det = one[0] * other[1] - one[1] * other[0]
    if abs(det) < 1e-5:
        return None
    if det != det:
        return math.nan, math.nan
    x = (-one[2] * other[1] + one[1] * other[2]) / det
    y = (-one[0] * other[2] + one[2] * other[0]) / det
    return x, y


def _sense(points: Scaled) -> int:
    """From which side to which a loose line is crossed: the side that the arrow points to, seen from either of its ends
    towards the point where it meets the line."""
    tail, head, start, end = points
    arrow = renormalised(normal_form(*tail, *head))
    line = renormalised(normal_form(*start, *end))
    meeting = meeting_point(arrow, line)
    if meeting is None:
        return NEITHER
    ux, uy = _unit(*tail, *head)
    for x, y, near in ((*tail, 1e-5), (*head, 0.0)):
        towards = _unit_to(x, y, *meeting)
        along = towards[0] * ux + towards[1] * uy
        side = line[0] * x + line[1] * y + line[2]
        if (along > 0.99 and side > near) or (along < -0.99 and side < near):
            return PLUS_TO_MINUS
        if (along < -0.99 and side > near) or (along > 0.99 and side < near):
            return MINUS_TO_PLUS
    return NEITHER


def _unit_to(x1: float, y1: float, x2: float, y2: float) -> tuple[float, float]:
    length = math.sqrt((x1 - x2) * (x1 - x2) + (y1 - y2) * (y1 - y2))
    return ((x2 - x1) / length, (y2 - y1) / length) if length >= 1e-9 else (0.0, 0.0)
