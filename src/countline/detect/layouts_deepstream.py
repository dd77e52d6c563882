"""Output layouts of networks that were exported for DeepStream: DetectNet_v2's grids, and the forms of DeepStream-Yolo.

DetectNet_v2 (TAO's PeopleNet, TrafficCamNet, DashCamNet and those trained from them): ``output_cov`` (classes, rows, columns) is
how surely a cell is covered by an object, ``output_bbox`` (4 x classes, rows, columns) how far its sides are from the cell, in
units of 35 pixels. DeepStream-Yolo: each cell with its box, the score of its best class, and the number of that class, before
suppression; as one table of six or seven columns, or as three outputs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from countline.detect.graph import Made
from countline.detect.layouts import LAYOUTS, SLACK, Array, Layout, Raw

__all__ = ["DETECTNET", "YOLO", "candidates", "fitted", "told_apart"]

DETECTNET, YOLO = "detectnet", "deepstream-yolo"
NORM = 35.0
"""Pixels for which 1 stands in output_bbox."""
_BEST = frozenset({"ArgMax", "TopK"})
"""Operations that choose a class."""
_MOST_STRIDE = 64

Shape = tuple[int, ...]


def _detectnet(layout: Layout, arrays: list[Array], size: tuple[int, int], floor: float) -> Raw:
    cover, sides = arrays
    if layout.turned:
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


def _yolo(layout: Layout, arrays: list[Array], size: tuple[int, int], floor: float) -> Raw:
    table = _table(arrays)
    rows = np.flatnonzero(~(table[:, 4] < floor))
    table = table[rows]
    numbers = np.nan_to_num(np.rint(table[:, 5]), nan=-1.0, posinf=-1.0, neginf=-1.0).astype(np.int64)
    sound = (numbers >= 0) & (numbers < layout.classes) & (np.abs(numbers - table[:, 5]) <= SLACK)
    odd = ""
    if not sound.all():
        odd = f"the class number {table[~sound, 5][0]:.4g}, where there are {layout.classes} classes"
    right = np.flatnonzero(sound)
    scores = np.zeros((layout.classes, len(table)), np.float32)
    scores[numbers[right], right] = table[right, 4]

    def boxes(index: NDArray[np.intp]) -> Array:
        box = table[index, :4]
        if layout.xyxy:
            return box
        half = box[:, 2:4] / 2
        return np.concatenate([box[:, :2] - half, box[:, :2] + half], 1)

    return Raw(scores, boxes, odd)


def _table(arrays: Sequence[NDArray[Any]]) -> Array:
    """(cells, 6): box, score, class number; of one table, or of three outputs."""
    if len(arrays) == 3:
        boxes, scores, numbers = arrays
        return np.concatenate([boxes, scores.reshape(-1, 1), numbers.reshape(-1, 1)], 1)
    (table,) = arrays
    if table.shape[1] == 7:  # the score of the class, and that there is an object at all
        table = np.concatenate([table[:, :4], table[:, 4:5] * table[:, 6:7], table[:, 5:6]], 1)
    return np.asarray(table, np.float32)


LAYOUTS[DETECTNET] = _detectnet
LAYOUTS[YOLO] = _yolo


def candidates(
    shapes: Sequence[Shape], names: Sequence[str], size: tuple[int, int], classes: int | None, wanted: str
) -> Iterator[Layout]:
    """Layouts of these outputs (shapes of a real run) that may be. Tables of six columns are only proposed: whether the last
    one holds class numbers is for :func:`fitted` to say."""
    if wanted in ("auto", DETECTNET):
        yield from _grids(shapes, names, size, classes)
    if wanted in ("auto", YOLO):
        yield from _tables(shapes, names, classes, wanted)


def _grids(
    shapes: Sequence[Shape], names: Sequence[str], size: tuple[int, int], classes: int | None
) -> Iterator[Layout]:
    flat = [i for i, shape in enumerate(shapes) if len(shape) == 4]
    for a in flat:
        for b in flat:
            named = "cov" in names[a].lower() and "bbox" in names[b].lower()
            if a == b or not (named or len(flat) == len(shapes) == 2):
                continue
            for turned in (False, True):
                count, grid = _parts(shapes[a], turned)
                count_b, grid_b = _parts(shapes[b], turned)
                fits = grid == grid_b and count_b == 4 * count and classes in (None, count)
                if fits and count and _strides(size, grid):
                    yield Layout(DETECTNET, count, order=(a, b), turned=turned)
                    break


def _parts(shape: Shape, turned: bool) -> tuple[int, Shape]:
    return (shape[3], shape[1:3]) if turned else (shape[1], shape[2:4])


def _strides(size: tuple[int, int], grid: Shape) -> bool:
    """Both directions have the same stride."""
    rows, columns = grid
    across, down = -(-size[0] // max(columns, 1)), -(-size[1] // max(rows, 1))
    return across == down and 2 <= across <= _MOST_STRIDE


def _tables(shapes: Sequence[Shape], names: Sequence[str], classes: int | None, wanted: str) -> Iterator[Layout]:
    flat = [(i, shape) for i, shape in enumerate(shapes) if len(shape) == 3]
    for at, (_, count, columns) in flat:
        if columns == 6 or (columns == 7 and wanted == YOLO):
            yield Layout(YOLO, classes or 0, order=(at,))
        thin = [i for i, shape in flat if shape[1:] == (count, 1)]
        if columns == 4 and len(thin) == 2:
            first, second = thin
            swapped = _number(names[first]) and not _number(names[second])
            yield Layout(YOLO, classes or 0, order=(at, second, first) if swapped else (at, first, second))


def _number(name: str) -> bool:
    return any(word in name.lower() for word in ("class", "label", "cls"))


def _lists_classes(outputs: Sequence[NDArray[Any]], layout: Layout, made: Made) -> bool:
    """Whether the sixth column of a table holds class numbers: by the operation that makes it, else by its numbers."""
    if len(layout.order) == 3:
        return True
    table = outputs[layout.order[0]][0]
    parts = made.parts
    if len(parts) >= 3 and parts[0].width == 4 and {part.width for part in parts[1:]} == {1}:
        # joined from box, score and number: chosen among classes, or not
        return bool(_BEST & ({parts[2].last} | (parts[2].ops if parts[2].cut or not parts[2].last else frozenset())))
    score, number = table[:, 4], table[:, 5]
    if not np.isfinite(number).all() or (number != np.rint(number)).any() or number.min(initial=0) < 0:
        return False
    if not score.any() or score.min() < -SLACK or score.max() > 1 + SLACK:
        return False
    many = number.max() >= 2 or (number >= 1).mean() > 0.05
    return bool(many or not number.any())


def _with_corners(outputs: Sequence[NDArray[Any]], layout: Layout) -> Layout:
    """The layout with the form of its boxes: left, top, right and bottom have the larger numbers behind in every row; of centres
    and sides, as older exports have them, the sides are smaller in most."""
    table = _table([np.asarray(outputs[at][0], np.float32) for at in layout.order])
    used = table[:, :4].any(axis=1) & np.isfinite(table[:, :4]).all(axis=1)
    box = table[used, :4]
    corners = not len(box) or bool(((box[:, 2:] >= box[:, :2]).all(axis=1)).mean() > 0.9)
    return replace(layout, xyxy=corners)


def fitted(layout: Layout, outputs: Sequence[NDArray[Any]], made: Made, declared: bool) -> Layout | None:
    """A layout of :func:`candidates` with what only numbers tell; None: they speak against it."""
    if not declared and not _lists_classes(outputs, layout, made):
        return None
    return _with_corners(outputs, layout)


def told_apart(found: Sequence[Layout]) -> list[Layout]:
    """Readings that are left where one has class numbers in a column of its own: YOLOX's and YOLOv8's would take these for
    scores. A list after suppression is read in the same way, unless its boxes are centres."""
    yolo = next((layout for layout in found if layout.name == YOLO), None)
    if yolo is None:
        return list(found)
    listed = [layout for layout in found if layout.name == "end2end"]
    return listed if listed and yolo.xyxy else [yolo]
