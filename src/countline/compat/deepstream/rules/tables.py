"""The items of all streams as flat arrays, scaled to each stream's first frame.

A stream's items of one kind stand side by side; ``offset[s]`` and ``count[s]`` say where.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from countline.compat.deepstream.files.nvdsanalytics import CrowdingItem, DirectionItem, LineItem, RoiItem, StreamRules
from countline.compat.deepstream.rules.numeric import Array, float_to_int32, ragged, wrap32

__all__ = ["GATES", "DirectionTable", "LineTable", "Polygons", "RegionTable", "scale", "squared_length"]

GATES = {
    "loose": (1000, 3, float(np.float32(0.1))),
    "balanced": (3000, 10, 0.5),
    "strict": (6000, 20, float(np.float32(0.8))),
}
"""Mode -> squared pixels that the displacement must exceed, samples that must be exceeded, least cosine to the arrow."""

_NEVER = 2**31 - 1
"""No displacement exceeds this."""

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

        # the named classes and a neighbour of each, below which and above which all classes are alike
        self._edges = np.array(sorted({e for c in named for e in (c, c + 1)}), np.int64)
        self._columns = np.array(
            [len(named), *(named.index(e) if e in named else len(named) for e in self._edges.tolist())]
        )

    def column(self, class_ids: Array) -> Array:
        """Column of each class."""
        return self._columns.take(self._edges.searchsorted(class_ids, "right"))


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


@dataclass(frozen=True, slots=True)
class Polygons:
    """The enabled regions of one stream: their edges, each as the rays to the left that meet it need it."""

    regions: Array
    """Numbers of the regions among those of their stream."""
    first: Array
    """First edge of each region."""
    inverse: Array | None
    """Which regions are hit from outside; None where there are none such."""
    allowed: Array | None
    """(region, column of a class): whether it looks at the class; None where no class is named."""
    y0: Array
    """Of each edge as a column, (E, 1), as all that follows."""
    y1: Array
    a: Array
    """The edge is a·x = b·y + c, with a >= 0."""
    b: Array
    c: Array
    sign: Array
    """-1 where a, b and c are the edge's own numbers, 1 where a is turned and they are turned twice."""
    fits_int32: bool
    """With points of tracks that fit 32 bits, too, no number can leave 32 bits; all of these are 32 bits wide."""


class RegionTable(Table):
    """ROIs and overcrowding regions; of each stream first the ROIs."""

    def __init__(self, streams: Sequence[Sequence[AnyItem]], points: Sequence[Scaled]) -> None:
        super().__init__(streams)
        self.inverse = np.array([isinstance(i, RoiItem) and i.inverse for i in self.items], bool)
        self.edges = np.array([len(p) for p in points], np.int64)
        self.first_edge = np.cumsum(self.edges) - self.edges
        flat = [(*p, *q) for polygon in points for p, q in zip(polygon, (*polygon[1:], polygon[0]))]
        x0, self.y0, x1, self.y1 = np.array(flat, np.int64).reshape(-1, 4).T
        # a·x + b·y + c = 0 along each edge, in 32 bits
        self.a, self.b = self.y0 - self.y1, x1 - x0
        self.c = wrap32(wrap32(self.y1 * x0) - wrap32(x1 * self.y0))
        self.sign = np.where(self.a < 0, -1, 1)
        self._polygons: dict[int, Polygons] = {}

    def polygons(self, stream: int) -> Polygons:
        """The enabled regions of a stream."""
        found = self._polygons.get(stream)
        if found is None:
            found = self._polygons[stream] = self._made(stream)
        return found

    def _made(self, stream: int) -> Polygons:
        regions = self.active(stream)
        _, edge = ragged(self.edges[regions], self.first_edge[regions])
        a, b, c, sign = self.a[edge], self.b[edge], self.c[edge], self.sign[edge]
        fits_int32 = bool((abs(b) * _MOST_COORDINATE + abs(c) < 2**31).all() and (abs(a) < 2**16).all())
        width = np.int32 if fits_int32 else np.int64
        inverse = self.inverse[regions]
        return Polygons(
            regions=regions - self.offset[stream],
            first=np.cumsum(self.edges[regions]) - self.edges[regions],
            inverse=inverse[:, None] if inverse.any() else None,
            allowed=self.classes.allowed[regions] if len(self.classes.named) else None,
            y0=self.y0[edge, None].astype(width),
            y1=self.y1[edge, None].astype(width),
            a=(a * sign)[:, None].astype(width),
            b=(b * -sign)[:, None].astype(width),
            c=(c * -sign)[:, None].astype(width),
            sign=sign[:, None].astype(width),
            fits_int32=fits_int32,
        )


