"""Boxes are chosen on a device as on the host, from whatever numbers a network gives."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from stand_in import StandIn

from countline.detect.classes import ClassPlan
from countline.detect.detector import OnnxDetector
from countline.detect.layouts import Layout, cells
from countline.detect.plausible import Watch
from countline.detect.selection import selection
from countline.gpu.stage import Chooser
from countline.types import Detections

SIZE = (96, 64)
CLASSES = 6


def plan(floor: float = 0.2) -> ClassPlan:
    """Three output classes, one of them made of two, in another order than the network's."""
    rows = np.array([3, 0, 5, 1], np.intp)
    starts, floors = np.array([0, 1, 3], np.intp), np.array([floor, floor * 1.5, floor], np.float32)
    counts = (1, 2, 1)
    ids = np.array([7, 2, 4], np.int32)
    return ClassPlan(
        rows,
        starts,
        ids,
        floors * 2,
        floors,
        ("",) * 8,
        (("a",), ("b", "c"), ("d",)),
        np.repeat(floors, counts)[:, None],
    )


def on_host(
    layout: Layout, outputs: list[Any], classes: ClassPlan, iou: float, scale: tuple[float, float], frame: int
) -> Detections:
    """What the detector on the CPU makes of them."""
    watch = Watch(SIZE)
    watch._left = 0
    signature = SimpleNamespace(size=SIZE, layout=layout)
    reader = SimpleNamespace(_classes=classes, _signature=signature, layout=layout, _watch=watch, _iou=iou)
    info = SimpleNamespace(width=round(SIZE[0] / scale[0]), height=round(SIZE[1] / scale[1]))
    return OnnxDetector._read(reader, outputs, frame, scale, SimpleNamespace(info=info))  # type: ignore[arg-type]


def chosen(
    gpu: StandIn, layout: Layout, outputs: Sequence[Any], classes: ClassPlan, iou: float, scales: list[Any]
) -> list[Detections]:
    """What the kernels make of them."""
    queue, most = gpu.queue(), len(scales)
    how = selection(layout, classes, [o.shape[1:] for o in outputs], SIZE, iou)
    assert how is not None
    memories = [queue.mirror(o.nbytes) for o in outputs]
    for memory, output in zip(memories, outputs):
        memory.host[:] = np.ascontiguousarray(output).view(np.uint8).reshape(-1)
    chooser = Chooser(gpu, queue, how, most, (np.dtype(np.uint8), outputs[0].dtype), memories)
    chooser.choose(scales, [(round(SIZE[0] / x), round(SIZE[1] / y)) for x, y in scales])
    return [Detections(f.xyxy, f.confidence, classes.ids[f.kind]) for f in chooser.results(most)]


def table(random: np.random.Generator, count: int, channels: int, frames: int) -> np.ndarray:
    return random.random((frames, count, channels), np.float32)


def made(name: str, random: np.random.Generator, frames: int) -> tuple[Layout, list[np.ndarray]]:
    """A layout and outputs of its form: few objects among many cells, boxes about the input's size."""
    grid = cells(SIZE, (8, 16, 32))
    few = lambda array: np.where(random.random(array.shape) < 0.03, array, array * 0.15).astype(np.float32)  # noqa: E731
    pixels = np.array([*SIZE, SIZE[0] / 3, SIZE[1] / 3], np.float32)
    if name in ("nanodet", "nanodet-turned", "nanodet-single"):
        sides = random.normal(0, 2, (frames, 32, grid)).astype(np.float32)
        scores = few(random.random((frames, CLASSES, grid), np.float32))
        if name == "nanodet":
            return Layout("nanodet", CLASSES, order=(1, 0)), [sides, scores]
        whole = np.concatenate([scores, sides], 1)
        return Layout("nanodet", CLASSES, transposed=name.endswith("turned")), [
            whole if name.endswith("turned") else whole.transpose(0, 2, 1)
        ]
    if name.startswith(("yolox", "yolov5")):
        raw = table(random, grid, 5 + CLASSES, frames)
        raw[..., :4] = raw[..., :4] * 2 - 0.5 if name == "yolox" else raw[..., :4] * pixels
        raw[..., 4] = 0.7 + 0.3 * raw[..., 4]
        raw[..., 5:] = few(raw[..., 5:])
        turned = name.endswith("turned")
        return Layout(name.removesuffix("-turned"), CLASSES, transposed=turned), [
            raw.transpose(0, 2, 1) if turned else raw
        ]
    if name.startswith("yolov8"):
        raw = table(random, grid, 4 + CLASSES + 3, frames)
        raw[..., :4] *= pixels
        raw[..., 4:] = few(raw[..., 4:])
        turned = name.endswith("turned")
        return Layout("yolov8-seg", CLASSES, extra=3, transposed=turned), [raw if turned else raw.transpose(0, 2, 1)]
    if name == "rtdetr":
        raw = table(random, 40, 4 + CLASSES, frames)
        raw[..., 4:] = few(raw[..., 4:])
        return Layout("rtdetr", CLASSES), [raw]
    if name == "detr":
        return Layout("detr", CLASSES, order=(0, 1)), [
            random.normal(-2, 2, (frames, 40, CLASSES)).astype(np.float32),
            table(random, 40, 4, frames),
        ]
    scores = few(table(random, 50, CLASSES, frames))
    boxes = table(random, 50, 4, frames) * (pixels if name == "boxes-scores" else 1)
    boxes[..., 2:] = boxes[..., :2] + boxes[..., 2:]
    return Layout(name, CLASSES, order=(0, 1)), [scores, boxes.astype(np.float32)]


