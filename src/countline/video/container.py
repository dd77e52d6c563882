"""FFmpeg containers through PyAV: open one, choose its video stream, know its rate and length."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from typing import Any
from weakref import WeakSet

import av
import av.error
from av.codec.context import ThreadType
from av.codec.hwaccel import HWAccel

from countline.errors import SourceError
from countline.video.clock import to_ns
from countline.video.decode import Decoded, Decoding
from countline.video.deinterlace import deinterlaced
from countline.video.ring import Recall, Ring
from countline.video.shed import Shed
from countline.video.streams import choose

__all__ = ["PARTS", "RAW", "Opened", "open_stream"]

log = logging.getLogger("countline.video")

_LEFT_BEHIND = 2.0
"""Seconds by which FFmpeg's own limit is later than ours."""
_ONE_THREAD = 1920 * 1080 * 60.0
"""Pixels a second up to which one thread decodes what comes at its own pace: of many cameras each would else have as many
threads as there are processors, and only streams that are cut in slices have use for them."""
RAW = frozenset(
    {"av1", "avs2", "avs3", "cavsvideo", "dirac", "evc", "h261", "h263", "h264", "hevc", "ipu", "m4v", "mjpeg"}
    | {"mjpeg_2000", "mpegvideo", "obu", "rawvideo", "vc1", "vvc"}
)
"""Formats that hold pictures and no time stamps; what FFmpeg gives for them is made up from a default rate."""
PARTS = "mpjpeg"
"""Multipart JPEG over HTTP: pictures come when they come."""
# Recorders write tags in whatever encoding they like. From PyAV 19 on that is no error and the option is gone.
_TAGS: dict[str, Any] = {"metadata_errors": "replace"} if int(av.__version__.split(".")[0]) < 19 else {}


class Opened:
    """An open input and its video stream.

    The thread that reads it may close it at any time, and FFmpeg's structures are gone then: whatever others are told of it is copied when
    it is opened.
    """

    def __init__(
        self,
        container: Any,
        stream: Any,
        *,
        low_delay: bool = False,
        paced: bool = False,
        deinterlace: str = "off",
        gpu: bool = False,
    ) -> None:
        self.container = container
        self.stream = stream
        self.format: str = container.format.name
        self.codec: str = self.stream.codec_context.name
        self.rate = self._rate()
        """Frames per second; None where neither stream nor container says it."""
        self.duration = self._duration()
        """Length in ns that the container states; None where it states none (streams, raw video, unfinished files)."""
        self._metadata = {**stream.metadata, **container.metadata}
        self.identity: tuple[Any, ...] = () if low_delay else self._facts()
        """What tells this content from another without reading it; empty for live streams."""
        # Frame threads decode several frames at once and so hold each back by as many frames; slices do not.
        self.stream.thread_type = ThreadType.SLICE if low_delay else ThreadType.AUTO
        self.decoder = ""
        """What decodes it, where a GPU was asked to: gpu, or cpu where it cannot; known from the first frame on."""
        self._gpu_asked = gpu
        on_gpu = gpu and stream.codec_context.is_hwaccel
        if (
            on_gpu
        ):  # its frames wait for the chip, not for threads; and each of many would hold a surface of the decoder
            self.stream.thread_type = ThreadType.SLICE
        if on_gpu or ((low_delay or paced) and self._pixels() <= _ONE_THREAD):
            self.stream.codec_context.thread_count = 1
        elif not (low_delay or paced):
            self.stream.codec_context.thread_count = _share_of(self)
        self.entries: tuple[str, ...] = ()
        """Of a local list the files that it names: they are its content."""
        self.watch: Callable[[], None] = _nothing
        """Called for each frame and at the end; may raise what cannot be raised where it is found."""
        self._decoding = Decoding(container, stream, live=low_delay)
        self._deinterlace = deinterlace

    @property
    def lost(self) -> dict[str, int]:
        """Packets and frames that were left out so far, by reason (see :mod:`countline.video.decode`)."""
        return self._decoding.lost

    @property
    def packets(self) -> int:
        """Packets that came so far."""
        return self._decoding.packets

    @property
    def keys(self) -> int:
        """Key frames that came so far."""
        return self._decoding.keys

    @property
    def skipped(self) -> int:
        """Pictures that the decoder passed over so far, see :meth:`shed`."""
        return self._decoding.skipped

    @property
    def vanished(self) -> int:
        """Pictures of which packets came and that could not be shown whole, since the first that was."""
        return self._decoding.vanished

    @property
    def heard(self) -> float:
        """When the last packet came, or the input was opened: seconds of the monotonic clock."""
        return self._decoding.heard

    @property
    def waited(self) -> float:
        """Seconds spent waiting for packets."""
        return self._decoding.waited

    @property
    def corrupt(self) -> int:
        """How many those are."""
        return sum(self.lost.values())

    @property
    def raw(self) -> bool:
        """The format has no time stamps."""
        return self.format in RAW

    def _rate(self) -> Fraction | None:
        context = self.stream.codec_context
        # The raw demuxers answer 25 when they know nothing; there only the codec's own headers count.
        rates = (
            (context.framerate,)
            if self.raw
            else (self.stream.average_rate, self.stream.guessed_rate, context.framerate)
        )
        return next((Fraction(rate) for rate in rates if rate and 0 < rate < 1000), None)

    def _pixels(self) -> float:
        """Pixels a second; of a stream that does not say its rate, at the usual one."""
        context = self.stream.codec_context
        return float(context.width * context.height * (self.rate or 30))

    def _facts(self) -> tuple[Any, ...]:
        context = self.stream.codec_context
        return (
            self.container.size, self.duration, self.stream.frames, self.codec,
            context.width, context.height, context.extradata, sorted(self._metadata.items()),
        )  # fmt: skip

    def _duration(self) -> int | None:
        if self.raw:
            return None
        own = to_ns(self.stream.duration, self.stream.time_base)
        if own is not None and own > 0:
            return own
        total: int | None = self.container.duration
        if not total or total <= 0:
            return None
        # Some containers (Matroska, FLV) state the time of the end, which is later by that of the start.
        start: int | None = self.container.start_time
        return (total - start if start and 0 < start < total and self.format in _STATES_THE_END else total) * 1000

    def metadata(self) -> dict[str, str]:
        """Tags of the stream, and over them those of the container."""
        return dict(self._metadata)

    def decode(self) -> Iterator[Decoded]:
        """Frames in the order of presentation, see :class:`~countline.video.decode.Decoding`."""
        frames = self._decoding.frames()
        if self._deinterlace != "off":
            frames = deinterlaced(frames, every=self._deinterlace == "on")
        try:
            for item in frames:
                if self._gpu_asked and not self.decoder:
                    self.decoder = "gpu" if item.frame.format.name == "cuda" else "cpu"
                self.watch()
                yield item
        finally:
            self.watch()

    def remember(self, recall: Callable[[], Recall | None]) -> None:
        """Keep packets as they come, as much as ``recall`` says at each, for clips. Before the first is read."""
        self._decoding.ring = Ring(self.stream, recall)

    def shed(self, mode: Shed) -> None:
        """What the decoder passes over from the next packet on. From any thread."""
        self._decoding.mode = mode

    def rest(self, until: int) -> None:
        """Pass over pictures before this time (ns, by the container's stamps), and others until a key frame comes. From any
        thread."""
        self._decoding.rest = until

    @property
    def resting(self) -> bool:
        """Pictures are passed over until the next key frame."""
        return self._decoding.resting

    def close(self) -> None:
        """Release the input."""
        if self._decoding.ring is not None:
            self._decoding.ring.end()
        with _sharing:
            _files.discard(self)
        self.container.close()


