"""Small real ONNX models whose outputs are known: constants, joined to the input so that the batch may vary."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIZE = 64
GRID = (64 // 8) ** 2 + (64 // 16) ** 2 + (64 // 32) ** 2


def constant_model(
    path: Path,
    outputs: Mapping[str, np.ndarray],
    *,
    shape: tuple[int | str, ...] = ("n", 3, SIZE, SIZE),
    dtype: int = TensorProto.FLOAT,
    metadata: Mapping[str, str] | None = None,
    opset: int = 17,
) -> Path:
    """A model that answers every picture with ``outputs`` (without the batch dimension)."""
    nodes = [
        helper.make_node("Cast", ["images"], ["as_float"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["as_float"], ["mean"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
    ]
    constants = [numpy_helper.from_array(np.zeros(1, np.float32), "zero")]
    infos = []
    for name, array in outputs.items():
        constants.append(numpy_helper.from_array(array[None].astype(np.float32), name + "_value"))
        constants.append(numpy_helper.from_array(np.array([-1] + [1] * array.ndim, np.int64), name + "_shape"))
        nodes.append(helper.make_node("Reshape", ["nothing", name + "_shape"], [name + "_nothing"]))
        nodes.append(helper.make_node("Add", [name + "_value", name + "_nothing"], [name]))
        infos.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", *array.shape]))
    graph = helper.make_graph(nodes, "known", [helper.make_tensor_value_info("images", dtype, shape)], infos, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    helper.set_model_props(model, dict(metadata or {}))
    onnx.save(model, path)
    return path


def yolov8(classes: int = 3) -> np.ndarray:
    """(4 + classes, cells): one box of class 1 at 0.9, centre (20, 30), 10 x 16."""
    out = np.zeros((4 + classes, GRID), np.float32)
    out[:4, 5] = 20, 30, 10, 16
    out[4 + 1, 5] = 0.9
    return out


def yolov5(classes: int = 3) -> np.ndarray:
    """(3 * cells, 5 + classes): the same box, objectness 0.9, class score 1."""
    out = np.zeros((3 * GRID, 5 + classes), np.float32)
    out[7, :5] = 20, 30, 10, 16, 0.9
    out[7, 5 + 1] = 1
    return out


def yolox(classes: int = 3) -> np.ndarray:
    """(cells, 5 + classes): the same box from cell (2, 1) of stride 16."""
    out = np.zeros((GRID, 5 + classes), np.float32)
    cell = (64 // 8) ** 2 + 1 * 4 + 2
    out[cell, :5] = 20 / 16 - 2, 30 / 16 - 1, np.log(10 / 16), np.log(16 / 16), 0.9
    out[cell, 5 + 1] = 1
    return out


def nanodet(classes: int = 3, bins: int = 8) -> np.ndarray:
    """(cells, classes + 4 * bins): cell (1, 1) of stride 16, centre (24, 24), sides 1, 2, 3 and 1.5 strides away."""
    out = np.zeros((GRID, classes + 4 * bins), np.float32)
    cell = (64 // 8) ** 2 + 1 * 4 + 1
    out[cell, 1] = 0.9
    sides = np.full((4, bins), -100, np.float32)
    sides[0, 1] = sides[1, 2] = sides[2, 3] = 0
    sides[3, 1] = sides[3, 2] = 0  # half and half: 1.5
    out[cell, classes:] = sides.ravel()
    return out


def detr(classes: int = 3, queries: int = 10) -> dict[str, np.ndarray]:
    """Logits and boxes: query 4 is class 1 at 0.9 with the box of the others."""
    logits = np.full((queries, classes), -20, np.float32)
    logits[4, 1] = np.log(0.9 / 0.1)
    boxes = np.full((queries, 4), 0.5, np.float32)
    boxes[4] = 20 / SIZE, 30 / SIZE, 10 / SIZE, 16 / SIZE
    return {"logits": logits, "pred_boxes": boxes}
