"""What Ultralytics' exporter writes since v8: boxes and class scores, and what a task adds to them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from countline.detect.layouts.base import Array, Form, Layout, Raw, centred
from countline.detect.layouts.family import Family
from countline.detect.layouts.observed import (
    TASKS,
    Output,
    Outputs,
    agrees,
    classes_of,
    cuts_of,
    exponential,
    keypoint_of,
    keypoints_fit,
)
from countline.types import CORNERS as BOX_CORNERS
from countline.types import KEYPOINTS

__all__ = ["FAMILY", "keypoints", "rotated"]


def _yolov8(layout: Layout, arrays: list[Array], size: tuple[int, int], floor: float) -> Raw:
    """(4 + classes + extra, cells): box in pixels, class scores, extra numbers."""
    table = arrays[0].T if layout.transposed else arrays[0]
    scores = table[4 : 4 + layout.classes]
    if layout.name == "yolov8-obb":
        return rotated(scores, lambda index: table[:4, index].T, table[4 + layout.classes])
    points = keypoints(lambda index: table[4 + layout.classes :, index].T, layout.keypoint) if layout.keypoint else None
    return Raw(scores, lambda index: centred(table[:4, index].T), points=points)


def keypoints(
    read: Callable[[NDArray[np.intp]], Array], numbers: int
) -> Callable[[NDArray[np.intp]], dict[str, Array]]:
    """``read``: cell numbers -> (n, keypoints * numbers)."""
    return lambda index: {KEYPOINTS: read(index).reshape(len(index), -1, numbers)}


def rotated(scores: Array, boxes: Callable[[NDArray[np.intp]], Array], angle: Array, odd: str = "") -> Raw:
    """Boxes (centre, width, height) rotated by angles (radians) -> their axis-aligned bounding boxes, with their corners."""

    def corners(index: NDArray[np.intp]) -> dict[str, Array]:
        box, cos, sin = boxes(index), np.cos(angle[index]), np.sin(angle[index])
        along = np.stack([cos, sin], 1) * box[:, 2:3] / 2
        down = np.stack([-sin, cos], 1) * box[:, 3:4] / 2
        ends = [box[:, :2] + a * along + b * down for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
        return {BOX_CORNERS: np.stack(ends, 1).astype(np.float32)}

    return Raw(scores, lambda index: _enclosing(boxes(index), angle[index]), odd or _angle_problem(angle), corners)


def _enclosing(boxes: Array, angle: Array) -> Array:
    """(n, 4) centre, width, height and (n,) rotation in radians -> (n, 4) axis-aligned bounding boxes, xyxy."""
    cos, sin = np.abs(np.cos(angle)), np.abs(np.sin(angle))
    wide, high = boxes[:, 2], boxes[:, 3]
    around = np.stack([boxes[:, 0], boxes[:, 1], wide * cos + high * sin, wide * sin + high * cos], 1)
    return centred(around.astype(np.float32))


def _angle_problem(angle: Array) -> str:
    low, high = (float(angle.min()), float(angle.max())) if angle.size else (0.0, 0.0)
    return "" if -3.2 <= low <= high <= 3.2 else f"angles from {low:.4g} to {high:.4g} radians"


def _single(output: Output, outputs: Outputs) -> Iterator[Layout]:
    """Box, classes, and what the task adds; the meaning of the columns after the classes must be known, not guessed from their number."""
    # The number of cells fits no known strides: the task of the metadata decides.
    by_task = not output.grid and outputs.facts.task and output.transposed and output.count > output.channels
    if not (output.dense or by_task):
        return
    rest = output.channels - 4
    n = classes_of(output, outputs)
    if n is None:
        n = rest - {"yolov8": 0, "yolov8-obb": 1, "yolov8-seg": outputs.masks or 32}.get(outputs.wanted, rest)
    extra = rest - n
    if n < 1 or extra < 0 or (exponential(output) and not output.transposed):
        return
    declared = TASKS.get(outputs.facts.task, "") or (outputs.wanted if outputs.wanted != "auto" else "")
    joined = 4 + n in cuts_of(output.provenance)[0]
    for name, fits, sure in (
        ("yolov8", extra == 0, True),
        ("yolov8-seg", extra > 0 and extra == (outputs.masks or 32), bool(outputs.masks)),
        ("yolov8-obb", extra == 1, joined),
        ("yolov8-pose", keypoints_fit(extra, outputs.facts.keypoints), joined and not outputs.masks),
    ):
        known = 4 + n if name == "yolov8-pose" and outputs.facts.keypoints else None
        if fits and (declared == name if declared else sure) and agrees(output, 4, 4 + n, known=known):
            keypoint, transposed = keypoint_of(name, extra, outputs.facts), not output.transposed
            yield Layout(
                name, n, output.grid or (), order=(output.at,), transposed=transposed, extra=extra, keypoint=keypoint
            )


FAMILY = Family(
    tuple(Form(name, _yolov8, channels_first=True, either_way=1 if name == "yolov8" else 0) for name in TASKS.values()),
    single=_single,
)
