"""EfficientDet before suppression: shifts of anchors, and the anchors."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from countline.detect.layouts.base import Array, Form, Layout, Raw, cells
from countline.detect.layouts.family import Family
from countline.detect.layouts.observed import Outputs, name_has
from countline.detect.preprocess import IMAGENET_MEAN, IMAGENET_STD, Preprocess

__all__ = ["FAMILY"]

_STRIDES = (8, 16, 32, 64, 128)


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


def _exclusive(outputs: Outputs) -> Iterator[Layout]:
    """EfficientDet: scores and shifts of its nine anchors of each cell, and the anchors."""
    shapes, names, size, classes = outputs.shapes, outputs.names, outputs.size, outputs.classes
    rows = 9 * cells(size, _STRIDES)
    flat = [i for i, shape in enumerate(shapes) if len(shape) == 3 and shape[1] == rows]
    anchors = [i for i in flat if shapes[i][2] == 4 and name_has(names[i], ("anchor", "prior"))]
    shifts = [i for i in flat if shapes[i][2] == 4 and i not in anchors and name_has(names[i], ("reg", "box", "loc"))]
    scores = [i for i in flat if i not in anchors + shifts and classes in (None, shapes[i][2])]
    if len(anchors) == len(shifts) == len(scores) == 1:
        order = (*scores, *shifts, *anchors)
        yield Layout("efficientdet", shapes[scores[0]][2], _STRIDES, order=order, shared=tuple(anchors))


# Its padding is 0 after the mean is taken off.
_HOW = Preprocess(mean=IMAGENET_MEAN, std=IMAGENET_STD, pad=116)
FAMILY = Family((Form("efficientdet", _efficientdet, _HOW, corners=True),), exclusive=_exclusive)
