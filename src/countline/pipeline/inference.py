"""The detector at work: several frames at once where it allows that, results in the order of the frames."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import NamedTuple

from countline.errors import DetectorAway
from countline.pipeline.away import Away
from countline.protocols import BatchDetector, Detector, ParallelDetector
from countline.types import Detections, Frame, FrameInfo

__all__ = ["Batch", "Company", "Inference", "depths"]


class _Work(NamedTuple):
    """What one call of the detector gave."""

    found: list[Detections | None]
    seconds: float
    """For which it was at work."""
    lost: frozenset[int] = frozenset()
    """Frames that were given up, because the detector was away, by their places in the call."""


_GATHER = 0.004
"""Seconds that a frame waits for company at most."""
_PAYS = 0.9
"""Part of a lone frame's time that a frame in company may take, for company to be waited for."""


class Batch:
    """Rounds of at most one frame per source, on their way from the detector to the worker."""

    def __init__(self, rounds: Sequence[Sequence[Frame]]) -> None:
        self.rounds = rounds
        self.frames = [frame for frames in rounds for frame in frames]
        frames = self.frames
        self.taken = time.monotonic()
        """When the detector took them: seconds of the monotonic clock."""
        self._found: list[Detections | None] = [None] * len(frames)
        self._parts: list[tuple[Sequence[int], Future[_Work]]] = []
        self._lost: set[int] = set()

    def add(self, places: Sequence[int], work: Future[_Work]) -> None:
        """``work`` will give the detections of the frames at these places."""
        self._parts.append((places, work))

    def by_round(
        self, found: Sequence[Detections | None], without: Collection[str] = ()
    ) -> Iterator[tuple[Sequence[Frame], Sequence[Detections | None]]]:
        """What :meth:`wait` gave, for each round; without frames that were given up, and those of the sources ``without``."""
        start = 0
        for frames in self.rounds:
            pairs = list(zip(frames, found[start : start + len(frames)]))
            if self._lost or without:
                pairs = [
                    pair
                    for at, pair in enumerate(pairs, start)
                    if at not in self._lost and pair[0].info.source.name not in without
                ]
            yield [frame for frame, _ in pairs], [detections for _, detections in pairs]
            start += len(frames)

    def given_up(self) -> set[str]:
        """Files of which frames were given up: nothing that comes behind them may be counted. After :meth:`wait`."""
        return {f.info.source.name for f in (self.frames[i] for i in self._lost) if not f.info.source.live}

    def wait(self) -> tuple[list[Detections | None], float]:
        """Detections by frame (None: skipped), and the detector's busy seconds. Raises what the detector raised."""
        seconds = 0.0
        for places, work in self._parts:
            done = work.result()
            seconds += done.seconds
            self._lost.update(places[i] for i in done.lost)
            for i, result in zip(places, done.found):
                self._found[i] = result
        return self._found, seconds


class Company:
    """Whether frames are through sooner several at a time than alone, as measured. Pure: no clock is read here.

    >>> company = Company()
    >>> company.note(1, 0.010)
    >>> company.note(4, 0.016)
    >>> company.pays
    True
    >>> for _ in range(50): company.note(4, 0.044)
    >>> company.pays
    False
    """

    def __init__(self) -> None:
        self._alone = self._together = 0.0
        """Mean seconds a frame; 0: not known yet."""

    def note(self, frames: int, seconds: float) -> None:
        """A call of the detector with so many frames took so long."""
        each = seconds / max(frames, 1)
        if frames > 1:
            self._together += (each - self._together) / 8 if self._together else each
        else:
            self._alone += (each - self._alone) / 8 if self._alone else each

    @property
    def pays(self) -> bool:
        """Whether company is to be waited for: it is faster, or how fast it is was never seen."""
        return not self._together or self._together < self._alone * _PAYS


