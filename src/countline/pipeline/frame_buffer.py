"""Bounded queues between the readers (one thread per source) and the detector thread.

Bounded, with a policy per source: a file's reader waits for room, so every frame is processed; a live source's newest
frame replaces the one that was waiting, and the loss is counted.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence

from countline.protocols import SourceStats
from countline.types import Frame

__all__ = ["FrameBuffer"]


class FrameBuffer:
    """Frames waiting for the detector.

    Parameters
    ----------
    live: for each source, whether its newest frame wins.
    depth: frames of a file that may wait.
    """

    def __init__(self, live: Sequence[bool], *, depth: int = 8) -> None:
        self._live = list(live)
        self._depth = depth
        self._queues: list[deque[Frame]] = [deque() for _ in live]
        self._open = [True] * len(live)
        self._stopped = self._over = False
        self._change = threading.Condition()
        # Files alone: every round takes exactly one frame of each source that still has some, so that batches, and with
        # them the last bits of the detector's floats, are the same on every run.
        self._waits = [False] * len(live)
        self._lockstep = not any(live)

    def add(self, live: bool, waits: bool = False) -> int:
        """Another source: its number. ``waits``: for what is still to be recorded, and others do not wait for it. Once all is over
        it is closed from the beginning."""
        with self._change:
            self._live.append(live)
            self._waits.append(waits)
            self._queues.append(deque())
            self._open.append(not self._stopped and not self._over)
            self._lockstep = not any((a or b) and is_open for a, b, is_open in zip(self._live, self._waits, self._open))
            return len(self._live) - 1

    def close(self, source: int) -> int:
        """No more frames of a source are taken in or handed out: how many were waiting."""
        with self._change:
            self._open[source] = False
            waiting = len(self._queues[source])
            self._queues[source].clear()
            self._change.notify_all()
            return waiting

    def put(self, source: int, frame: Frame, stats: SourceStats) -> bool:
        """Hand over a frame; False when the run is stopping and the reader should end."""
        with self._change:
            queue = self._queues[source]
            if self._live[source]:
                while queue:
                    queue.popleft()
                    stats.dropped += 1
            else:
                while len(queue) >= self._depth and self._open[source]:
                    self._change.wait(0.5)
            if not self._open[source]:
                return False
            frame.arrived = time.monotonic()
            queue.append(frame)
            self._change.notify_all()
            return True

    def end(self, source: int) -> None:
        """The source has no more frames."""
        with self._change:
            self._open[source] = False
            self._change.notify_all()

    def stop(self) -> None:
        """No more frames are taken in; what waits is still handed out."""
        with self._change:
            self._stopped = True
            self._open = [False] * len(self._open)
            self._change.notify_all()

    def take(self) -> list[Frame]:
        """The next round: at most one frame per source, in the order of the sources; waits for it. Empty: all is over."""
        with self._change:
            while not self._ready():
                if not any(self._open) and not any(self._queues):
                    self._over = True
                    return []
                self._change.wait(0.5)
            frames = [queue.popleft() for queue in self._queues if queue]
            self._change.notify_all()
            return frames

    def _ready(self) -> bool:
        if self._lockstep:
            return any(self._queues) and all(queue or not is_open for queue, is_open in zip(self._queues, self._open))
        return any(self._queues)

    def depth(self) -> int:
        """Frames waiting now."""
        return sum(map(len, self._queues))
