"""Small ONNX models that find the bright block of a picture and tell it in the forms of exports made for DeepStream."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from seeing_models import CELLS, SIZE, Seeing

STRIDE = 16


def background(corners: bool) -> np.ndarray:
    """(1, cells - 1, 4) boxes of all cells but the first, 16 wide and high: what a network says where nothing is."""
    x, y = np.meshgrid(np.arange(8, SIZE, 6, dtype=np.float32), np.arange(8, SIZE, 6, dtype=np.float32))
    centre = np.stack([x.ravel(), y.ravel()], 1)[: CELLS - 1]
    half = np.full_like(centre, 8)
    both = [centre - half, centre + half] if corners else [centre, 2 * half]
    return np.concatenate(both, 1)[None]


def deepstream_yolo(
    path: Path, *, classes: int, number: int, corners: bool, form: str = "table", known: bool = True
) -> Path:
    """``output`` (1, cells, 6): box, best score and its class as a number; or ``boxes``, ``scores`` and ``classes``; or with the
    score that anything is there as the seventh column. ``known``: the file shows that classes were chosen."""
    model = Seeing()
    count = CELLS - 1
    boxes = model.op("Concat", model.xyxy if corners else model.centred, model.constant(background(corners)), axis=1)
    rest = np.full((1, count, classes), 0.02, np.float32)
    rest[0, np.arange(count), np.arange(count) % classes] = 0.03
    scores = model.op("Concat", model.classes(classes, number, 0.9, made="given"), model.constant(rest), axis=1)
    best = model.op("ReduceMax", scores, axes=[2], keepdims=1)
    if known:
        chosen = model.op("Cast", model.op("ArgMax", scores, axis=2, keepdims=1), to=1)
    else:
        numbers = np.concatenate([[number], np.arange(count) % classes]).astype(np.float32)
        chosen = model.constant(numbers.reshape(1, -1, 1))
    if form == "three":
        for name, tensor, width in (("boxes", boxes, 4), ("scores", best, 1), ("classes", chosen, 1)):
            model.plain(name, tensor, [1, CELLS, width])
        return model.save(path)
    columns = [boxes, best, chosen]
    if form == "seven":
        columns.append(model.constant(np.full((1, CELLS, 1), 0.5, np.float32)))
    model.plain("output", model.join(*columns, axis=2), [1, CELLS, 3 + len(columns)])
    return model.save(path)


def detectnet(path: Path, *, classes: int, number: int, channels_last: bool = False) -> Path:
    """``output_cov/Sigmoid:0`` (1, classes, rows, columns) and ``output_bbox/BiasAdd:0`` (1, 4 x classes, rows, columns): four cells
    around the middle of the block are covered, and tell its sides from where they are."""
    model = Seeing()
    grid = SIZE // STRIDE
    cover = np.full((1, classes, grid, grid), 0.01, np.float32)
    cells = [(7, 9), (7, 10), (8, 9), (8, 10)]
    middle = np.zeros((1, 4 * classes, grid, grid), np.float32)
    for row, column in cells:
        cover[0, number, row, column] = 0.8 + 0.01 * row
        x, y = column * STRIDE + 0.5, row * STRIDE + 0.5
        middle[0, 4 * number : 4 * number + 4, row, column] = x, y, -x, -y
    # (left, top, right, bottom) of the block at every cell of its class, with the sign that each side has
    sign = np.zeros((1, 4 * classes, grid, grid), np.float32)
    sign[0, 4 * number : 4 * number + 4] = np.array([-1, -1, 1, 1], np.float32)[:, None, None]
    edges = model.op("Reshape", model.xyxy, model.constant(np.array([1, 4, 1, 1])))
    tiled = model.op("Tile", edges, model.constant(np.array([1, classes, 1, 1])))
    pixels = model.op("Add", model.op("Mul", tiled, model.constant(sign)), model.constant(middle))
    sides = model.op("Div", pixels, model.constant(np.float32(35)))
    outputs = {"output_cov/Sigmoid:0": (model.constant(cover), classes), "output_bbox/BiasAdd:0": (sides, 4 * classes)}
    for name, (tensor, width) in outputs.items():
        shape = [1, width, grid, grid]
        if channels_last:
            tensor, shape = model.op("Transpose", tensor, perm=[0, 2, 3, 1]), [1, grid, grid, width]
        model.plain(name, tensor, shape)
    return model.save(path)