class Inference:
    """Threads for a detector: one, or as many as it says it can be called from at once (its attribute ``parallel``); then
    each gets one frame at a time, or those that it wants together (:class:`countline.protocols.BatchDetector`).

    Parameters
    ----------
    batch: most frames of a call, for a detector that is called from one thread.
    every: look at each source's every so manieth frame, of those that it has given, whether they got here or not.
    ahead: calls that may wait for a free thread. They keep it busy, but their frames grow old.
    away: told when the detector is away, and when it is back.
    """

    def __init__(self, detector: Detector, *, batch: int, every: int, ahead: int, away: Away | None = None) -> None:
        self.away = Away(lambda _: None, threading.Event()) if away is None else away
        threads = max(1, int(detector.parallel)) if isinstance(detector, ParallelDetector) else 1
        self._detector = detector
        self.batched = detector if isinstance(detector, BatchDetector) else None
        """The detector, where it says itself how many frames it wants."""
        self._size = batch if threads == 1 else 1
        self._every = every
        self._last: dict[str, int] = {}
        """By source: number of the frame that was looked at last."""
        self.busy = 0.0
        """Seconds for which all threads together were at work, divided by how many there are."""
        self._threads = threads
        self._free = threads + ahead
        self._ahead = ahead
        self._freed: Callable[[], None] | None = None
        self._change = threading.Condition()
        self._company = Company()
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="countline-detect")

    def ready(self) -> int:
        """Wait until a call would be taken up; how many frames would be. Called before frames are chosen, so that they are
        the newest there are."""
        with self._change:
            while self._free <= 0:
                self._change.wait()
            return self._free * self._size

    def when_free(self, call: Callable[[], None]) -> None:
        """Have ``call`` called by a thread that is done with a call, before it looks for another: with what is begun there it goes on
        at once. Not where a lone thread may have to wait for company, nor where the next call waits already."""
        if self._threads > 1 and not self._ahead:
            self._freed = call

    def room(self) -> int:
        """How many frames would be taken up now."""
        with self._change:
            return self._free * self._size

    @property
    def gather(self) -> float:
        """Seconds for which it pays to wait for frames of other sources."""
        return _GATHER if self._size > 1 and self._company.pays else 0.0

    def begin(self, *rounds: Sequence[Frame]) -> Batch:
        """Hand over rounds of at most one frame per source; waits while too many calls are under way."""
        made = Batch(rounds)
        frames = made.frames
        due = [i for i, frame in enumerate(frames) if self._due(frame.info)]
        for places in self._calls(frames, due):
            with self._change:
                while self._free <= 0:
                    self._change.wait()
                self._free -= 1
            work = self._pool.submit(self._detect, [frames[i] for i in places])
            made.add(places, work)
            work.add_done_callback(self._over)
        return made

    def _calls(self, frames: Sequence[Frame], due: Sequence[int]) -> list[Sequence[int]]:
        if self.batched is None or not due:
            return [due[start : start + self._size] for start in range(0, len(due), self._size)]
        calls = self.batched.calls([frames[i] for i in due])
        return [[due[i] for i in places] for places in calls]

    def _due(self, info: FrameInfo) -> bool:
        """By the number that the source gave the frame: frames that were dropped or passed over on the way count, too."""
        last = self._last.get(info.source.name)
        if last is not None and 0 < info.number - last < self._every:
            return False
        self._last[info.source.name] = info.number
        return True

    def _detect(self, frames: list[Frame]) -> _Work:
        work = self._looked_at(frames)
        if self._size > 1 and not work.lost:
            self._company.note(len(frames), work.seconds)
        return work

    def _over(self, work: Future[_Work]) -> None:
        """A call is over, and who waits for it may go on: take up the next, or tell whoever waits that there is room."""
        if work.cancelled():
            return
        with self._change:
            self.busy += 0.0 if work.exception() else work.result().seconds / self._threads
            self._free += 1
        if self._freed is not None:
            self._freed()
        with self._change:
            if self._free > 0:
                self._change.notify_all()

    def _looked_at(self, frames: list[Frame]) -> _Work:
        """While the detector is away, frames of live sources are given up, and those of files are tried again and again; these too
        are given up when no more are wanted."""
        found: list[Detections | None] = [None] * len(frames)
        left = list(range(len(frames)))
        lost: set[int] = set()
        seconds = 0.0
        while left:
            begin = time.perf_counter()
            try:
                results = self._detector.detect([frames[i] for i in left])
            except DetectorAway as error:
                live = [i for i in left if frames[i].info.source.live]
                left = [i for i in left if not frames[i].info.source.live]
                self.away.begin(str(error), [frames[i] for i in live], waiting=bool(left))
                lost.update(live)
                if left:
                    self.away.wait(error.retry)
                if self.away.over:
                    lost.update(left)
                    break
                continue
            seconds += time.perf_counter() - begin
            self.away.end()
            for i, result in zip(left, results):
                found[i] = result
            break
        return _Work(found, seconds, frozenset(lost))

    @property
    def close(self) -> Callable[[], None]:
        """End the threads; frames that still wait for one are given up. Holds nothing but them: a run that nobody holds any more is
        let go of, though this is still to be called."""
        return partial(self._pool.shutdown, cancel_futures=True)


def depths(detector: BatchDetector | None, sources: int) -> dict[str, int]:
    """Frames of a source that may wait. Where many are taken at a time: of files twice those of a batch; of a live one, for a GPU,
    those of about 0.4 s, else as the detector says (``live_depth``)."""
    if detector is None:
        return {}
    live = int(getattr(detector, "live_depth", 12))
    return {"depth": max(16, 2 * -(-detector.most // max(1, sources))), "live_depth": live}
