"""Exports for DeepStream give the object that is there: DetectNet_v2's grids, DeepStream-Yolo's tables, TAO's transformers."""

from __future__ import annotations

from pathlib import Path

import deepstream_models as models
import numpy as np
import pytest
import seeing_models as seeing

from countline.compat.deepstream.files.nvinfer import convert
from countline.config import DetectorConfig
from countline.detect import OnnxDetector, make
from countline.errors import DetectorError


def detector(path: Path, labels: int | None, **more: object) -> OnnxDetector:
    names = [f"c{i}" for i in range(labels)] if labels else None
    given = {"model": str(path), "threads": 1, "runtime": "onnxruntime", "labels": names, "confidence": 0.2, **more}
    return make(DetectorConfig.model_validate(given))


def seen(d: OnnxDetector) -> tuple[str, str, list[float], float]:
    (found,) = d.detect([seeing.block()])
    assert len(found) == 1
    box = np.rint(found.xyxy[0]).tolist()
    return d.layout.name, d.labels[found.class_id[0]], box, round(float(found.confidence[0]), 3)


@pytest.mark.parametrize("corners", [True, False])
@pytest.mark.parametrize("form", ["table", "three"])
@pytest.mark.parametrize("classes", [1, 2, 3, 80])
def test_deepstream_yolo_is_read_by_itself_and_is_not_taken_for_another(
    classes: int, form: str, corners: bool, tmp_path: Path
) -> None:
    number = min(1, classes - 1)
    path = models.deepstream_yolo(tmp_path / "m.onnx", classes=classes, number=number, corners=corners, form=form)
    assert seen(detector(path, classes)) == ("deepstream-yolo", f"c{number}", seeing.BLOCK, 0.9)


@pytest.mark.parametrize("classes", [2, 5])
def test_class_numbers_are_known_by_what_they_are(classes: int, tmp_path: Path) -> None:
    path = models.deepstream_yolo(tmp_path / "m.onnx", classes=classes, number=1, corners=True, known=False)
    assert seen(detector(path, classes)) == ("deepstream-yolo", "c1", seeing.BLOCK, 0.9)


def test_a_seventh_column_is_how_surely_anything_is_there(tmp_path: Path) -> None:
    path = models.deepstream_yolo(tmp_path / "m.onnx", classes=3, number=2, corners=True, form="seven")
    assert seen(detector(path, 3, layout="deepstream-yolo")) == ("deepstream-yolo", "c2", seeing.BLOCK, 0.45)


def test_a_label_too_few_is_told(tmp_path: Path) -> None:
    path = models.deepstream_yolo(tmp_path / "m.onnx", classes=5, number=4, corners=True)
    with pytest.raises(DetectorError, match="class number"):
        detector(path, 2)


def test_labels_are_needed_where_classes_are_numbers(tmp_path: Path) -> None:
    path = models.deepstream_yolo(tmp_path / "m.onnx", classes=3, number=1, corners=True)
    with pytest.raises(DetectorError, match="number of classes is not known"):
        detector(path, None)


@pytest.mark.parametrize("score", [0.9, 0.3])
@pytest.mark.parametrize("classes", [1, 2])
def test_yolox_and_yolov8_of_six_channels_stay_what_they_are(classes: int, score: float, tmp_path: Path) -> None:
    if classes == 1:
        path = seeing.yolox(tmp_path / "m.onnx", classes=1, number=0, decoded=True, exponential=True)
        assert detector(path, 1).layout.name == "yolox-decoded"
    else:
        path = seeing.ultralytics(tmp_path / "m.onnx", classes=2, number=1, score=score)
        assert detector(path, 2).layout.name == "yolov8"


@pytest.mark.parametrize("layout", ["auto", "detectnet"])
@pytest.mark.parametrize("labels", [None, 4])
def test_detectnet_grids(labels: int | None, layout: str, tmp_path: Path) -> None:
    path = models.detectnet(tmp_path / "m.onnx", classes=4, number=2)
    d = detector(path, labels, layout=layout)
    name, label, box, confidence = seen(d)
    assert (name, label) == ("detectnet", "c2" if labels else "class 2")
    np.testing.assert_allclose(box, seeing.BLOCK, atol=1)
    assert confidence == 0.88


