"""Boxes after the network: overlap, suppression, back to the picture. Pure NumPy; boxes are xyxy."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from countline.types import ANGLE, CORNERS

__all__ = ["nms", "pairwise_iou", "points_to_picture", "to_picture"]

Boxes = NDArray[np.float32]


def pairwise_iou(a: Boxes, b: Boxes) -> NDArray[np.float32]:
    """(len(a), len(b)) intersection over union; 0 where both boxes are empty."""
    wide = np.minimum(a[:, None, 2], b[None, :, 2]) - np.maximum(a[:, None, 0], b[None, :, 0])
    high = np.minimum(a[:, None, 3], b[None, :, 3]) - np.maximum(a[:, None, 1], b[None, :, 1])
    overlap = np.maximum(wide, 0) * np.maximum(high, 0)
    area_a = (a[:, 2] - a[:, 0]) * (a[:, 3] - a[:, 1])
    area_b = (b[:, 2] - b[:, 0]) * (b[:, 3] - b[:, 1])
    union = area_a[:, None] + area_b[None, :] - overlap
    result: NDArray[np.float32] = np.divide(overlap, union, out=np.zeros_like(overlap), where=union > 0)
    return result


def nms(
    boxes: Boxes, scores: NDArray[np.float32], classes: NDArray[np.integer], iou: float, limit: int
) -> NDArray[np.intp]:
    """Rows to keep, strongest first: greedy suppression within each class of boxes that overlap by more than ``iou``.

    Equal scores keep their order. Only the ``limit`` strongest candidates are considered.
    """
    order = np.argsort(-scores, kind="stable")[:limit]
    boxes, classes = boxes[order], classes[order]
    clash = (pairwise_iou(boxes, boxes) > iou) & (classes[:, None] == classes[None, :])
    keep = np.ones(len(order), bool)
    # Only boxes that clash with a weaker one can drop anything, and only while they are kept themselves.
    for i in np.flatnonzero(np.triu(clash, 1).any(axis=1)).tolist():
        if keep[i]:
            keep[i + 1 :] &= ~clash[i, i + 1 :]
    return order[keep]


def to_picture(boxes: Boxes, scale: tuple[float, float], width: int, height: int) -> Boxes:
    """Boxes of the network's input as pixels of the picture, clipped to it. ``scale`` is input pixels per picture pixel."""
    result = np.asarray(boxes / np.array([scale[0], scale[1], scale[0], scale[1]], np.float32), np.float32)
    np.clip(result[:, 0::2], 0, width, out=result[:, 0::2])
    np.clip(result[:, 1::2], 0, height, out=result[:, 1::2])
    return result


def points_to_picture(
    points: Mapping[str, NDArray[np.float32]], scale: tuple[float, float]
) -> dict[str, NDArray[np.float32]]:
    """Attributes that are points (n, points, 2 or more), from pixels of the network's input to those of the picture, where they
    may lie beside it. From corners the angle of their first side in the picture is derived, in radians."""
    result: dict[str, NDArray[np.float32]] = {}
    for name, values in points.items():
        moved = values.copy()
        moved[..., 0] /= scale[0]
        moved[..., 1] /= scale[1]
        if name == CORNERS:
            side = moved[:, 1] - moved[:, 0]
            result[ANGLE] = np.arctan2(side[:, 1], side[:, 0])
        result[name] = moved
    return result
