"""Writes pictures as a video file."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
import av.error
import numpy as np
from numpy.typing import NDArray

from countline.errors import SourceError
from countline.file_safety import partial_name
from countline.private_files import make_folder, open_private

__all__ = ["VideoWriter"]

_MS = Fraction(1, 1000)
_VP9 = {"deadline": "realtime", "cpu-used": "8", "row-mt": "1", "crf": "32", "b": "0"}
"""As small and as good as H.264 of x264's `veryfast`, in half the time (measured on the demo's clip)."""


def _encoder(container: str) -> tuple[str, dict[str, str]]:
    """VP9 where the file may hold it, else MPEG-4: both encoders' licences are permissive or LGPL. PyAV's wheels come with
    x264 and x265, too, which are GPL: they are never called."""
    if container in ("mp4", "matroska", "webm") and "libvpx-vp9" in av.codecs_available:
        return "libvpx-vp9", _VP9
    return "mpeg4", {"q": "5"}


class VideoWriter:
    """Encodes (height, width, 3) uint8 BGR pictures with their times. The file takes its place when it is closed.

    The size is that of the first picture; later ones of another size are scaled to it. Raises SourceError where the
    file cannot be written.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._part = partial_name(self.path)
        self._stream: av.VideoStream | None = None
        self._last = -1
        try:
            make_folder(self.path.parent)
            if self.path.is_dir():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            if self.path.exists() and not os.access(self.path, os.W_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            open_private(self._part, "wb").close()  # FFmpeg opens the file only with the first picture
            self._container = av.open(f"file:{self._part}", "w")  # a name such as 'a:b.mp4' has no protocol
        except (OSError, av.error.FFmpegError, ValueError) as error:
            with suppress(OSError):
                self._part.unlink(missing_ok=True)
            raise self._unwritable(error) from None

    def _unwritable(self, error: Exception) -> SourceError:
        """In words, with what helps against this very trouble."""
        number = error.errno if isinstance(error, OSError) else None
        if number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            fix = "free some space, or choose another disk"
        elif isinstance(error, ValueError) or number in (errno.EINVAL, None):
            fix = "choose a name that ends in .mp4 or .mkv"
        else:
            fix = "choose a folder and a file that you may write to"
        reason = getattr(error, "strerror", None) or error
        return SourceError(f"cannot be written: {reason}", where=str(self.path), fix=fix)

    def write(self, image: NDArray[np.uint8], pts: int) -> None:
        """Append a picture at ``pts`` (ns); times that do not grow are moved on by a millisecond."""
        height, width = image.shape[:2]
        if self._stream is None:
            codec, options = _encoder(self._container.format.name)
            stream: av.VideoStream = self._container.add_stream(codec, rate=30, options=dict(options))
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
            raise self._unwritable(error) from None

    def close(self) -> None:
        """Flush, close, and give the file its name; without a picture there is none. Raises SourceError where the end cannot
        be written: what was written then stays under the temporary name."""
        if self._stream is None:
            self._container.close()
            self._part.unlink(missing_ok=True)
            return
        self._mux(None)
        try:
            self._container.close()
            os.replace(self._part, self.path)
        except (OSError, av.error.FFmpegError) as error:
            raise self._unwritable(error) from None
