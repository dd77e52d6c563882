"""Output layouts of detection networks: which one a model has, and how its numbers become scores and boxes.

Every decoder gives, for one frame, :class:`Raw`: scores of all cells without copying where possible, and boxes only for
the cells that are asked for; so the work after the network grows with what was found, not with the size of the grid.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from countline.types import CORNERS as BOX_CORNERS
from countline.types import KEYPOINTS

__all__ = ["CORNERS", "LAYOUTS", "Layout", "Raw", "cells"]

Array = NDArray[np.float32]

SLACK = 0.01
"""How far beyond 0 … 1 rounding may carry a probability."""


@dataclass(slots=True)
class Raw:
    """What a network says of one frame."""

    scores: Array
    """(classes, cells) in 0..1."""
    boxes: Callable[[NDArray[np.intp]], Array]
    """Cell numbers -> (n, 4) xyxy in pixels of the network's input."""
    odd: str = ""
    """What cannot be, such as class numbers that are none."""
    points: Callable[[NDArray[np.intp]], dict[str, Array]] | None = None
    """Cell numbers -> attributes that are points: (n, points, 2 or more) x and y in pixels of the network's input, then what
    else is known of each. None: the layout has none."""


class Decoder(Protocol):
    """What reads the outputs of a layout that another distribution brings (see ``own_layout``)."""

    corners: bool

    def decode(self, outputs: Sequence[Array], classes: int, size: tuple[int, int], floor: float) -> Raw: ...


