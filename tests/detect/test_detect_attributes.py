"""Keypoints, angles and corners go with their object, from the model through the tracker to messages."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import exported_models as exported
import numpy as np
import pytest
import seeing_models as seeing
from hypothesis import given, settings
from hypothesis import strategies as st

import countline as cl
from countline.config import DetectorConfig, TrackerConfig
from countline.detect import make, wrap
from countline.track import make as make_tracker
from countline.types import UNTRACKED, Detections, Frame, Tracks

LABELS = ["a", "b", "c"]
MIDDLE = np.array([165.0, 120.0])


def found(path: Path, runtime: str = "onnxruntime", **config: Any) -> Detections:
    if runtime == "openvino":
        pytest.importorskip("openvino")
    told = {"model": str(path), "threads": 1, "runtime": runtime, "labels": LABELS, **config}
    (result,) = make(DetectorConfig.model_validate(told)).detect([seeing.block()])
    assert len(result) == 1
    return result


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("name", ["the same, pose", "the same, end-to-end pose"])
def test_keypoints_are_in_pixels_of_the_picture(name: str, runtime: str, tmp_path: Path) -> None:
    path = exported.EXPORTS[name][1](tmp_path / "m.onnx")
    attributes = found(path, runtime).attributes
    assert attributes is not None
    assert set(attributes) == {"keypoints"}
    np.testing.assert_allclose(attributes["keypoints"], np.reshape(exported.KEYPOINTS, (1, 2, 3)), atol=1e-3)
    stretched = found(path, runtime, normalize={"letterbox": False}).attributes
    assert stretched is not None
    expected = np.reshape(exported.KEYPOINTS, (1, 2, 3)) * [1, 240 / 320, 1]
    np.testing.assert_allclose(stretched["keypoints"], expected, atol=1e-3)


@pytest.mark.parametrize("numbers", [2, 3, 4])
@pytest.mark.parametrize("listed", [False, True])
def test_the_file_says_how_many_numbers_a_keypoint_has(numbers: int, listed: bool, tmp_path: Path) -> None:
    model = seeing.Seeing()
    points = model.given(np.arange(12.0))
    row = model.join(
        model.xyxy if listed else model.centred, model.given([0.9, 1] if listed else [0, 0.9]), points, axis=2
    )
    model.output("output0", row, 18, **({"rows": 300} if listed else {"channels_first": True}))
    path = model.save(tmp_path / "m.onnx", {"task": "pose", "kpt_shape": [12 // numbers, numbers]})
    attributes = found(path, labels=["a", "b"]).attributes
    assert attributes is not None
    assert attributes["keypoints"].shape == (1, 12 // numbers, numbers)


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("name", ["the same, OBB", "the same, end-to-end OBB"])
def test_angle_and_corners_are_those_of_the_turned_box(name: str, runtime: str, tmp_path: Path) -> None:
    result = found(exported.EXPORTS[name][1](tmp_path / "m.onnx"), runtime)
    assert result.attributes is not None
    assert result.attributes["angle"] == pytest.approx([exported.ANGLE], abs=1e-4)
    corners = result.attributes["corners"][0]
    along = np.array([np.cos(exported.ANGLE), np.sin(exported.ANGLE)])
    down = np.array([-along[1], along[0]])
    expected = [MIDDLE + a * 15 * along + b * 20 * down for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
    np.testing.assert_allclose(corners, expected, atol=0.6)
    around = np.concatenate([corners.min(axis=0), corners.max(axis=0)])
    np.testing.assert_allclose(result.xyxy[0], around, atol=1e-3)


@pytest.mark.parametrize("name", ["YOLOv8, v9, v11, v12", "the same, segmentation", "`nms=True`, YOLOv10, YOLO26"])
def test_models_without_them_give_none(name: str, tmp_path: Path) -> None:
    assert found(exported.EXPORTS[name][1](tmp_path / "m.onnx")).attributes is None


@settings(max_examples=40, deadline=None)
@given(st.lists(st.permutations(range(4)), min_size=2, max_size=12), st.integers(0, 2**31))
def test_each_track_has_the_attributes_of_its_own_detection(orders: list[list[int]], seed: int) -> None:
    """However the rows are ordered, and with boxes among them that cannot be followed."""
    random = np.random.default_rng(seed)
    tracker = make_tracker(TrackerConfig(), fps=10)
    for i, order in enumerate(orders):
        left = np.array(order) * 150.0 + 3 * i + random.uniform(-1, 1, 4)
        boxes = np.stack([left, np.full(4, 50.0), left + 60, np.full(4, 170.0)], 1)
        boxes[random.random(4) < 0.2, 2] = np.nan
        attributes = {"place": np.array(order), "name": np.array([f"object {k}" for k in order])}
        tracks = tracker.update(Detections(boxes, np.full(4, 0.9), np.zeros(4), attributes), pts=i * 10**8)
        if not len(tracks):
            continue
        assert tracks.attributes is not None
        np.testing.assert_array_equal(tracks.attributes["place"], np.round((tracks.xyxy[:, 0] - 3 * i) / 150))
        for track, place in zip(tracks.track_id.tolist(), tracks.attributes["place"]):
            assert tracks.attributes_of(track) == {"place": place, "name": f"object {place}"}


def test_rows_of_attributes_are_as_many_as_objects() -> None:
    box = np.array([[0, 0, 10, 20]])
    with pytest.raises(ValueError, match="the attribute 'angle' must have 1 rows"):
        Detections(box, np.ones(1), np.zeros(1), {"angle": np.zeros(2)})
    one = Detections(box, np.ones(1), np.zeros(1), {"angle": [0.5]})
    assert one[np.array([False])].attributes["angle"].shape == (0,)  # type: ignore[index]
    assert Tracks.empty().attributes_of(3) == {}
    assert Tracks(box, np.ones(1), np.zeros(1), np.array([UNTRACKED], np.uint64)).attributes_of(None) == {}


def test_a_callables_attributes_are_handed_on(blank: Callable[..., Frame]) -> None:
    detector = wrap(
        lambda images: [Detections([[1, 2, 9, 9]], [0.9], [1], {"colour": ["red"]}) for _ in images], labels=["x", "y"]
    )
    (result,) = detector.detect([blank()])
    assert result.attributes is not None
    assert result.attributes["colour"].tolist() == ["red"]


def clip(path: Path) -> Path:
    """A bright block, 30 x 40, that goes from left to right: 6 pixels a frame, 10 frames a second."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = 320, 240, "yuv420p", 4_000_000
        for i in range(30):
            image = np.full((240, 320, 3), 20, np.uint8)
            image[100:140, 40 + 6 * i : 70 + 6 * i] = 235
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(stream.encode())
    return path


