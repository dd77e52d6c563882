"""Sources of one worker share one detector: all are served in turn, and together where that is faster."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import pytest

from countline import detect, video
from countline.commands.shared_detector import SharedDetector
from countline.config import DetectorConfig, SourceConfig
from countline.demo import clip_path
from countline.errors import DetectorAway, DetectorError
from countline.protocols import BatchDetector, ParallelDetector
from countline.types import Detections, Frame


@pytest.fixture(scope="module")
def frames() -> list[Frame]:
    source = video.open_source(SourceConfig(name="street", uri=str(clip_path())), 0)
    return [frame for frame, _ in zip(source, range(8))]


class Held:
    """A detector whose first call does not end before it is let go of."""

    labels = ("person",)

    def __init__(self, parallel: int = 1, wrong: int = -1, error: Exception | None = None) -> None:
        self.parallel = parallel
        self.let_go = threading.Event()
        self.seen: list[list[int]] = []
        self._wrong, self._error = wrong, error

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        numbers = [f.info.number for f in frames]
        self.seen.append(numbers)
        assert self.let_go.wait(30)
        if self._error is not None and self._wrong in numbers:
            raise self._error
        return [Detections(np.array([[0, 0, n + 1, 1]]), np.ones(1), np.zeros(1)) for n in numbers]

    def close(self) -> None:
        pass


def ask(
    pool: ThreadPoolExecutor, shared: SharedDetector, held: Held, frames: Sequence[Frame]
) -> list[Future[list[Detections]]]:
    """A call for each frame, in their order, from a thread each; all are being answered or wait."""
    calls = []
    for number, frame in enumerate(frames):
        calls.append(pool.submit(shared.detect, [frame]))
        wait(lambda: len(held.seen) + shared.waiting > number)  # noqa: B023 - called at once
        assert len(held.seen) + shared.waiting == number + 1
    return calls


def asked(shared: SharedDetector, held: Held, frames: Sequence[Frame]) -> list[Future[list[Detections]]]:
    """A call for each frame; all but the first wait when the detector is let go of."""
    with ThreadPoolExecutor(len(frames)) as pool:
        calls = ask(pool, shared, held, frames)
        held.let_go.set()
    return calls


def wait(what: Callable[[], bool]) -> None:
    until = time.monotonic() + 30
    while not what() and time.monotonic() < until:
        time.sleep(0.001)


def number(call: Future[list[Detections]]) -> int:
    (found,) = call.result(0)
    return int(found.xyxy[0, 2]) - 1


def test_frames_of_several_sources_that_are_due_go_to_the_detector_together(frames: list[Frame]) -> None:
    held = Held()
    calls = asked(SharedDetector(held, batch=3), held, frames[:6])
    assert held.seen == [[0], [1, 2, 3], [4, 5]]
    assert [number(call) for call in calls] == list(range(6)), "and everybody gets what is their own"


def test_a_detector_that_says_how_many_it_wants_gets_no_more(frames: list[Frame]) -> None:
    class Many(Held):
        most, patience = 5, 0.0

        def calls(self, frames: Sequence[Frame]) -> list[Sequence[int]]:
            return [range(len(frames))]

    held = Many()
    assert isinstance(held, BatchDetector)
    calls = asked(SharedDetector(held), held, frames[:7])
    assert held.seen == [[0], [1, 2, 3, 4, 5], [6]]
    assert [number(call) for call in calls] == list(range(7))


def test_a_detector_of_which_each_thread_wants_one_frame_gets_one_at_a_time_in_turn(frames: list[Frame]) -> None:
    class OneByOne(Held):
        """Answers one call for each turn."""

        turns = threading.Semaphore(0)

        def detect(self, frames: Sequence[Frame]) -> list[Detections]:
            self.seen.append([f.info.number for f in frames])
            assert self.turns.acquire(timeout=30)
            return [Detections(np.array([[0, 0, f.info.number + 1, 1]]), np.ones(1), np.zeros(1)) for f in frames]

    held = OneByOne(parallel=2)
    shared = SharedDetector(held)
    assert isinstance(shared, ParallelDetector)
    assert shared.parallel == 2
    with ThreadPoolExecutor(6) as pool:
        calls = ask(pool, shared, held, frames[:6])
        assert sorted(held.seen) == [[0], [1]]
        for following in range(2, 6):
            held.turns.release()
            wait(lambda: len(held.seen) > following)  # noqa: B023 - called at once
            assert held.seen[following:] == [[following]], "who has waited longest is next"
        held.turns.release(2)
    assert [number(call) for call in calls] == list(range(6))


def test_a_frame_that_fails_fails_its_own_source_alone(frames: list[Frame]) -> None:
    held = Held(wrong=2, error=DetectorError("misread", where="frame 2"))
    calls = asked(SharedDetector(held), held, frames[:4])
    assert held.seen == [[0], [1, 2, 3], [1], [2], [3]]
    with pytest.raises(DetectorError, match="misread"):
        calls[2].result(0)
    assert [number(calls[n]) for n in (0, 1, 3)] == [0, 1, 3]


def test_that_it_is_away_is_told_to_all_who_asked_and_it_serves_the_next(frames: list[Frame]) -> None:
    held = Held(wrong=2, error=DetectorAway("no answer", where="server", retry=0.1))
    shared = SharedDetector(held)
    calls = asked(shared, held, frames[:4])
    assert held.seen == [[0], [1, 2, 3]]
    for call in calls[1:]:
        with pytest.raises(DetectorAway):
            call.result(0)
    (found,) = shared.detect([frames[5]])
    assert int(found.xyxy[0, 2]) == 6


@pytest.fixture(scope="module")
def detector() -> Iterator[detect.OnnxDetector]:
    made = detect.make(DetectorConfig(runtime="onnxruntime", classes=["person"]))
    yield made
    made.close()


def test_what_is_found_does_not_depend_on_who_asks_beside(frames: list[Frame], detector: detect.OnnxDetector) -> None:
    alone = [detector.detect([frame])[0] for frame in frames]
    shared = SharedDetector(detector)
    with ThreadPoolExecutor(len(frames)) as pool:
        found = list(pool.map(lambda frame: shared.detect([frame])[0], frames))
    for a, b in zip(alone, found):
        np.testing.assert_allclose(a.xyxy, b.xyxy, atol=1e-3)
        np.testing.assert_array_equal(a.class_id, b.class_id)
