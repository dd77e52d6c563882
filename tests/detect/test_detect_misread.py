"""Whatever model is brought is read rightly or refused: by what the file says, how it makes its outputs, and what comes out.

The models find the bright block of a picture, and tell it in the form of a real export."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import seeing_models as seeing

from countline.config import DetectorConfig
from countline.detect import make
from countline.errors import DetectorError

TURNED = [140, 95.8, 190, 144.2]
"""The upright box around the block when it is turned by 0.9 radians about its centre."""
STRETCHED = pytest.approx(seeing.BLOCK, abs=0.6)
"""Its edges lie between pixels of a stretched picture."""
KEYPOINTS = [170.0, 120.0, 2.0] * 17


def read(path: Path, **config: Any) -> tuple[str, str, list[float], float]:
    """Layout, label, box and confidence of the one object."""
    d = make(DetectorConfig.model_validate({"model": str(path), "threads": 1, "runtime": "onnxruntime", **config}))
    (found,) = d.detect([seeing.block()])
    assert len(found) == 1
    box = [round(float(v), 1) for v in found.xyxy[0]]
    return d.layout.name, d.labels[found.class_id[0]], box, round(float(found.confidence[0]), 2)


def refused(path: Path, **config: Any) -> str:
    with pytest.raises(DetectorError) as caught:
        make(DetectorConfig.model_validate({"model": str(path), "threads": 1, "runtime": "onnxruntime", **config}))
    assert str(path) in str(caught.value)
    assert caught.value.fix
    return str(caught.value)


@pytest.mark.parametrize("told", ["task and labels", "labels", "nothing"])
@pytest.mark.parametrize("classes", [1, 2, 3, 80])
@pytest.mark.parametrize(
    ("layout", "task", "extra", "masks", "box"),
    [
        ("yolov8", "detect", [], False, seeing.BLOCK),
        ("yolov8-obb", "obb", [0.9], False, TURNED),
        ("yolov8-seg", "segment", [1.7] * 32, True, seeing.BLOCK),
        ("yolov8-pose", "pose", KEYPOINTS, False, seeing.BLOCK),
    ],
)
def test_angles_masks_and_keypoints_are_no_classes(
    layout: str, task: str, extra: list[float], masks: bool, box: list[float], classes: int, told: str, tmp_path: Path
) -> None:
    labels = [f"kind {i}" for i in range(classes)] if "labels" in told else []
    path = seeing.ultralytics(
        tmp_path / "m.onnx",
        classes=classes,
        number=classes - 1,
        extra=extra,
        masks=masks,
        task=task if "task" in told else "",
        labels=labels,
    )
    name = labels[-1] if labels else "toothbrush" if classes == 80 else f"class {classes - 1}"
    assert read(path) == (layout, name, box, 0.9)


@pytest.mark.parametrize(("decoded", "exponential"), [(False, False), (True, False), (True, True)])
@pytest.mark.parametrize("labels", [None, ["a", "b", "c"]])
def test_boxes_that_are_decoded_in_the_file_are_not_decoded_again(
    decoded: bool, exponential: bool, labels: list[str] | None, tmp_path: Path
) -> None:
    path = seeing.yolox(tmp_path / "m.onnx", decoded=decoded, exponential=exponential)
    layout = "yolox-decoded" if decoded else "yolox"
    label = "b" if labels else "class 1"
    assert read(path, labels=labels) == (layout, label, seeing.BLOCK, pytest.approx(0.855, abs=0.01))
    assert read(path, labels=labels, layout=layout)[2] == seeing.BLOCK
    if decoded:
        assert "yolox they give boxes such as" in refused(path, layout="yolox", labels=["a", "b", "c"])


@pytest.mark.parametrize("score", [248.0, 1.7, -3.0])
def test_scores_that_are_no_confidences_are_refused(score: float, tmp_path: Path) -> None:
    path = seeing.ultralytics(tmp_path / "m.onnx", classes=1, score=score, made="given", labels=["rat"])
    for config in ({}, {"layout": "yolov8"}):
        text = refused(path, **config)
        assert f"{score:g}" in text
        assert "sigmoid" in text


def test_a_column_more_than_labels_is_no_object_only_where_it_wins(tmp_path: Path) -> None:
    """RF-DETR's last column is not used, and its scores are sigmoids; DETR's is 'no object', and takes part in a softmax."""
    labels = list("abcde")
    low = seeing.transformer(tmp_path / "rf.onnx", columns=6, number=2, score=0.3)
    assert read(low, labels=labels, confidence=0.2)[1:] == ("c", STRETCHED, 0.3)
    few = seeing.transformer(tmp_path / "few.onnx", columns=4, number=0)
    for config in ({}, {"layout": "detr"}):
        assert read(few, labels=list("abc"), **config)[1:] == ("a", STRETCHED, 0.9)
    detr = seeing.transformer(
        tmp_path / "detr.onnx", columns=4, number=1, nothing=8, names=("pred_boxes", "logits"), score=0.9
    )
    d = make(DetectorConfig(model=str(detr), labels=list("abc"), runtime="onnxruntime"))
    assert d.layout.softmax
    assert d.layout.classes == 3
    assert d.layout.imagenet, "as DETR was trained"


def test_a_column_more_than_labels_is_refused_where_nothing_says_what_it_is(tmp_path: Path) -> None:
    """It may be a class whose name was left out."""
    path = seeing.transformer(tmp_path / "m.onnx", columns=4, number=1, names=("pred_boxes", "logits"))
    assert "detector.labels has 3 names, and this model seems to have 4" in refused(path, labels=list("abc"))
    assert read(path, labels=list("abc"), layout="detr")[1] == "b"
    assert read(path, labels=list("abcd"))[1] == "b"


def test_ninety_one_unnamed_classes_are_cocos_by_their_numbers(tmp_path: Path) -> None:
    path = seeing.transformer(tmp_path / "m.onnx", columns=91, number=90)
    assert read(path)[1] == "toothbrush"
    assert read(seeing.transformer(tmp_path / "p.onnx", columns=91, number=1))[1] == "person"
    assert read(seeing.transformer(tmp_path / "p.onnx", columns=91, number=44))[1] == "bottle"


def test_objectness_that_is_always_one_is_yolov6s(tmp_path: Path) -> None:
    """Which is fed with other pictures than YOLOX."""
    model = seeing.Seeing()
    row = model.join(model.centred, model.given([1]), model.classes(2, 1, 0.9), axis=2)
    rest = np.zeros((1, seeing.CELLS - 1, 7), np.float32)
    rest[..., 4] = 1
    whole = model.op("Concat", row, model.constant(rest), axis=1)
    model.plain("outputs", whole, [1, seeing.CELLS, 7])
    path = model.save(tmp_path / "m.onnx")
    for config in ({}, {"layout": "yolov6"}):
        assert read(path, labels=["a", "b"], **config) == ("yolov6", "b", seeing.BLOCK, 0.9)


@pytest.mark.parametrize("form", ["queries", "cells"])
def test_corners_are_not_read_as_centre_and_sides(form: str, tmp_path: Path) -> None:
    model = seeing.Seeing()
    corners = model.op("Identity", model.xyxy)
    if form == "queries":
        corners = model.op("Div", corners, model.constant(np.float32(seeing.SIZE)))
        model.output("dets", corners, 4, rows=300)
        logits = np.full((1, 300, 3), -6, np.float32)
        logits[0, 0, 1] = 2
        model.plain("labels", model.constant(logits), [1, 300, 3])
    else:
        row = model.join(corners, model.classes(3, 1, 0.9), axis=2)
        model.output("output0", row, 7, channels_first=True)
    path = model.save(tmp_path / "m.onnx")
    assert "left, top, right and bottom rather than centre" in refused(path, labels=list("abc"))


def test_lists_with_class_before_score_are_refused(tmp_path: Path) -> None:
    for number in (0, 1):
        model = seeing.Seeing()
        model.output("output0", model.join(model.xyxy, model.given([number, 0.9]), axis=2), 6, rows=300)
        path = model.save(tmp_path / f"{number}.onnx")
        assert "class number 0.9" in refused(path, labels=["a", "b"])


def test_lists_of_found_objects_are_read_as_such(tmp_path: Path) -> None:
    """End-to-end exports, of which a network without NMS (YOLO26) has no others: labels are needed, and must be enough."""
    path = seeing.listed(tmp_path / "m.onnx")
    assert read(path, labels=["a", "b"]) == ("end2end", "b", seeing.BLOCK, 0.9)
    assert "set detector.labels" in refused(path)
    assert "class number 1, where there are 1 classes" in refused(path, labels=["a"])
    pose = seeing.listed(tmp_path / "p.onnx", extra=KEYPOINTS, task="pose")
    assert read(pose, labels=["a", "b"]) == ("end2end", "b", seeing.BLOCK, 0.9)


def test_queries_in_parts_of_the_picture_are_not_taken_for_a_list_in_pixels(tmp_path: Path) -> None:
    model = seeing.Seeing()
    model.output("output0", model.join(model.parts, model.classes(2, 1, 0.9), axis=2), 6, rows=300)
    path = model.save(tmp_path / "m.onnx")
    assert read(path, labels=["a", "b"]) == ("rtdetr", "b", STRETCHED, 0.9)


@pytest.mark.parametrize("number", [2, 4])
def test_labels_that_are_not_as_many_as_classes_are_refused(number: int, tmp_path: Path) -> None:
    """Neither is what is left over an angle, nor what is missing objectness."""
    path = seeing.ultralytics(tmp_path / "m.onnx", classes=3)
    text = refused(path, labels=[f"kind {i}" for i in range(number)])
    assert f"detector.labels has {number} names" in text
    assert "3 (yolov8)" in text


def test_classifiers_are_told(tmp_path: Path) -> None:
    path = seeing.ultralytics(tmp_path / "m.onnx", task="classify")
    assert "task: classify" in refused(path)


def test_a_misreading_that_only_pictures_show_is_told_at_the_first(tmp_path: Path) -> None:
    """A model that is not confident at load: the numbers of a picture say that it is read wrongly."""
    model = seeing.Seeing()
    # Scores grow with the brightest pixel, from where that of the test picture does not come.
    light = model.op("ReduceMax", model.op("ReduceMean", "images", axes=[1], keepdims=0), axes=[1, 2], keepdims=1)
    score = model.op("Relu", model.op("Sub", light, model.constant(np.float32(0.98))))
    raw = model.op("Mul", score, model.given([0, 3000]))
    model.output("output0", model.join(model.centred, raw, axis=2), 6, channels_first=True)
    path = model.save(tmp_path / "m.onnx", {"names": "{0: 'a', 1: 'b'}"})
    d = make(DetectorConfig(model=str(path), runtime="onnxruntime"))
    assert len(d.detect([seeing.block()])[0]) == 0
    bright = seeing.block()
    bright.image[100:140, 150:180] = 255
    with pytest.raises(DetectorError, match=r"confidence .* not in 0 … 1, for frame 0 of 'blocks'"):
        d.detect([bright])


def test_metadata_of_other_meaning_are_left_alone(tmp_path: Path) -> None:
    model = seeing.Seeing()
    row = model.join(model.centred, model.classes(2, 1, 0.9), axis=2)
    model.output("output0", row, 6, channels_first=True)
    path = model.save(
        tmp_path / "m.onnx", {"layout": "NCHW", "task": "object-detection", "kpt_shape": "[0]", "names": "x,y"}
    )
    assert read(path)[:2] == ("yolov8", "y")
