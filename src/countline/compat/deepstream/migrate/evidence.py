"""What each engine saw of one track at one line, frame by frame: the ground on which differences are explained.

Both views are computed anew from the recorded boxes, for a track by itself. They say at which sample something happened and
how far it came, which the engines' own memories, made for counting, do not keep.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from countline.analytics.native.arrays import MOST_EXTENT
from countline.analytics.native.band import Band, default_band, half_width
from countline.analytics.native.polylines import SIDE_KNOWN, straight_way
from countline.compat.deepstream.files.nvdsanalytics import LineItem, StreamRules
from countline.compat.deepstream.rules.numeric import float_to_int32, float_to_uint32, half, wrap32
from countline.compat.deepstream.rules.tables import GATES, LineTable, meeting_point, normal_form, scale

__all__ = ["BESIDE", "CLASS", "COUNTED", "SHORT", "SIDE", "SLOW", "WAY", "Life", "NativeView", "Passage", "exact_view"]

CLASS, SHORT, SLOW, SIDE, WAY, BESIDE, COUNTED = range(7)
"""How far a sample came with the exact engine: its class is filtered; too few samples; not far enough from the reference;
reference and sample on one side; against the arrow; beside the segment; it would be counted."""

SLACK = 1e-9
"""Pixels by which a point on a line may seem to be off it: the engine's lines change in their last bits as it runs."""
WIDTH = 8


@dataclass(slots=True)
class Life:
    """All samples of a track from its first sighting until the exact engine forgets it."""

    pts: int
    """Of its last sample."""
    numbers: list[int] = field(default_factory=list)
    """Frame number of each sample. One that stands twice belongs to an id that stood twice in a frame."""
    rows: array[float] = field(default_factory=lambda: array("d"))
    """For each sample: left, top, width, height, right, bottom (pixels, float32), width and height of the picture."""
    classes: array[int] = field(default_factory=lambda: array("q"))
    sound: array[int] = field(default_factory=lambda: array("b"))
    """1 where the native engine takes a sample: a box that is one, and the first of its id in the frame."""
    exact: dict[str, list[int]] = field(default_factory=dict)
    """Label -> samples at which the exact engine counted the track."""
    native: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    """Label -> (sample, name of the native rule) of every count of the native engine."""

    def add(self, number: int, box: list[float], corner: list[float], picture: tuple[int, int], class_id: int) -> None:
        """One more sample: ``box`` left, top, width, height; ``corner`` right, bottom."""
        good = all(0 <= (far - near) / size < MOST_EXTENT for near, far, size in zip(box, corner, picture))
        if good:
            at = len(self.numbers) - 1
            while at >= 0 and self.numbers[at] == number and not self.sound[at]:
                at -= 1
            good = at < 0 or self.numbers[at] != number
        self.numbers.append(number)
        self.rows.extend((*box, *corner, *picture))
        self.classes.append(class_id)
        self.sound.append(good)

    def table(self) -> NDArray[np.float64]:
        """(samples, 8) the rows."""
        return np.frombuffer(self.rows, np.float64).reshape(-1, WIDTH)


def exact_view(
    life: Life, line: LineItem, rules: StreamRules, window: int, picture: tuple[int, int], keep: Any = slice(None)
) -> NDArray[np.int8]:
    """(samples,) how far each sample came with a line in the exact engine, were the track not counted before.

    ``picture``: width and height of the stream's first frame. ``keep`` picks samples, as if there were no others.
    """
    rows, classes = life.table()[keep], np.array(life.classes, np.int64)[keep]
    far, long, cosine = GATES[line.mode]
    with np.errstate(all="ignore"):
        motion = _motion(rows, window)
        table = LineTable([[line]], [[scale(line, rules, *picture)]], [[0]])
        changed, against, along = _sides(table, motion, cosine)
    stage = np.full(len(rows), SIDE, np.int8)
    stage[against] = WAY
    stage[changed] = np.where(along[changed], BESIDE, WAY)
    for at in np.flatnonzero(changed & along).tolist():
        if line.extended or _on_segment(motion, at, table):
            stage[at] = COUNTED
    n = np.arange(1, len(rows) + 1)
    stage[motion["displacement"] <= far] = SLOW
    stage[(n <= long) | (n <= 3)] = SHORT
    if line.class_ids and -1 not in line.class_ids:
        stage[~np.isin(classes, line.class_ids)] = CLASS
    return stage


