"""Frames go to the detector several at a time and come back in order."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np
import pytest

from countline import detect, video
from countline.config import DetectorConfig, SourceConfig
from countline.demo import clip_path
from countline.errors import DetectorError
from countline.pipeline.inference import Company, Inference
from countline.types import Detections, Frame


@pytest.fixture(scope="module")
def frames() -> list[Frame]:
    source = video.open_source(SourceConfig(name="street", uri=str(clip_path())), 0)
    return [frame for frame, _ in zip(source, range(12))]


class Meeting:
    """A detector whose calls end only when as many are under way as it allows."""

    labels = ("person",)

    def __init__(self, parallel: int) -> None:
        self.parallel = parallel
        self.most = 0
        self.threads: set[int] = set()
        self.sizes: list[int] = []
        self._now = 0
        self._lock = threading.Lock()
        self._barrier = threading.Barrier(parallel, timeout=30)

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
            self.threads.add(threading.get_ident())
            self.sizes.append(len(frames))
        self._barrier.wait()
        with self._lock:
            self._now -= 1
        return [Detections(np.array([[0, 0, f.info.number + 1, 1]]), np.ones(1), np.zeros(1)) for f in frames]

    def close(self) -> None:
        pass


def numbers(found: Sequence[Detections | None]) -> list[int | None]:
    return [None if d is None else int(d.xyxy[0, 2]) - 1 for d in found]


@pytest.mark.parametrize("parallel", [1, 3])
def test_as_many_calls_at_once_as_the_detector_allows_and_results_in_order(frames: list[Frame], parallel: int) -> None:
    detector = Meeting(parallel)
    inference = Inference(detector, batch=1, every=1, ahead=1)
    rounds = []
    for frame in frames:
        inference.ready()
        rounds.append(inference.begin([frame]))
    found = [numbers(r.wait()[0]) for r in rounds]
    inference.close()
    assert found == [[f.info.number] for f in frames]
    assert detector.most == parallel
    assert len(detector.threads) == parallel


def test_one_thread_gets_batches_and_skipped_frames_get_none(frames: list[Frame]) -> None:
    detector = Meeting(1)
    inference = Inference(detector, batch=2, every=1, ahead=0)
    assert numbers(inference.begin(frames[:5]).wait()[0]) == [0, 1, 2, 3, 4]
    assert detector.sizes == [2, 2, 1]
    inference.close()
    inference = Inference(detector, batch=2, every=3, ahead=0)
    found = [numbers(inference.begin([f]).wait()[0]) for f in frames[:7]]
    inference.close()
    assert found == [[0], [None], [None], [3], [None], [None], [6]]


def test_what_the_detector_raises_comes_out_where_its_result_is_asked_for(frames: list[Frame]) -> None:
    def broken(images: list[object]) -> list[Detections]:
        raise ValueError("no")

    inference = Inference(detect.wrap(broken), batch=1, every=1, ahead=0)
    made = inference.begin(frames[:1])
    with pytest.raises(DetectorError, match="ValueError: no"):
        made.wait()
    inference.ready()  # the thread is free again
    inference.close()


@pytest.mark.parametrize("runtime", ["onnxruntime", "auto"])
def test_frames_in_inference_side_by_side_give_what_they_give_alone(frames: list[Frame], runtime: str) -> None:
    detector = detect.make(DetectorConfig(runtime=runtime, threads=3))  # type: ignore[arg-type]
    assert detector.parallel == 3
    alone = [detector.detect([frame])[0] for frame in frames]
    inference = Inference(detector, batch=1, every=1, ahead=1)
    rounds = [inference.begin([frame]) for frame in frames]
    for made, expected in zip(rounds, alone):
        (found,), _ = made.wait()
        assert found is not None
        np.testing.assert_array_equal(found.xyxy, expected.xyxy)
        np.testing.assert_array_equal(found.confidence, expected.confidence)
        np.testing.assert_array_equal(found.class_id, expected.class_id)
    assert sum(map(len, alone)) > 0
    inference.close()
    detector.close()


@pytest.mark.parametrize(("batch", "gathers"), [(4, True), (1, False)])
def test_room_is_told_and_company_is_waited_for_where_the_detector_takes_several(
    frames: list[Frame], batch: int, gathers: bool
) -> None:
    inference = Inference(Meeting(1), batch=batch, every=1, ahead=0)
    assert inference.ready() == batch
    assert (inference.gather > 0) is gathers, "as long as nobody knows whether it is faster"
    inference.begin(frames[:4]).wait()
    assert inference.busy > 0
    inference.close()


def test_company_is_waited_for_no_longer_where_it_was_seen_to_gain_nothing() -> None:
    company = Company()
    for _ in range(10):
        company.note(1, 0.022)
        company.note(4, 0.082)
    assert not company.pays
    for _ in range(40):
        company.note(4, 0.040)
    assert company.pays
