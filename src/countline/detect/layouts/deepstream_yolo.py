"""DeepStream-Yolo's exports: each cell with its box, the score of its best class, and the number of that class, before
suppression; as one table of six or seven columns, or as three outputs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from countline.detect.graph import Provenance
from countline.detect.layouts.base import SLACK, Array, Form, Layout, Raw
from countline.detect.layouts.family import Family
from countline.detect.layouts.observed import Output, Outputs, TrialRun

__all__ = ["FAMILY"]

YOLO = "deepstream-yolo"
_BEST = frozenset({"ArgMax", "TopK"})
"""Operations that choose a class."""


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


def _exclusive(outputs: Outputs) -> Iterator[Layout]:
    """Boxes, scores and class numbers as three outputs."""
    flat = [(i, outputs.shapes[i]) for i in outputs.flat()] if outputs.may_be(YOLO) else []
    for at, (_, count, columns) in flat:
        thin = [i for i, shape in flat if shape[1:] == (count, 1)]
        if columns == 4 and len(thin) == 2:
            first, second = thin
            swapped = _is_number(outputs.names[first]) and not _is_number(outputs.names[second])
            yield Layout(YOLO, outputs.classes or 0, order=(at, second, first) if swapped else (at, first, second))


def _table_of(output: Output, outputs: Outputs) -> Iterator[Layout]:
    """One table. Six columns are a proposal: :func:`_fit` decides whether the last one holds class numbers."""
    if not output.transposed and (output.channels == 6 or (output.channels == 7 and outputs.wanted == YOLO)):
        yield Layout(YOLO, outputs.classes or 0, order=(output.at,))


def _is_number(name: str) -> bool:
    return any(word in name.lower() for word in ("class", "label", "cls"))


def _lists_classes(outputs: Sequence[NDArray[Any]], layout: Layout, provenance: Provenance) -> bool:
    """Whether the sixth column of a table holds class numbers: by the operation that makes it, else by its numbers."""
    if len(layout.order) == 3:
        return True
    table = outputs[layout.order[0]][0]
    parts = provenance.parts
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


def _fit(layout: Layout, run: TrialRun) -> Layout | None:
    provenance = run.facts.of(run.name, 6)
    if not run.declared and not _lists_classes(run.outputs, layout, provenance):
        return None
    return _with_corners(run.outputs, layout)


def _separate(found: Sequence[Layout]) -> list[Layout]:
    """Readings that are left where one has class numbers in a column of its own: YOLOX's and YOLOv8's would take these for
    scores. A list after suppression is read in the same way, unless its boxes are centres."""
    yolo = next((layout for layout in found if layout.name == YOLO), None)
    if yolo is None:
        return list(found)
    listed = [layout for layout in found if layout.name == "end2end"]
    return listed if listed and yolo.xyxy else [yolo]


FAMILY = Family((Form(YOLO, _yolo),), exclusive=_exclusive, single=_table_of, fit=_fit, separate=_separate)
