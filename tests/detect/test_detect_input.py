"""What the network is fed: read back through a real session of a model that returns its own input."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from countline.detect.layouts import FORMS
from countline.detect.preprocess import InputBinder, Preprocess, customised
from countline.detect.runtime import choose_runtime, choose_threads, open_session
from countline.types import Frame, FrameInfo, SourceInfo
from countline.video.picture import ArrayPicture


def echo(path: Path, shape: list[Any], dtype: int) -> Path:
    node = helper.make_node("Cast", ["x"], ["y"], to=TensorProto.FLOAT)
    value = helper.make_tensor_value_info
    graph = helper.make_graph([node], "echo", [value("x", dtype, shape)], [value("y", TensorProto.FLOAT, shape)])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def coloured(width: int = 40, height: int = 20) -> Frame:
    image = np.zeros((height, width, 3), np.uint8)
    image[:] = 10, 100, 200  # blue, green, red
    return Frame(FrameInfo(SourceInfo("s"), 0, 0, 0, width, height), ArrayPicture(image))


@pytest.mark.parametrize("planes", [True, False])
@pytest.mark.parametrize("dtype", [TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.UINT8])
@pytest.mark.parametrize("layout", ["nanodet", "yolox", "yolov8"])
def test_values_order_and_padding(layout: str, dtype: int, planes: bool, tmp_path: Path) -> None:
    """40 x 20 into 32 x 32: the picture fills the upper half, below is padding."""
    shape = ["n", 3, 32, 32] if planes else ["n", 32, 32, 3]
    session = open_session(echo(tmp_path / "e.onnx", shape, dtype), "onnxruntime", 1, "cpu")
    how = FORMS[layout].preprocess
    batch, scales = InputBinder(session.inputs[0], how, (32, 32), planes).fill([coloured()], 1)
    assert scales == [(0.8, 0.8)]
    got = session.run(batch)[0][0]
    got = got if planes else got.transpose(2, 0, 1)
    pixel = np.array([10, 100, 200] if how.order == "bgr" else [200, 100, 10], float)
    pad = np.full(3, how.pad, float)
    if dtype != TensorProto.UINT8:
        pixel, pad = ((v * how.scale - how.mean) / how.std for v in (pixel, pad))
    np.testing.assert_allclose(got[:, 4, 10], pixel, rtol=2e-3, atol=2e-3)
    np.testing.assert_allclose(got[:, 30, 10], pad, rtol=2e-3, atol=2e-3)


def test_second_frame_leaves_no_trace_of_the_first(tmp_path: Path) -> None:
    session = open_session(echo(tmp_path / "e.onnx", ["n", 32, 32, 3], TensorProto.FLOAT), "onnxruntime", 1, "cpu")
    binder = InputBinder(session.inputs[0], FORMS["yolov8"].preprocess, (32, 32), False)
    binder.fill([coloured(20, 40)], 1)
    again = binder.fill([coloured()], 1)[0].copy()
    fresh = InputBinder(session.inputs[0], FORMS["yolov8"].preprocess, (32, 32), False).fill([coloured()], 1)[0]
    np.testing.assert_array_equal(again, fresh)


def test_single_parts_of_the_preprocessing_can_be_changed() -> None:
    how = customised(FORMS["yolov8"].preprocess, {"mean": [0.485, 0.456, 0.406], "std": 0.5, "letterbox": False})
    assert how == Preprocess("rgb", 1 / 255, (0.485, 0.456, 0.406), (0.5, 0.5, 0.5), False, 114)


def test_runtime_and_threads_follow_the_wish_and_the_machine() -> None:
    assert choose_runtime("onnxruntime", "cpu") == "onnxruntime"
    assert choose_runtime("auto", "cuda") == "onnxruntime"
    assert choose_threads(3) == 3
    assert 1 <= choose_threads(0) <= 8


def test_input_has_the_pictures_of_all_frames(blank: Callable[..., Frame], tmp_path: Path) -> None:
    session = open_session(echo(tmp_path / "e.onnx", [3, 32, 32, 3], TensorProto.UINT8), "onnxruntime", 1, "cpu")
    how = customised(FORMS["yolox"].preprocess, {"pad": 0})
    batch, _ = InputBinder(session.inputs[0], how, (32, 32), False).fill([coloured(), blank()], 3)
    assert batch.shape == (3, 32, 32, 3)
    assert batch[0, 5, 5].tolist() == [10, 100, 200]
    assert batch[1, 30, 5].tolist() == [128] * 3
    assert not batch[2].any()
