"""FFmpeg containers through PyAV: open, find the video stream, decode, and say in plain words what went wrong."""

from __future__ import annotations

import errno
import logging
import struct
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import av.error
from av.codec.context import ThreadType

from countline.errors import SourceError
from countline.video.clock import to_ns

__all__ = ["Decoded", "Opened", "explain", "fatal", "open_stream"]

log = logging.getLogger("countline.video")

RAW = frozenset(
    {"av1", "avs2", "avs3", "cavsvideo", "dirac", "evc", "h261", "h263", "h264", "hevc", "ipu", "m4v", "mjpeg"}
    | {"mjpeg_2000", "mpegvideo", "obu", "rawvideo", "vc1", "vvc"}
)
"""Formats that hold pictures and no time stamps; what FFmpeg gives for them is made up from a default rate."""
PARTS = "mpjpeg"
"""Multipart JPEG over HTTP: pictures come when they come."""
# Recorders write tags in whatever encoding they like. From PyAV 19 on that is no error and the option is gone.
_TAGS: dict[str, Any] = {"metadata_errors": "replace"} if int(av.__version__.split(".")[0]) < 19 else {}
MOST_ERRORS = 1000
"""Broken packets in a row after which an input counts as not readable at all."""


@dataclass(slots=True)
class Decoded:
    """A decoded frame; ``pts`` in ns by the container's own time stamps; ``sent`` the sender's wall clock in ns since the
    Unix epoch, where it told it."""

    frame: av.VideoFrame
    pts: int | None
    sent: int | None = None


class Opened:
    """An open input and its video stream. Used by one thread at a time."""

    def __init__(self, container: Any, low_delay: bool) -> None:
        self.container = container
        self.stream = next(
            s for s in container.streams.video if s.codec_context is not None and not s.disposition.value & _STILL
        )
        self.format: str = container.format.name
        self.codec: str = self.stream.codec_context.name
        # Frame threads decode several frames at once and so hold each back by as many frames; slices do not.
        self.stream.thread_type = ThreadType.SLICE if low_delay else ThreadType.AUTO
        self.corrupt = 0
        self._senders: dict[int, int] = {}
        self._damaged: set[int] = set()

    @property
    def raw(self) -> bool:
        """The format has no time stamps."""
        return self.format in RAW

    @property
    def rate(self) -> Fraction | None:
        """Frames per second; None where neither stream nor container says it."""
        context = self.stream.codec_context
        # The raw demuxers answer 25 when they know nothing; there only the codec's own headers count.
        rates = (
            (context.framerate,)
            if self.raw
            else (self.stream.average_rate, self.stream.guessed_rate, context.framerate)
        )
        return next((Fraction(rate) for rate in rates if rate and 0 < rate < 1000), None)

    @property
    def duration(self) -> int | None:
        """Length in ns; None where it is not known (streams, raw video)."""
        if self.raw:
            return None
        own = to_ns(self.stream.duration, self.stream.time_base)
        if own is not None and own > 0:
            return own
        whole = self.container.duration
        return whole * 1000 if whole and whole > 0 else None

    def metadata(self) -> dict[str, str]:
        """Tags of the stream, and over them those of the container."""
        return {**self.stream.metadata, **self.container.metadata}

    def decode(self) -> Iterator[Decoded]:
        """Frames in the order of presentation.

        Packets that cannot be decoded are counted in ``corrupt`` and passed over, and so are frames that demuxer or
        decoder mark as damaged: what it paints over a gap looks like moving objects, while a tracker bridges a missing
        frame. Raises av.FFmpegError when the input broke off.
        """
        failures = 0
        packets = self.container.demux(self.stream)
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except av.error.InvalidDataError:
                self.corrupt += 1
                failures += 1
                if failures > MOST_ERRORS:
                    raise
                packets = self.container.demux(self.stream)
                continue
            self._note(packet)
            try:
                frames = packet.decode()
            except av.error.EOFError:
                return
            except (av.error.InvalidDataError, ValueError, av.error.PatchWelcomeError, OSError):
                self.corrupt += 1
                failures += 1
                if failures > MOST_ERRORS:
                    raise
                continue
            for frame in frames:
                failures = 0
                known = frame.pts in self._damaged
                if known or frame.is_corrupt:
                    self.corrupt += not known
                    continue
                yield Decoded(frame, to_ns(frame.pts, frame.time_base), self._senders.pop(frame.pts, None))

    def _note(self, packet: Any) -> None:
        """What is known of a packet and not of its frame: that a part of it was lost on the way (transport streams); and
        with RTSP the sender's wall clock, which FFmpeg computes from RTCP sender reports."""
        if packet.is_corrupt:
            self.corrupt += 1
            if len(self._damaged) > 256:
                self._damaged.clear()
            if packet.pts is not None:
                self._damaged.add(packet.pts)
        if packet.pts is None or not hasattr(packet, "has_sidedata"):
            return
        try:
            if packet.has_sidedata("prft"):
                (micros,) = struct.unpack_from("<q", bytes(packet.get_sidedata("prft")))
                if len(self._senders) > 256:  # packets that never became frames
                    self._senders.clear()
                self._senders[packet.pts] = micros * 1000
        except (ValueError, KeyError):  # a PyAV that does not know this side data
            return

    def close(self) -> None:
        """Release the input."""
        self.container.close()


