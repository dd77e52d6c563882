"""The layout of a network's outputs: its description, and how it is decoded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from countline.detect.preprocess import Preprocess

__all__ = [
    "FORMS",
    "SLACK",
    "Array",
    "Decoder",
    "Form",
    "Layout",
    "Raw",
    "Size",
    "cells",
    "centred",
    "grid",
    "pixels",
]

Array = NDArray[np.float32]
Size = tuple[int, int]
"""Width, height."""

SLACK = 0.01
"""How far beyond 0 … 1 rounding may carry a probability."""


@dataclass(slots=True)
class Raw:
    """What a network found in one frame, before suppression."""

    scores: Array
    """(classes, cells) in 0..1."""
    boxes: Callable[[NDArray[np.intp]], Array]
    """Cell numbers -> (n, 4) xyxy in pixels of the network's input."""
    odd: str = ""
    """A value that is out of range, such as a class number that does not exist, for the error; '' when there is none."""
    points: Callable[[NDArray[np.intp]], dict[str, Array]] | None = None
    """Cell numbers -> attributes that are points: (n, points, 2 or more) x and y in pixels of the network's input, then what
    else is known of each. None: the layout has none."""


class Decoder(Protocol):
    """Decodes the outputs of a layout that another distribution brings (see ``own_layout``)."""

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
    """Columns of each cell after its classes: an angle, keypoints, mask coefficients."""
    keypoint: int = 0
    """Numbers of each keypoint among the ``extra`` ones, x and y first: 2 or 3; 0: they are no keypoints."""
    order: tuple[int, ...] = (0,)
    """Positions of the outputs: (scores, boxes), the one that holds all, or the scores of each stride and then the boxes of
    each."""
    shared: tuple[int, ...] = ()
    """Those of ``order``, at its end, that are one for all frames: anchors."""
    unbatched: bool = False
    """The outputs have no dimension for the frames of a batch: one frame at a time."""
    transposed: bool = False
    """The output has cells before channels where the layout's usual form has them after, or the reverse."""
    own: Decoder | None = None
    """The decoder, where the layout is none of :data:`FORMS`."""
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
        return FORMS[self.name].decode(self, arrays, size, floor)

    @property
    def corners(self) -> bool:
        """Whether the boxes are left, top, right and bottom in the file, or distances."""
        return self.xyxy or FORMS[self.name].corners if self.own is None else self.own.corners


_PLAIN = Preprocess()


@dataclass(frozen=True)
class Form:
    """One layout, as its family declares it."""

    name: str
    decode: Callable[[Layout, list[Array], Size, float], Raw]
    """Reads the outputs of one frame, in the order of ``Layout.order``: layout, outputs, size of the input, and the score that
    cells must reach to matter."""
    preprocess: Preprocess = _PLAIN
    """What the original project does with pictures; ``normalize`` in the configuration changes single parts."""
    corners: bool = False
    """Boxes are left, top, right and bottom in the file, or distances."""
    channels_first: bool = False
    """The usual direction of an output that holds all: channels before cells."""
    either_way: int = 0
    """Whether the transposed form is tried, too, where no layout is declared: 0 never, 1 when the number of labels is known,
    2 always."""


FORMS: dict[str, Form] = {}
"""All layouts by name; the package fills it."""


@lru_cache(maxsize=16)
def grid(size: tuple[int, int], strides: tuple[int, ...]) -> tuple[Array, Array]:
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


def centred(boxes: Array) -> Array:
    """(n, 4) centre x, centre y, width, height -> xyxy."""
    half = boxes[:, 2:4] / 2
    return np.concatenate([boxes[:, :2] - half, boxes[:, :2] + half], 1)


def pixels(size: tuple[int, int]) -> Array:
    return np.array([size[0], size[1], size[0], size[1]], np.float32)