def _motion(rows: NDArray[np.float64], window: int) -> dict[str, Any]:
    """Sample, reference and displacement of every sample in the exact engine's whole numbers."""
    left, top, width, height = float_to_uint32(rows[:, :4].astype(np.float32)).T
    cx, cy = wrap32(left + (width >> 1)), wrap32(top + (height >> 1))
    taken = np.stack([cx, cy, wrap32(width), wrap32(height)], axis=1)
    n = np.arange(1, len(rows) + 1)
    oldest = np.where(n < window, 0, n - window)[:, None]
    at = oldest + np.where(n[:, None] < window, [[0, 1, 0, 1]], np.arange(4)[None] % window)
    total = taken[np.minimum(at, len(rows) - 1)].sum(axis=1)
    before = (total + ((total >> 63) & 3)) >> 2
    sums = np.concatenate([[0], np.cumsum(height)])
    many = np.minimum(n, window)
    mean = (sums[n] - sums[n - many]).astype(np.float32) / many.astype(np.float32)
    bottom = wrap32(cy + half(taken[:, 3]))
    dx = wrap32(cx - before[:, 0]).astype(np.float32)
    dy = wrap32(bottom - before[:, 1] - half(before[:, 3])).astype(np.float32)
    return {
        "cx": cx,
        "cy": cy,
        "bottom": bottom,
        "width": taken[:, 2],
        "height": taken[:, 3],
        "px": before[:, 0],
        "py": before[:, 1],
        "pw": before[:, 2],
        "mean": mean,
        "displacement": float_to_int32(dx * dx + dy * dy),
    }


def _sides(table: LineTable, motion: dict[str, Any], cosine: float) -> tuple[Any, Any, Any]:
    """(changed sides as the line asks, changed sides the other way, moved along the arrow) of every sample."""
    a, b, c = table.abc[:, 0, 0].tolist()  # from the positive side to the negative, where by_side
    x, y = motion["cx"].astype(np.float64), motion["bottom"].astype(np.float64)
    before_x = motion["px"].astype(np.float64)
    now = a * x + b * y + c
    if table.by_side[0, 0]:
        before_y = (motion["py"].astype(np.float32) + motion["mean"] / np.float32(2)).astype(np.float64)
        then = a * before_x + b * before_y + c
        return (then > 0) & (now <= SLACK), (then < 0) & (now >= -SLACK), np.ones(len(x), bool)
    before_y_int32 = wrap32(motion["py"] + half(float_to_int32(motion["mean"])))
    then = a * before_x + b * before_y_int32 + c
    one, other = (float_to_int32(value + np.copysign(SLACK, value)) for value in (then, now))
    changed = ((one < 0) & (other > 0)) | ((one > 0) & (other < 0))
    dx, dy = wrap32(motion["cx"] - motion["px"]), wrap32(motion["bottom"] - before_y_int32)
    length = np.sqrt(wrap32(wrap32(dx * dx) + wrap32(dy * dy)).astype(np.float64))
    along = (table.ux[0, 0] * dx + table.uy[0, 0] * dy) / length
    return changed, np.zeros(len(x), bool), ((dx != 0) | (dy != 0)) & ~(along < cosine)


def _on_segment(motion: dict[str, Any], at: int, table: LineTable) -> bool:
    """Whether the movement, or one of its parallels half a width aside, meets the open segment."""
    start, end = table.ends[0][0]
    line = normal_form(*start, *end)
    then = float(motion["px"][at]), float(motion["py"][at]) + float(motion["mean"][at]) / 2
    now = float(motion["cx"][at]), float(motion["cy"][at]) + float(motion["height"][at]) / 2
    aside = [int(half(motion[key][at : at + 1])[0]) for key in ("pw", "width")]
    for sign in (0, 1, -1):
        movement = normal_form(then[0] + sign * aside[0], then[1], now[0] + sign * aside[1], now[1])
        meeting = meeting_point(movement, line)
        if meeting is None:
            continue
        x, y = meeting[0] - start[0], meeting[1] - start[1]
        along = end[0] - start[0], end[1] - start[1]
        if x * along[0] + y * along[1] > 0 and along[0] ** 2 + along[1] ** 2 > x * x + y * y:
            return True
    return False


