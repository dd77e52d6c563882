"""Frames go from the buffer to the threads of the detector, and their batches stand in the order in which they were taken."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from countline.pipeline.dispatch import Dispatcher
from countline.pipeline.frame_buffer import FrameBuffer
from countline.pipeline.inference import Batch, Inference
from countline.protocols import SourceStats
from countline.types import Detections, Frame, FrameInfo, SourceInfo
from countline.video import ArrayPicture

PICTURE = ArrayPicture(np.zeros((4, 4, 3), np.uint8))


def frame(source: int, number: int = 0) -> Frame:
    return Frame(FrameInfo(SourceInfo(f"c{source}", source, live=True), number, 0, 0, 4, 4), PICTURE)


class Gated:
    """Each call ends when it is let go of, and then a new one may have begun."""

    labels = ("person",)

    def __init__(self, parallel: int, gate: threading.Semaphore) -> None:
        self.parallel, self.gate = parallel, gate
        self.begun = 0
        self._lock = threading.Lock()

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        with self._lock:
            self.begun += 1
        assert self.gate.acquire(timeout=30)
        return [Detections.empty() for _ in frames]

    def close(self) -> None:
        pass


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not condition() and time.monotonic() < end:
        time.sleep(0.001)
    assert condition()


class Setup:
    """A buffer, a detector of two threads, and what stands between them; ``by``: who took each batch."""

    def __init__(self, detector: Gated, sources: int, *, ahead: int = 0, size: int = 0) -> None:
        self.frames = FrameBuffer([True] * sources)
        self.stats = [SourceStats() for _ in range(sources)]
        self.inference = Inference(detector, batch=1, every=1, ahead=ahead)
        self.row: queue.Queue[Batch | None] = queue.Queue(size)
        self.by: list[str] = []
        self.failed = threading.Event()
        self.errors: list[BaseException] = []
        self.dispatcher = Dispatcher(
            self.frames,
            self.inference,
            self.row,
            begun=lambda batch: self.by.append(threading.current_thread().name),
            failed=self.failed.is_set,
            guard=self._guard,
        )
        self.thread = threading.Thread(target=self.dispatcher.run, name="waiting", daemon=True)

    def _guard(self, work: Callable[[], object]) -> None:
        try:
            work()
        except Exception as error:
            self.errors.append(error)

    def put(self, source: int, number: int = 0) -> None:
        self.frames.put(source, frame(source, number), self.stats[source])

    def waits_for_room(self) -> bool:
        """Whether the thread that waits for frames has given all that the detector takes now, and sleeps."""
        return bool(self.inference._change._waiters)  # type: ignore[attr-defined]

    def end(self) -> list[list[str]]:
        """What stands in the row, when all is over."""
        self.frames.stop()
        self.thread.join(30)
        assert not self.thread.is_alive()
        self.inference.close()
        assert not self.errors
        rows: list[list[str]] = []
        while (batch := self.row.get(timeout=30)) is not None:
            batch.wait()
            rows.append([f"{f.info.source.name}/{f.info.number}" for f in batch.frames])
        return rows


def test_a_thread_of_the_detector_that_is_done_takes_the_next_frame_itself() -> None:
    gate = threading.Semaphore(0)
    detector = Gated(2, gate)
    setup = Setup(detector, 12)
    for source in range(12):
        setup.put(source)
    setup.thread.start()
    until(setup.waits_for_room)  # until then, it may see for itself that a thread has become free
    for done in range(11):
        until(lambda done=done: detector.begun == done + 2)  # type: ignore[misc]
        gate.release()
        if detector.begun < 12:
            until(lambda done=done: detector.begun >= min(done + 3, 12))  # type: ignore[misc]
    gate.release()
    rows = setup.end()
    assert [name for row in rows for name in row] == [f"c{n}/0" for n in range(12)], "who has waited longest is next"
    assert setup.by[0] == "waiting"
    assert all(name.startswith("countline-detect") for name in setup.by[1:]), "nobody else had to be woken"


def test_frames_that_come_to_an_idle_detector_are_not_left_waiting() -> None:
    gate = threading.Semaphore(1000)
    detector = Gated(2, gate)
    setup = Setup(detector, 2)
    setup.thread.start()
    for number in range(100):
        setup.put(number % 2, number // 2)
        until(lambda number=number: detector.begun == number + 1)  # type: ignore[misc]
    assert sorted(name for row in setup.end() for name in row) == sorted(f"c{n % 2}/{n // 2}" for n in range(100))


@pytest.mark.parametrize("ahead", [0, 1])
def test_frames_of_a_source_keep_their_order_and_none_is_lost_while_whoever_waits_for_them_is_slow(ahead: int) -> None:
    gate = threading.Semaphore(10_000)
    setup = Setup(Gated(3, gate), 5, ahead=ahead, size=4)
    setup.thread.start()
    taken: list[str] = []

    def slow() -> None:
        while (batch := setup.row.get()) is not None:
            batch.wait()
            taken.extend(f"{f.info.source.name}/{f.info.number}" for f in batch.frames)
            time.sleep(0.0005)
        setup.row.put(None)

    worker = threading.Thread(target=slow, daemon=True)
    worker.start()
    for number in range(200):
        for source in range(5):
            setup.put(source, number)
    setup.frames.stop()
    worker.join(60)
    assert not worker.is_alive()
    setup.end()
    assert len(taken) + sum(s.dropped for s in setup.stats) == 1000
    for source in range(5):
        numbers = [int(name.partition("/")[2]) for name in taken if name.startswith(f"c{source}/")]
        assert numbers == sorted(set(numbers))
        assert numbers[-1] == 199, "the newest is looked at, whatever was dropped before"


def test_once_the_run_has_failed_nothing_more_is_begun() -> None:
    gate = threading.Semaphore(0)
    detector = Gated(2, gate)
    setup = Setup(detector, 6)
    for source in range(6):
        setup.put(source)
    setup.thread.start()
    until(lambda: detector.begun == 2)
    setup.failed.set()
    gate.release(2)
    assert len(setup.end()) <= 2
    assert detector.begun == 2
