"""Finds what was missed of live sources. Pure: times come with the frames."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from countline.messages.time import rfc3339
from countline.observe.repeated import Repeated
from countline.pipeline.stats import SourceSummary
from countline.types import FrameInfo, Gap, TimeQuality

__all__ = ["GAP", "GapLog", "GapWatch"]

log = logging.getLogger("countline.pipeline")

GAP = 5 * 10**9
"""ns without a frame within a run that are a gap, unless the source's frames are usually a third of that apart or more."""
SLEPT = 60 * 10**9
"""ns by which capture times must jump ahead of PTS to be a gap: less is a stream that halted and catches up again."""
_USUAL = 3
_CLOCKS = (TimeQuality.NTP, TimeQuality.ARRIVAL)
"""Times that go on while nobody looks; those of files begin anew in each run."""
_WORDS = {
    "not-running": "countline did not run",
    "no-frames": "the source gave no frames",
    "frames-dropped": "processing was behind or the detector away, and frames were dropped",
    "no-recording": "there is no recording of it",
    "clock-jumped": "this machine slept, or its clock was set forward",
}


@dataclass(slots=True)
class _Last:
    """The newest frame of a source, and the last two steps between frames (ns; 0: not known)."""

    info: FrameInfo
    step: int = 0
    before: int = 0

    @property
    def usual(self) -> int:
        """The usual step: one long pause does not make the next one usual, a camera of a frame a minute has no gaps."""
        return min(self.step, self.before) or self.step or self.before


class GapWatch:
    """Sees every frame and says before which ones something is missing.

    Only live sources have gaps, and recordings between each other: a file that is resumed has all its frames. Within a run a gap of a
    live source is measured on its own clock (PTS), between runs on capture times, as well as ``time_quality`` knows them; where those
    do not go on from run to run, on this machine's clock.
    """

    def __init__(self) -> None:
        self._last: dict[str, _Last] = {}
        self._before: dict[str, tuple[int, tuple[int, int]]] = {}

    def begin(self, source: str, seen: int, down: tuple[int, int]) -> None:
        """A stream of the source begins. ``seen``: time of its last frame in an earlier run (0: not known); ``down``: when that was
        stored (0: not known), and now, by the wall clock (ns since the Unix epoch)."""
        if source not in self._last:
            self._before[source] = seen, down

    def see(self, info: FrameInfo, hole: bool = False) -> Gap | None:
        """The gap that ends with this frame, if any. ``hole``: of recordings that follow each other one begins here, and what lay
        before it was not recorded."""
        name = info.source.name
        last = self._last.get(name)
        if not info.source.live:
            if last is None:
                before = self._before.pop(name, (0, (0, 0)))[0]
                self._last[name] = _Last(info)
            else:
                before, last.info = last.info.time, info
            return Gap(before, info.time, "no-recording") if hole and 0 < before < info.time else None
        if last is None:
            self._last[name] = _Last(info)
            return _between_runs(info, *self._before.pop(name, (0, (0, 0))))
        gap = _between_frames(last, info)
        step = info.pts - last.info.pts
        if step > 0:
            last.before, last.step = last.step, step
        last.info = info
        return gap


def _between_runs(info: FrameInfo, seen: int, down: tuple[int, int]) -> Gap | None:
    if seen and info.time > seen and info.time_quality in _CLOCKS:
        return Gap(seen, info.time)
    if 0 < down[0] < down[1]:  # a file that stands for a camera, or a camera whose clock was set back
        return Gap(*down)
    if down[0]:
        log.warning(
            "source '%s': its first frame is of %s, not later than its last one in the run before (%s): a clock was set back. "
            "How long nothing was seen is not known",
            info.source.name, rfc3339(info.time), rfc3339(seen),
        )  # fmt: skip
    return None


def _between_frames(last: _Last, info: FrameInfo) -> Gap | None:
    before = last.info
    by_clock = info.time - before.time
    # Between two ways of knowing the time lies more than time.
    comparable = info.time_quality is before.time_quality and info.time_quality in _CLOCKS
    missed, jumped = info.pts - before.pts, 0
    if before.stream != info.stream or missed <= 0:  # a time line of its own, or one that began anew
        missed = by_clock if comparable else 0
    elif comparable:
        jumped = by_clock - missed
    if missed > max(GAP, _USUAL * last.usual):
        # Those that were dropped have used up their numbers.
        dropped = 2 * (info.number - before.number - 1) * last.usual >= missed > 0 and last.usual > 0
        cause = "frames-dropped" if dropped else "no-frames"
    elif jumped > SLEPT:
        missed, cause = by_clock, "clock-jumped"
    else:
        return None
    return Gap(before.time if by_clock > 0 else info.time - missed, info.time, cause)


class GapLog:
    """Gaps into the summary, and into the log: of each source the first at once, further ones with a line a minute."""

    def __init__(self, summary: Mapping[str, SourceSummary]) -> None:
        self._summary = summary
        self._lines: dict[str, Repeated] = {}

    def tell(self, source: str, gap: Gap) -> None:
        """A gap of a source was found."""
        lines = self._lines.get(source)
        if lines is None:
            lines = self._lines[source] = Repeated(log)
        lines.say(
            f"source '{source}': nothing was seen from {rfc3339(gap.start)} to {rfc3339(gap.end)} ({gap.seconds:.1f} s): "
            f"{_WORDS[gap.cause]}"
        )
        own = self._summary[source]
        own.gaps += 1
        own.missed = round(own.missed + gap.seconds, 3)

    def close(self) -> None:
        """Tell what was not told yet."""
        for lines in self._lines.values():
            lines.close()