@dataclass(frozen=True, slots=True)
class Passage:
    """The track was outside the native line's band on one side, and then on the other."""

    sample: int
    """At which it was outside again: the native engine tells of it here."""
    passed: int
    """At which its path last passed the line before that."""
    sense: int
    """+1 to the left-hand side of the line, which a converted rule calls ``in``."""


class NativeView:
    """A track and a line of two points as the native engine sees them, were the track never continued nor a continuation.

    ``points`` are normalised. ``steps[i]`` is +1, -1 or 0: whether the path passed the line from the sample before to
    sample i; ``beyond[i]`` whether it passed the line's extension; ``near[i]`` whether sample i is within the band.
    """

    def __init__(self, life: Life, points: list[list[float]]) -> None:
        rows = life.table()
        self.steps = [0] * len(rows)
        self.beyond = [False] * len(rows)
        self.near = [False] * len(rows)
        self.passages: list[Passage] = []
        self._points = points
        self._bands: dict[float, Band] = {}
        """By aspect ratio."""
        self._phase, self._net, self._passed = "new", 0, -1
        self._entry = 0j
        self._box: tuple[float, float, float, float] | None = None
        for at in np.flatnonzero(life.sound).tolist():
            left, top, _, _, right, bottom, width, height = rows[at].tolist()
            self._step(at, (left / width, top / height, right / width, bottom / height), width / height)

    def _step(self, at: int, box: tuple[float, float, float, float], aspect: float) -> None:
        (ax, ay), (bx, by) = ((x * aspect, y) for x, y in self._points)
        piece = (ax, ay, bx, by)
        here = _foot(box, aspect)
        size = max((box[2] - box[0]) * aspect, box[3] - box[1])
        if aspect not in self._bands:
            self._bands[aspect] = default_band(self._points, aspect)
        width = half_width(self._bands[aspect], size)
        left, square = _stand(here, piece)
        outside = square > width * width
        self.near[at] = not outside
        before = None if self._box is None else _foot(self._box, aspect)
        self._box = box
        step = 0
        if before is not None and _stand(before, piece)[0] != left:
            step = _passes(before, here, piece) * (1 if left else -1)
            self.beyond[at] = not step
            if step:
                self.steps[at], self._passed = step, at
        if self._phase == "new" and not outside and sqrt(square) > SIDE_KNOWN * width:
            self._phase, self._entry, self._passed = "armed", complex(*here), at
            return
        if self._phase == "new" or self._phase == "born":
            self._phase, self._net = ("outside" if outside else "born"), 0
            return
        if self._phase == "outside" and not outside and before is not None:
            self._entry, self._passed = complex(*before), at
        self._net = min(max(self._net + step, -100), 100)
        total = self._net
        if self._phase == "armed" and outside and not total:
            total = straight_way(self._entry, here, [piece], [left])
        self._phase = "outside" if outside else "armed"
        if outside:
            if total:
                self.passages.append(Passage(at, self._passed, 1 if total > 0 else -1))
            self._net = 0


def _foot(box: tuple[float, float, float, float], aspect: float) -> tuple[float, float]:
    left, top, right, bottom = box
    return (left + (right - left) * 0.5) * aspect, top + (bottom - top) * 1.0


def _stand(point: tuple[float, float], piece: tuple[float, float, float, float]) -> tuple[bool, float]:
    """(on the left-hand side of a segment's line, square of the distance to the segment): the sums that the native engine
    does."""
    (x, y), (ax, ay, bx, by) = point, piece
    dx, dy = bx - ax, by - ay
    length = float(np.hypot(dx, dy))
    dx, dy = dx / (length or 1.0), dy / (length or 1.0)
    side = x * dy + y * -dx - (ax * dy - ay * dx)
    along = x * dx + y * dy - (ax * dx + ay * dy)
    beyond = along - min(max(along, 0.0), length)
    return side >= 0, side * side + beyond * beyond


def _passes(before: tuple[float, float], here: tuple[float, float], piece: tuple[float, float, float, float]) -> bool:
    """Whether the segment's ends are on two sides of the movement."""
    (px, py), (ax, ay, bx, by) = before, piece
    mx, my = here[0] - px, here[1] - py
    return (mx * (ay - py) - my * (ax - px) >= 0) != (mx * (by - py) - my * (bx - px) >= 0)
