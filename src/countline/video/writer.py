"""Writes pictures as a video file."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import av.error
import numpy as np
from numpy.typing import NDArray

from countline.errors import SourceError

__all__ = ["VideoWriter"]

_MS = Fraction(1, 1000)


class VideoWriter:
    """Encodes (height, width, 3) uint8 BGR pictures with their times.

    The size is that of the first picture; later ones of another size are scaled to it. Raises SourceError where the
    file cannot be written.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._stream: av.VideoStream | None = None
        self._last = -1
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._container = av.open(str(self.path), "w")
        except (OSError, av.error.FFmpegError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise SourceError(
                f"cannot be written: {reason}",
                where=str(self.path),
                fix="choose a folder you may write to and a name that ends in .mp4",
            ) from None

    def write(self, image: NDArray[np.uint8], pts: int) -> None:
        """Append a picture at ``pts`` (ns); times that do not grow are moved on by a millisecond."""
        height, width = image.shape[:2]
        if self._stream is None:
            codec = "libx264" if "libx264" in av.codecs_available else "mpeg4"
            options = {"preset": "veryfast", "crf": "23"} if codec == "libx264" else {"q": "5"}
            stream = self._container.add_stream(codec, rate=30, options=options)
            # 4:2:0 needs even sizes
            stream.width, stream.height, stream.pix_fmt = width - width % 2, height - height % 2, "yuv420p"
            stream.time_base = stream.codec_context.time_base = _MS
            self._stream = stream
        moment = max(pts // 1_000_000, self._last + 1)
        self._last = moment
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="bgr24")
        frame = frame.reformat(self._stream.width, self._stream.height, "yuv420p")
        frame.pts, frame.time_base = moment, _MS
        self._mux(frame)

    def _mux(self, frame: av.VideoFrame | None) -> None:
        assert self._stream is not None
        try:
            for packet in self._stream.encode(frame):
                self._container.mux(packet)
        except (OSError, av.error.FFmpegError) as error:
            raise SourceError(f"cannot be written: {error}", where=str(self.path), fix="check the free space") from None

    def close(self) -> None:
        """Flush and close; a file without pictures is removed."""
        if self._stream is not None:
            self._mux(None)
            self._container.close()
        else:
            self._container.close()
            self.path.unlink(missing_ok=True)
