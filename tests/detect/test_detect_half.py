"""Models of the package in half precision: what prepares the picture is taken out, and says what has to be done instead."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from countline.detect.catalogue import CATALOGUE, weights
from countline.detect.half import Half, halved

SIZE = 16
WEIGHT = numpy_helper.from_array(np.random.default_rng(3).normal(size=(4, 3, 3, 3)).astype(np.float32), "weight")


def run(model: bytes, picture: NDArray[np.generic]) -> NDArray[np.float32]:
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {session.get_inputs()[0].name: picture})[0], np.float32)


def prepared(half: Half, picture: NDArray[np.uint8]) -> NDArray[np.float16]:
    return ((picture - np.array(half.mean)) / np.array(half.std)).astype(np.float16)


def written(
    folder: Path, nodes: list[onnx.NodeProto], stored: list[onnx.TensorProto], kind: int = TensorProto.UINT8
) -> Path:
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info("image", kind, ["batch", SIZE, SIZE, 3])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, None)],
        [WEIGHT, *stored],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, str(folder / "model.onnx"))
    return folder / "model.onnx"


TURNED = helper.make_node("Transpose", ["image"], ["planes"], perm=[0, 3, 1, 2])
CAST = helper.make_node("Cast", ["planes"], ["pixels"], to=TensorProto.FLOAT)
MEAN = numpy_helper.from_array(np.array([103.5, 116.3, 123.7], np.float32).reshape(1, 3, 1, 1), "mean")
STD = numpy_helper.from_array(np.array([57.4, 57.1, 58.4], np.float32).reshape(1, 3, 1, 1), "std")


@pytest.fixture
def picture() -> NDArray[np.uint8]:
    return np.random.default_rng(5).integers(0, 256, (2, SIZE, SIZE, 3), np.uint8)


def convolution(name: str) -> onnx.NodeProto:
    return helper.make_node("Conv", [name, "weight"], ["out"], kernel_shape=[3, 3], pads=[1, 1, 1, 1])


def test_what_is_done_to_bytes_first_is_taken_out_and_said(tmp_path: Path, picture: NDArray[np.uint8]) -> None:
    nodes = [
        TURNED,
        CAST,
        helper.make_node("Sub", ["pixels", "mean"], ["centred"]),
        helper.make_node("Div", ["centred", "std"], ["normal"]),
        convolution("normal"),
    ]
    path = written(tmp_path, nodes, [MEAN, STD])
    half = halved(path)
    assert half.outside
    assert half.mean == pytest.approx((103.5, 116.3, 123.7))
    assert half.std == pytest.approx((57.4, 57.1, 58.4))
    left = onnx.load_from_string(half.file).graph
    assert [node.op_type for node in left.node] == ["Transpose", "Conv"]
    assert {tensor.name for tensor in left.initializer} == {"weight"}
    np.testing.assert_allclose(run(half.file, prepared(half, picture)), run(path.read_bytes(), picture), atol=0.05)


def test_bytes_that_are_used_as_they_are_need_no_mean(tmp_path: Path, picture: NDArray[np.uint8]) -> None:
    path = written(tmp_path, [TURNED, CAST, convolution("pixels")], [])
    half = halved(path)
    assert half.outside
    assert half.mean == (0.0, 0.0, 0.0)
    assert half.std == (1.0, 1.0, 1.0)
    np.testing.assert_allclose(
        run(half.file, prepared(half, picture)), run(path.read_bytes(), picture), rtol=0.01, atol=1.0
    )


def test_what_two_branches_take_stays(tmp_path: Path, picture: NDArray[np.uint8]) -> None:
    """A mean that is taken from one of two branches is part of the network."""
    nodes = [
        TURNED,
        CAST,
        helper.make_node("Sub", ["pixels", "mean"], ["centred"]),
        helper.make_node("Add", ["centred", "pixels"], ["both"]),
        convolution("both"),
    ]
    path = written(tmp_path, nodes, [MEAN])
    half = halved(path)
    assert half.outside
    assert half.mean == (0.0, 0.0, 0.0)
    assert [node.op_type for node in onnx.load_from_string(half.file).graph.node] == ["Transpose", "Sub", "Add", "Conv"]
    np.testing.assert_allclose(
        run(half.file, prepared(half, picture)), run(path.read_bytes(), picture), rtol=0.01, atol=2.0
    )


def test_an_input_of_numbers_stays_one(tmp_path: Path, picture: NDArray[np.uint8]) -> None:
    nodes = [
        TURNED,
        helper.make_node("Sub", ["planes", "mean"], ["centred"]),
        convolution("centred"),
    ]
    path = written(tmp_path, nodes, [MEAN], TensorProto.FLOAT)
    half = halved(path)
    assert not half.outside
    assert [node.op_type for node in onnx.load_from_string(half.file).graph.node] == ["Transpose", "Sub", "Conv"]
    expected = run(path.read_bytes(), picture.astype(np.float32))
    np.testing.assert_allclose(run(half.file, picture.astype(np.float16)), expected, rtol=0.01, atol=1.0)


@pytest.mark.parametrize("name", sorted(CATALOGUE))
def test_models_of_the_package_take_numbers_on_a_gpu(name: str) -> None:
    half = halved(weights(name, "fp32").path)
    graph = onnx.load_from_string(half.file).graph
    assert half.outside
    assert graph.input[0].type.tensor_type.elem_type == TensorProto.FLOAT16
    assert not [node for node in graph.node if node.op_type == "Cast"]
