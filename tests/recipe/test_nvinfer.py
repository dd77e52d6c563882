"""nvinfer's configuration becomes the detector's; what cannot be carried over is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from countline.compat.deepstream.files.nvinfer import convert
from countline.config import DetectorConfig
from countline.detect.preprocess import Preprocess, customised
from countline.errors import ConfigError

ONNX = """\
[property]
gpu-id=0
net-scale-factor=0.0039215697906911373
offsets=123.675;116.28;103.53
model-color-format=1
onnx-file=model/detector.onnx
model-engine-file=model/detector.onnx_b1_gpu0_fp16.engine
labelfile-path=labels.txt
infer-dims=3;384;640
batch-size=8
network-mode=2
interval=2
cluster-mode=2
maintain-aspect-ratio=1
symmetric-padding=1
parse-bbox-func-name=NvDsInferParseYolo
custom-lib-path=/opt/libyolo.so
strange=1

[class-attrs-all]
pre-cluster-threshold=0.25
nms-iou-threshold=0.5
topk=300

[class-attrs-2]
threshold=0.6
[class-attrs-1]
pre-cluster-threshold=1.1
nms-iou-threshold=0.4
"""


def write(folder: Path, text: str, labels: str | None = "person\ncar\ntruck\n", name: str = "pgie.txt") -> Path:
    if labels is not None:
        (folder / "labels.txt").write_text(labels)
    (folder / name).write_text(text)
    return folder / name


def test_onnx_detector(tmp_path: Path) -> None:
    data, notes = convert(write(tmp_path, ONNX))
    scale = 0.0039215697906911373
    assert data == {
        "model": str(tmp_path / "model/detector.onnx"),
        "labels": ["person", "car", "truck"],
        "classes": {"person": 0, "truck": 2},
        "size": [640, 384],
        "batch": 8,
        "interval": 2,
        "iou": 0.5,
        "layout": "deepstream-yolo",
        "confidence": {"person": 0.25, "truck": 0.6},
        "normalize": {
            "order": "bgr",
            "scale": scale,
            "mean": [scale * 123.675, scale * 116.28, scale * 103.53],
            "letterbox": True,
            "pad": 0,
        },
    }
    DetectorConfig.model_validate(data)
    said = "\n".join(notes)
    for word in (
        "model-engine-file", "parse-bbox-func-name", "custom-lib-path", "strange", "topk", "network-mode",
        "symmetric-padding", "class-attrs-1.nms-iou-threshold", "class 1 (car) is left out",
    ):  # fmt: skip
        assert word in said
    assert "cluster-mode" not in said
    assert f"{tmp_path / 'pgie.txt'}:7 [property.model-engine-file]" in said


def test_preprocessing_is_the_same_arithmetic(tmp_path: Path) -> None:
    data, _ = convert(write(tmp_path, ONNX))
    how = customised(Preprocess(), data["normalize"])
    pixels = np.arange(256.0)
    for mean, offset in zip(how.mean, (123.675, 116.28, 103.53)):
        ours = (pixels * how.scale - mean) / how.std[0]
        np.testing.assert_allclose(ours, 0.0039215697906911373 * (pixels - offset), rtol=1e-12, atol=1e-12)


def test_caffe_detector_becomes_the_one_in_the_package_with_the_same_class_ids(tmp_path: Path) -> None:
    text = """\
[property]
net-scale-factor=0.0039215697906911373
model-file=resnet10.caffemodel
proto-file=resnet10.prototxt
labelfile-path=labels.txt
batch-size=1
interval=0
[class-attrs-all]
pre-cluster-threshold=0.2
eps=0.2
group-threshold=1
"""
    data, notes = convert(write(tmp_path, text, "Vehicle\nTwoWheeler\nPerson\nRoadsign\n"))
    assert data == {
        "model": "default",
        "batch": 1,
        "interval": 0,
        "confidence": 0.2,
        "classes": {"car": 0, "truck": 0, "bus": 0, "bicycle": 1, "motorcycle": 1, "person": 2, "stop sign": 3},
    }
    DetectorConfig.model_validate(data)
    said = "\n".join(notes)
    for word in ("Caffe", "the detector inside the package", "car -> 0", "eps", "groupRectangles"):
        assert word in said
    labels = "Vehicle\nTwoWheeler\nPerson\nRoadsign\n"
    more = text + "[class-attrs-0]\nthreshold=1\n[class-attrs-2]\nthreshold=0.4\n"
    data, notes = convert(write(tmp_path, more, labels))
    assert data["classes"] == {"bicycle": 1, "motorcycle": 1, "person": 2, "stop sign": 3}
    assert data["confidence"] == {"bicycle": 0.2, "motorcycle": 0.2, "person": 0.4, "stop sign": 0.2}


def test_yaml_form(tmp_path: Path) -> None:
    text = "property:\n  onnx-file: a.onnx\n  infer-dims: 3;320;320\nclass-attrs-all:\n  pre-cluster-threshold: 0.3\n"
    data, _ = convert(write(tmp_path, text, None, "pgie.yml"))
    assert (data["model"], data["size"], data["confidence"]) == (str(tmp_path / "a.onnx"), [320, 320], 0.3)
    assert data["normalize"] == {"order": "rgb", "scale": 1.0, "letterbox": False, "pad": 0}


def test_absolute_model_path_stays(tmp_path: Path) -> None:
    data, _ = convert(write(tmp_path, "[property]\nonnx-file=/models/a.onnx\n", None))
    assert data["model"] == "/models/a.onnx"
    assert "labels" not in data


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("[other]\na=1\n", r"has no \[property\]"),
        ("[property]\nnetwork-type=1\n", "not a detector"),
        ("[property]\nprocess-mode=2\n", "a secondary network"),
        ("[property]\nonnx-file=a\ninfer-dims=3;384\n", "channels;height;width"),
        ("[property]\nonnx-file=a\noffsets=1;2\n", "not three numbers"),
        ("[property]\nonnx-file=a\nnet-scale-factor=x\n", r"pgie\.txt:3 .*'x' is not a number"),
        ("[property]\ninterval=two\n", r"pgie\.txt:2"),
        ("[property]\nonnx-file=a\nnet-scale-factor=nan\n", r"pgie\.txt:3 .*nan is no finite number"),
        ("[property]\nonnx-file=a\n[class-attrs-all]\nthreshold=inf\n", r"pgie\.txt:4 .*inf is no finite number"),
        ("[property]\nonnx-file=a\noffsets=1;nan;3\n", "not three numbers"),
        ("nonsense\n", "neither"),
    ],
)
def test_files_that_are_none_are_refused_with_their_line(tmp_path: Path, text: str, what: str) -> None:
    with pytest.raises(ConfigError, match=what):
        convert(write(tmp_path, text, None))


def test_thresholds_of_classes_without_a_label_are_named(tmp_path: Path) -> None:
    text = "[property]\nonnx-file=a.onnx\n[class-attrs-all]\nthreshold=0.3\n[class-attrs-5]\nthreshold=0.6\n"
    data, notes = convert(write(tmp_path, text, None))
    assert data["confidence"] == 0.3
    assert any("class 5 has no label" in note for note in notes)


def test_file_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such nvinfer configuration"):
        convert(tmp_path / "none.txt")
