"""Two fields of different moments in one picture become one whole picture of one moment."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from typing import Any

import av
import av.error
import av.filter

from countline.video.decode import Decoded

__all__ = ["deinterlaced"]

_TICK = Fraction(1, 90_000)
_FILTER = "bwdif"
"""Better than yadif at edges that move, for the same work; one picture for each frame, of its first field's moment."""


def deinterlaced(frames: Iterator[Decoded], *, every: bool = False) -> Iterator[Decoded]:
    """The same frames, with the interlaced ones (``every``: all) made whole. Their number, order and times stay.

    Until the first interlaced frame nothing is done. From it on each frame comes one later, because the next one's fields
    are looked at.
    """
    stage: _Stage | None = None
    try:
        for item in frames:
            if stage is None and not every and not item.interlaced:
                yield item
                continue
            if item.frame.format.name == "cuda":
                item = replace(item, frame=_on_host(item.frame))
            key = _key(item.frame)
            if stage is not None and stage.key != key:
                yield from stage.end()
                stage = None
            if stage is None and (every or item.interlaced):
                stage = _Stage(item.frame, key, every)
            if stage is None:  # others than the interlaced ones before, and not interlaced themselves
                yield item
            else:
                yield from stage.put(item)
    except Exception:
        if stage is not None:
            yield from stage.end()  # the input broke off: what it gave before is whole
        raise
    if stage is not None:
        yield from stage.end()


def _on_host(frame: av.VideoFrame) -> av.VideoFrame:
    """A copy of a frame that lies on a GPU: the filter works on the CPU."""
    form: Any = frame.sw_format
    return frame.reformat(format=form.name)


def _key(frame: av.VideoFrame) -> tuple[object, ...]:
    return frame.width, frame.height, frame.format.name, frame.colorspace, frame.color_range


class _Stage:
    """A filter graph for frames of one form."""

    def __init__(self, frame: av.VideoFrame, key: tuple[object, ...], every: bool) -> None:
        self.key = key
        self._waiting: deque[Decoded] = deque()
        graph = av.filter.Graph()
        source: Any = graph.add(
            "buffer",
            video_size=f"{frame.width}x{frame.height}",
            pix_fmt=frame.format.name,
            time_base=str(frame.time_base or _TICK),
            colorspace=str(int(frame.colorspace)),
            range=str(int(frame.color_range)),
        )
        change: Any = graph.add(_FILTER, f"mode=send_frame:parity=auto:deint={'all' if every else 'interlaced'}")
        sink: Any = graph.add("buffersink")
        source.link_to(change)
        change.link_to(sink)
        graph.configure()
        self._graph = graph

    def put(self, item: Decoded) -> Iterator[Decoded]:
        self._waiting.append(item)
        self._graph.push(item.frame)
        return self._pull()

    def end(self) -> Iterator[Decoded]:
        self._graph.push(None)
        yield from self._pull()
        # Nothing is ever held back for want of a filter.
        while self._waiting:
            yield self._waiting.popleft()

    def _pull(self) -> Iterator[Decoded]:
        while self._waiting:
            try:
                frame = self._graph.pull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return
            item = self._waiting.popleft()
            yield replace(item, frame=frame)
