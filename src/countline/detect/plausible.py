"""Range checks on decoded outputs: confidences in 0 … 1, boxes that a picture may have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from countline.detect.layouts import SLACK, Layout, Raw

__all__ = [
    "TINY",
    "ReadingCheck",
    "Watch",
    "boxes_problem",
    "check_reading",
    "scores_problem",
    "shown_box",
    "test_picture",
]

STRONG = 0.25
"""Confidence of a cell from which its box must be possible, or the layout is refused."""
_MOST = 100
"""Most cells whose boxes are checked."""
_LARGEST = 3.0
"""Largest box in widths and heights of the picture: what leaves the picture may be larger than it."""
_FEW = 0.1
"""Share of boxes that may happen to be possible although all are misread."""
_WATCHED = 25
"""Frames with believed detections whose boxes are checked."""
TINY = 16
"""Sides of an input (pixels) up to which a box of one pixel may be meant."""


@dataclass(frozen=True)
class ReadingCheck:
    """The result of checking one decoding of outputs."""

    problem: str = ""
    """The value that is out of range; '' when there is none."""
    sure: bool = False
    """The result is certain: a score was high enough to judge boxes by, or numbers are out of range."""


def check_reading(layout: Layout, outputs: Sequence[NDArray[Any]], size: tuple[int, int]) -> ReadingCheck:
    """Check one decoding of the outputs for :func:`test_picture`. ``size`` is width, height of the input."""
    with np.errstate(all="ignore"):
        raw = layout.decode(outputs, 0, size, -np.inf)
        problem = raw.odd or scores_problem(raw)
        if problem:
            return ReadingCheck(problem, True)
        best = raw.scores.max(axis=0) if raw.scores.size else np.zeros(0, np.float32)
        if not best.size or best.max() <= 0:
            return ReadingCheck()
        sure = bool(best.max() >= STRONG)
        order = np.argsort(-best, kind="stable")[:_MOST]
        cells = order[best[order] >= best.max() / 2]
        boxes = raw.boxes(cells)
        problem = boxes_problem(boxes, size) or _all_one(boxes)
        if not problem and not layout.corners:
            problem = _corners(boxes, size)
    return ReadingCheck(problem, sure)


def scores_problem(raw: Raw) -> str:
    """Scores that are no probabilities; '' when they are."""
    if not raw.scores.size:
        return ""
    low, high = float(raw.scores.min()), float(raw.scores.max())
    if not np.isfinite([low, high]).all():
        return "confidences that are not finite numbers"
    if low < -SLACK or high > 1 + SLACK:
        return f"confidences from {low:.4g} to {high:.4g}, which are not in 0 … 1"
    return ""


def boxes_problem(boxes: NDArray[np.float32], size: tuple[int, int]) -> str:
    """What nearly all of these boxes (xyxy, pixels of an input of ``size``) have that no object has; '' when nothing."""
    if not len(boxes):
        return ""
    width, height = size
    with np.errstate(all="ignore"):
        wide, high = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
        possible = np.isfinite(boxes).all(axis=1) & (wide > 0) & (high > 0)
        possible &= (wide <= _LARGEST * width) & (high <= _LARGEST * height)
        possible &= (boxes[:, 2] > 0) & (boxes[:, 3] > 0) & (boxes[:, 0] < width) & (boxes[:, 1] < height)
    shown = f"in an input of {width}x{height}"
    if possible.mean() <= _FEW:
        return f"boxes such as {shown_box(boxes[~possible][0])} {shown}"
    if boxes[possible].max() <= 1.5 and min(size) > TINY:
        return f"boxes that are all within the first pixel, such as {shown_box(boxes[possible][0])} {shown}"
    return ""


def _corners(boxes: NDArray[np.float32], size: tuple[int, int]) -> str:
    """Boxes that were read as centre and sides, and that nearly all are left, top, right and bottom more likely: so read they lie
    in the picture, and as they were read they leave it. Nothing in the test picture is as large."""
    centre, sides = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
    picture = np.array(size, np.float32)
    within = (sides > centre).all(axis=1) & (sides <= 1.01 * picture).all(axis=1)
    leaves = (boxes[:, :2] < -0.03 * picture).any(axis=1) | (boxes[:, 2:] > 1.03 * picture).any(axis=1)
    if (within & leaves).mean() < 1 - _FEW:
        return ""
    first = np.concatenate([centre, sides], 1)[within & leaves][0]
    return (
        f"boxes such as {shown_box(first)}, which are left, top, right and bottom rather than centre, width and height"
    )


def _all_one(boxes: NDArray[np.float32]) -> str:
    if len(boxes) < _MOST or np.ptp(boxes, axis=0).max() >= 1:
        return ""
    return f"one and the same box in {len(boxes)} places: {shown_box(boxes[0])}"


def shown_box(box: NDArray[np.float32]) -> str:
    """A box for an error."""
    return "[" + ", ".join(f"{v:.4g}" for v in box.tolist()) + "]"


class Watch:
    """Checks what a model gives for real pictures: confidences always, boxes until a number of frames had possible ones. Calls
    may overlap; then some frames more are checked."""

    def __init__(self, size: tuple[int, int]) -> None:
        self._size = size
        self._left = _WATCHED

    @property
    def looking(self) -> bool:
        """Whether boxes are still checked."""
        return self._left > 0

    def problem(
        self, raw: Raw, boxes: NDArray[np.float32], confidence: NDArray[np.float32], believed: NDArray[np.bool_]
    ) -> str:
        """The value that is out of range in the decoded frame ``raw`` and its candidates: their ``boxes`` in pixels of the input, their
        ``confidence``, and which of them are ``believed``. '' when there is none."""
        if raw.odd:
            return raw.odd
        if len(confidence) and confidence.max() > 1 + SLACK:
            return f"the confidence {confidence.max():.4g}, which is not in 0 … 1"
        if self._left <= 0:
            return ""
        problem = scores_problem(raw) or boxes_problem(boxes[believed], self._size)
        self._left -= bool(believed.any())
        return problem


def test_picture(width: int, height: int) -> NDArray[np.uint8]:
    """(height, width, 3) BGR with things in it: ground and sky, figures in several sizes, a bright block, some noise."""
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    down, across = rows / height, columns / width
    image = np.stack([70 + 30 * down, 60 + 40 * down, 50 + 40 * across], 2)
    image[: height // 3] = (105, 90, 80)

    def put(left: float, top: float, wide: float, high: float, colour: tuple[int, int, int]) -> None:
        x, y = int(left * width), int(top * height)
        image[y : y + max(1, int(high * height)), x : x + max(1, int(wide * width))] = colour

    for left, top, high in ((0.1, 0.25, 0.4), (0.3, 0.42, 0.2), (0.8, 0.3, 0.45), (0.65, 0.45, 0.12)):
        put(left + high / 12, top, high / 12, high / 6, (90, 100, 120))  # head
        put(left, top + high / 6, high / 4, high * 5 / 6, (40, 30, 60))
    put(0.56, 0.7, 0.1, 0.17, (235, 235, 235))
    noise = np.random.default_rng(7).normal(0, 4, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)