_files: WeakSet[Opened] = WeakSet()
"""Those that are decoded as fast as they can be."""
_sharing = threading.Lock()


def _share_of(opened: Opened) -> int:
    """Threads for one more file: as many as there are processors, divided by the files that are open; 0, FFmpeg's own number, where
    it is the only one. So a hundred files have not a hundred times as many threads, each with pictures of its own."""
    with _sharing:
        _files.add(opened)
        number = len(_files)
    return 0 if number == 1 else max(1, _processors() // number)


def _processors() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _nothing() -> None:
    """Nothing to watch."""


_STATES_THE_END = frozenset({"matroska,webm", "flv", "live_flv"})


def open_stream(
    location: Any,
    where: str,
    *,
    options: Mapping[str, str],
    format: str | None = None,
    timeout: float | None = None,
    low_delay: bool = False,
    paced: bool = False,
    deinterlace: str = "off",
    stream: str = "",
    shown: str = "",
    gpu: int | None = None,
    **more: Any,
) -> Opened:
    """Open a file or stream with FFmpeg. ``stream`` chooses one of several video streams, ``gpu`` is to decode it where it can
    (:func:`countline.gpu.driver.prepare` was called before), ``more`` goes to ``av.open``.
    ``low_delay``: frames are not to be held back; ``paced``: they are read at their own speed.

    Raises SourceError for what has no such video stream, else av.FFmpegError.
    """
    # Who waits for frames looks at when packets came; FFmpeg's own limit is for the thread that is left behind. Were it the
    # same, FFmpeg would give out what it still holds at the limit, and the wait would begin anew.
    limits = None if timeout is None else (timeout, timeout + _LEFT_BEHIND)
    began = time.monotonic()
    if gpu is not None:
        own: dict[str, object] = {"primary_ctx": "1"}  # the context that CuPy and ONNX Runtime use
        more["hwaccel"] = HWAccel("cuda", device=str(gpu), is_hw_owned=True, options=own)
    try:
        container = av.open(location, format=format, options=dict(options), timeout=limits, **_TAGS, **more)
    except av.error.FFmpegError:
        # Some protocols report an interrupted wait as broken data; it was silence.
        if timeout is not None and time.monotonic() - began >= timeout:
            raise TimeoutError(f"no answer for {timeout:g} s") from None
        raise
    try:
        chosen = choose(container.streams, stream, shown or str(location), where)
        return Opened(container, chosen, low_delay=low_delay, paced=paced, deinterlace=deinterlace, gpu=gpu is not None)
    except SourceError:
        container.close()
        raise
