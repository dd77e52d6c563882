"""A model of the package in half precision, for GPUs: weights, activations, inputs and outputs in float16.

The models of the package are known to stay far within float16's range. A user's own model is run as it is: whoever wants it
in half precision exports it so.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from countline.errors import MissingExtra

__all__ = ["halved"]

_KEPT_INPUTS = {"Resize": (1, 2)}
"""Indexes of the inputs of an operation that must stay float32: regions and scales."""


def halved(path: Path) -> bytes:
    """The ONNX file with float16 in place of float32. Raises MissingExtra without the package onnx."""
    try:
        import onnx
    except ImportError:
        raise MissingExtra("onnx", "cuda", what_for="half precision on a GPU") from None
    model = onnx.load(str(path))
    graph = model.graph
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
    result: bytes = model.SerializeToString()
    return result


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
