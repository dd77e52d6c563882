"""A detector that cannot be run is replaced by one with the same classes under the same numbers, or refused loudly."""

from __future__ import annotations

from pathlib import Path

import pytest

from countline.compat.deepstream.files.nvinfer import convert
from countline.config import DetectorConfig
from countline.detect.coco import COCO
from countline.errors import ConfigError

TAO = """\
[property]
gpu-id=0
net-scale-factor=0.0039215697906911373
tlt-model-key=key
tlt-encoded-model=../models/{model}
labelfile-path={labels}
input-dims=3;544;960;0
batch-size=1
process-mode=1
model-color-format=0
network-mode=1
{count}
interval=0
gie-unique-id=1
output-blob-names=output_bbox/BiasAdd;output_cov/Sigmoid
cluster-mode=2
[class-attrs-all]
topk=20
nms-iou-threshold=0.5
{threshold}
[class-attrs-1]
pre-cluster-threshold=0.3
"""


def tao(
    folder: Path, model: str, labels: list[str] | None, count: int | None = None, threshold: str = "", extra: str = ""
) -> Path:
    if labels is not None:
        (folder / "labels.txt").write_text("\n".join(labels) + "\n")
    said = f"num-detected-classes={count}" if count else ""
    text = TAO.format(
        model=model, labels="labels.txt" if labels is not None else "none.txt", count=said, threshold=threshold
    )
    path = folder / "pgie.txt"
    path.write_text(text.replace("interval=0", f"interval=0\n{extra}"))
    return path


@pytest.mark.parametrize("labels", [["Person", "Bag", "Face"], None])
def test_peoplenet_still_finds_persons(labels: list[str] | None, tmp_path: Path) -> None:
    data, notes = convert(
        tao(tmp_path, "peoplenet/resnet34_peoplenet_pruned.etlt", labels, 3, "pre-cluster-threshold=0.4")
    )
    assert data["classes"] == {"person": 0, "backpack": 1, "handbag": 1, "suitcase": 1}
    assert data["confidence"] == {"person": 0.4, "backpack": 0.3, "handbag": 0.3, "suitcase": 0.3}
    assert any("Face" in note and "NOTHING OF IT IS FOUND" in note for note in notes)
    DetectorConfig.model_validate(data)


@pytest.mark.parametrize(
    ("model", "count", "classes"),
    [
        (
            "resnet18_trafficcamnet.etlt",
            4,
            {"car": 0, "truck": 0, "bus": 0, "bicycle": 1, "motorcycle": 1, "person": 2, "stop sign": 3},
        ),
        (
            "dashcamnet/resnet18_dashcamnet_pruned.etlt",
            None,
            {"car": 0, "truck": 0, "bus": 0, "bicycle": 1, "motorcycle": 1, "person": 2, "stop sign": 3},
        ),
        ("peoplenet_transformer/resnet50.etlt", 4, {"person": 1, "backpack": 2, "handbag": 2, "suitcase": 2}),
        ("yolov4.etlt", 80, {name: i for i, name in enumerate(COCO)}),
    ],
)
def test_known_models_are_known_without_their_label_file(
    model: str, count: int | None, classes: dict[str, int], tmp_path: Path
) -> None:
    data, _ = convert(tao(tmp_path, model, None, count))
    assert data["classes"] == classes


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (["motorbike", "pedestrian", "Car"], {"motorcycle": 0, "person": 1, "car": 2}),
        (["vehicle", "truck", "two_wheeler"], {"car": 0, "bus": 0, "truck": 1, "bicycle": 2, "motorcycle": 2}),
        (["background", "people", "traffic_light"], {"person": 1, "traffic light": 2}),
        (["Person ", "Head"], {"person": 0}),
    ],
)
def test_classes_are_looked_up_by_their_names(labels: list[str], classes: dict[str, int], tmp_path: Path) -> None:
    data, _ = convert(tao(tmp_path, "own.etlt", labels, len(labels)))
    assert data["classes"] == classes


@pytest.mark.parametrize(
    ("labels", "count", "what"),
    [
        (["Person", "Bag"], 3, "there are 3 classes and 2 labels"),
        (["Person", "Bag", "Face", "Car"], 3, "there are 3 classes and 4 labels"),
        (None, 3, "its 3 classes have no names"),
        (None, None, "its classes have no names"),
        (["helmet", "head"], 2, r"knows none of its classes \(helmet, head\)"),
    ],
)
def test_what_does_not_fit_stops_and_says_what_to_write(
    labels: list[str] | None, count: int | None, what: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=what) as caught:
        convert(tao(tmp_path, "own.etlt", labels, count))
    assert "onnx-file" in caught.value.fix or "label file" in caught.value.fix


def test_classes_that_are_filtered_out_are_not_looked_for(tmp_path: Path) -> None:
    path = tao(tmp_path, "peoplenet.etlt", ["Person", "Bag", "Face"], 3, extra="filter-out-class-ids=1;2")
    data, notes = convert(path)
    assert data["classes"] == {"person": 0}
    assert not any("NOTHING" in note for note in notes)
    with pytest.raises(ConfigError, match="knows none of its classes"):
        convert(tao(tmp_path, "peoplenet.etlt", ["Person", "Bag", "Face"], 3, extra="filter-out-class-ids=0;1;2"))


