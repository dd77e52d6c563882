"""Objects after suppression: one table, or boxes, scores and class numbers apart."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from countline.detect.layouts.base import SLACK, Array, Form, Layout, Raw, pixels
from countline.detect.layouts.family import Family
from countline.detect.layouts.observed import Output, Outputs, keypoint_of, name_has
from countline.detect.layouts.yolov8 import keypoints, rotated
from countline.detect.preprocess import IMAGENET_MEAN, IMAGENET_STD, Preprocess

__all__ = ["FAMILY"]


def _end2end(layout: Layout, arrays: list[Array], size: tuple[int, int], floor: float) -> Raw:
    """(objects, 6 + extra): box in pixels, score, class number, after suppression; unused rows have no score. The box is
    xyxy, but where an angle follows: centre, width, height. PaddleDetection has class number, score, box,
    YOLOv7 the frame's number, box, class number, score."""
    table = arrays[0]
    if layout.name == "paddle":
        table = table[:, [2, 3, 4, 5, 1, 0]]
        table = table[table[:, 5] >= 0]  # a row of class -1 says that nothing was found
    elif layout.name == "yolov7-end2end":
        table = table[:, [1, 2, 3, 4, 6, 5]]
    integral = np.abs(table[:, 5] - np.rint(table[:, 5])) <= SLACK
    table = table[~(integral & (table[:, 4] <= 0))]
    numbers = np.nan_to_num(np.rint(table[:, 5]), nan=-1.0, posinf=-1.0, neginf=-1.0).astype(np.int64)
    wrong = (numbers < 0) | (numbers >= layout.classes) | (np.abs(numbers - table[:, 5]) > SLACK)
    scores = np.zeros((layout.classes, len(table)), np.float32)
    right = np.flatnonzero(~wrong)
    scores[numbers[right], right] = table[right, 4]
    odd = f"the class number {table[wrong, 5][0]:.4g}, where there are {layout.classes} classes" if wrong.any() else ""
    if layout.name == "end2end-obb":
        return rotated(scores, lambda index: table[index, :4], table[:, 6], odd)
    points = keypoints(lambda index: table[index, 6:], layout.keypoint) if layout.keypoint else None
    return Raw(scores, lambda index: table[index, :4], odd, points)


def _detections(layout: Layout, arrays: list[Array], size: tuple[int, int], floor: float) -> Raw:
    """(objects, 4) boxes, (objects,) scores, (objects,) class numbers, after suppression. TensorFlow's boxes are top, left,
    bottom, right in parts of the picture, and its classes are counted from 1."""
    boxes, scores, numbers = arrays[0], arrays[1].reshape(-1, 1), arrays[2].reshape(-1, 1)
    if layout.name == "detections-tf":
        boxes, numbers = boxes[:, [1, 0, 3, 2]], numbers - 1
    if layout.name != "detections":
        boxes = boxes * pixels(size)
    return _end2end(layout, [np.concatenate([boxes, scores, numbers], 1)], size, floor)


def _several(outputs: Outputs) -> Iterator[Layout]:
    """Objects after suppression, as boxes, scores and class numbers apart, or as PaddleDetection's or YOLOv7's table."""
    shapes, names, classes, facts = outputs.shapes, outputs.names, outputs.classes, outputs.facts
    for at, shape in enumerate(shapes):
        if len(shape) == 2 and shape[1] == 6:
            yield Layout("paddle", classes or 0, order=(at,), unbatched=True)
            yield Layout("end2end", classes or 0, order=(at,), unbatched=True)
        if len(shape) == 2 and shape[1] == 7:
            yield Layout("yolov7-end2end", classes or 0, order=(at,), unbatched=True)
        if shape[-1:] != (4,) or len(shape) not in (2, 3):
            continue
        rest = [
            i for i, s in enumerate(shapes) if s == shape[:-1] and i != at and not name_has(names[i], ("size", "num_"))
        ]
        numbers = [i for i in rest if names[i] in facts.integers or name_has(names[i], ("class", "label", "cls"))]
        scores = [i for i in rest if name_has(names[i], ("score", "conf", "prob")) and i not in numbers[:1]]
        scores = scores or [i for i in rest if i not in numbers]
        if len(numbers) == 1 and len(scores) == 1:
            forms = ("detections", "detections-parts")
            for name in ("detections-tf",) if names[at].startswith("detection_boxes") else forms:
                order = (at, scores[0], numbers[0])
                yield Layout(name, classes or 0, order=order, unbatched=len(shape) == 2)


def _single(output: Output, outputs: Outputs) -> Iterator[Layout]:
    """Rows are objects."""
    if not output.lists(outputs.size):
        return
    extra = output.channels - 6
    task = outputs.facts.task
    if task in ("pose", "segment") or outputs.wanted == "end2end":
        fits = extra == outputs.facts.keypoints if task == "pose" and outputs.facts.keypoints else extra >= 0
    else:
        fits = extra == (task == "obb" or outputs.wanted == "end2end-obb")
    if fits:
        name = "end2end-obb" if extra == 1 and (task == "obb" or outputs.wanted == "end2end-obb") else "end2end"
        keypoint = keypoint_of(name, extra, outputs.facts)
        yield Layout(name, outputs.classes or 0, order=(output.at,), extra=extra, keypoint=keypoint)


_STRETCHED = Preprocess(letterbox=False)
FAMILY = Family(
    (
        Form("end2end", _end2end, corners=True),
        Form("end2end-obb", _end2end),
        Form("yolov7-end2end", _end2end, corners=True),
        Form("paddle", _end2end, Preprocess(mean=IMAGENET_MEAN, std=IMAGENET_STD, letterbox=False), corners=True),
        Form("detections", _detections, _STRETCHED, corners=True),
        Form("detections-parts", _detections, _STRETCHED, corners=True),
        Form("detections-tf", _detections, _STRETCHED, corners=True),
    ),
    several=_several,
    single=_single,
)
