"""How long a file is by its own time stamps, whatever its container states."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import av.error

from countline.video.clock import JUMP, SECOND, to_ns
from countline.video.container import Opened

__all__ = ["Span", "measure"]

_LARGE = 512 * 1024 * 1024
"""Size in bytes from which the end alone is read where the container says where that is."""
_SMALL = 16 * 1024 * 1024
"""The same for formats with one time line and a quick way to its end."""
_INDEXED = frozenset({"mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "avi"})


@dataclass(slots=True)
class Span:
    """Time stamps of a stream, in ns. ``end`` is that of the last frame's end, on the first frame's time line also where
    stamps begin anew in the middle."""

    start: int | None
    end: int
    frames: int = 0
    """Packets; 0 where not all were read."""


def measure(connect: Callable[[], Opened], size: int) -> Span | None:
    """Read the packets of a file of ``size`` bytes, without decoding. None if nothing is to be learned.

    A large file is read through only if its container does not state where its end is.
    """
    opened = connect()
    try:
        if not opened.raw and size > (_SMALL if opened.format in _INDEXED else _LARGE):
            span = _tail(opened)
            if span is not None:
                return span
            opened.close()
            opened = connect()
        return _full_span(opened)
    finally:
        opened.close()


def _full_span(opened: Opened) -> Span | None:
    """From the first packet to the last. Where the decoder's clock steps back by a second or more, a new time line
    begins at the end of the last, as it does for frames."""
    step = _step(opened)
    start: int | None = None
    end = count = shift = 0
    last: int | None = None
    for pts, dts, duration in _stamps(opened):
        count += 1
        if pts is None:
            continue
        clock = pts if dts is None else dts  # pictures that are shown later come first: their PTS is no clock
        if start is None:
            start = end = pts
        elif last is not None and last - clock >= JUMP:
            shift = end - pts
        last = clock
        start = min(start, pts + shift)
        end = max(end, pts + shift + (duration or step))
    if start is None:
        return Span(None, count * step, count) if count else None
    return Span(start, end, count)


def _tail(opened: Opened) -> Span | None:
    """The end alone, sought from where the container says it is."""
    stream, container = opened.stream, opened.container
    if not container.duration or container.duration < 0:
        return None
    try:
        # A place behind the end is not found by every demuxer; the last second is.
        container.seek(max(0, container.duration + (container.start_time or 0) - 1_000_000))
        ends = [pts + (duration or _step(opened)) for pts, _, duration in _stamps(opened) if pts is not None]
    except (av.error.FFmpegError, OSError, ValueError):
        return None
    start = to_ns(stream.start_time, stream.time_base)
    return Span(start, max(ends)) if ends and max(ends) > (start or 0) else None


def _stamps(opened: Opened) -> Iterator[tuple[int | None, int | None, int]]:
    """(PTS or None, DTS or None, duration or 0) of each packet, in ns; what follows a break is not there."""
    base = opened.stream.time_base
    try:
        for packet in opened.container.demux(opened.stream):
            if packet.size and not packet.is_discard:
                yield to_ns(packet.pts, base), to_ns(packet.dts, base), to_ns(packet.duration, base) or 0
    except (av.error.FFmpegError, OSError):
        return


def _step(opened: Opened) -> int:
    return int(SECOND / float(opened.rate)) if opened.rate else 0