_STILL = 0x400 | 0x800  # attached_pic, timed_thumbnails: a cover is no video


def open_stream(
    location: str,
    where: str,
    *,
    options: Mapping[str, str],
    format: str | None = None,
    timeout: float | None = None,
    low_delay: bool = False,
    shown: str = "",
) -> Opened:
    """Open a file or stream with FFmpeg. Raises SourceError for what has no video, else av.FFmpegError."""
    limits = None if timeout is None else (timeout, timeout)
    began = time.monotonic()
    try:
        container = av.open(location, format=format, options=dict(options), timeout=limits, **_TAGS)
    except av.error.FFmpegError:
        # Some protocols report an interrupted wait as broken data; it was silence.
        if timeout is not None and time.monotonic() - began >= timeout:
            raise TimeoutError(f"no answer for {timeout:g} s") from None
        raise
    try:
        return Opened(container, low_delay)
    except StopIteration:
        kinds = sorted({s.type for s in container.streams})
        found = "only " + " and ".join(kinds) if kinds else "no streams"
        container.close()
        raise SourceError(
            f"{shown or location} has no video stream that can be decoded ({found})",
            where=where,
            fix="give a file or stream with video",
        ) from None


def fatal(error: BaseException) -> bool:
    """True if trying again cannot help: protocol, decoder or option unknown."""
    return isinstance(
        error,
        (
            SourceError,
            av.error.ProtocolNotFoundError,
            av.error.DemuxerNotFoundError,
            av.error.DecoderNotFoundError,
            av.error.OptionNotFoundError,
        ),
    )


def explain(error: BaseException, shown: str, where: str) -> SourceError:
    """An error of FFmpeg or the operating system as what / where / fix. ``shown``: the input without its password."""
    if isinstance(error, SourceError):
        return error
    what, fix = _words(error)
    return SourceError(f"{shown}: {what}", where=where, fix=fix)


def _words(error: BaseException) -> tuple[str, str]:
    number = getattr(error, "errno", None)
    for kind, what, fix in _MEANINGS:
        if isinstance(error, kind):
            return what, fix
    if number in (errno.EHOSTUNREACH, errno.ENETUNREACH):
        return "the host cannot be reached", "check address, cable and routes"
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    if number == errno.EIO:
        return "input/output error", "check that host and device exist and can be read"
    return f"cannot be read: {text}", "check that the address is right and that FFmpeg can play it"


_MEANINGS: tuple[tuple[Any, str, str], ...] = (
    (av.error.InvalidDataError, "is no video that FFmpeg knows, or is damaged", "check the file with `ffprobe`, or convert it to MP4"),
    (av.error.ProtocolNotFoundError, "FFmpeg does not know this protocol", "use a file, rtsp://, http:// or https://"),
    (av.error.DecoderNotFoundError, "no decoder for this codec is installed", "convert it to H.264 or H.265"),
    (av.error.HTTPUnauthorizedError, "user or password is refused (401)", "write them into the address: rtsp://user:password@host/…"),
    (av.error.HTTPForbiddenError, "access is forbidden (403)", "check user, password and rights on the camera"),
    (av.error.HTTPNotFoundError, "there is no such stream on the server (404)", "check the path in the address"),
    (av.error.HTTPServerError, "the server failed (5xx)", "look into the server's log"),
    (ConnectionRefusedError, "connection refused", "check host and port, and that the camera or server is running"),
    ((TimeoutError, av.error.ExitError), "no answer in time", "check host, port and firewall, or raise `timeout`"),
    (FileNotFoundError, "no such file", "check the path"),
    (PermissionError, "permission denied", "give the user that runs countline the right to read it"),
    (av.error.EOFError, "ended before its first frame", "check that the file is complete"),
)  # fmt: skip
