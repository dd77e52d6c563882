"""Bounded queues between the readers (one thread per source) and the detector thread.

Bounded, with a policy per source: a file's reader waits for room, so every frame is processed; a live source's newest
frame replaces the one that was waiting, takes its place in the row, and the loss is counted.
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
    live_depth: frames of a live source that may wait; of more the oldest are dropped.
    """

    def __init__(self, live: Sequence[bool], *, depth: int = 8, live_depth: int = 1) -> None:
        self._live = list(live)
        self._depth = depth
        self._live_depth = live_depth
        self._queues: list[deque[Frame]] = [deque() for _ in live]
        self._open = [True] * len(live)
        self._row: dict[int, None] = {}
        """Sources of which frames wait, by who has waited longest."""
        self._stopped = self._over = False
        lock = threading.RLock()
        self._change = threading.Condition(lock)
        """What whoever takes frames waits for."""
        self._room = threading.Condition(lock)
        """What readers of files wait for."""
        self._most: int | None = None
        """Frames for which :meth:`take_rounds` waits."""
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
            self._row.pop(source, None)
            self._wake()
            return waiting

    def put(self, source: int, frame: Frame, stats: SourceStats) -> bool:
        """Hand over a frame; False when the run is stopping and the reader should end."""
        with self._change:
            queue = self._queues[source]
            if self._live[source]:
                while len(queue) >= self._live_depth:
                    queue.popleft()
                    stats.dropped += 1
            else:
                while len(queue) >= self._depth and self._open[source]:
                    self._room.wait(0.5)
            if not self._open[source]:
                return False
            frame.arrived = time.monotonic()
            queue.append(frame)
            self._row.setdefault(source)
            if self._worth_waking(queue):
                self._change.notify_all()
            return True

    def _worth_waking(self, queue: deque[Frame]) -> bool:
        """Whether a frame that has just come is one that is waited for. With thousands a second, most are not: waking a thread to
        look costs more than all else that is done here."""
        if self._most is None:
            return True
        if self._lockstep:
            return len(queue) >= self._rounds(self._most)
        total = sum(map(len, self._queues))
        # Of the first one it is noted since when it waits.
        return total == 1 or total >= self._most or self._full()

    def _wake(self) -> None:
        self._change.notify_all()
        self._room.notify_all()

    def end(self, source: int) -> None:
        """The source has no more frames."""
        with self._change:
            self._open[source] = False
            self._wake()

    def stop(self) -> None:
        """No more frames are taken in; what waits is still handed out."""
        with self._change:
            self._stopped = True
            self._open = [False] * len(self._open)
            self._wake()

    def wait(self) -> bool:
        """Wait until there is something to take; False: all is over. Whoever else takes may have it before."""
        with self._change:
            while not self._ready():
                if not any(self._open) and not any(self._queues):
                    self._over = True
                    return False
                self._change.wait(0.5)
            return True

    def take(self, most: int | None = None, gather: float = 0.0, *, wait: bool = True) -> list[Frame]:
        """The next round: at most one frame per source, in the order of the sources; waits for it, unless told not to. Empty: all is
        over, or nothing is there that need not be waited for.

        Where a source is live, at most ``most`` frames, of those sources that have waited longest: the others' frames may
        still be replaced by newer ones. And it is waited ``gather`` seconds for so many. Where all are files every round is
        whole."""
        with self._change:
            chosen: list[int] = []
            while not chosen:  # a source whose frame was waited with may be closed meanwhile
                if not (self.wait() if wait else self._ready()):
                    return []
                if most is not None and gather > 0 and not self._lockstep:
                    self._gather(most, gather)
                chosen = sorted(list(self._row)[: None if self._lockstep else most])
            frames = [self._queues[source].popleft() for source in chosen]
            for source in chosen:
                del self._row[source]
                if self._queues[source]:
                    self._row[source] = None
            self._room.notify_all()
            return frames

    def take_rounds(self, most: int, patience: float) -> list[list[Frame]]:
        """Several rounds at once, ``most`` frames at the most unless one round of files has more. Of files alone always as many
        rounds as fit, so that batches are the same on every run; else what is there when ``most`` have come, or when the first has
        waited for ``patience`` s, and the last round is of those sources that have waited longest. Empty: all is over."""
        with self._change:
            self._most = most
            while not self._enough(most, patience):
                if not any(self._open) and not any(self._queues):
                    self._over = True
                    return []
                self._change.wait(0.5 if self._lockstep else max(self._time_left(patience), 0.001))
            rounds = [self._round()] if self._lockstep else [self._longest(most)]
            total = len(rounds[0])
            for _ in range(1, self._rounds(most) if self._lockstep else most):
                following = sum(1 for queue in self._queues if queue)
                if not following or total >= most or (self._lockstep and total + following > most):
                    break
                rounds.append(self._round() if total + following <= most else self._longest(most - total))
                total += len(rounds[-1])
            self._row = {source: None for source, queue in enumerate(self._queues) if queue}
            self._room.notify_all()
            return rounds

    def _round(self) -> list[Frame]:
        return [queue.popleft() for queue in self._queues if queue]

    def _longest(self, most: int) -> list[Frame]:
        """A frame of each source, or of ``most`` of those whose frames have waited longest: a batch that is not filled costs
        as much as one that is."""
        waiting = [queue for queue in self._queues if queue]
        if len(waiting) > most:
            chosen = sorted(range(len(waiting)), key=lambda at: waiting[at][0].arrived)[:most]
            waiting = [waiting[at] for at in sorted(chosen)]
        return [queue.popleft() for queue in waiting]

    def _rounds(self, most: int) -> int:
        """Rounds of files that are taken at once: half of what may wait, so that readers go on meanwhile."""
        return max(1, min(self._depth // 2, most // max(1, sum(self._open))))

    def _enough(self, most: int, patience: float) -> bool:
        if self._lockstep:
            least = self._rounds(most)
            queues = zip(self._queues, self._open)
            return any(self._queues) and all(len(queue) >= least or not is_open for queue, is_open in queues)
        if sum(map(len, self._queues)) >= most or self._full():
            return True
        return any(self._queues) and (not any(self._open) or self._time_left(patience) <= 0)

    def _full(self) -> bool:
        """One frame of each source is all that may wait, and all are there: nobody else's company can come."""
        present = all(queue or not is_open for queue, is_open in zip(self._queues, self._open))
        return self._live_depth == 1 and any(self._queues) and present

    def _time_left(self, patience: float) -> float:
        """Until the frame that has waited longest has done so for ``patience`` s; at most half a second."""
        oldest = min((queue[0].arrived for queue in self._queues if queue), default=None)
        return 0.5 if oldest is None else min(0.5, oldest + patience - time.monotonic())

    def _gather(self, most: int, seconds: float) -> None:
        until = time.monotonic() + seconds
        while len(self._row) < min(most, sum(self._open)) and (left := until - time.monotonic()) > 0:
            self._change.wait(left)

    def _ready(self) -> bool:
        if self._lockstep:
            return any(self._queues) and all(queue or not is_open for queue, is_open in zip(self._queues, self._open))
        return any(self._queues)

    def depth(self) -> int:
        """Frames waiting now."""
        return sum(map(len, self._queues))
