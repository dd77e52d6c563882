"""Exports with suppression inside, several outputs or several inputs, each in its exact form, give the object that is there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import seeing_models as seeing

from countline.config import DetectorConfig
from countline.detect import make
from countline.detect.layouts import Layout
from countline.errors import DetectorError

LABELS = ["a", "b", "c"]


def read(path: Path, runtime: str = "onnxruntime") -> tuple[str, str, list[float], float]:
    d = make(DetectorConfig.model_validate({"model": str(path), "threads": 1, "runtime": runtime, "labels": LABELS}))
    (found,) = d.detect([seeing.block()])
    assert len(found) == 1
    return (
        d.layout.name,
        d.labels[found.class_id[0]],
        np.rint(found.xyxy[0]).tolist(),
        round(float(found.confidence[0]), 3),
    )


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
@pytest.mark.parametrize(
    ("form", "layout"),
    [
        ("pixels", "detections"),
        ("parts", "detections-parts"),
        ("tensorflow", "detections-tf"),
        ("unbatched", "detections"),
        ("sized", "detections"),
        ("paddle", "paddle"),
        ("yolov7", "yolov7-end2end"),
    ],
)
def test_found_objects(form: str, layout: str, runtime: str, tmp_path: Path) -> None:
    if runtime == "openvino":
        pytest.importorskip("openvino")
    path = seeing.found_objects(tmp_path / "m.onnx", form)
    assert read(path, runtime) == (layout, "b", seeing.BLOCK, 0.9)


@pytest.mark.parametrize("form", ["pixels", "tensorflow", "unbatched", "sized", "paddle"])
def test_found_objects_need_labels(form: str, tmp_path: Path) -> None:
    path = seeing.found_objects(tmp_path / "m.onnx", form)
    with pytest.raises(DetectorError, match="number of classes is not known") as caught:
        make(DetectorConfig(model=str(path), runtime="onnxruntime"))
    assert "detector.labels" in caught.value.fix


@pytest.mark.parametrize("classes_first", [False, True])
def test_boxes_and_scores_of_all_cells(classes_first: bool, tmp_path: Path) -> None:
    path = seeing.boxes_and_scores(tmp_path / "m.onnx", classes_first=classes_first)
    assert read(path) == ("boxes-scores", "b", seeing.BLOCK, 0.9)


@pytest.mark.parametrize("form", ["unbatched", "paddle"])
def test_models_of_one_picture_are_given_one(form: str, tmp_path: Path) -> None:
    path = seeing.found_objects(tmp_path / "m.onnx", form)
    d = make(DetectorConfig(model=str(path), labels=LABELS, runtime="onnxruntime"))
    assert [len(found) for found in d.detect([seeing.block(), seeing.block(), seeing.block()])] == [1, 1, 1]


@pytest.mark.parametrize(
    ("name", "outputs"),
    [
        ("paddle", [np.zeros((0, 6))]),
        ("paddle", [np.array([[-1, 0, 0, 0, 0, 0]])]),
        ("yolov7-end2end", [np.zeros((0, 7))]),
        ("end2end", [np.zeros((300, 6))]),
        ("end2end", [np.full((300, 6), -1)]),
        ("detections", [np.zeros((0, 4)), np.zeros(0), np.zeros(0, np.int64)]),
        ("detections-tf", [np.zeros((100, 4)), np.zeros(100), np.zeros(100)]),
    ],
)
def test_nothing_found_is_nothing(name: str, outputs: list[np.ndarray]) -> None:
    layout = Layout(name, 3, order=tuple(range(len(outputs))), unbatched=True)
    raw = layout.decode(outputs, 0, (320, 320), 0.1)
    assert raw.scores.shape == (3, 0)
    assert not raw.odd
    assert raw.boxes(np.zeros(0, np.intp)).shape == (0, 4)


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_outputs_of_half_precision(runtime: str, tmp_path: Path) -> None:
    if runtime == "openvino":
        pytest.importorskip("openvino")
    path = seeing.ultralytics(tmp_path / "m.onnx", classes=3, number=1, extra=[0.0], half=True)
    assert read(path, runtime) == ("yolov8-obb", "b", seeing.BLOCK, 0.9)
