"""What class ids in DeepStream's files mean: classes of the detector that its samples come with, not COCO's."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["CLASSES", "DEEPSTREAM_CLASSES", "DEEPSTREAM_LABELS", "LABELS"]

DEEPSTREAM_LABELS = ("Vehicle", "TwoWheeler", "Person", "Roadsign")
"""Class names by class id."""

DEEPSTREAM_CLASSES: Mapping[str, int] = {
    "car": 0,
    "truck": 0,
    "bus": 0,
    "bicycle": 1,
    "motorcycle": 1,
    "person": 2,
    "stop sign": 3,
}
"""COCO name -> class id. Given as ``detector.classes`` where rules come from a DeepStream file."""

CLASSES, LABELS = DEEPSTREAM_CLASSES, DEEPSTREAM_LABELS
"""By the names under which ``countline.registry.kinds.CLASS_SETS`` asks for them."""
