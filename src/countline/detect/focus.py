"""Sliced inference around rules: parts of the picture around lines go to the network enlarged, beside the full picture.

A network sees a picture of 1920 x 1080 at a quarter of its size, and who is small in it is not found. Slices of the picture are an
old remedy (SAHI, Akyon et al. 2022); here only those are looked at where something can be counted, and their number bounds the cost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from countline.detect.geometry import nms, pairwise_iou
from countline.protocols import DescribedDetector, Detector, ParallelDetector, SizedDetector, ThresholdDetector
from countline.types import Detections, Frame, RuleInfo
from countline.video.picture import ArrayPicture

__all__ = ["FocusedDetector", "Slice", "merged", "slices"]

MARGIN = 0.2
"""Share of a slice's width and height that lies between its border and the points it covers, so that objects at the points are in it."""
ABOVE = 0.35
"""The same above the points: objects cross them with the bottom centre of their boxes, and their bodies are above it."""
LARGEST = 2.0
"""Most pixels of the network's input for a pixel of the picture, in each dimension: more enlargement adds no information."""
LEAST_GAIN = 1.3
"""Least enlargement of a slice over the full picture; a smaller one is not worth its cost, and no slice is made."""
BORDER = 0.01
"""Share of a slice's size: a box that ends nearer to its border than this is cut off there."""
SAME = 0.5
"""IoU from which a box of a slice and one of the full picture are one object."""
USUAL = (640, 640)
"""Input size (width, height) assumed for a detector that does not declare its own."""
STEPS = 24
"""Sizes of slices that are tried, from the smallest on."""

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Slice:
    """Part of a picture, in pixels."""

    left: int
    top: int
    right: int
    bottom: int

    def frame(self, frame: Frame) -> Frame:
        """This part as a frame of its own."""
        part = np.ascontiguousarray(frame.image[self.top : self.bottom, self.left : self.right])
        info = replace(frame.info, width=self.right - self.left, height=self.bottom - self.top)
        return Frame(info, ArrayPicture(part), frame.arrived)


def slices(outlines: Sequence[Points], size: tuple[int, int], into: tuple[int, int], most: int) -> list[Slice]:
    """At most ``most`` slices of a picture that cover outlines, enlarged as much as possible.

    ``outlines``: chains of points, 0..1 of the picture's width and height; ``size``: width and height of the picture in pixels;
    ``into``: of the network's input. Empty where the enlargement would be less than LEAST_GAIN.
    """
    width, height = size
    full = min(into[0] / width, into[1] / height)
    points = _sampled(outlines, size)
    if not len(points) or most < 1:
        return []
    largest = max(min(LARGEST, full * 8), full)
    for scale in np.geomspace(largest, full * LEAST_GAIN, STEPS) if largest >= full * LEAST_GAIN else ():
        part = (min(width, round(into[0] / scale)), min(height, round(into[1] / scale)))
        found = _covering(points, part, size, most)
        if found is not None:
            return found
    return []


def _sampled(outlines: Sequence[Points], size: tuple[int, int]) -> NDArray[np.float64]:
    """(n, 2) pixels along the outlines, within the picture."""
    found: list[NDArray[np.float64]] = []
    for outline in outlines:
        chain = np.array(outline, float).reshape(-1, 2) * size
        for a, b in pairwise(chain):
            count = max(2, int(np.hypot(*(b - a)) / max(size) * 64))
            found.append(a + (b - a) * np.linspace(0, 1, count)[:, None])
    points = np.concatenate(found) if found else np.empty((0, 2))
    inside = ((points >= 0) & (points <= size)).all(axis=1)
    return points[inside]


def _covering(
    points: NDArray[np.float64], part: tuple[int, int], size: tuple[int, int], most: int
) -> list[Slice] | None:
    """At most ``most`` slices of size ``part`` that cover all points; None: more are needed. Greedy: each covers the leftmost
    uncovered point, and as many others as possible with it."""
    reach = np.array([part[0] * (1 - 2 * MARGIN), part[1] * (1 - MARGIN - ABOVE)])
    reach = np.where(np.array(part) >= size, np.inf, reach)
    left = np.ones(len(points), bool)
    found: list[Slice] = []
    while left.any():
        if len(found) == most:
            return None
        open_points = points[left]
        first = open_points[open_points[:, 0].argmin()]
        column = open_points[open_points[:, 0] <= first[0] + reach[0]]
        starts = column[:, 1][(column[:, 1] <= first[1]) & (column[:, 1] >= first[1] - reach[1])]
        best = max(starts, key=lambda y: int(((column[:, 1] >= y) & (column[:, 1] <= y + reach[1])).sum()))
        taken = column[(column[:, 1] >= best) & (column[:, 1] <= best + reach[1])]
        low, high = taken.min(axis=0), taken.max(axis=0)
        x = _offset((low[0] + high[0]) / 2, part[0], 0.5, size[0])
        y = _offset((low[1] + high[1]) / 2, part[1], 0.5 + (ABOVE - MARGIN) / 2, size[1])
        found.append(Slice(x, y, x + part[0], y + part[1]))
        inner = (points[:, 0] >= low[0]) & (points[:, 0] <= low[0] + reach[0])
        left &= ~(inner & (points[:, 1] >= best) & (points[:, 1] <= best + reach[1]))
    return found


def _offset(middle: float, length: int, share: float, full: int) -> int:
    """The first pixel of a slice of ``length`` so that ``middle`` lies at ``share`` of it, within a picture of ``full`` pixels."""
    return int(min(max(0, round(middle - length * share)), full - length))


