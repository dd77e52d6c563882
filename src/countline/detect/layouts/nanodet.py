"""NanoDet and PicoDet: class scores, and the distances to the four sides as distributions (generalised focal loss)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from countline.detect.layouts.base import Array, Form, Layout, Raw, cells, grid
from countline.detect.layouts.family import Family
from countline.detect.layouts.observed import COCO, NANODET_STRIDES, Output, Outputs, Shape, name_has
from countline.detect.preprocess import IMAGENET_MEAN, IMAGENET_STD, Preprocess

__all__ = ["FAMILY"]


def _nanodet(layout: Layout, arrays: list[Array], size: tuple[int, int], floor: float) -> Raw:
    """Distances to the four sides as distributions over bins (generalised focal loss, arXiv 2006.04388): the expected
    bin times the stride, from the centre of the cell."""
    if len(arrays) > 2:  # a pair for each stride
        levels = [_channels_first(array, layout, size, i) for i, array in enumerate(arrays)]
        scores, sides = (np.concatenate(half, 1) for half in (levels[: len(levels) // 2], levels[len(levels) // 2 :]))
    elif len(arrays) == 2:
        scores, sides = arrays  # (classes, cells), (4 * bins, cells)
    else:
        table = arrays[0].T if not layout.transposed else arrays[0]
        scores, sides = table[: layout.classes], table[layout.classes :]
    bins = sides.shape[0] // 4

    def boxes(index: NDArray[np.intp]) -> Array:
        corner, stride = grid(size, layout.strides)
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


def _several(outputs: Outputs) -> Iterator[Layout]:
    yield from _pairs(outputs)
    yield from _levels(outputs.shapes, outputs.names, outputs.size, outputs.classes)


def _pairs(outputs: Outputs) -> Iterator[Layout]:
    """Scores and distributions as two outputs, channels first."""
    for a, b in permutations(outputs.flat(), 2):
        (_, rows, columns), (_, rows_b, columns_b) = outputs.shapes[a], outputs.shapes[b]
        for strides in NANODET_STRIDES:
            count = cells(outputs.size, strides)
            if columns == columns_b == count and rows_b % 4 == 0 and rows_b >= 8 and outputs.classes == rows:
                yield Layout("nanodet", rows, strides, order=(a, b))


def _levels(
    shapes: Sequence[Shape], names: Sequence[str], size: tuple[int, int], classes: int | None
) -> Iterator[Layout]:
    """PicoDet's or NanoDet's heads as they are: for each stride scores, and distributions of the sides."""
    for strides in NANODET_STRIDES:
        heads = [_of_stride(shapes, size, stride) for stride in strides]
        if any(len(level) != 2 for level in heads) or sum(map(len, heads)) != len(shapes):
            continue
        widths = [set(level.values()) for level in heads]
        if any(width != widths[0] for width in widths) or len(widths[0]) != 2:
            continue
        for sides in sorted(widths[0] & {32, 44, 64, 68}):
            (count,) = widths[0] - {sides}
            if classes in (None, count):
                scores = [next(i for i, width in level.items() if width == count) for level in heads]
                boxes = [next(i for i, width in level.items() if width == sides) for level in heads]
                name = "nanodet" if all(name_has(names[i], ("dis_pred",)) for i in boxes) else "picodet"
                yield Layout(name, count, strides, order=(*scores, *boxes))


def _of_stride(shapes: Sequence[Shape], size: tuple[int, int], stride: int) -> dict[int, int]:
    """Outputs that may be heads of this stride, with their channels."""
    rows, columns = -(-size[1] // stride), -(-size[0] // stride)
    found: dict[int, int] = {}
    for i, shape in enumerate(shapes):
        if len(shape) == 4 and shape[2:] == (rows, columns):
            found[i] = shape[1]
        elif len(shape) == 3 and rows * columns in shape[1:]:
            found[i] = shape[2] if shape[1] == rows * columns else shape[1]
    return found


def _single(output: Output, outputs: Outputs) -> Iterator[Layout]:
    if not output.dense or outputs.facts.task or output.grid == (4, 8, 16, 32):
        return
    known = [outputs.classes] if outputs.classes else [COCO] if output.channels in (112, 124) else []
    for classes in known:
        if (output.channels - classes) / 4 in (8, 11, 16, 17):
            yield Layout("nanodet", classes, output.grid or (), order=(output.at,), transposed=output.transposed)


FAMILY = Family(
    (
        Form(
            "nanodet",
            _nanodet,
            Preprocess("bgr", 1.0, (103.53, 116.28, 123.675), (57.375, 57.12, 58.395), pad=0),
            corners=True,
            either_way=2,
        ),
        Form("picodet", _nanodet, Preprocess(mean=IMAGENET_MEAN, std=IMAGENET_STD, letterbox=False), corners=True),
    ),
    several=_several,
    single=_single,
)