@dataclass(frozen=True)
class Layout:
    """A recognised layout with what its decoder needs."""

    name: str
    classes: int
    strides: tuple[int, ...] = (8, 16, 32)
    softmax: bool = False
    """DETR: the last class is 'no object'."""
    probabilities: bool = False
    """DETR: the scores are probabilities already, not logits."""
    imagenet: bool = False
    """Pictures are prepared with ImageNet's mean and deviation: DETR and RF-DETR, unlike RT-DETR and its kin."""
    extra: int = 0
    """Numbers of each cell behind its classes that are no classes: an angle, keypoints, mask coefficients."""
    keypoint: int = 0
    """Numbers of each keypoint among the ``extra`` ones, x and y first: 2 or 3; 0: they are no keypoints."""
    order: tuple[int, ...] = (0,)
    """Positions of the outputs: (scores, boxes), the one that holds all, or the scores of each stride and then the boxes of
    each."""
    shared: tuple[int, ...] = ()
    """Those of ``order``, at its end, that are one for all frames: anchors."""
    unbatched: bool = False
    """The outputs have no dimension for the frames of a batch: one frame at a time."""
    turned: bool = False
    """The output has cells before channels where the layout's usual form has them after, or the reverse."""
    own: Decoder | None = None
    """What reads it, where it is none of :data:`LAYOUTS`."""
    xyxy: bool = False
    """DeepStream-Yolo: boxes are left, top, right and bottom, as newer exports have them, not centre and sides."""

    def decode(self, outputs: Sequence[NDArray[Any]], frame: int, size: tuple[int, int], floor: float) -> Raw:
        """Scores and boxes of one frame of the batch; ``size`` is width, height of the input. Cells that cannot reach
        ``floor`` may be left out."""
        chosen = [outputs[i] if self.unbatched else outputs[i][frame] for i in self.order if i not in self.shared]
        chosen += [outputs[i][0] for i in self.shared]
        arrays = [np.asarray(array, np.float32) for array in chosen]
        if self.own is not None:
            return self.own.decode(arrays, self.classes, size, floor)
        return LAYOUTS[self.name](self, arrays, size, floor)

    @property
    def corners(self) -> bool:
        """Whether the boxes are left, top, right and bottom in the file, or distances."""
        return self.xyxy or self.name in CORNERS if self.own is None else self.own.corners


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
    if len(arrays) > 2:  # a pair for each stride
        levels = [_channels_first(array, layout, size, i) for i, array in enumerate(arrays)]
        scores, sides = (np.concatenate(half, 1) for half in (levels[: len(levels) // 2], levels[len(levels) // 2 :]))
    elif len(arrays) == 2:
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


def _channels_first(array: Array, layout: Layout, size: tuple[int, int], at: int) -> Array:
    """(channels, cells) of the ``at``-th output of those for each stride: (cells, channels), (channels, cells) or (channels,
    rows, columns)."""
    count = cells(size, (layout.strides[at % len(layout.strides)],))
    return array.T if array.ndim == 2 and array.shape[0] == count else array.reshape(-1, count)


def _objectness(layout: Layout, arrays: list[Array], size: tuple[int, int], floor: float) -> Raw:
    """(cells, 5 + classes + extra): box, objectness, class scores; YOLOX with offsets within the grid, the others with
    pixels."""
    table = arrays[0].T if layout.turned else arrays[0]
    rows = np.flatnonzero(~(table[:, 4] < floor))  # what is not a number is kept, to be seen
    table = table[rows]

    def boxes(index: NDArray[np.intp]) -> Array:
        box = table[index, :4]
        if layout.name == "yolox":
            corner, stride = _grid(size, layout.strides)
            at, step = corner[rows[index]], stride[rows[index]]
            with np.errstate(over="ignore"):
                box = np.concatenate([(box[:, :2] + at) * step, np.exp(box[:, 2:4]) * step], 1)
        return _centred(box)

    scores = (table[:, 5 : 5 + layout.classes] * table[:, 4:5]).T
    impossible = _outside(table[:, 4]) or _outside(table[:, 5 : 5 + layout.classes])
    return Raw(scores, boxes, f"objectness or class scores {impossible}" if impossible else "")


def _outside(values: Array) -> str:
    """What is seen of numbers that are no probabilities; '' when they are."""
    if not values.size:
        return ""
    low, high = float(values.min()), float(values.max())
    return "" if low >= -SLACK and high <= 1 + SLACK else f"from {low:.4g} to {high:.4g}"


def _yolov8(layout: Layout, arrays: list[Array], size: tuple[int, int], floor: float) -> Raw:
    """(4 + classes + extra, cells): box in pixels, class scores, extra numbers."""
    table = arrays[0].T if layout.turned else arrays[0]
    scores = table[4 : 4 + layout.classes]
    if layout.name == "yolov8-obb":
        return _turned(scores, lambda index: table[:4, index].T, table[4 + layout.classes])
    points = (
        _keypoints(lambda index: table[4 + layout.classes :, index].T, layout.keypoint) if layout.keypoint else None
    )
    return Raw(scores, lambda index: _centred(table[:4, index].T), points=points)


def _keypoints(
    read: Callable[[NDArray[np.intp]], Array], numbers: int
) -> Callable[[NDArray[np.intp]], dict[str, Array]]:
    """``read``: cell numbers -> (n, keypoints * numbers)."""
    return lambda index: {KEYPOINTS: read(index).reshape(len(index), -1, numbers)}


def _turned(scores: Array, boxes: Callable[[NDArray[np.intp]], Array], angle: Array, odd: str = "") -> Raw:
    """Boxes (centre, width, height) that are turned by angles (radians): the upright ones around them, and their corners."""

    def corners(index: NDArray[np.intp]) -> dict[str, Array]:
        box, cos, sin = boxes(index), np.cos(angle[index]), np.sin(angle[index])
        along = np.stack([cos, sin], 1) * box[:, 2:3] / 2
        down = np.stack([-sin, cos], 1) * box[:, 3:4] / 2
        ends = [box[:, :2] + a * along + b * down for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
        return {BOX_CORNERS: np.stack(ends, 1).astype(np.float32)}

    return Raw(scores, lambda index: _enclosing(boxes(index), angle[index]), odd or _bend(angle), corners)


def _enclosing(boxes: Array, angle: Array) -> Array:
    """(n, 4) centre, width, height and the angle (radians) by which they are turned -> the upright boxes around them."""
    cos, sin = np.abs(np.cos(angle)), np.abs(np.sin(angle))
    wide, high = boxes[:, 2], boxes[:, 3]
    around = np.stack([boxes[:, 0], boxes[:, 1], wide * cos + high * sin, wide * sin + high * cos], 1)
    return _centred(around.astype(np.float32))


def _bend(angle: Array) -> str:
    low, high = (float(angle.min()), float(angle.max())) if angle.size else (0.0, 0.0)
    return "" if -3.2 <= low <= high <= 3.2 else f"angles from {low:.4g} to {high:.4g} radians"


def _detr(layout: Layout, arrays: list[Array], size: tuple[int, int], floor: float) -> Raw:
    """(queries, classes) logits and (queries, 4) boxes in parts of the picture."""
    logits, part = arrays
    if layout.softmax:
        weight = np.exp(logits - logits.max(axis=1, keepdims=True))
        scores = (weight / weight.sum(axis=1, keepdims=True))[:, :-1]
    elif layout.probabilities:
        scores = logits
    else:
        with np.errstate(over="ignore"):
            scores = 1 / (1 + np.exp(-logits))
    return Raw(scores[:, : layout.classes].T, lambda index: _centred(part[index] * _pixels(size)))


def _pixels(size: tuple[int, int]) -> Array:
    return np.array([size[0], size[1], size[0], size[1]], np.float32)


def _rtdetr(layout: Layout, arrays: list[Array], size: tuple[int, int], floor: float) -> Raw:
    """(queries, 4 + classes): box in parts of the picture, class scores."""
    table = arrays[0]
    return Raw(table[:, 4 : 4 + layout.classes].T, lambda index: _centred(table[index, :4] * _pixels(size)))


def _end2end(layout: Layout, arrays: list[Array], size: tuple[int, int], floor: float) -> Raw:
    """(objects, 6 + extra): box in pixels, score, class number, after suppression; unused rows have no score. The box is
    xyxy, but where an angle follows: centre, width, height. PaddleDetection has class number, score, box,
    YOLOv7 the frame's number, box, class number, score."""
    table = arrays[0]
    if layout.name == "paddle":
        table = table[:, [2, 3, 4, 5, 1, 0]]
        table = table[table[:, 5] >= 0]  # a row of class -1 says that nothing was found
    elif layout.name == "yolov7-end2end":
        table = table[:, [1, 2, 3, 4, 6, 5]]
    whole = np.abs(table[:, 5] - np.rint(table[:, 5])) <= SLACK
    table = table[~(whole & (table[:, 4] <= 0))]
    numbers = np.nan_to_num(np.rint(table[:, 5]), nan=-1.0, posinf=-1.0, neginf=-1.0).astype(np.int64)
    wrong = (numbers < 0) | (numbers >= layout.classes) | (np.abs(numbers - table[:, 5]) > SLACK)
    scores = np.zeros((layout.classes, len(table)), np.float32)
    right = np.flatnonzero(~wrong)
    scores[numbers[right], right] = table[right, 4]
    odd = f"the class number {table[wrong, 5][0]:.4g}, where there are {layout.classes} classes" if wrong.any() else ""
    if layout.name == "end2end-obb":
        return _turned(scores, lambda index: table[index, :4], table[:, 6], odd)
    points = _keypoints(lambda index: table[index, 6:], layout.keypoint) if layout.keypoint else None
    return Raw(scores, lambda index: table[index, :4], odd, points)


def _detections(layout: Layout, arrays: list[Array], size: tuple[int, int], floor: float) -> Raw:
    """(objects, 4) boxes, (objects,) scores, (objects,) class numbers, after suppression. TensorFlow's boxes are top, left,
    bottom, right in parts of the picture, and its classes are counted from 1."""
    boxes, scores, numbers = arrays[0], arrays[1].reshape(-1, 1), arrays[2].reshape(-1, 1)
    if layout.name == "detections-tf":
        boxes, numbers = boxes[:, [1, 0, 3, 2]], numbers - 1
    if layout.name != "detections":
        boxes = boxes * _pixels(size)
    return _end2end(layout, [np.concatenate([boxes, scores, numbers], 1)], size, floor)


def _boxes_scores(layout: Layout, arrays: list[Array], size: tuple[int, int], floor: float) -> Raw:
    """(cells, classes) scores and (cells, 4) boxes before suppression, in pixels or parts of the picture. SSD's first class is
    the background: where labels name it, it is never found."""
    scores, boxes = arrays[0], arrays[1].reshape(-1, 4)
    scores = scores if layout.turned else scores.T
    if layout.name == "ssd":
        scores = scores[-layout.classes :]
        if layout.classes == len(arrays[0].T):
            scores = np.concatenate([np.zeros_like(scores[:1]), scores[1:]])
    scale = 1 if layout.name == "boxes-scores" else _pixels(size)
    return Raw(scores, lambda index: boxes[index] * scale)


def _efficientdet(layout: Layout, arrays: list[Array], size: tuple[int, int], floor: float) -> Raw:
    """(anchors, classes) scores, (anchors, 4) shifts of an anchor's centre and logarithms of its growth (down, right, high,
    wide; arXiv 1911.09070), and (anchors, 4) the anchors themselves: top, left, bottom, right in pixels."""
    scores, shifts = arrays[:2]
    anchors = arrays[2].reshape(-1, 4)

    def boxes(index: NDArray[np.intp]) -> Array:
        anchor, shift = anchors[index], shifts[index]
        sides = anchor[:, 2:] - anchor[:, :2]
        centre = (anchor[:, :2] + anchor[:, 2:]) / 2 + shift[:, :2] * sides
        with np.errstate(over="ignore"):
            half = np.exp(shift[:, 2:]) * sides / 2
        return np.concatenate([centre - half, centre + half], 1)[:, [1, 0, 3, 2]].astype(np.float32)

    return Raw(scores.T, boxes)


LAYOUTS: dict[str, Callable[[Layout, list[Array], tuple[int, int], float], Raw]] = {
    "nanodet": _nanodet,
    "yolox": _objectness,
    "yolox-decoded": _objectness,
    "yolov5": _objectness,
    "yolov6": _objectness,
    "yolov8": _yolov8,
    "yolov8-seg": _yolov8,
    "yolov8-pose": _yolov8,
    "yolov8-obb": _yolov8,
    "detr": _detr,
    "rtdetr": _rtdetr,
    "end2end": _end2end,
    "end2end-obb": _end2end,
    "paddle": _end2end,
    "yolov7-end2end": _end2end,
    "detections": _detections,
    "detections-parts": _detections,
    "detections-tf": _detections,
    "boxes-scores": _boxes_scores,
    "boxes-scores-parts": _boxes_scores,
    "ssd": _boxes_scores,
    "efficientdet": _efficientdet,
    "picodet": _nanodet,
}
"""Those of other files add themselves when :mod:`countline.detect.recognise` is imported."""

CORNERS = frozenset(
    (
        "nanodet",
        "picodet",
        "end2end",
        "yolov7-end2end",
        "paddle",
        "detections",
        "detections-parts",
        "detections-tf",
        "boxes-scores",
        "boxes-scores-parts",
        "ssd",
        "efficientdet",
        "detectnet",
    )
)
"""Those whose boxes are left, top, right and bottom in the file, or distances."""
