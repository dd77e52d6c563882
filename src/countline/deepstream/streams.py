"""From copied metadata to what enters at the rules: sources, numbers and times. Pure but for the arrival times given."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from countline.deepstream.reader import FrameCopy
from countline.types import FrameInfo, FrameTracks, SourceInfo, TimeQuality, Tracks

__all__ = ["Streams"]

log = logging.getLogger("countline.deepstream")

NO_TIME = 2**64 - 1
"""GST_CLOCK_TIME_NONE."""


@dataclass(slots=True)
class _State:
    source: SourceInfo
    stream: str = ""
    shift: int = 0
    """Added to frame_num, so that numbers never come twice."""
    number: int = -1
    pts: int = 0
    zero: int = 0
    """Capture time at PTS 0, where the pipeline gives none."""


class Streams:
    """Knows the sources by pad_index.

    Parameters
    ----------
    sources: their ``index`` is the pad_index.
    exact: PTS is passed on as it is, for the exact engine; otherwise it never goes backward.
    size: width and height in pixels that boxes refer to, where the metadata does not say.
    """

    def __init__(
        self, sources: Sequence[SourceInfo], *, exact: bool = False, size: tuple[int, int] | None = None
    ) -> None:
        self._states = {source.index: _State(source) for source in sources}
        self._exact = exact
        self._size = size
        self.unknown: dict[int, int] = {}
        """Frames left out, by pad_index, because no source of the configuration belongs to it."""

    def rounds(self, frames: Iterable[FrameCopy], arrived: int) -> list[list[tuple[FrameCopy, FrameTracks]]]:
        """The frames of a batch in rounds of at most one frame per source. ``arrived``: ns since the Unix epoch."""
        rounds: list[list[tuple[FrameCopy, FrameTracks]]] = []
        seen: dict[int, int] = {}
        for frame in frames:
            state = self._states.get(frame.pad_index)
            if state is None:
                self._left_out(frame.pad_index)
                continue
            at = seen.get(frame.pad_index, 0)
            seen[frame.pad_index] = at + 1
            if at == len(rounds):
                rounds.append([])
            rounds[at].append((frame, FrameTracks(self._info(state, frame, arrived), _tracks(frame))))
        return rounds

    def _left_out(self, pad_index: int) -> None:
        if pad_index not in self.unknown:
            log.warning(
                "frames of pad_index %d are left out: the configuration has %d source(s), pad_index counts from 0",
                pad_index,
                len(self._states),
            )
        self.unknown[pad_index] = self.unknown.get(pad_index, 0) + 1

    def _info(self, state: _State, frame: FrameCopy, arrived: int) -> FrameInfo:
        if not state.stream:
            state.stream = str(arrived)
            state.zero = arrived - (frame.pts if frame.pts != NO_TIME else 0)
        number = frame.number + state.shift
        if number <= state.number:  # the source was taken off the muxer and put back, or its numbers are not filled in
            state.shift += state.number + 1 - number
            number = state.number + 1
        state.number = number
        pts = frame.pts if self._exact else self._monotone(state, frame.pts, arrived)
        if frame.ntp:
            time, quality = frame.ntp, TimeQuality.NTP
        else:
            time, quality = (state.zero + pts if frame.pts != NO_TIME else arrived), TimeQuality.ARRIVAL
        width, height = self._size or (frame.size if all(frame.size) else frame.source_size)
        return FrameInfo(state.source, number, pts, time, width, height, quality, state.stream)

    @staticmethod
    def _monotone(state: _State, pts: int, arrived: int) -> int:
        if pts == NO_TIME:
            pts = arrived - state.zero
        state.pts = max(state.pts, pts)
        return state.pts


def _tracks(frame: FrameCopy) -> Tracks:
    objects = frame.array()
    ltwh = np.ascontiguousarray(objects["ltwh"])
    xyxy = ltwh.copy()
    xyxy[:, 2:] += xyxy[:, :2]
    return Tracks(
        xyxy,
        np.ascontiguousarray(objects["confidence"]),
        np.ascontiguousarray(objects["class_id"]),
        np.ascontiguousarray(objects["object_id"]),
        ltwh,
    )
