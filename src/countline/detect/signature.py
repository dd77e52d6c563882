"""The signature of a model: labels, input and layout, from its metadata and a trial run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from countline.config import DetectorConfig
from countline.detect.layouts import FORMS, Layout
from countline.detect.own_layout import own_layout
from countline.detect.preprocess import IMAGENET_MEAN, IMAGENET_STD, Preprocess, customised, shape_of
from countline.detect.runtime import Session, TensorSpec, picture_input
from countline.detect.trial import Input, Trial, literal, read_layout, read_own_layout
from countline.errors import ConfigError, DetectorError

__all__ = ["Signature", "read_signature"]


@dataclass(frozen=True)
class Signature:
    """All that is needed to feed a network and to read its outputs."""

    spec: TensorSpec
    size: tuple[int, int]
    """Width, height of the input."""
    nchw: bool
    """Channels before rows (NCHW)."""
    layout: Layout
    preprocess: Preprocess
    labels: tuple[str, ...]
    labels_from: str


def read_signature(session: Session, config: DetectorConfig, where: str) -> Signature:
    """Find out from metadata, shapes, trial runs with a test picture and the configuration, which wins over all.

    Raises DetectorError saying what was seen and what to declare, ConfigError for settings that do not fit the model.
    """
    metadata = session.metadata
    spec = picture_input(session.inputs)
    if spec is None:
        raise DetectorError("has no input", where=where, fix="give a detector, which takes a picture")
    size, nchw = shape_of(spec, _asked(config), _size(metadata), where)
    session.beside.update({p.name: _beside(p, size, session, where) for p in session.inputs if p.name != spec.name})
    labels, source = _labels(config, metadata)
    wanted = config.layout if config.layout != "auto" else metadata.get("layout", "auto")
    own = own_layout(config.layout)
    wanted = (
        wanted if wanted in FORMS or own else "auto"
    )  # other exporters use this key for something else, such as NCHW
    normalize = literal(metadata.get("normalize", ""))

    def preprocess(layout: Layout) -> Preprocess:
        base = FORMS[layout.name].preprocess if own is None else own.preprocess
        base = replace(base, mean=IMAGENET_MEAN, std=IMAGENET_STD) if layout.imagenet else base
        base = customised(base, normalize if isinstance(normalize, Mapping) else None)
        return customised(base, config.normalize)

    trial = Trial(session, Input(spec, size, nchw), preprocess, where)
    count = len(labels) if labels else None
    layout = (
        read_layout(trial, metadata, count, wanted)
        if own is None
        else read_own_layout(trial, count, config.layout, own)
    )
    if not labels:
        labels, source = _unnamed(layout.classes)
    return Signature(spec, size, nchw, layout, preprocess(layout), labels, source)


def _beside(spec: TensorSpec, size: tuple[int, int], session: Session, where: str) -> NDArray[Any]:
    """The row that an input beside the picture gets for each frame, chosen so that boxes come out in pixels of the input."""
    width, height = size
    known = {
        "orig_target_sizes": (width, height),  # RT-DETR, D-FINE, DEIM
        "orig_size": (width, height),
        "im_shape": (height, width),  # PaddleDetection
        "scale_factor": (1, 1),
    }
    row = known.get(spec.name)
    if row is None or len(spec.shape) != 2 or spec.shape[1] not in (2, None):
        raise DetectorError(
            f"has {len(session.inputs)} inputs, and what belongs into {spec} is not known",
            where=where,
            fix=f"export the network without its post-processing; known are {', '.join(known)}, two numbers each",
        )
    return np.array(row, spec.dtype)


def _asked(config: DetectorConfig) -> tuple[int, int] | None:
    return (config.size, config.size) if isinstance(config.size, int) else config.size


def _size(metadata: Mapping[str, str]) -> tuple[int, int] | None:
    """'416x416' (width x height) under ``size``, or [height, width] / a number under ``imgsz``."""
    match = re.fullmatch(r"\s*(\d+)\s*x\s*(\d+)\s*", metadata.get("size", ""))
    if match:
        return int(match[1]), int(match[2])
    value = literal(metadata.get("imgsz", ""))
    if isinstance(value, int):
        return value, value
    if isinstance(value, (list, tuple)) and len(value) == 2 and all(isinstance(v, int) for v in value):
        return value[1], value[0]
    return None


def _labels(config: DetectorConfig, metadata: Mapping[str, str]) -> tuple[tuple[str, ...], str]:
    if isinstance(config.labels, str):
        return _label_file(config.labels), f"from {config.labels}"
    if config.labels:
        return tuple(config.labels), "from the configuration"
    for key in ("labels", "names", "classes", "class_names"):
        found = _names(metadata.get(key, ""))
        if found:
            return found, f"from the model ({key})"
    return (), ""


def _names(text: str) -> tuple[str, ...]:
    """Labels from a metadata text: a list, a mapping from number to name, or names on lines or between commas."""
    value = literal(text)
    if isinstance(value, Mapping):
        try:
            numbered = {int(k): str(v) for k, v in value.items()}
        except (TypeError, ValueError):
            return ()
        if not numbered or min(numbered) < 0 or max(numbered) > 100_000:
            return ()
        return tuple(numbered.get(i, f"class {i}") for i in range(max(numbered) + 1))
    if isinstance(value, (list, tuple)):
        return tuple(str(v) for v in value)
    if value is None and text.strip():
        return tuple(part.strip() for part in re.split(r"[\n,;]", text) if part.strip())
    return ()


def _label_file(path: str) -> tuple[str, ...]:
    try:
        text = Path(path).expanduser().read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise ConfigError(
            f"the label file cannot be read: {reason}",
            where=f"detector.labels: {path}",
            fix="give a text file with one name on each line",
        ) from None
    lines = [line.strip() for line in text.splitlines()]
    while lines and not lines[-1]:
        lines.pop()
    # nvinfer's label files have all names on one line, between semicolons.
    names = [n.strip() for n in lines[0].split(";")] if len(lines) == 1 and ";" in lines[0] else lines
    if not names:
        raise ConfigError(
            "the label file is empty", where=f"detector.labels: {path}", fix="write one name on each line"
        )
    return tuple(names)


def _unnamed(count: int) -> tuple[tuple[str, ...], str]:
    from countline.detect.coco import COCO, COCO_BY_ID

    if count == len(COCO):
        return COCO, "assumed to be COCO's, because there are 80"
    if count == len(COCO_BY_ID):
        return COCO_BY_ID, "assumed to be COCO's by their numbers, because there are 91"
    return tuple(f"class {i}" for i in range(count)), "unknown: set detector.labels"
