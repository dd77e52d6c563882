"""Pixels of a frame: converted only when asked for, and only to the size asked for.

The decoder's own frame (mostly planar YUV) is kept. ``letterbox`` goes from there to the small BGR picture in one pass
of libswscale, without a BGR picture of full size in between; ``bgr`` converts the whole picture once and keeps it.

Colours: matrix and range are those that the stream declares; where it declares none, limited-range BT.601, as OpenCV
takes for every stream. So for undeclared streams ``bgr`` gives the bytes that ``cv2.VideoCapture`` gives.
"""

from __future__ import annotations

import inspect
import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Literal

import av
import numpy as np
from av.video.reformatter import Colorspace, Interpolation, VideoReformatter
from numpy.typing import NDArray

from countline.types import DevicePlanes
from countline.video.orientation import UPRIGHT, Orientation

__all__ = ["ArrayPicture", "AvPicture", "fit"]

_KEEP = 16
"""Scaling contexts kept by each thread; one for each pair of input and output size."""

# One thread for each conversion: the sources are the parallel part, and starting threads costs more than it saves.
_THREADS: dict[str, Any] = {"threads": 1} if "threads" in (inspect.getdoc(VideoReformatter.reformat) or "") else {}

_local = threading.local()


def _reformatter(key: tuple[object, ...]) -> VideoReformatter:
    """A scaling context is not thread-safe and is built anew when a size changes: so one by thread and sizes."""
    kept: OrderedDict[tuple[object, ...], VideoReformatter] | None = getattr(_local, "kept", None)
    if kept is None:
        kept = _local.kept = OrderedDict()
    found = kept.pop(key, None)
    if found is None:
        found = VideoReformatter()
        if len(kept) >= _KEEP:
            kept.popitem(last=False)
    kept[key] = found
    return found


def _convert(frame: av.VideoFrame, width: int, height: int, interpolation: Interpolation) -> NDArray[np.uint8]:
    """(height, width, 3) BGR, a view on swscale's memory; rows may be padded."""
    key = (frame.format.name, frame.width, frame.height, width, height, int(interpolation))
    done = _reformatter(key).reformat(frame, width, height, "bgr24", interpolation=interpolation, **_THREADS)
    plane: Any = done.planes[0]
    count = plane.line_size * height
    rows: NDArray[np.uint8] = np.frombuffer(plane, np.uint8, count=count).reshape(height, plane.line_size)
    view: NDArray[np.uint8] = rows[:, : width * 3].reshape(height, width, 3)
    # swscale hands back the very same frame when nothing is to do: that memory belongs to the decoder.
    return view.copy() if done is frame else view


def fit(width: int, height: int, into_width: int, into_height: int) -> tuple[int, int, float]:
    """Size (width, height) of a picture scaled to fit into a box, and the scale.

    One scale ``s`` serves both directions. The size is ``s`` times the picture's, rounded to whole pixels, at least 1; so
    along the side that does not fill the box the content is up to half a pixel of the result longer or shorter than ``s``
    says, and ``box / s`` is off by at most ``0.5 / s`` pixels of the picture at its far edge, exact elsewhere and exact
    everywhere when the sizes divide evenly (768x576, 1280x720, 1920x1080 into 416x416 all do).

    >>> fit(768, 576, 416, 416)
    (416, 312, 0.5416666666666666)
    """
    scale = min(into_width / width, into_height / height)
    return (
        max(1, min(into_width, round(width * scale))),
        max(1, min(into_height, round(height * scale))),
        scale,
    )


_FORMS: Mapping[str, Literal["nv12", "p016"]] = {"nv12": "nv12", "p010le": "p016", "p016le": "p016"}
# AVCOL_SPC_*; whatever is not declared is BT.601, as for pictures on the host.
_MATRICES: Mapping[int, Literal["bt709", "bt2020", "smpte240m"]] = {
    1: "bt709",
    7: "smpte240m",
    9: "bt2020",
    10: "bt2020",
}
_FULL = 2  # AVCOL_RANGE_JPEG


def _planes(frame: Any, orientation: Orientation) -> DevicePlanes | None:
    form = _FORMS.get(frame.sw_format.name)
    if form is None:
        return None
    luma, chroma = frame.planes[:2]
    matrix: Literal["bt601", "bt709", "bt2020", "smpte240m"] = _MATRICES.get(int(frame.colorspace), "bt601")
    return DevicePlanes(
        luma.__dlpack_device__()[1], form, luma.buffer_ptr, chroma.buffer_ptr, luma.line_size, chroma.line_size,
        frame.width, frame.height, matrix, int(frame.color_range) == _FULL, *orientation, owner=frame,
    )  # fmt: skip


