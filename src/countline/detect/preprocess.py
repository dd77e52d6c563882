"""From pictures to the network's input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from countline.detect.runtime import TensorSpec
from countline.errors import ConfigError, DetectorError
from countline.types import Frame

__all__ = ["IMAGENET_MEAN", "IMAGENET_STD", "InputBinder", "Preprocess", "customised", "stretch"]


@dataclass(frozen=True)
class Preprocess:
    """value = (pixel * scale - mean) / std, by channel in the stated order."""

    order: str = "rgb"
    scale: float = 1 / 255
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    letterbox: bool = True
    """Keep the aspect ratio, picture top left; False: stretch."""
    pad: int = 114
    """Grey beside the picture."""
    inside: bool = False
    """The network's graph does the arithmetic itself and takes pixels as they are."""


IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def customised(base: Preprocess, overrides: Mapping[str, Any] | None) -> Preprocess:
    """``base`` with the user's ``normalize`` on top. Raises ConfigError for unknown keys and impossible values."""
    if not overrides:
        return base
    known = base.__dataclass_fields__
    for key in overrides:
        if key not in known:
            raise ConfigError(f"unknown key '{key}'", where="detector.normalize", fix="known are: " + ", ".join(known))
    values = dict(overrides)
    for key in ("mean", "std"):
        if key in values:
            values[key] = _triple(key, values[key])
    result = replace(base, **values)
    if result.order not in ("rgb", "bgr"):
        raise ConfigError(
            f"the order '{result.order}' is neither rgb nor bgr",
            where="detector.normalize.order",
            fix="write rgb or bgr",
        )
    if 0 in result.std or not isinstance(result.scale, (int, float)):
        raise ConfigError(
            "scale must be a number, std must not be 0", where="detector.normalize", fix="see docs/detectors.md"
        )
    return result


def _triple(key: str, value: Any) -> tuple[float, float, float]:
    numbers = [value] * 3 if isinstance(value, (int, float)) else value
    try:
        first, second, third = (float(v) for v in numbers)
    except (TypeError, ValueError):
        raise ConfigError(
            f"{key} must be one number or three",
            where=f"detector.normalize.{key}",
            fix="for example [0.485, 0.456, 0.406]",
        ) from None
    return first, second, third


class InputBinder:
    """Fills the input of a network from frames; owns the memory it uses."""

    def __init__(self, spec: TensorSpec, how: Preprocess, size: tuple[int, int], nchw: bool) -> None:
        self.width, self.height = size
        self._spec = spec
        self._how = how
        self._nchw = nchw
        self._pixels = np.zeros((1, self.height, self.width, 3), np.uint8)
        self._plain = spec.dtype == np.uint8 and how.order == "bgr" and not nchw

    def fill(self, frames: Sequence[Frame], count: int) -> tuple[NDArray[Any], list[tuple[float, float]]]:
        """(count, …) input of which the first rows hold the frames, and per frame the horizontal and vertical scale
        (input pixels per picture pixel)."""
        if self._plain and self._how.letterbox and not self._how.pad and count == len(frames) == 1:
            picture, scale = frames[0].picture.letterbox(self.width, self.height)
            return np.ascontiguousarray(picture[None]), [(scale, scale)]  # as it comes: no copy
        if len(self._pixels) < count:
            self._pixels = np.zeros((count, self.height, self.width, 3), np.uint8)
        scales = [self._write_frame(frame, self._pixels[i]) for i, frame in enumerate(frames)]
        return self.convert(self._pixels[:count]), scales

    def _write_frame(self, frame: Frame, target: NDArray[np.uint8]) -> tuple[float, float]:
        if not self._how.letterbox:
            image = frame.image
            target[:] = stretch(image, self.width, self.height)
            return self.width / image.shape[1], self.height / image.shape[0]
        picture, scale = frame.picture.letterbox(self.width, self.height)
        target[:] = picture
        if self._how.pad:
            target[:, round(frame.info.width * scale) :] = self._how.pad
            target[round(frame.info.height * scale) :] = self._how.pad
        return scale, scale

    def convert(self, pixels: NDArray[np.uint8]) -> NDArray[Any]:
        """(count, height, width, 3) BGR pixels of the input's size -> the input."""
        result: NDArray[Any] = pixels
        if self._how.order == "rgb":
            result = result[..., ::-1]
        if not self._how.inside and self._spec.dtype != np.uint8:
            how = self._how
            gain = np.float32(how.scale) / np.array(how.std, np.float32)
            result = result * gain - np.array(how.mean, np.float32) / np.array(how.std, np.float32)
        if self._nchw:
            result = result.transpose(0, 3, 1, 2)
        return np.ascontiguousarray(result, self._spec.dtype)


def stretch(image: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """(height, width, 3): bilinear, pixel centres at half integers, not keeping the aspect ratio."""
    rows, columns = image.shape[:2]

    def axis(count: int, size: int) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]:
        at = np.clip((np.arange(size) + 0.5) * count / size - 0.5, 0, count - 1)
        low = at.astype(np.intp)
        return low, np.minimum(low + 1, count - 1), (at - low).astype(np.float32)

    top, bottom, down = axis(rows, height)
    left, right, across = axis(columns, width)
    down, across = down[:, None, None], across[None, :, None]
    upper = image[top].astype(np.float32) * (1 - down) + image[bottom] * down
    return np.rint(upper[:, left] * (1 - across) + upper[:, right] * across).astype(np.uint8)


def shape_of(
    spec: TensorSpec, asked: tuple[int, int] | None, stated: tuple[int, int] | None, where: str
) -> tuple[tuple[int, int], bool]:
    """((width, height), channels before rows?) of an input. ``asked`` is the user's size, ``stated`` the metadata's.

    Raises DetectorError: not a picture input, size unknown, or the user's size against a fixed one.
    """
    if len(spec.shape) != 4 or 3 not in (spec.shape[1], spec.shape[3]):
        raise DetectorError(
            f"the input {spec} is not a batch of pictures with 3 channels",
            where=where,
            fix="export with an input (N, 3, H, W) or (N, H, W, 3), or one of these without N",
        )
    nchw = spec.shape[1] == 3
    height, width = spec.shape[2:4] if nchw else spec.shape[1:3]
    fixed = (width, height)
    size = tuple(f or a or t for f, a, t in zip(fixed, asked or (None, None), stated or (None, None)))
    if None in size:
        raise DetectorError(
            f"the input {spec} leaves the size open", where=where, fix="set detector.size, for example `size: 640`"
        )
    if asked and tuple(size) != tuple(asked):
        raise DetectorError(
            f"the model's input is fixed to {size[0]}x{size[1]}, not {asked[0]}x{asked[1]}",
            where=where,
            fix="leave out detector.size, or export the model for that size (default model: tools/build_model.py --size)",
        )
    return (int(size[0] or 0), int(size[1] or 0)), nchw
