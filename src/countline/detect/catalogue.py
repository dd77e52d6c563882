"""The models that ship with the package, and what is known of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from countline.errors import DetectorError

__all__ = [
    "COUNTED",
    "DEFAULT_CONFIDENCE",
    "FLOOR_RATIO",
    "THRESHOLDS",
    "VEHICLES",
    "Weights",
    "default_model",
]

COUNTED = ("person", "bicycle", "car", "motorcycle")
"""What the default model looks for when no classes are named; 'car' stands for all of :data:`VEHICLES`."""

VEHICLES = ("car", "truck", "bus", "boat")
"""One class before NMS: the default model changes its mind among them from frame to frame."""

THRESHOLDS: Mapping[str, float] = {
    "person": 0.45,  # traffic cones reach 0.4 as person; the tracker goes on with people down to half of this
    "bicycle": 0.35,
    "motorcycle": 0.35,
    "car": 0.35,  # vehicles seen from above stay below 0.5
    "truck": 0.35,
    "bus": 0.35,
    "boat": 0.35,
}
"""Confidence from which a detection of the default model is believed."""

DEFAULT_CONFIDENCE = 0.4
"""For every class without a threshold of its own."""

FLOOR_RATIO = 0.5
"""Detections are handed on from this share of the class's threshold: the tracker may continue a track with them (second
association), but never begin one."""

_FOLDER = Path(__file__).parent / "models"


@dataclass(frozen=True)
class Weights:
    """One file of the default model."""

    path: Path
    precision: str


def default_model(precision: str) -> Weights:
    """The file of the default model for ``fp32`` or ``int8``. Raises DetectorError when the installation lacks it."""
    name = "nanodet-g-416.onnx" if precision == "fp32" else "nanodet-g-416-int8.onnx"
    path = _FOLDER / name
    if not path.is_file():
        raise DetectorError(
            f"the {precision} file of the default model is not part of this installation",
            where=str(path),
            fix="install the package anew, or run tools/build_model.py in a clone",
        )
    return Weights(path, precision)