@pytest.mark.parametrize("classes", [1, 3])
def test_detectnet_with_channels_last_and_with_one_class(classes: int, tmp_path: Path) -> None:
    path = models.detectnet(tmp_path / "m.onnx", classes=classes, number=0, channels_last=True)
    name, label, box, _ = seen(detector(path, classes))
    assert (name, label) == ("detectnet", "c0")
    np.testing.assert_allclose(box, seeing.BLOCK, atol=1)


def test_detectnet_with_other_labels_is_refused(tmp_path: Path) -> None:
    path = models.detectnet(tmp_path / "m.onnx", classes=4, number=2)
    with pytest.raises(DetectorError, match="labels"):
        detector(path, 3)


def test_tao_transformers_with_their_background_among_the_labels(tmp_path: Path) -> None:
    path = seeing.transformer(tmp_path / "m.onnx", columns=5, number=2, names=("pred_boxes", "pred_logits"))
    name, label, box, confidence = seen(detector(path, 5, layout="detr"))
    assert (name, label, confidence) == ("detr", "c2", 0.9)
    np.testing.assert_allclose(box, seeing.BLOCK, atol=1)


NVINFER = """\
[property]
net-scale-factor=0.0039215697906911373
onnx-file=m.onnx
labelfile-path=labels.txt
infer-dims=3;320;320
num-detected-classes=3
network-type=0
maintain-aspect-ratio={letterbox}
{more}
[class-attrs-all]
pre-cluster-threshold=0.3
[class-attrs-0]
pre-cluster-threshold=0.5
"""


@pytest.mark.parametrize(
    ("form", "more", "layout"),
    [
        ("yolo", "parse-bbox-func-name=NvDsInferParseYolo\ncluster-mode=2", "deepstream-yolo"),
        ("old yolo", "parse-bbox-func-name=NvDsInferParseYolo", "deepstream-yolo"),
        ("yolo e", "parse-bbox-func-name=NvDsInferParseYoloE", "deepstream-yolo"),
        ("grid", "output-blob-names=output_cov/Sigmoid:0;output_bbox/BiasAdd:0\ncluster-mode=1", "detectnet"),
        ("grid", "", "detectnet"),
        ("ddetr", "parse-bbox-func-name=NvDsInferParseCustomDDETRTAO\ncluster-mode=4", "detr"),
        ("plain", "parse-bbox-func-name=NvDsInferParseMine", "yolov8"),
    ],
)
def test_nvinfers_file_and_its_model_find_the_object_under_its_class_id(
    form: str, more: str, layout: str, tmp_path: Path
) -> None:
    path = tmp_path / "m.onnx"
    if form == "grid":
        models.detectnet(path, classes=3, number=1)
    elif form == "ddetr":
        seeing.transformer(path, columns=3, number=1, names=("pred_boxes", "pred_logits"))
    elif form == "plain":
        seeing.ultralytics(path, classes=3, number=1)
    else:
        forms = {"yolo": ("table", True), "old yolo": ("three", False), "yolo e": ("table", True)}
        kind, corners = forms[form]
        models.deepstream_yolo(path, classes=3, number=1, corners=corners, form=kind)
    (tmp_path / "labels.txt").write_text("Person\nBag\nFace\n")
    (tmp_path / "pgie.txt").write_text(NVINFER.format(letterbox=int(form not in ("grid", "ddetr")), more=more))
    data, _ = convert(tmp_path / "pgie.txt")
    d = make(DetectorConfig.model_validate({**data, "runtime": "onnxruntime", "threads": 1}))
    (found,) = d.detect([seeing.block()])
    assert d.layout.name == layout
    assert [(int(i), d.labels[i]) for i in found.class_id] == [(1, "Bag")]
    np.testing.assert_allclose(found.xyxy[0], seeing.BLOCK, atol=1)
    assert d.thresholds.tolist() == pytest.approx([0.5, 0.3, 0.3])


def test_classes_that_nvinfer_filters_out_are_not_found(tmp_path: Path) -> None:
    models.detectnet(tmp_path / "m.onnx", classes=3, number=1)
    (tmp_path / "labels.txt").write_text("Person\nBag\nFace\n")
    for filtered, count in (("2", 1), ("1", 0), ("0;1", 0)):
        text = NVINFER.format(letterbox=0, more=f"filter-out-class-ids={filtered}")
        (tmp_path / "pgie.txt").write_text(text)
        data, _ = convert(tmp_path / "pgie.txt")
        d = make(DetectorConfig.model_validate({**data, "runtime": "onnxruntime", "threads": 1}))
        (found,) = d.detect([seeing.block()])
        assert len(found) == count