NAMES = (
    "nanodet", "nanodet-turned", "nanodet-single", "yolox", "yolox-decoded", "yolov5", "yolov5-turned", "yolov8",
    "yolov8-turned", "rtdetr", "detr", "boxes-scores", "boxes-scores-parts",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("half", [False, True])
def test_the_device_chooses_what_the_host_chooses(stand_in: StandIn, name: str, half: bool) -> None:
    random = np.random.default_rng(NAMES.index(name))
    scales = [(1.0, 1.0), (0.5, 0.25), (0.125, 0.125)]
    layout, outputs = made(name, random, len(scales))
    outputs = [np.ascontiguousarray(o.astype(np.float16)) if half else np.ascontiguousarray(o) for o in outputs]
    classes = plan()
    got = chosen(stand_in, layout, outputs, classes, 0.6, scales)
    for frame, scale in enumerate(scales):
        want = on_host(layout, outputs, classes, 0.6, scale, frame)
        assert len(got[frame]) == len(want)
        assert np.array_equal(got[frame].class_id, want.class_id)
        assert np.allclose(got[frame].confidence, want.confidence, atol=1e-6)
        assert np.allclose(got[frame].xyxy, want.xyxy, atol=2e-3 / scale[0])
    assert any(len(found) for found in got)


def test_of_more_than_a_thousand_candidates_the_strongest_are_taken_and_equal_ones_in_order(stand_in: StandIn) -> None:
    random, count = np.random.default_rng(5), 1800
    scores = np.round(random.random((1, count, CLASSES), np.float32) * 20) / 20  # many are equal
    boxes = np.zeros((1, count, 4), np.float32)
    boxes[0, :, 0], boxes[0, :, 1] = np.arange(count) % 90, np.arange(count) // 90 * 3
    boxes[..., 2:] = boxes[..., :2] + 2
    layout = Layout("boxes-scores", CLASSES, order=(0, 1))
    want = on_host(layout, [scores, boxes], plan(0.05), 0.3, (1.0, 1.0), 0)
    (got,) = chosen(stand_in, layout, [scores, boxes], plan(0.05), 0.3, [(1.0, 1.0)])
    assert len(got) == len(want) == 300
    assert np.array_equal(got.xyxy, want.xyxy)
    assert np.array_equal(got.class_id, want.class_id)


def test_what_is_no_number_or_no_box_is_left_out(stand_in: StandIn) -> None:
    scores = np.full((1, 5, CLASSES), 0.9, np.float32)
    boxes = np.array(
        [[[1, 1, 5, 5], [np.nan, 1, 5, 5], [8, 8, 8, 9], [20, 20, np.inf, 30], [-5, -5, 200, 200]]], np.float32
    )
    layout = Layout("boxes-scores", CLASSES, order=(0, 1))
    (got,) = chosen(stand_in, layout, [scores, boxes], plan(), 0.6, [(1.0, 1.0)])
    want = on_host(layout, [scores, boxes], plan(), 0.6, (1.0, 1.0), 0)
    assert np.array_equal(got.xyxy, want.xyxy)
    assert len(got) == 3


def test_layouts_that_are_not_read_on_a_device_say_so() -> None:
    for layout in (
        Layout("end2end", CLASSES),
        Layout("yolov8-obb", CLASSES),
        Layout("yolov8", CLASSES, keypoint=3),
        Layout("detr", CLASSES, order=(0, 1), softmax=True),
    ):
        shapes = [(40, 6 + CLASSES), (40, 4)][: len(layout.order)]
        assert selection(layout, plan(), shapes, SIZE, 0.6) is None
