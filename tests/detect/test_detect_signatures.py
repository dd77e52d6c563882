"""What exporters write today is read as it is meant, with both runtimes: a small model of each signature finds its object."""

from __future__ import annotations

import re
from pathlib import Path

import exported_models as exported
import numpy as np
import pytest
import seeing_models as seeing

from countline.config import DetectorConfig
from countline.detect import OnnxDetector, make
from countline.errors import DetectorError

LABELS = ["a", "b", "c"]
DOCS = Path(__file__).parents[2] / "docs" / "detectors.md"
RUNTIMES = ["onnxruntime", "openvino"]


def opened(path: Path, runtime: str = "onnxruntime", **config: object) -> OnnxDetector:
    if runtime == "openvino":
        pytest.importorskip("openvino")
    told = {"model": str(path), "threads": 1, "runtime": runtime, "labels": LABELS, **config}
    return make(DetectorConfig.model_validate(told))


def check(path: Path, expected: str, runtime: str, **config: object) -> None:
    d = opened(path, runtime, **config)
    assert d.layout.name == expected
    for _ in range(2):  # the second answer is not a rest of the first
        (found,) = d.detect([seeing.block()])
        assert [d.labels[c] for c in found.class_id] == ["b"]
        assert found.confidence[0] == pytest.approx(0.9, abs=0.05)
        box = [140, 95.8, 190, 144.2] if expected.endswith("obb") else seeing.BLOCK
        np.testing.assert_allclose(found.xyxy[0], box, atol=0.8)


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("name", exported.EXPORTS)
def test_export_is_read_as_it_is_meant(name: str, runtime: str, tmp_path: Path) -> None:
    layout, build = exported.EXPORTS[name]
    path = build(tmp_path / "m.onnx")
    check(path, layout, runtime)
    check(path, layout, runtime, layout=layout)


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("name", exported.INPUTS)
def test_forms_of_inputs_and_outputs(name: str, runtime: str, tmp_path: Path) -> None:
    layout, build = exported.INPUTS[name]
    check(build(tmp_path / "m.onnx"), layout, runtime, **({"size": seeing.SIZE} if "open" in name else {}))


def test_every_row_of_the_documentation_is_tested() -> None:
    part = DOCS.read_text(encoding="utf-8").partition("### What exporters write")[2].partition("\n### ")[0]
    rows = re.findall(r"^\| (.+?) \| .+ \| `(.+?)` \|", part, re.MULTILINE)
    assert dict(rows) == {name: layout for name, (layout, _) in exported.EXPORTS.items()}


def test_background_among_the_labels_is_never_found(tmp_path: Path) -> None:
    """jetson-inference's label files begin with it."""
    d = opened(exported.ssd(tmp_path / "m.onnx"), labels=["BACKGROUND", *LABELS], confidence=0.02)
    (found,) = d.detect([seeing.block()])
    assert {d.labels[c] for c in found.class_id} == {"b"}


def test_labels_of_an_ssd_are_as_many_as_its_classes(tmp_path: Path) -> None:
    with pytest.raises(DetectorError, match=r"detector\.labels has 2 names, and this model seems to have 3 \(ssd"):
        opened(exported.ssd(tmp_path / "m.onnx"), labels=["a", "b"])


def test_pictures_without_a_batch_are_given_one_by_one(tmp_path: Path) -> None:
    d = opened(exported.detectron()(tmp_path / "m.onnx"))
    assert [len(found) for found in d.detect([seeing.block()] * 3)] == [1, 1, 1]
    assert "images float32[3, 320, 320]" in d.describe()["input"]


def test_heads_whose_scores_are_no_confidences_are_refused(tmp_path: Path) -> None:
    model = seeing.Seeing()
    nothing = model.op(
        "Mul", model.op("ReduceMean", model.xyxy, axes=[1, 2], keepdims=1), model.constant(np.float32(0))
    )
    for stride in (8, 16, 32):
        side = seeing.SIZE // stride
        for name, width, value in (("cls", 3, 4.5), ("reg", 64, 0)):
            table = np.full((1, width, side, side), value, np.float32)
            added = model.op("Add", model.constant(table), model.op("Unsqueeze", nothing, model.constant([3])))
            model.plain(f"{name}{stride}", added, [1, width, side, side])
    with pytest.raises(DetectorError, match="sigmoid"):
        opened(model.save(tmp_path / "m.onnx"))