ONNX = "[property]\nonnx-file=m.onnx\n"


def onnx(folder: Path, more: str, labels: str | None = "person\ncar\ntruck\n") -> tuple[dict[str, object], list[str]]:
    if labels is not None:
        (folder / "labels.txt").write_text(labels)
        more = "labelfile-path=labels.txt\n" + more
    (folder / "pgie.txt").write_text(ONNX + more)
    data, notes = convert(folder / "pgie.txt")
    DetectorConfig.model_validate(data)
    return data, notes


def test_where_a_file_is_silent_nvinfers_thresholds_hold(tmp_path: Path) -> None:
    data, _ = onnx(tmp_path, "")
    assert (data["confidence"], data["iou"]) == (0.2, 0.3)
    data, _ = onnx(tmp_path, "[class-attrs-1]\npre-cluster-threshold=0.5\n")
    assert data["confidence"] == {"person": 0.2, "car": 0.5, "truck": 0.2}
    data, _ = onnx(tmp_path, "[class-attrs-all]\npre-cluster-threshold=0.4\npost-cluster-threshold=0.6\n")
    assert data["confidence"] == 0.6
    data, _ = onnx(tmp_path, "[class-attrs-all]\npre-cluster-threshold=0\nnms-iou-threshold=0\n")
    assert (data["confidence"], data["iou"]) == (0.001, 0.001)


def test_without_clustering_nothing_is_suppressed(tmp_path: Path) -> None:
    assert onnx(tmp_path, "cluster-mode=4\n")[0]["iou"] == 1.0
    assert onnx(tmp_path, "cluster-mode=2\n")[0]["iou"] == 0.3


def test_filtered_classes_of_an_onnx_model(tmp_path: Path) -> None:
    data, _ = onnx(tmp_path, "filter-out-class-ids=1\n")
    assert data["classes"] == {"person": 0, "truck": 2}
    data, _ = onnx(tmp_path, "filter-out-class-ids=0\nnum-detected-classes=2\n", None)
    assert (data["labels"], data["classes"]) == (["class 0", "class 1"], {"class 1": 1})
    with pytest.raises(ConfigError, match="every class is filtered out"):
        onnx(tmp_path, "filter-out-class-ids=0;1;2\n")


@pytest.mark.parametrize(
    ("parser", "layout"),
    [
        ("NvDsInferParseYolo", "deepstream-yolo"),
        ("NvDsInferParseYoloCuda", "deepstream-yolo"),
        ("NvDsInferParseYoloE", "deepstream-yolo"),
        ("NvDsInferParseCustomDDETRTAO", "detr"),
        ("NvDsInferParseCustomResnet", "detectnet"),
        ("NvDsInferParseMine", None),
        ("NvDsInferParseCustomBatchedNMSTLT", None),
    ],
)
def test_a_parsers_name_sets_the_layout(parser: str, layout: str | None, tmp_path: Path) -> None:
    data, notes = onnx(tmp_path, f"parse-bbox-func-name={parser}\n")
    assert data.get("layout") == layout
    assert any("parse-bbox-func-name" in note for note in notes)


def test_grids_are_known_by_the_names_of_their_outputs(tmp_path: Path) -> None:
    data, _ = onnx(tmp_path, "output-blob-names=output_cov/Sigmoid:0;output_bbox/BiasAdd:0\n")
    assert data["layout"] == "detectnet"
    data, _ = onnx(tmp_path, "", None)
    assert "layout" not in data


def test_the_onnx_file_that_an_engine_was_built_from_is_used(tmp_path: Path) -> None:
    (tmp_path / "yolo.onnx").write_bytes(b"")
    (tmp_path / "pgie.txt").write_text("[property]\nmodel-engine-file=yolo.onnx_b1_gpu0_fp16.engine\n")
    data, _ = convert(tmp_path / "pgie.txt")
    assert data["model"] == str(tmp_path / "yolo.onnx")


def test_comments_in_another_encoding_and_labels_on_one_line(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("person;bag;face;\n")
    (tmp_path / "pgie.txt").write_bytes("# 置信度\n".encode("gbk") + (ONNX + "labelfile-path=labels.txt\n").encode())
    data, _ = convert(tmp_path / "pgie.txt")
    assert data["labels"] == ["person", "bag", "face"]


@pytest.mark.parametrize(
    ("line", "what"),
    [("network-type=2", "segmentation"), ("is-classifier=1", "classifier"), ("gie-mode=2", "secondary")],
)
def test_networks_that_detect_nothing_are_refused(line: str, what: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=what):
        onnx(tmp_path, line + "\n")


@pytest.mark.parametrize("kind", [3, 100])
def test_networks_with_masks_or_a_parser_in_the_application_are_tried(kind: int, tmp_path: Path) -> None:
    data, notes = onnx(tmp_path, f"network-type={kind}\n")
    assert str(data["model"]).endswith("m.onnx")
    assert any("network-type" in note for note in notes)
