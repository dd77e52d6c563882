"""Frames whose pixels lie on the stand-in for a GPU."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from countline.types import DevicePlanes, Frame
from countline.video.orientation import UPRIGHT, Orientation
from countline.video.picture import AvPicture


class DevicePicture(AvPicture):
    """The decoder's frame as NV12 or P016 in memory, as NVDEC gives it."""

    __slots__ = ("_planes_there", "asked")

    def __init__(self, frame: Any, orientation: Orientation = UPRIGHT, *, device: int = 0, deep: bool = False) -> None:
        super().__init__(frame, orientation)
        self.asked = 0
        self._planes_there = planes(frame, orientation, device=device, deep=deep)

    def tensor(self) -> DevicePlanes:
        return self._planes_there

    def bgr(self) -> NDArray[np.uint8]:
        self.asked += 1
        return super().bgr()


def planes(frame: Any, orientation: Orientation, *, device: int = 0, deep: bool = False) -> DevicePlanes:
    """The frame's pixels with rows of another length than the picture's width, as a device has them."""
    pixels = frame.reformat(format="nv12").to_ndarray()
    pitch = -(-frame.width // 64) * 64 + 64
    rows = np.full((pixels.shape[0], pitch), 77, np.uint8)
    rows[:, : pixels.shape[1]] = pixels
    if deep:
        rows = rows.astype(np.uint16) << 8
    step = rows.strides[0]
    matrix = {1: "bt709", 9: "bt2020", 10: "bt2020", 7: "smpte240m"}.get(int(frame.colorspace), "bt601")
    return DevicePlanes(
        device, "p016" if deep else "nv12", rows.ctypes.data, rows.ctypes.data + frame.height * step, step, step,
        frame.width, frame.height, matrix, int(frame.color_range) == 2, *orientation, owner=rows,
    )  # fmt: skip


def on_device(frame: Frame, device: int = 0) -> Frame:
    """The same frame, its pixels on the stand-in."""
    assert isinstance(frame.picture, AvPicture)
    return Frame(frame.info, DevicePicture(frame.picture.frame, frame.picture.orientation, device=device))
