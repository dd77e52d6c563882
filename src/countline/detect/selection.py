"""Which layouts are read on a device, and how."""

from __future__ import annotations

from collections.abc import Sequence

from countline.detect.classes import ClassPlan
from countline.detect.layouts import Layout, cells
from countline.gpu.stage import Selection, Tensor

__all__ = ["selection"]

NANODET, CENTRE, GRID, CENTRE_PARTS, CORNERS, CORNERS_PARTS = range(6)

_OBJECTNESS = {"yolox": GRID, "yolox-decoded": CENTRE, "yolov5": CENTRE, "yolov6": CENTRE}
_PLAIN = {"yolov8": CENTRE, "yolov8-seg": CENTRE}
_PAIRS = {"boxes-scores": CORNERS, "boxes-scores-parts": CORNERS_PARTS}


def selection(
    layout: Layout, plan: ClassPlan, shapes: Sequence[tuple[int, ...]], size: tuple[int, int], iou: float
) -> Selection | None:
    """How outputs of these shapes (of one frame, without its dimension) are read. ``size``: width, height of the input. None:
    the layout is decoded on the host from the complete outputs (few rows after suppression in the network; attributes)."""
    if layout.own is not None or layout.unbatched or layout.shared or layout.keypoint:
        return None
    chosen = [shapes[i] for i in layout.order]
    if any(len(shape) != 2 for shape in chosen):
        return None
    found = _single(layout, chosen[0]) if len(chosen) == 1 else _pair(layout, chosen) if len(chosen) == 2 else None
    if found is None:
        return None
    scores, boxes, count, kind, first = found
    bins = 0
    if kind in (NANODET, GRID) and count != cells(size, layout.strides):
        return None
    if kind == NANODET:
        channels = chosen[-1][0] if len(chosen) == 2 else chosen[0][0 if layout.transposed else 1] - layout.classes
        bins = channels // 4
    return Selection(
        scores, boxes, count, kind,
        tuple(first + int(row) for row in plan.rows),
        (*(int(start) for start in plan.starts), len(plan.rows)),
        tuple(float(floor) for floor in plan.floors),
        iou, size, layout.strides, bins,
        objectness=4 if layout.name in _OBJECTNESS else -1,
        sigmoid=layout.name == "detr" and not layout.probabilities,
    )  # fmt: skip


_Read = tuple[Tensor, Tensor, int, int, int]
"""Scores, boxes, cells, kind of the boxes, channel of the first class."""


def _table(layout: Layout, shape: tuple[int, ...], output: int, begin: int, *, cells_first: bool) -> tuple[Tensor, int]:
    """A table within an output, from channel ``begin`` on, and its cells."""
    count, channels = shape if cells_first else shape[::-1]
    channel, cell = (1, channels) if cells_first else (count, 1)
    return Tensor(output, shape[0] * shape[1], channel, cell, begin * channel), count


def _single(layout: Layout, shape: tuple[int, ...]) -> _Read | None:
    output = layout.order[0]
    if layout.name == "nanodet":  # (cells, channels), or the transpose
        scores, count = _table(layout, shape, output, 0, cells_first=not layout.transposed)
        boxes, _ = _table(layout, shape, output, layout.classes, cells_first=not layout.transposed)
        return scores, boxes, count, NANODET, 0
    if layout.name in _OBJECTNESS:
        table, count = _table(layout, shape, output, 0, cells_first=not layout.transposed)
        return table, table, count, _OBJECTNESS[layout.name], 5
    if layout.name in _PLAIN:
        table, count = _table(layout, shape, output, 0, cells_first=layout.transposed)
        return table, table, count, _PLAIN[layout.name], 4
    if layout.name == "rtdetr":
        table, count = _table(layout, shape, output, 0, cells_first=True)
        return table, table, count, CENTRE_PARTS, 4
    return None


def _pair(layout: Layout, shapes: Sequence[tuple[int, ...]]) -> _Read | None:
    first, second = layout.order
    if layout.name == "nanodet":
        scores, count = _table(layout, shapes[0], first, 0, cells_first=False)
        boxes, other = _table(layout, shapes[1], second, 0, cells_first=False)
        return (scores, boxes, count, NANODET, 0) if count == other else None
    if layout.name == "detr" and not layout.softmax:
        scores, count = _table(layout, shapes[0], first, 0, cells_first=True)
        boxes, other = _table(layout, shapes[1], second, 0, cells_first=True)
        return (scores, boxes, count, CENTRE_PARTS, 0) if count == other else None
    if layout.name in _PAIRS:
        scores, count = _table(layout, shapes[0], first, 0, cells_first=not layout.transposed)
        boxes, other = _table(layout, shapes[1], second, 0, cells_first=True)
        return (scores, boxes, count, _PAIRS[layout.name], 0) if count == other else None
    return None
