"""From copied metadata to what enters at the rules: sources, numbers and times. Pure but for the arrival times given."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from countline.deepstream.reader import FrameCopy
from countline.types import FrameInfo, FrameTracks, SourceInfo, TimeQuality, Tracks

__all__ = ["Round", "Streams"]

log = logging.getLogger("countline.deepstream")

NO_TIME = 2**64 - 1
"""GST_CLOCK_TIME_NONE."""
RESTART = 10**9
"""ns by which PTS goes back where a stream begins anew; less than that is disorder, unless frame_num goes back, too."""


class Round(list[tuple[FrameCopy, FrameTracks]]):
    """Frames of a batch, at most one of a source; :attr:`anew` are the sources whose streams began anew with them: their tracks
    are not those of before."""

    def __init__(self) -> None:
        super().__init__()
        self.anew: list[str] = []


@dataclass(slots=True)
class _State:
    source: SourceInfo
    stream: str = ""
    shift: int = 0
    """Added to frame_num, so that numbers never come twice."""
    number: int = -1
    pts: int = 0
    """PTS of the last frame, as passed on."""
    zero: int = 0
    """Capture time at PTS 0, where the pipeline gives none."""
    offset: int = 0
    """Added to PTS, so that it goes on by the clock where it began anew."""
    last: FrameCopy | None = None
    """The last frame as it came, without its objects."""
    time: int = 0
    arrived: int = 0
    over: bool = False
    """The muxer's pad has ended: a frame that comes now begins a new stream."""


class Streams:
    """Knows the sources by pad_index.

    Parameters
    ----------
    sources: their ``index`` is the pad_index.
    exact: PTS is passed on as it is, for the exact engine; otherwise it never goes backward: where it begins anew it goes on by
        the clock, and the tracks are others than before.
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

    def use(self, sources: Sequence[SourceInfo]) -> None:
        """The pads belong to these sources from now on. The stream of one that stays at its pad goes on."""
        before = self._states
        self._states = {}
        for source in sources:
            state = before.get(source.index)
            if state is None or state.source.name != source.name:
                state = _State(source)
            state.source = source
            self._states[source.index] = state

    def rounds(self, frames: Iterable[FrameCopy], arrived: int) -> list[Round]:
        """The frames of a batch in rounds of at most one frame per source. ``arrived``: ns since the Unix epoch."""
        rounds: list[Round] = []
        seen: dict[int, int] = {}
        for frame in frames:
            state = self._states.get(frame.pad_index)
            if state is None:
                self._left_out(frame.pad_index)
                continue
            at = seen.get(frame.pad_index, 0)
            seen[frame.pad_index] = at + 1
            if at == len(rounds):
                rounds.append(Round())
            if self._begin(state, frame, arrived):
                rounds[at].anew.append(state.source.name)
            rounds[at].append((frame, FrameTracks(self._info(state, frame, arrived), _tracks(frame))))
        return rounds

    def end(self, pad_index: int | None) -> list[str]:
        """The stream of a pad (None: of all) has ended: names of the sources whose tracks end with it. nvdsanalytics goes on
        with what it knows, and so does the exact engine."""
        states = self._states.values() if pad_index is None else [self._states.get(pad_index)]
        ended = [state for state in states if state is not None and state.last is not None and not state.over]
        for state in ended:
            state.over = True
        return [] if self._exact else [state.source.name for state in ended]

    def _left_out(self, pad_index: int) -> None:
        if pad_index not in self.unknown:
            log.warning(
                "frames of pad_index %d are left out: the configuration has %d source(s), pad_index counts from 0",
                pad_index,
                len(self._states),
            )
        self.unknown[pad_index] = self.unknown.get(pad_index, 0) + 1

    def _info(self, state: _State, frame: FrameCopy, arrived: int) -> FrameInfo:
        number = frame.number + state.shift
        if number <= state.number:  # the source was taken off the muxer and put back, or its numbers are not filled in
            state.shift += state.number + 1 - number
            number = state.number + 1
        state.number = number
        pts = frame.pts if self._exact else self._monotone(state, frame.pts, arrived)
        if frame.ntp:
            time, quality = frame.ntp, TimeQuality.NTP
        else:
            time, quality = (state.zero + frame.pts if frame.pts != NO_TIME else arrived), TimeQuality.ARRIVAL
        state.time = time
        width, height = self._size or (frame.size if all(frame.size) else frame.source_size)
        return FrameInfo(state.source, number, pts, time, width, height, quality, state.stream)

    def _begin(self, state: _State, frame: FrameCopy, arrived: int) -> bool:
        """Whether the stream began anew with this frame, and what was before is to be forgotten."""
        last, before = state.last, state.arrived
        state.last, state.arrived = frame._replace(objects=()), arrived
        pts = frame.pts if frame.pts != NO_TIME else 0
        if last is None:
            state.stream = str(arrived)
            state.zero = arrived - pts
            return False
        if not state.over and not _restarted(last, frame):
            return False
        log.info("source '%s': its stream began anew", state.source.name)
        state.zero = max(arrived, state.time + 1) - pts  # time goes on by the clock, and never back
        state.over = False
        if self._exact:
            return False
        state.offset = state.pts + max(arrived - before, 1) - pts
        return True

    @staticmethod
    def _monotone(state: _State, pts: int, arrived: int) -> int:
        pts = arrived - state.zero if pts == NO_TIME else pts + state.offset
        state.pts = max(state.pts, pts)
        return state.pts


def _restarted(last: FrameCopy, frame: FrameCopy) -> bool:
    if NO_TIME in (last.pts, frame.pts):
        return False
    back = last.pts - frame.pts
    return back > RESTART or (back > 0 and frame.number < last.number)


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
