"""Every output layout gives the box that was put in, through a real ONNX Runtime session."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import detect_models as models
import numpy as np
import pytest
from onnx import TensorProto

from countline.config import DetectorConfig
from countline.detect import make
from countline.detect.layouts import cells
from countline.detect.recognise import recognise
from countline.errors import DetectorError
from countline.types import Frame

LABELS = ["a", "b", "c"]
BOX = [15, 22, 25, 38]


def found(path: Path, frame: Frame, **config: Any) -> tuple[list[float], float, str]:
    d = make(DetectorConfig.model_validate({"model": str(path), "threads": 1, "runtime": "onnxruntime", **config}))
    (result,) = d.detect([frame])
    assert len(result) == 1
    return result.xyxy[0].round(3).tolist(), round(float(result.confidence[0]), 4), d.labels[result.class_id[0]]


@pytest.mark.parametrize(
    ("name", "output", "box"),
    [
        ("yolov8", models.yolov8(), BOX),
        ("yolov8", models.yolov8().T, BOX),
        ("yolov5", models.yolov5(), BOX),
        ("yolox", models.yolox(), BOX),
        ("nanodet", models.nanodet(), [8, 0, 64, 48]),
        ("nanodet", models.nanodet(bins=11), [8, 0, 64, 48]),
    ],
    ids=["yolov8", "yolov8-turned", "yolov5", "yolox", "nanodet", "nanodet-11-bins"],
)
def test_one_output(
    name: str, output: np.ndarray, box: list[float], tmp_path: Path, blank: Callable[..., Frame]
) -> None:
    path = models.constant_model(tmp_path / "m.onnx", {"output0": output})
    declared = found(path, blank(), layout=name, labels=LABELS)
    assert declared == (box, 0.9, "b")
    assert found(path, blank(), labels=LABELS) == declared, "recognised without being declared"


@pytest.mark.parametrize("softmax", [False, True])
def test_logits_and_boxes(softmax: bool, tmp_path: Path, blank: Callable[..., Frame]) -> None:
    outputs = models.detr()
    if softmax:  # one class more: 'no object'
        logits = np.zeros((10, 4), np.float32)
        logits[:, 3] = 20
        logits[4] = [0, np.log(0.9 / 0.1), -50, 0]
        logits[4, [0, 2, 3]] = np.log(1 / 3)
        outputs["logits"] = logits
    path = models.constant_model(tmp_path / "m.onnx", outputs)
    assert found(path, blank(), labels=LABELS) == (BOX, 0.9, "b")


def test_boxes_go_back_to_the_picture(tmp_path: Path, blank: Callable[..., Frame]) -> None:
    """128 x 96 into 64 x 64: half size, 16 rows of padding below."""
    path = models.constant_model(tmp_path / "m.onnx", {"output0": models.yolov8()})
    assert found(path, blank(128, 96), labels=LABELS)[0] == [30, 44, 50, 76]
    assert found(path, blank(128, 70), labels=LABELS)[0] == [30, 44, 50, 70], "clipped to the picture"


def test_stretched_boxes_go_back_to_the_picture(tmp_path: Path, blank: Callable[..., Frame]) -> None:
    path = models.constant_model(tmp_path / "m.onnx", models.detr())
    assert found(path, blank(128, 192), labels=LABELS)[0] == [30, 66, 50, 114]


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [
        (("n", 3, 64, 64), TensorProto.FLOAT),
        ((1, 3, 64, 64), TensorProto.FLOAT),
        ((2, 3, 64, 64), TensorProto.FLOAT),
        (("n", 64, 64, 3), TensorProto.FLOAT),
        (("n", 64, 64, 3), TensorProto.UINT8),
        (("n", 3, 64, 64), TensorProto.UINT8),
        (("n", 3, 64, 64), TensorProto.FLOAT16),
    ],
)
def test_forms_of_input(shape: tuple[Any, ...], dtype: int, tmp_path: Path, blank: Callable[..., Frame]) -> None:
    path = models.constant_model(tmp_path / "m.onnx", {"output0": models.yolov8()}, shape=shape, dtype=dtype)
    d = make(DetectorConfig(model=str(path), labels=LABELS, runtime="onnxruntime"))
    results = d.detect([blank(), blank(128, 128), blank()])
    assert [r.xyxy.round(3).tolist() for r in results] == [[BOX], [[2 * v for v in BOX]], [BOX]]


def test_size_and_labels_from_metadata(tmp_path: Path, blank: Callable[..., Frame]) -> None:
    told = {"names": "{0: 'hat', 1: 'boot', 2: 'glove'}", "imgsz": "[64, 64]", "stride": "32"}
    path = models.constant_model(
        tmp_path / "m.onnx", {"output0": models.yolov8()}, shape=("n", 3, "h", "w"), metadata=told
    )
    assert found(path, blank()) == (BOX, 0.9, "boot")


def test_labels_from_a_file(tmp_path: Path, blank: Callable[..., Frame]) -> None:
    path = models.constant_model(tmp_path / "m.onnx", {"output0": models.yolov8()})
    (tmp_path / "lines.txt").write_text("one\ntwo\nthree\n")
    (tmp_path / "nvinfer.txt").write_text("uno;due;tre")
    assert found(path, blank(), labels=str(tmp_path / "lines.txt"))[2] == "two"
    assert found(path, blank(), labels=str(tmp_path / "nvinfer.txt"))[2] == "due"


def test_eighty_unnamed_classes_are_cocos(tmp_path: Path, blank: Callable[..., Frame]) -> None:
    path = models.constant_model(tmp_path / "m.onnx", {"output0": models.yolov8(80)})
    # 84 channels and 84 cells: only the declaration tells which way round.
    d = make(DetectorConfig(model=str(path), runtime="onnxruntime", layout="yolov8"))
    assert d.labels[d.detect([blank()])[0].class_id[0]] == "bicycle"
    assert "assumed" in d.describe()["layout"]


@pytest.mark.parametrize("layout", ["auto", "yolov5"])
def test_unknown_layout_says_what_was_seen_and_what_to_declare(layout: str, tmp_path: Path) -> None:
    path = models.constant_model(tmp_path / "m.onnx", {"odd": np.zeros((17, 9), np.float32)})
    with pytest.raises(DetectorError, match=r"odd\[1, 17, 9\]") as caught:
        make(DetectorConfig.model_validate({"model": str(path), "layout": layout}))
    assert "images" in str(caught.value)
    assert "detector.layout" in caught.value.fix


def test_ambiguous_layout_names_the_candidates(tmp_path: Path) -> None:
    """Cells first with 85 channels and no labels is YOLOX; with labels that fit two layouts it cannot be told."""
    both = [layout.name for layout in recognise([(1, models.GRID, 4 + 40)], ["out"], (64, 64), None, "auto")]
    assert both == ["yolox", "yolox-decoded"], "which of the two is seen from the numbers"
    square = np.zeros((models.GRID, models.GRID), np.float32)
    path = models.constant_model(tmp_path / "m.onnx", {"output0": square})
    with pytest.raises(DetectorError, match=r"read as any of .*yolov8.*yolox|read as any of .*yolox.*yolov8") as caught:
        make(DetectorConfig(model=str(path)))
    assert "set detector.layout" in caught.value.fix


def test_cells_of_the_default_model() -> None:
    assert cells((416, 416), (8, 16, 32)) == 3549
