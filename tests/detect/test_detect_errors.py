"""What cannot be loaded or understood is refused with the reason and what to do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import detect_models as models
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import countline.detect
from countline.config import DetectorConfig
from countline.detect import make
from countline.errors import ConfigError, CountlineError, DetectorError
from countline.types import Frame

MODEL = Path(countline.detect.__file__).parent / "models/nanodet-g-416.onnx"


def config(path: Path | str, **more: Any) -> DetectorConfig:
    return DetectorConfig.model_validate({"model": str(path), "threads": 1, **more})


def refuse(kind: type[CountlineError], match: str, path: Path | str, **more: Any) -> CountlineError:
    with pytest.raises(kind, match=match) as caught:
        make(config(path, **more))
    assert caught.value.fix
    return caught.value


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_files_that_are_no_models(runtime: str, tmp_path: Path) -> None:
    if runtime == "openvino":
        pytest.importorskip("openvino")
    whole = MODEL.read_bytes()
    cases = {
        "text.onnx": (b"this is not a model\n" * 50, "is not an ONNX model"),
        "cut.onnx": (whole[: len(whole) // 2], "is not an ONNX model, or is cut short"),
        "empty.onnx": (b"", "the file is empty"),
        "picture.onnx": (b"\xff\xd8\xff\xe0" + bytes(range(256)) * 20, "ONNX"),
    }
    for name, (content, match) in cases.items():
        (tmp_path / name).write_bytes(content)
        error = refuse(DetectorError, match, tmp_path / name, runtime=runtime)
        assert name in str(error.where)
    refuse(DetectorError, "no such file", tmp_path / "absent.onnx", runtime=runtime)
    refuse(DetectorError, "no such file", tmp_path, runtime=runtime)


def test_newer_opset_than_the_runtime_knows(tmp_path: Path) -> None:
    path = models.constant_model(tmp_path / "m.onnx", {"output0": models.yolov8()})
    model = onnx.load(path)
    model.opset_import[0].version = 9999
    onnx.save(model, path)
    error = refuse(DetectorError, "newer ONNX version", path)
    assert "opset" in error.fix


def test_more_than_one_input(tmp_path: Path) -> None:
    path = models.constant_model(tmp_path / "m.onnx", {"output0": models.yolov8()})
    model = onnx.load(path)
    model.graph.input.append(helper.make_tensor_value_info("points", TensorProto.INT64, ["n", 2]))
    onnx.save(model, path)
    refuse(DetectorError, "2 inputs, and what belongs into points int64", path)


def test_inputs_that_are_no_pictures(tmp_path: Path) -> None:
    output = {"output0": models.yolov8()}
    grey = models.constant_model(tmp_path / "grey.onnx", output, shape=("n", 1, 64, 64))
    refuse(DetectorError, "3 channels", grey)
    open_size = models.constant_model(tmp_path / "open.onnx", output, shape=("n", 3, "h", "w"))
    error = refuse(DetectorError, "leaves the size open", open_size, labels=["a", "b", "c"])
    assert "detector.size" in error.fix
    make(config(open_size, labels=["a", "b", "c"], size=64)).close()


def test_size_against_a_fixed_one() -> None:
    error = refuse(DetectorError, "fixed to 416x416, not 640x640", "default", size=640)
    assert "build_model" in error.fix


def test_precision_of_a_users_model(tmp_path: Path) -> None:
    path = models.constant_model(tmp_path / "m.onnx", {"output0": models.yolov8()})
    refuse(ConfigError, "package's own models only", path, precision="int8")


def test_unknown_device() -> None:
    refuse(DetectorError, "device 'toaster' is not offered", "default", device="toaster")


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({"colour": "rgb"}, "unknown key 'colour'"),
        ({"order": "gbr"}, "neither rgb nor bgr"),
        ({"mean": [1, 2]}, "one number or three"),
        ({"std": 0}, "std must not be 0"),
    ],
)
def test_impossible_preprocessing(given: dict[str, Any], match: str, tmp_path: Path) -> None:
    path = models.constant_model(tmp_path / "m.onnx", {"output0": models.yolov8()})
    refuse(ConfigError, match, path, labels=["a", "b", "c"], normalize=given)


def test_label_file_absent_or_empty(tmp_path: Path) -> None:
    path = models.constant_model(tmp_path / "m.onnx", {"output0": models.yolov8()})
    (tmp_path / "empty.txt").write_text("\n\n")
    refuse(ConfigError, "cannot be read", path, labels=str(tmp_path / "absent.txt"))
    refuse(ConfigError, "is empty", path, labels=str(tmp_path / "empty.txt"))


def test_closed_detector_says_so(blank: Callable[..., Frame]) -> None:
    detector = make(DetectorConfig(threads=1, runtime="onnxruntime", precision="fp32"))
    detector.close()
    detector.close()
    with pytest.raises(DetectorError, match="closed"):
        detector.detect([blank()])


def test_numbers_that_are_not_finite_give_no_boxes(tmp_path: Path, blank: Callable[..., Frame]) -> None:
    output = models.yolov8()
    output[:4, 8] = np.nan, 1, 2, 3
    output[:4, 9] = 10, 10, np.inf, 5
    output[5, 8:11] = 0.95
    path = models.constant_model(tmp_path / "m.onnx", {"output0": output})
    (found,) = make(config(path, labels=["a", "b", "c"], runtime="onnxruntime")).detect([blank()])
    assert np.isfinite(found.xyxy).all()
    assert len(found) == 2  # the sound one, and the endless one cut to the picture
