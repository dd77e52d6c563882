"""Layouts with an objectness: YOLOX as it is and decoded, YOLOv5 and YOLOv7, YOLOv6."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from countline.detect.layouts.base import SLACK, Array, Form, Layout, Raw, centred, grid
from countline.detect.layouts.family import Family
from countline.detect.layouts.observed import FileFacts, Output, Outputs, TrialRun, agrees, exponential
from countline.detect.preprocess import Preprocess

__all__ = ["FAMILY"]


def _objectness(layout: Layout, arrays: list[Array], size: tuple[int, int], floor: float) -> Raw:
    """(cells, 5 + classes + extra): box, objectness, class scores; YOLOX with offsets within the grid, the others with
    pixels."""
    table = arrays[0].T if layout.transposed else arrays[0]
    rows = np.flatnonzero(~(table[:, 4] < floor))  # NaN is kept, so that it is reported
    table = table[rows]

    def boxes(index: NDArray[np.intp]) -> Array:
        box = table[index, :4]
        if layout.name == "yolox":
            corner, stride = grid(size, layout.strides)
            at, step = corner[rows[index]], stride[rows[index]]
            with np.errstate(over="ignore"):
                box = np.concatenate([(box[:, :2] + at) * step, np.exp(box[:, 2:4]) * step], 1)
        return centred(box)

    scores = (table[:, 5 : 5 + layout.classes] * table[:, 4:5]).T
    impossible = _outside(table[:, 4]) or _outside(table[:, 5 : 5 + layout.classes])
    return Raw(scores, boxes, f"objectness or class scores {impossible}" if impossible else "")


def _outside(values: Array) -> str:
    """The range of values that are not probabilities; '' when they are."""
    if not values.size:
        return ""
    low, high = float(values.min()), float(values.max())
    return "" if low >= -SLACK and high <= 1 + SLACK else f"from {low:.4g} to {high:.4g}"


def _yolox(output: Output, outputs: Outputs) -> Iterator[Layout]:
    if not output.dense or outputs.facts.task:
        return
    n = output.channels - 5
    if n < 1 or outputs.classes not in (None, n) or not agrees(output, 4, 5):
        return
    strides = output.grid or ()
    for name in ("yolox", "yolox-decoded", "yolov6"):
        # Which of the latter two it is can be seen from the numbers of a run only (see _fit).
        if name == "yolox-decoded" or (name == "yolox" and not exponential(output)) or name == outputs.wanted:
            yield Layout(name, n, strides, order=(output.at,), transposed=output.transposed)


def _yolov5(output: Output, outputs: Outputs) -> Iterator[Layout]:
    if not output.anchored:
        return
    n = outputs.classes or output.channels - 5 - outputs.masks
    if n >= 1 and output.channels - 5 - n in (0, outputs.masks):
        yield Layout(
            "yolov5",
            n,
            output.grid or (),
            order=(output.at,),
            transposed=output.transposed,
            extra=output.channels - 5 - n,
        )


def _single(output: Output, outputs: Outputs) -> Iterator[Layout]:
    yield from _yolov5(output, outputs)
    yield from _yolox(output, outputs)


def _fit(layout: Layout, run: TrialRun) -> Layout:
    if layout.name != "yolox-decoded" or run.declared:
        return layout
    objectness = run.table[4] if layout.transposed else run.table[:, 4]
    # YOLOv6 has no objectness: its column is filled with 1.
    return replace(layout, name="yolov6") if (objectness == 1).all() else layout


def _prefer(found: Sequence[Layout], facts: FileFacts) -> Sequence[Layout]:
    if {layout.name for layout in found} == {"yolox", "yolox-decoded"} and facts.provenance:
        return [
            layout for layout in found if layout.name == "yolox"
        ]  # no exponential in the file: boxes are not decoded
    return found


FAMILY = Family(
    (
        Form("yolox", _objectness, Preprocess("bgr", 1.0)),
        Form("yolox-decoded", _objectness, Preprocess("bgr", 1.0)),
        Form("yolov5", _objectness, either_way=2),
        Form("yolov6", _objectness),
    ),
    single=_single,
    fit=_fit,
    prefer=_prefer,
)
