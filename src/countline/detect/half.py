"""A model of the package in half precision, for GPUs: weights, activations, inputs and outputs in float16. What such a model does to
the bytes of a picture first (to numbers, less a mean, by a deviation) is taken out: the kernel that writes the input does it.

The models of the package are known to stay far within float16's range. A user's own model is run as it is: whoever wants it
in half precision exports it so.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from countline.errors import MissingExtra

__all__ = ["Half", "halved"]

_KEPT_INPUTS = {"Resize": (1, 2)}
"""Indexes of the inputs of an operation that must stay float32: regions and scales."""


@dataclass(frozen=True)
class Half:
    """A model with float16 in place of float32."""

    file: bytes
    outside: bool
    """It takes numbers, (pixel - mean) / std by channel in its own order, where the file takes bytes."""
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)


def halved(path: Path) -> Half:
    """The model in half precision. Raises MissingExtra without the package onnx."""
    try:
        import onnx
    except ImportError:
        raise MissingExtra("onnx", "cuda", what_for="half precision on a GPU") from None
    model = onnx.load(str(path))
    graph = model.graph
    outside, mean, std = _without_preparation(onnx, graph)
    single, half = onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16
    kept = {node.input[i] for node in graph.node for i in _KEPT_INPUTS.get(node.op_type, ()) if i < len(node.input)}
    stored = {tensor.name for tensor in graph.initializer if tensor.data_type == half}
    _without_casts(graph, stored, kept)
    for tensor in graph.initializer:
        if tensor.data_type == single and tensor.name not in kept:
            tensor.CopyFrom(_half(onnx, tensor))
    for node in graph.node:
        _halve(onnx, node, kept)
    for spec in (*graph.input, *graph.output):
        if spec.type.tensor_type.elem_type == single:
            spec.type.tensor_type.elem_type = half
    del graph.value_info[:]
    return Half(model.SerializeToString(), outside, mean, std)


_Three = tuple[float, float, float]


def _without_preparation(onnx: Any, graph: Any) -> tuple[bool, _Three, _Three]:
    """Take out what stands between an input of bytes and the network, but for the exchange of axes, and make the input float32:
    whether there was any, mean, deviation."""
    numbers = {"Sub": (0.0, 0.0, 0.0), "Div": (1.0, 1.0, 1.0)}
    picture = graph.input[0]
    if picture.type.tensor_type.elem_type != onnx.TensorProto.UINT8:
        return False, numbers["Sub"], numbers["Div"]
    stored = {tensor.name: tensor for tensor in graph.initializer}
    at, taken = picture.name, []
    while len(users := [node for node in graph.node if at in node.input]) == 1:
        node = users[0]
        if node.op_type in numbers and node.input[0] == at and node.input[1] in stored:
            numbers[node.op_type] = _three(onnx.numpy_helper.to_array(stored[node.input[1]]))
        elif node.op_type not in ("Cast", "Transpose"):
            break
        at = node.output[0]
        if node.op_type != "Transpose":
            taken.append(node)
    for node in taken:
        for user in graph.node:
            user.input[:] = [node.input[0] if name == node.output[0] else name for name in user.input]
        graph.node.remove(node)
    used = {name for node in graph.node for name in node.input}
    for name in [name for name in stored if name not in used]:
        graph.initializer.remove(stored[name])
    picture.type.tensor_type.elem_type = onnx.TensorProto.FLOAT
    return True, numbers["Sub"], numbers["Div"]


def _three(array: Any) -> _Three:
    first, second, third = (float(value) for value in array.reshape(-1))
    return first, second, third


def _half(onnx: Any, tensor: Any) -> Any:
    import numpy as np

    array = onnx.numpy_helper.to_array(tensor).astype(np.float16)
    return onnx.numpy_helper.from_array(array, tensor.name)


def _halve(onnx: Any, node: Any, kept: Iterable[str]) -> None:
    """Casts to float32 and constants of it."""
    single, half = onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16
    if node.output[0] in kept:
        return
    for attribute in node.attribute:
        if node.op_type == "Cast" and attribute.name == "to" and attribute.i == single:
            attribute.i = half
        elif attribute.name == "value" and attribute.t.data_type == single:
            attribute.t.CopyFrom(_half(onnx, attribute.t))


def _without_casts(graph: Any, stored: set[str], kept: Iterable[str]) -> None:
    """Take out the casts of weights that are stored in float16; their users take the weights themselves."""
    bypassed = {
        node.output[0]: node.input[0]
        for node in graph.node
        if node.op_type == "Cast" and node.input[0] in stored and node.output[0] not in kept
    }
    left = [node for node in graph.node if not (node.op_type == "Cast" and node.output[0] in bypassed)]
    for node in left:
        for i, name in enumerate(node.input):
            node.input[i] = bypassed.get(name, name)
    del graph.node[:]
    graph.node.extend(left)
