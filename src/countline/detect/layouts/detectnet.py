"""DetectNet_v2 (TAO's PeopleNet, TrafficCamNet, DashCamNet and those trained from them): ``output_cov`` (classes, rows, columns)
is how surely a cell is covered by an object, ``output_bbox`` (4 x classes, rows, columns) how far its sides are from the cell, in
units of 35 pixels.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from countline.detect.layouts.base import Array, Form, Layout, Raw
from countline.detect.layouts.family import Family
from countline.detect.layouts.observed import Outputs, Shape
from countline.detect.preprocess import Preprocess

__all__ = ["FAMILY"]

DETECTNET = "detectnet"
NORM = 35.0
"""Pixels for which 1 stands in output_bbox."""
_MOST_STRIDE = 64


def _detectnet(layout: Layout, arrays: list[Array], size: tuple[int, int], floor: float) -> Raw:
    cover, sides = arrays
    if layout.transposed:
        cover, sides = cover.transpose(2, 0, 1), sides.transpose(2, 0, 1)
    classes, rows, columns = cover.shape
    step = (-(-size[0] // columns), -(-size[1] // rows))
    # Each class has boxes of its own: every class of every cell is a cell of its own in what follows.
    kind, row, column = np.nonzero(~(cover < floor))
    scores = np.zeros((classes, len(kind)), np.float32)
    scores[kind, np.arange(len(kind))] = cover[kind, row, column]
    sides = sides.reshape(classes, 4, rows, columns)

    def boxes(index: NDArray[np.intp]) -> Array:
        at = sides[kind[index], :, row[index], column[index]] * np.float32(NORM)
        x, y = column[index] * step[0] + 0.5, row[index] * step[1] + 0.5
        found = np.stack([x - at[:, 0], y - at[:, 1], x + at[:, 2], y + at[:, 3]], 1)
        return np.asarray(found, np.float32)

    return Raw(scores, boxes)


def _exclusive(outputs: Outputs) -> Iterator[Layout]:
    if not outputs.may_be(DETECTNET):
        return
    shapes, names, size, classes = outputs.shapes, outputs.names, outputs.size, outputs.classes
    flat = [i for i, shape in enumerate(shapes) if len(shape) == 4]
    for a in flat:
        for b in flat:
            named = "cov" in names[a].lower() and "bbox" in names[b].lower()
            if a == b or not (named or len(flat) == len(shapes) == 2):
                continue
            for transposed in (False, True):
                count, grid = _classes_and_grid(shapes[a], transposed)
                count_b, grid_b = _classes_and_grid(shapes[b], transposed)
                fits = grid == grid_b and count_b == 4 * count and classes in (None, count)
                if fits and count and _strides(size, grid):
                    yield Layout(DETECTNET, count, order=(a, b), transposed=transposed)
                    break


def _classes_and_grid(shape: Shape, transposed: bool) -> tuple[int, Shape]:
    return (shape[3], shape[1:3]) if transposed else (shape[1], shape[2:4])


def _strides(size: tuple[int, int], grid: Shape) -> bool:
    """Both directions have the same stride."""
    rows, columns = grid
    across, down = -(-size[0] // max(columns, 1)), -(-size[1] // max(rows, 1))
    return across == down and 2 <= across <= _MOST_STRIDE


FAMILY = Family((Form(DETECTNET, _detectnet, Preprocess(letterbox=False), corners=True),), exclusive=_exclusive)