class AvPicture:
    """A frame as the decoder gave it. All that is given out stands upright, as ``orientation`` says how. May be used
    from several threads."""

    __slots__ = ("_bgr", "_frame", "_lock", "_planes", "height", "orientation", "width")

    def __init__(self, frame: av.VideoFrame, orientation: Orientation = UPRIGHT) -> None:
        self._frame = frame
        self.orientation = orientation
        self._bgr: NDArray[np.uint8] | None = None
        self._planes: DevicePlanes | None = None
        # PyAV sets and restores fields of the source frame while it converts.
        self._lock = threading.Lock()
        turned = orientation.transposed
        self.width: int = frame.height if turned else frame.width
        self.height: int = frame.width if turned else frame.height

    @property
    def frame(self) -> av.VideoFrame:
        """The decoder's frame, neither turned nor mirrored."""
        return self._frame

    def tensor(self) -> DevicePlanes | None:
        """Where the pixels lie on a GPU; None: on the host, or in a form that is not read there. ``bgr`` and ``letterbox`` copy
        them to the host."""
        if self._planes is None and self._frame.format.name == "cuda":
            self._planes = _planes(self._frame, self.orientation)
        return self._planes

    def bgr(self) -> NDArray[np.uint8]:
        """(height, width, 3) uint8, BGR, C-contiguous. Converted at the first call, then the same array each time."""
        with self._lock:
            if self._bgr is None:
                frame = self._frame
                converted = _convert(frame, frame.width, frame.height, Interpolation.BICUBIC)
                self._bgr = np.ascontiguousarray(self.orientation.apply(converted))
            return self._bgr

    def for_jpeg(self, width: int, height: int) -> av.VideoFrame | None:
        """The picture in that size as JPEGs have it (YUV 4:2:0 of BT.601, all values used), in one pass from the decoder's own form; None
        where it must be turned, or lies on a device."""
        if self.orientation != UPRIGHT or self._frame.format.name == "cuda":
            return None
        with self._lock:
            made = _reformatter((self._frame.format.name, self.width, self.height, width, height, "jpeg")).reformat(
                self._frame, width, height, "yuvj420p", dst_colorspace=int(Colorspace.ITU601), dst_color_range="JPEG",
                interpolation=Interpolation.BILINEAR, **_THREADS,
            )  # fmt: skip
        # Of the same size and form it is the very same frame: what the encoder sets on it would be set on the decoder's.
        return made if made is not self._frame else None

    def letterbox(self, width: int, height: int) -> tuple[NDArray[np.uint8], float]:
        """(height, width, 3) uint8 BGR with the picture top left, 0 right and below; and the scale (see :func:`fit`)."""
        content_width, content_height, scale = fit(self.width, self.height, width, height)
        size = (content_height, content_width) if self.orientation.transposed else (content_width, content_height)
        result = np.empty((height, width, 3), np.uint8)
        result[content_height:] = 0
        result[:content_height, content_width:] = 0
        with self._lock:
            # Bilinear in swscale widens its filter when it shrinks, so it averages like AREA, in less time.
            small = _convert(self._frame, *size, Interpolation.BILINEAR)
            result[:content_height, :content_width] = self.orientation.apply(small)
        return result, scale


class ArrayPicture(AvPicture):
    """A user's own pixels: ``(height, width, 3)`` uint8, BGR. The array is not copied; do not change it afterwards.

    >>> ArrayPicture(np.zeros((30, 40, 3), np.uint8)).letterbox(20, 20)[0].shape
    (20, 20, 3)

    Raises ValueError for any other shape or type.
    """

    __slots__ = ()

    def __init__(self, array: NDArray[np.uint8]) -> None:
        if array.ndim != 3 or array.shape[2] != 3 or array.dtype != np.uint8 or 0 in array.shape:
            raise ValueError(f"a picture must be (height, width, 3) uint8, not {array.shape} {array.dtype}")
        array = np.ascontiguousarray(array)
        super().__init__(av.VideoFrame.from_numpy_buffer(array, "bgr24"))
        self._bgr = array