def posed(path: Path) -> Path:
    """Two keypoints: the middle of the block and its upper left corner."""
    model = seeing.Seeing()
    middle, corner = (
        model.op("Slice", tensor, model.constant([0]), model.constant([2]), model.constant([2]))
        for tensor in (model.centred, model.xyxy)
    )
    points = model.join(middle, model.given([0.9]), corner, model.given([0.8]), axis=2)
    row = model.join(model.op("Identity", model.centred), model.classes(1, 0, 0.9), points, axis=2)
    model.output("output0", row, 11, channels_first=True)
    return model.save(path, {"task": "pose", "kpt_shape": [2, 3], "names": {0: "walker"}})


def test_messages_tell_the_keypoints_of_who_crossed(tmp_path: Path) -> None:
    """Through templates of events and of loops, in conditions and in Python functions."""
    seen: list[dict[str, Any]] = []

    @cl.message(on="crossing")
    def told(event: cl.Crossing, analytics: Any) -> dict[str, Any]:
        seen.append(analytics.tracks.attributes_of(event.track_id))
        return {"kind": "function"}

    config = {
        "sources": [{"name": "clip", "uri": str(clip(tmp_path / "clip.mp4"))}],
        "detector": {"model": str(posed(tmp_path / "pose.onnx")), "runtime": "onnxruntime"},
        "rules": {
            "coordinates": "pixels",
            "resolution": [320, 240],
            "lines": [{"name": "l", "points": [[160, 40], [160, 220]]}],
        },
        "messages": [
            {
                "name": "event",
                "on": "crossing",
                "value": {"box": "{box}", "keypoints": "{keypoints}", "angle": "{angle}"},
            },
            {"name": "loop", "on": "crossing", "value": {"all": {"for": "objects", "do": {"points": "{keypoints}"}}}},
        ],
        "outputs": [{"file": {"path": str(tmp_path / "out.jsonl")}}],
        "outbox": "memory",
    }
    cl.run(config, messages=[told])
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    event = next(line for line in lines if "keypoints" in line)
    (middle, corner), box = event["keypoints"], event["box"]
    assert middle == pytest.approx([(box["left"] + box["right"]) / 2, (box["top"] + box["bottom"]) / 2, 0.9], abs=0.02)
    assert corner == pytest.approx([box["left"], box["top"], 0.8], abs=0.02)
    assert event["angle"] is None
    assert {"all": [{"points": event["keypoints"]}]} in lines
    np.testing.assert_allclose(seen[0]["keypoints"], event["keypoints"], atol=0.01)
