"""One detector for the sources of a worker, each of which is a run of its own."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from typing import Any

from countline.errors import DetectorAway
from countline.protocols import BatchDetector, Detector, ParallelDetector
from countline.types import Detections, Frame

__all__ = ["SharedDetector"]

_BATCH = 4
"""Frames of a call, as of one run with several sources."""


class _Call:
    """What one run asks for."""

    def __init__(self, frames: Sequence[Frame]) -> None:
        self.frames = frames
        self.found: list[Detections] | None = None
        self.error: BaseException | None = None
        self.told = threading.Event()
        """It is answered, or the thread that asked is to make the next call."""


class SharedDetector:
    """One detector for several runs, which it outlives. It takes as many calls at once as it says, in the order in which they came; where
    it is best given several frames at once, those that came while it was at work are given together, whosever they are.

    Parameters
    ----------
    inner: the detector.
    batch: most frames of a call, of one that does not say that itself and is called from one thread; 0: the usual.
    """

    def __init__(self, inner: Detector, batch: int = 0) -> None:
        self.inner, self.labels = inner, inner.labels
        self._free = max(1, int(inner.parallel)) if isinstance(inner, ParallelDetector) else 1
        self._most = (batch or _BATCH) if self._free == 1 else 1
        if isinstance(inner, BatchDetector):
            self._most = inner.most
        self._waiting: deque[_Call] = deque()
        """Calls that came while no more could be made."""
        self._lock = threading.Lock()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)  # what a detector may offer besides

    @property
    def waiting(self) -> int:
        """Calls that wait for others to end."""
        return len(self._waiting)

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """As the detector. From any thread."""
        call = _Call(frames)
        with self._lock:
            if leads := self._free > 0:
                self._free -= 1
            else:
                self._waiting.append(call)
        if not leads:
            call.told.wait()
        if call.found is None and call.error is None:
            self._lead(call)
        if call.error is not None:
            raise call.error
        assert call.found is not None
        return call.found

    def close(self) -> None:
        """Nothing: whoever made the detector closes it."""

    def _lead(self, own: _Call) -> None:
        """Make a call, with what waits and has room in it; then it is the turn of who has waited longest."""
        together = [own]
        with self._lock:
            size = len(own.frames)
            while self._waiting and size + len(self._waiting[0].frames) <= self._most:
                together.append(self._waiting.popleft())
                size += len(together[-1].frames)
        try:
            self._answer(together)
        finally:
            with self._lock:
                following = self._waiting.popleft() if self._waiting else None
                self._free += following is None
            for call in (*together[1:], *([] if following is None else [following])):
                call.told.set()

    def _answer(self, calls: Sequence[_Call]) -> None:
        try:
            found = self.inner.detect([frame for call in calls for frame in call.frames])
        except BaseException as error:
            if len(calls) > 1 and not isinstance(error, DetectorAway):
                for call in calls:  # whose frame it was, has the fault
                    self._answer([call])
                return
            for call in calls:
                call.error = error
            return
        at = 0
        for call in calls:
            call.found = found[at : at + len(call.frames)]
            at += len(call.frames)
