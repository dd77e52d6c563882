"""Output layouts of detection networks: which one a model has, and how its numbers become scores and boxes.

Every decoder gives, for one frame, :class:`Raw`: scores of all cells without copying where possible, and boxes only for
the cells that are asked for; so the work after the network grows with what was found, not with the size of the grid.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["LAYOUTS", "Layout", "Raw", "cells", "recognise"]

Array = NDArray[np.float32]


@dataclass(slots=True)
class Raw:
    """What a network says of one frame."""

    scores: Array
    """(classes, cells) in 0..1."""
    boxes: Callable[[NDArray[np.intp]], Array]
    """Cell numbers -> (n, 4) xyxy in pixels of the network's input."""


@dataclass(frozen=True)
class Layout:
    """A recognised layout with what its decoder needs."""

    name: str
    classes: int
    strides: tuple[int, ...] = (8, 16, 32)
    softmax: bool = False
    """DETR: the last class is 'no object'."""
    order: tuple[int, ...] = (0,)
    """Positions of the outputs: (scores, boxes), or the one that holds all."""
    turned: bool = False
    """The output has cells before channels where the layout's usual form has them after, or the reverse."""

    def decode(self, outputs: Sequence[NDArray[Any]], frame: int, size: tuple[int, int], floor: float) -> Raw:
        """Scores and boxes of one frame of the batch; ``size`` is width, height of the input. Cells that cannot reach
        ``floor`` may be left out."""
        arrays = [np.asarray(outputs[i][frame], np.float32) for i in self.order]
        return LAYOUTS[self.name](self, arrays, size, floor)


