"""How outputs are joined and made is read from files as exporters write them, and from odd ones without harm."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from countline.detect.graph import MOST_TENSORS, Graph, Provenance, read_graph
from countline.detect.runtime import tensor_shapes


def heads(path: Path, *, quantised: bool = False) -> Path:
    """Two grids, each: convolutions to box, objectness and classes, joined; both joined, cells first. As YOLOX is."""
    nodes, weights = [], []

    def op(kind: str, *inputs: str, **attributes: object) -> str:
        nodes.append(helper.make_node(kind, list(inputs), [f"t{len(nodes)}"], **attributes))
        return f"t{len(nodes) - 1}"

    def constant(value: object) -> str:
        weights.append(numpy_helper.from_array(np.asarray(value), f"w{len(weights)}"))
        return f"w{len(weights) - 1}"

    def conv(channels: int, stride: int) -> str:
        made = op("Conv", "images", constant(np.ones((channels, 3, 1, 1), np.float32)), strides=[stride, stride])
        if quantised:
            scale, zero = constant(np.float32(0.1)), constant(np.uint8(0))
            made = op("DequantizeLinear", op("QuantizeLinear", made, scale, zero), scale, zero)
        return made

    grids = []
    for stride in (8, 16):
        single = op("Concat", conv(4, stride), op("Sigmoid", conv(1, stride)), op("Sigmoid", conv(3, stride)), axis=1)
        grids.append(op("Reshape", single, constant(np.array([0, 8, -1], np.int64))))
    nodes.append(helper.make_node("Transpose", [op("Concat", *grids, axis=2)], ["output"], perm=[0, 2, 1]))
    graph = helper.make_graph(
        nodes,
        "heads",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", 3, 32, 32])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, ["n", 20, 8])],
        weights,
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def provenance(path: Path, channels: int) -> Provenance:
    graph = read_graph(path)
    inner = graph.with_outputs(graph.tensors(["output"]))
    shapes = tensor_shapes(inner, path.parent, {"images": np.zeros((1, 3, 32, 32), np.float32)})
    return graph.provenance("output", [channels], shapes)[channels]


@pytest.mark.parametrize("quantised", [False, True])
def test_parts_of_an_output_are_seen_through_grids_and_changes_of_form(quantised: bool, tmp_path: Path) -> None:
    found = provenance(heads(tmp_path / "m.onnx", quantised=quantised), 8)
    assert [(p.width, p.last, p.cut) for p in found.parts] == [
        (4, "Conv", False),
        (1, "Sigmoid", False),
        (3, "Sigmoid", False),
    ]
    assert "Sigmoid" in found.ops
    assert "Conv" not in found.ops


def test_the_file_with_other_outputs_is_still_the_model(tmp_path: Path) -> None:
    path = heads(tmp_path / "m.onnx")
    changed = onnx.load_from_string(read_graph(path).with_outputs(["t0"]))
    assert [o.name for o in changed.graph.output] == ["t0"]
    assert changed.graph.node == onnx.load(path).graph.node
    assert changed.graph.initializer == onnx.load(path).graph.initializer


@pytest.mark.parametrize("content", [b"", b"\x00" * 100, b"no model", None])
def test_files_that_are_no_models_have_no_graph(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    if content is not None:
        path.write_bytes(content)
    graph = read_graph(path)
    assert graph.tensors(["output"]) == []
    assert tensor_shapes(graph.with_outputs(["output"]), tmp_path, {"images": np.zeros((1, 3, 8, 8), np.float32)}) == {}
    assert Graph().provenance("output", [8], {})[8] == Provenance()


def test_joins_of_joins_without_end_are_left_alone(tmp_path: Path) -> None:
    """A tensor joined from itself twenty times over would be a million parts."""
    nodes = [helper.make_node("Concat", [f"t{i}", f"t{i}"], [f"t{i + 1}"], axis=1) for i in range(20)]
    graph = helper.make_graph(nodes, "twice", [], [helper.make_tensor_value_info("t20", TensorProto.FLOAT, None)])
    path = tmp_path / "m.onnx"
    onnx.save(helper.make_model(graph), path)
    read = read_graph(path)
    assert read.tensors(["t20"]) == []
    assert read.provenance("t20", [8], {})[8].parts == ()
    assert MOST_TENSORS < 2**20
