"""JPEG of pictures, by FFmpeg's own encoder: what is there anyway is enough for a look at a camera."""

from __future__ import annotations

from collections import OrderedDict
from fractions import Fraction
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from countline.types import Frame
from countline.video.picture import AvPicture, fit

__all__ = ["Jpeg"]

QUALITY = 5
"""FFmpeg's scale of quantisers, 1 (best) to 31: about what others call 70 %."""
_BASE = Fraction(1, 25)
_KEEP = 8
"""Encoders kept; one for each size."""


class Jpeg:
    """Makes JPEGs. One thread at a time."""

    def __init__(self) -> None:
        self._encoders: OrderedDict[tuple[int, int], Any] = OrderedDict()

    def of(self, frame: Frame, width: int) -> bytes:
        """The picture of a frame, upright, brought to a width of at most ``width`` pixels; its sides keep their ratio.

        Scaled from the decoder's own form in one pass; a picture of full size is not made."""
        info = frame.info
        wanted = min(width, info.width)
        size = fit(info.width, info.height, wanted, max(1, round(info.height * wanted / info.width)))[:2]
        picture: object = frame.picture
        made = picture.for_jpeg(*size) if isinstance(picture, AvPicture) else None
        return self.encode(frame.picture.letterbox(*size)[0]) if made is None else self._packed(made)

    def encode(self, picture: NDArray[np.uint8]) -> bytes:
        """JPEG of (height, width, 3) uint8 BGR."""
        made = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), "bgr24").reformat(
            format="yuvj420p", dst_colorspace="ITU601", dst_color_range="JPEG"
        )
        return self._packed(made)

    def _packed(self, made: av.VideoFrame) -> bytes:
        made.pts, made.time_base = None, _BASE  # with another one the encoder takes no second picture
        return b"".join(bytes(packet) for packet in self._encoder(made.width, made.height).encode(made))

    def _encoder(self, width: int, height: int) -> Any:
        found = self._encoders.pop((width, height), None)
        if found is None:
            found = av.CodecContext.create("mjpeg", "w")
            found.width, found.height, found.pix_fmt = width, height, "yuvj420p"
            found.color_range, found.time_base = 2, _BASE
            found.thread_count = 1
            found.qmin = found.qmax = QUALITY
            if len(self._encoders) >= _KEEP:
                self._encoders.popitem(last=False)
        self._encoders[width, height] = found
        return found
