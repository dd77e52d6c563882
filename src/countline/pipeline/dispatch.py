"""From the frame buffer to the detector's threads, and to whoever waits for what they find: in the order in which frames were taken.

A thread of the detector that is done takes up the next frames itself. Were another thread woken to give them to it, the processor would
do without either until the interpreter has come round to both: with many cameras milliseconds, at every frame.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

from countline.pipeline.frame_buffer import FrameBuffer
from countline.pipeline.inference import Batch, Inference
from countline.types import Frame

__all__ = ["Dispatcher"]


class Dispatcher:
    """Takes frames as there is room for them, and puts each batch in the row.

    Parameters
    ----------
    frames: where they wait.
    inference: the detector at work.
    row: gets the batches, and None when all is over.
    begun: told of each batch when the detector has it.
    failed: whether the run cannot go on.
    guard: calls what it is given on a thread that is not this one's, and sees to what is raised there.
    """

    def __init__(
        self,
        frames: FrameBuffer,
        inference: Inference,
        row: queue.Queue[Batch | None],
        *,
        begun: Callable[[Batch], None],
        failed: Callable[[], bool],
        guard: Callable[[Callable[[], object]], None],
    ) -> None:
        self._frames, self._inference, self._row = frames, inference, row
        self._batched = inference.batched
        self._begun, self._failed, self._guard = begun, failed, guard
        self._taking = threading.Lock()
        """Held from when frames are taken until their batch stands in the row."""
        if self._batched is None:  # else it may have to be waited for frames
            inference.when_free(self._freed)

    def run(self) -> None:
        """On the thread that waits for frames, until all is over or the run has failed."""
        while self._inference.ready() and (self._batched is not None or self._frames.wait()):
            with self._taking:
                if not self._take():
                    break
        with self._taking:
            self._row.put(None)

    def _freed(self) -> None:
        """On a thread of the detector that is done with a call. If others are at it, these see to it, or :meth:`run` does."""
        if self._taking.acquire(blocking=False):
            try:
                self._guard(self._take)
            finally:
                self._taking.release()

    def _take(self) -> bool:
        """Begin with what waits, as far as there is room. False: no more is wanted, or will come."""
        while room := self._inference.room():
            if self._failed():
                return False
            rounds = self._next(room)
            if not rounds:
                return self._batched is None
            batch = self._inference.begin(*rounds)
            self._begun(batch)
            self._row.put(batch)
        return True

    def _next(self, room: int) -> list[list[Frame]]:
        if self._batched is not None:
            return self._frames.take_rounds(self._batched.most, self._batched.patience)
        frames = self._frames.take(room, self._inference.gather, wait=False)
        return [frames] if frames else []