@lru_cache(maxsize=16)
def _grid(size: tuple[int, int], strides: tuple[int, ...]) -> tuple[Array, Array]:
    """(cells, 2) column and row of each cell, (cells, 1) its stride."""
    corners, steps = [], []
    for stride in strides:
        columns, rows = -(-size[0] // stride), -(-size[1] // stride)
        y, x = np.mgrid[:rows, :columns]
        corners.append(np.stack([x.ravel(), y.ravel()], 1))
        steps.append(np.full((rows * columns, 1), stride))
    return np.concatenate(corners).astype(np.float32), np.concatenate(steps).astype(np.float32)


def cells(size: tuple[int, int], strides: Sequence[int]) -> int:
    """Number of grid cells over all strides."""
    return sum(-(-size[0] // s) * -(-size[1] // s) for s in strides)


def _centred(boxes: Array) -> Array:
    """(n, 4) centre x, centre y, width, height -> xyxy."""
    half = boxes[:, 2:4] / 2
    return np.concatenate([boxes[:, :2] - half, boxes[:, :2] + half], 1)


def _nanodet(layout: Layout, arrays: list[Array], size: tuple[int, int], floor: float) -> Raw:
    """Distances to the four sides as distributions over bins (generalised focal loss, arXiv 2006.04388): the expected
    bin times the stride, from the centre of the cell."""
    if len(arrays) == 2:
        scores, sides = arrays  # (classes, cells), (4 * bins, cells)
    else:
        whole = arrays[0].T if not layout.turned else arrays[0]
        scores, sides = whole[: layout.classes], whole[layout.classes :]
    bins = sides.shape[0] // 4

    def boxes(index: NDArray[np.intp]) -> Array:
        corner, stride = _grid(size, layout.strides)
        weight = sides[:, index].reshape(4, bins, -1)
        weight = np.exp(weight - weight.max(axis=1, keepdims=True))
        expected = np.einsum("b,sbn->sn", np.arange(bins, dtype=np.float32), weight) / weight.sum(axis=1)
        step = stride[index]
        centre = (corner[index] + 0.5) * step
        distance = (expected * step.T).astype(np.float32)
        return np.stack(
            [
                centre[:, 0] - distance[0],
                centre[:, 1] - distance[1],
                centre[:, 0] + distance[2],
                centre[:, 1] + distance[3],
            ],
            1,
        )

    return Raw(scores, boxes)


def _objectness(layout: Layout, arrays: list[Array], size: tuple[int, int], floor: float) -> Raw:
    """(cells, 5 + classes): box, objectness, class scores; YOLOv5 with pixels, YOLOX with offsets within the grid."""
    table = arrays[0].T if layout.turned else arrays[0]
    rows = np.flatnonzero(table[:, 4] >= floor)
    table = table[rows]

    def boxes(index: NDArray[np.intp]) -> Array:
        box = table[index, :4]
        if layout.name == "yolox":
            corner, stride = _grid(size, layout.strides)
            at, step = corner[rows[index]], stride[rows[index]]
            box = np.concatenate([(box[:, :2] + at) * step, np.exp(box[:, 2:4]) * step], 1)
        return _centred(box)

    return Raw((table[:, 5:] * table[:, 4:5]).T, boxes)


def _yolov8(layout: Layout, arrays: list[Array], size: tuple[int, int], floor: float) -> Raw:
    """(4 + classes, cells): box in pixels, class scores."""
    table = arrays[0].T if layout.turned else arrays[0]
    return Raw(table[4:], lambda index: _centred(table[:4, index].T))


def _detr(layout: Layout, arrays: list[Array], size: tuple[int, int], floor: float) -> Raw:
    """(queries, classes) logits and (queries, 4) boxes in parts of the picture."""
    logits, part = arrays
    if layout.softmax:
        weight = np.exp(logits - logits.max(axis=1, keepdims=True))
        scores = (weight / weight.sum(axis=1, keepdims=True))[:, :-1]
    else:
        scores = 1 / (1 + np.exp(-logits))
    pixels = np.array([size[0], size[1], size[0], size[1]], np.float32)
    return Raw(scores.T, lambda index: _centred(part[index] * pixels))


LAYOUTS: Mapping[str, Callable[[Layout, list[Array], tuple[int, int], float], Raw]] = {
    "nanodet": _nanodet,
    "yolox": _objectness,
    "yolov5": _objectness,
    "yolov8": _yolov8,
    "detr": _detr,
}

_NANODET_STRIDES = ((8, 16, 32), (8, 16, 32, 64))
_YOLO_STRIDES = ((8, 16, 32), (8, 16, 32, 64))


def recognise(
    shapes: Sequence[tuple[int, ...]], names: Sequence[str], size: tuple[int, int], classes: int | None, wanted: str
) -> list[Layout]:
    """Layouts that fit the outputs' shapes (of a real run with a batch of one); more than one: ambiguous, none: unknown.

    ``classes`` is the number of labels where known, ``wanted`` the declared layout or 'auto'.
    """
    found = [*_pairs(shapes, names, size, classes), *_whole(shapes, size, classes)]
    return [layout for layout in found if wanted in ("auto", layout.name)]


def _pairs(
    shapes: Sequence[tuple[int, ...]], names: Sequence[str], size: tuple[int, int], classes: int | None
) -> list[Layout]:
    """Scores and boxes as two outputs."""
    flat = [i for i, shape in enumerate(shapes) if len(shape) == 3]
    found: list[Layout] = []
    for a in flat:
        for b in flat:
            if a == b:
                continue
            (_, rows, columns), (_, rows_b, columns_b) = shapes[a], shapes[b]
            if rows == rows_b and columns_b == 4 and (columns != 4 or "logit" in names[a].lower()):
                softmax = columns == classes + 1 if classes else (columns == 92)
                if classes in (None, columns - softmax):
                    found.append(Layout("detr", columns - softmax, softmax=bool(softmax), order=(a, b)))
            for strides in _NANODET_STRIDES:
                if columns == columns_b == cells(size, strides) and rows_b % 4 == 0 and rows_b >= 8 and classes == rows:
                    found.append(Layout("nanodet", rows, strides, order=(a, b)))
    return found


def _whole(shapes: Sequence[tuple[int, ...]], size: tuple[int, int], classes: int | None) -> list[Layout]:
    """All in one output of three dimensions; others beside it (masks, raw feature maps) are left alone."""
    found: list[Layout] = []
    for at, shape in enumerate(shapes):
        if len(shape) != 3 or (at and found):
            continue
        for turned, (count, channels) in ((False, shape[1:]), (True, shape[:0:-1])):
            for strides in _YOLO_STRIDES:
                if count == 3 * cells(size, strides) and _fits(channels - 5, classes):
                    found.append(Layout("yolov5", channels - 5, strides, order=(at,), turned=turned))
                if count == cells(size, strides):
                    found += _one_per_cell(channels, strides, classes, at, turned)
    return found


def _fits(count: int, classes: int | None) -> bool:
    return count >= 1 and classes in (None, count)


def _one_per_cell(channels: int, strides: tuple[int, ...], classes: int | None, at: int, turned: bool) -> list[Layout]:
    """One prediction in each cell: YOLOX, YOLOv8 or NanoDet, told apart by the number of channels."""
    guess = classes
    found: list[Layout] = []
    if _fits(channels - 4, guess):
        # YOLOv8 exports have channels first, so 'turned' is its usual form here.
        found.append(Layout("yolov8", channels - 4, strides, order=(at,), turned=not turned))
    if _fits(channels - 5, guess):
        found.append(Layout("yolox", channels - 5, strides, order=(at,), turned=turned))
    bins = (channels - guess) / 4 if guess else 0
    if bins in (8, 11, 16, 17):
        found.append(Layout("nanodet", channels - int(bins) * 4, strides, order=(at,), turned=turned))
    if guess is None:
        # Without labels only the customary forms count: YOLOv8 channels first, YOLOX cells first, both COCO or not.
        usual = {"yolov8": True, "yolox": False}
        found = [layout for layout in found if usual.get(layout.name) == turned]
        found += [Layout("nanodet", 80, strides, order=(at,), turned=turned) for n in (112, 124) if channels == n]
    return found