_MOST_COORDINATE = 2**15
"""Points of tracks that fit 32 bits are nearer than this."""


class DirectionTable(Table):
    """Direction arrows as unit vectors."""

    def __init__(self, streams: Sequence[Sequence[AnyItem]], points: Sequence[Scaled]) -> None:
        super().__init__(streams)
        arrows = [_unit(*tail, *head) for tail, head in points]
        self.ux, self.uy = np.array(arrows, np.float64).reshape(-1, 2).T


class LineTable:
    """Lines in normal form a·x + b·y + c = 0; positive on the right-hand side of somebody who walks along the line on
    screen. Of each kind of number (L, S): a column for each stream, as long as that of the stream with most lines; what is
    beyond a stream's own lines, or switched off, can never be crossed."""

    def __init__(
        self,
        streams: Sequence[Sequence[LineItem]],
        points: Sequence[Sequence[Scaled]],
        labels: Sequence[Sequence[int]],
    ) -> None:
        self.any = any(item.enabled for items in streams for item in items)
        self.width = max([1, *map(len, streams)])
        self.lines = streams
        self.same = [[[k for k, other in enumerate(row) if other == label] for label in row] for row in labels]
        """For each line, the lines of its stream with its label."""
        self.ends = [[(p[2], p[3]) for p in row] for row in points]
        self.enabled = self._columns([[item.enabled for item in items] for items in streams], False)
        gates = [[GATES[item.mode] for item in items] for items in streams]
        far, self.long, self.cosine = self._columns(gates, (0.0, 3.0, 1.0))
        self.far: Array = np.where(self.enabled, far, _NEVER).astype(np.int32)
        self.patient = bool((self.long > 3).any())
        """Whether some line waits for more than the three samples up to which there is no displacement."""
        arrows = [[_unit(*p[0], *p[1]) for p in row] for row in points]
        self.ux, self.uy = self._columns(arrows, (0.0, 0.0))
        senses = [[_sense(p) if i.mode == "loose" else NEITHER for p, i in zip(*row)] for row in zip(points, streams)]
        self.by_side = self._columns([[sense != NEITHER for sense in row] for row in senses], True)
        """Which lines are crossed by a change of sides alone, from their positive to their negative side; for this, those
        that are crossed the other way have the signs of a, b and c turned."""
        self.all_by_side = bool(self.by_side.all())
        turns = [[-1.0 if sense == MINUS_TO_PLUS else 1.0 for sense in row] for row in senses]
        forms = [[normal_form(*p[2], *p[3]) for p in row] for row in points]
        self.abc = self._columns(forms, (0.0, 0.0, 0.0)) * self._columns(turns, 1.0)
        """(3, L, S)."""
        classes = ClassFilter([item for items in streams for item in items])
        self.classes = classes if len(classes.named) else None
        flat = iter(classes.allowed.tolist())
        allowed = self._columns([[next(flat) for _ in items] for items in streams], [False] * (len(classes.named) + 1))
        self.allowed = np.moveaxis(allowed, 0, 1)
        """(line, column of a class, stream)."""

    def _columns(self, values: Sequence[Sequence[Any]], fill: Any) -> Array:
        """(L, S), or (K, L, S) where a value is K numbers; one stream without lines where there is none."""
        filled = [[*row, *[fill] * (self.width - len(row))] for row in values or [()]]
        return np.ascontiguousarray(np.array(filled).T)

    def disable(self, stream: int, line: int) -> None:
        """Switch a line off."""
        self.enabled[line, stream] = False
        self.far[line, stream] = _NEVER

    def inherit(self, stream: int, other: LineTable, number: int) -> None:
        """Take over what has become of the lines of a stream that was number ``number`` in another table."""
        count = len(self.lines[stream])
        for name in ("enabled", "far", "abc"):
            getattr(self, name)[..., :count, stream] = getattr(other, name)[..., :count, number]


def _unit(x1: int, y1: int, x2: int, y2: int) -> tuple[float, float]:
    """Whole numbers are squared in 32 bits; where the sum comes out negative, its root is not a number."""
    square = squared_length(x2 - x1, y2 - y1)
    if square <= 0:
        return (0.0, 0.0) if square == 0 else (math.nan, math.nan)
    length = math.sqrt(square)
    return (x2 - x1) / length, (y2 - y1) / length


def squared_length(x: int, y: int) -> int:
    """x² + y² as a signed 32-bit int has it."""
    return (x * x + y * y + 2**31) % 2**32 - 2**31


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
