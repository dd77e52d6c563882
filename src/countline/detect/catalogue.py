"""The models that ship with the package, and what is known of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from countline.errors import DetectorError

__all__ = ["CATALOGUE", "DEFAULT", "DEFAULT_CONFIDENCE", "FLOOR_RATIO", "MODELS", "ModelInfo", "Weights", "weights"]

DEFAULT_CONFIDENCE = 0.4
"""For every class without a threshold of its own."""

FLOOR_RATIO = 0.5
"""Detections are handed on from this share of the class's threshold: the tracker may continue a track with them (second
association), but never begin one."""

_FOLDER = Path(__file__).parent / "models"
_COUNTED = ("person", "bicycle", "car", "motorcycle")
_VEHICLES = ("car", "truck", "bus", "boat")


@dataclass(frozen=True)
class ModelInfo:
    """A model of the package: its files, and what the network is good for. Classes and thresholds belong to the model."""

    title: str
    files: Mapping[str, str]
    """Name of the file by precision, 'fp32' and 'int8'."""
    counted: tuple[str, ...]
    """What it looks for when no classes are named; the first name of a merged group stands for all of it."""
    merged: tuple[tuple[str, ...], ...]
    """Groups of classes that are one before NMS, unless the user names a member other than the first."""
    thresholds: Mapping[str, float]
    """Confidence from which a detection is believed; :data:`DEFAULT_CONFIDENCE` for other classes."""
    half: bool = False
    """Its weights are float16 in the file, and on a GPU all of it is computed so unless the user says otherwise."""


CATALOGUE: Mapping[str, ModelInfo] = {
    "nanodet": ModelInfo(
        title="NanoDet-g, 416 x 416, COCO",
        files={"fp32": "nanodet-g-416.onnx", "int8": "nanodet-g-416-int8.onnx"},
        counted=_COUNTED,
        merged=(_VEHICLES,),  # it changes its mind among them from frame to frame
        thresholds={
            "person": 0.45,  # traffic cones reach 0.4 as person; the tracker goes on with people down to half of this
            "bicycle": 0.35,
            "motorcycle": 0.35,
            **dict.fromkeys(_VEHICLES, 0.35),  # seen from above they stay below 0.5
        },
        half=True,
    ),
    "yolox-nano": ModelInfo(
        title="YOLOX-Nano, 416 x 416, COCO",
        files={"fp32": "yolox-nano-416.onnx", "int8": "yolox-nano-416-int8.onnx"},
        counted=_COUNTED,
        merged=(_VEHICLES,),
        thresholds={"person": 0.45, "bicycle": 0.35, "motorcycle": 0.35, **dict.fromkeys(_VEHICLES, 0.35)},
    ),
}
"""By the name that ``detector.model`` takes."""

DEFAULT = "nanodet"
"""The one that ``default`` means: of two that find people equally well, the one whose counts are right more often, and that sees
vehicles from above."""

MODELS = ("default", *CATALOGUE)
"""What ``detector.model`` may be beside a path."""


@dataclass(frozen=True)
class Weights:
    """One file of a model of the package."""

    path: Path
    precision: str


def weights(name: str, precision: str) -> Weights:
    """The file of a model in ``fp32`` or ``int8``. Raises DetectorError when the installation lacks it."""
    path = _FOLDER / CATALOGUE[name].files[precision]
    if not path.is_file():
        raise DetectorError(
            f"the {precision} file of the model '{name}' is not part of this installation",
            where=str(path),
            fix="install the package anew, or run the script of tools/ that builds it in a clone",
        )
    return Weights(path, precision)
