"""A detector of the size of RT-DETR-R50 (136 GFLOP at 640x640, float16) with random weights: right for speed, and for nothing else.

Convolutions of a residual network, then 400 "queries" of 4 numbers of a box and 80 classes, as RT-DETR's exports give them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIZE, CLASSES = 640, 80
STAGES = ((64, 2, 1), (128, 2, 3), (256, 2, 5), (512, 2, 7), (512, 2, 4))
"""Channels, step of the first convolution, 3x3 convolutions after it."""


def build(path: Path) -> float:
    """Write the model; returns its GFLOP a picture (two for each multiplication and addition)."""
    random = np.random.default_rng(1)
    nodes, constants, flop = [], [], 0.0
    name, channels, side = "images", 3, SIZE

    def convolution(made: int, step: int, kernel: int, *, active: bool = True) -> None:
        nonlocal name, channels, side, flop
        weight = random.normal(0, (2 / (channels * kernel * kernel)) ** 0.5, (made, channels, kernel, kernel))
        if not active:
            weight *= 0.1
        bias = np.zeros(made) if active else np.concatenate([np.zeros(4), np.full(made - 4, -6.0)])
        at = len(nodes)
        constants.append(numpy_helper.from_array(weight.astype(np.float16), f"w{at}"))
        constants.append(numpy_helper.from_array(bias.astype(np.float16), f"b{at}"))
        pad = [kernel // 2] * 4
        nodes.append(
            helper.make_node(
                "Conv", [name, f"w{at}", f"b{at}"], [f"c{at}"], kernel_shape=[kernel] * 2, strides=[step] * 2, pads=pad
            )
        )
        name, channels, side = f"c{at}", made, side // step
        flop += 2.0 * weight.size * side * side
        if active:
            nodes.append(helper.make_node("Relu", [name], [f"r{at}"]))
            name = f"r{at}"

    for made, step, more in STAGES:
        convolution(made, step, 3)
        for _ in range(more):
            convolution(made, 1, 3)
    convolution(4 + CLASSES, 1, 1, active=False)
    constants.append(numpy_helper.from_array(np.array([0, 4 + CLASSES, -1], np.int64), "shape"))
    nodes.append(helper.make_node("Reshape", [name, "shape"], ["flat"]))
    nodes.append(helper.make_node("Transpose", ["flat"], ["turned"], perm=[0, 2, 1]))
    nodes.append(helper.make_node("Sigmoid", ["turned"], ["output0"]))
    inputs = [helper.make_tensor_value_info("images", TensorProto.FLOAT16, ["batch", 3, SIZE, SIZE])]
    outputs = [helper.make_tensor_value_info("output0", TensorProto.FLOAT16, ["batch", side * side, 4 + CLASSES])]
    model = helper.make_model(
        helper.make_graph(nodes, "random", inputs, outputs, constants), opset_imports=[helper.make_opsetid("", 17)]
    )
    model.ir_version = 9
    onnx.save(model, str(path))
    return flop / 1e9


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path)
    print(f"{build(parser.parse_args().path):.1f} GFLOP")