def merged(full: Detections, parts: Sequence[tuple[Slice, Detections]], size: tuple[int, int]) -> Detections:
    """Detections of the full picture and of its slices (in pixels of the slice) -> one list in pixels of the picture: of two
    boxes of one object the slice's is kept, with the higher confidence. Boxes that a slice's border cuts off are dropped."""
    found = _concatenated([_inner(part, detections, size) for part, detections in parts])
    if not len(found):
        return full
    keep = nms(found.xyxy, found.confidence, found.class_id, SAME, len(found))
    found = found[keep]
    if not len(full):
        return found
    same = (pairwise_iou(found.xyxy, full.xyxy) > SAME) & (found.class_id[:, None] == full.class_id[None])
    both = np.where(same, full.confidence[None], 0).max(axis=1)
    found.confidence = np.maximum(found.confidence, both)
    joint = _concatenated([found, full[~same.any(axis=0)]])
    return joint[np.argsort(-joint.confidence, kind="stable")]


def _inner(part: Slice, detections: Detections, size: tuple[int, int]) -> Detections:
    """Detections of a slice that its border does not cut off, in pixels of the picture."""
    box = detections.xyxy
    near_x, near_y = BORDER * (part.right - part.left), BORDER * (part.bottom - part.top)
    cut = (box[:, 0] < near_x) & (part.left > 0)
    cut |= (box[:, 1] < near_y) & (part.top > 0)
    cut |= (box[:, 2] > part.right - part.left - near_x) & (part.right < size[0])
    cut |= (box[:, 3] > part.bottom - part.top - near_y) & (part.bottom < size[1])
    kept = detections[~cut]
    kept.xyxy = kept.xyxy + np.array([part.left, part.top] * 2, np.float32)
    if kept.attributes is not None:
        kept.attributes = {name: _shifted(name, column, part) for name, column in kept.attributes.items()}
    return kept


def _shifted(name: str, column: NDArray[Any], part: Slice) -> NDArray[Any]:
    """Points of attributes in pixels of the picture; other attributes as they are."""
    if column.ndim < 3:
        return column
    moved: NDArray[Any] = column.copy()
    moved[..., 0] += part.left
    moved[..., 1] += part.top
    return moved


def _concatenated(lists: Sequence[Detections]) -> Detections:
    """All rows; attributes that all of them have."""
    used = [d for d in lists if len(d)]
    if not used:
        return Detections.empty()
    names = set.intersection(*(set(d.attributes or ()) for d in used))
    attributes = {n: np.concatenate([(d.attributes or {})[n] for d in used]) for n in sorted(names)}
    return Detections(
        np.concatenate([d.xyxy for d in used]),
        np.concatenate([d.confidence for d in used]),
        np.concatenate([d.class_id for d in used]),
        attributes or None,
    )


class FocusedDetector:
    """A detector that also runs on enlarged slices around rules.

    Parameters
    ----------
    detector: finds the objects, in whole pictures and slices.
    kind: 'lines' (around lines only) or 'rules' (around all rules that have points).
    most: slices of each picture, at most; each costs one more inference.
    """

    def __init__(self, detector: Detector, kind: str, most: int) -> None:
        self._detector = detector
        self._kind, self._most = kind, most
        self.labels: Sequence[str] = detector.labels
        if isinstance(detector, ThresholdDetector):
            self.thresholds = detector.thresholds
        self.parallel = detector.parallel if isinstance(detector, ParallelDetector) else 1
        self._size = detector.input_size if isinstance(detector, SizedDetector) else USUAL
        self._rules: Sequence[RuleInfo] = ()
        self._slices: dict[tuple[str, int, int], list[Slice]] = {}
        """By source and size of its pictures."""

    def aim(self, rules: Sequence[RuleInfo]) -> None:
        """Slice around these rules from now on."""
        self._rules = [r for r in rules if r.points and (self._kind == "rules" or r.kind == "line")]
        self._slices = {}

    def slices_of(self, source: str, size: tuple[int, int]) -> list[Slice]:
        """The slices of a source's pictures of this size (width, height)."""
        key = (source, *size)
        found = self._slices.get(key)
        if found is None:
            own = [r for r in self._rules if r.source in (None, source)]
            outlines = [(*r.points, *r.points[: 1 if r.shape in ("area", "quad") else 0]) for r in own]
            found = self._slices[key] = slices(outlines, size, self._size, self._most)
        return found

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """One Detections per frame, as the detector's own; see :func:`merged`."""
        asked, parts = list(frames), []
        for frame in frames:
            found = self.slices_of(frame.info.source.name, (frame.info.width, frame.info.height))
            parts.append(found)
            asked += [part.frame(frame) for part in found]
        results = self._detector.detect(asked)
        rest = iter(results[len(frames) :])
        return [
            merged(full, [(part, next(rest)) for part in own], (frame.info.width, frame.info.height)) if own else full
            for frame, full, own in zip(frames, results, parts)
        ]

    def describe(self) -> dict[str, object]:
        """The detector's own description, with the focus."""
        own: object = self._detector
        found = own.describe() if isinstance(own, DescribedDetector) else {}
        described = dict(found) if isinstance(found, Mapping) else {"model": found}
        return {**described, "focus": f"{self._kind}, at most {self._most} slices of each picture"}

    def close(self) -> None:
        """Release the detector."""
        self._detector.close()
