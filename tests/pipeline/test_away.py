"""A detector of one's own that cannot be reached for a while: files wait, of cameras what is dropped is counted."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import countline as cl
from countline.errors import DetectorAway
from countline.pipeline.away import Away
from countline.pipeline.inference import Inference
from countline.source_status import SourceStats
from countline.types import Detections, Frame, FrameInfo, SourceInfo
from countline.video import ArrayPicture

PICTURE = ArrayPicture(np.zeros((4, 4, 3), np.uint8))


class Coming:
    """A detector that is away at some of its calls."""

    labels = ("person",)

    def __init__(self, away: Sequence[bool]) -> None:
        self._away = list(away)
        self.seen: list[tuple[str, int]] = []

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        if self._away and self._away.pop(0):
            raise DetectorAway("out for lunch", retry=0.0)
        self.seen += [(f.info.source.name, f.info.number) for f in frames]
        return [Detections.empty() for _ in frames]

    def close(self) -> None:
        pass


def frame(name: str, number: int, live: bool) -> Frame:
    return Frame(FrameInfo(SourceInfo(name, live=live), number, number, 0, 4, 4), PICTURE)


@given(
    st.lists(st.booleans(), max_size=12), st.lists(st.sampled_from(["file", "live", "both"]), min_size=1, max_size=6)
)
def test_every_frame_of_a_file_is_looked_at_and_every_other_one_is_or_is_counted(
    away: list[bool], rounds: list[str]
) -> None:
    detector, stats = Coming(away), {"live": SourceStats(), "file": SourceStats()}
    watch = Away(stats.get, threading.Event())
    inference = Inference(detector, batch=4, every=1, ahead=1, away=watch)
    through: list[tuple[str, int]] = []
    given_frames: list[tuple[str, int]] = []
    for number, kind in enumerate(rounds):
        names = ["file", "live"] if kind == "both" else [kind]
        given_frames += [(name, number) for name in names]
        batch = inference.begin([frame(name, number, name == "live") for name in names])
        found, _ = batch.wait()
        assert not batch.given_up()
        for frames, detections in batch.by_round(found):
            assert all(d is not None for d in detections)
            through += [(f.info.source.name, f.info.number) for f in frames]
    inference.close()
    assert through == sorted(detector.seen, key=given_frames.index)
    assert [item for item in through if item[0] == "file"] == [item for item in given_frames if item[0] == "file"]
    assert stats["live"].undetected == sum(item[0] == "live" for item in given_frames) - sum(
        item[0] == "live" for item in through
    )
    assert not stats["file"].undetected
    assert bool(stats["live"].blind) == bool(watch.text and stats["live"].undetected)


def test_frames_of_a_file_are_given_up_when_nobody_waits_for_them() -> None:
    stopping = threading.Event()
    watch = Away(lambda _: None, stopping)
    inference = Inference(Coming([True] * 1_000_000), batch=4, every=1, ahead=1, away=watch)
    batch = inference.begin([frame("file", 0, False), frame("live", 0, True)])
    threading.Timer(0.05, stopping.set).start()
    found, _ = batch.wait()
    assert batch.given_up() == {"file"}
    assert list(batch.by_round(found)) == [([], [])]
    inference.close()


def test_a_function_that_says_it_is_away_is_called_again(clip: Path) -> None:
    calls: list[int] = []

    def detector(images: list[np.ndarray]) -> list[Detections]:
        calls.append(len(images))
        if 3 < len(calls) < 8:
            raise DetectorAway("the model is loaded anew", retry=0.01)
        return [Detections.empty() for _ in images]

    summary = cl.run({"sources": [{"name": "street", "uri": str(clip)}], "outbox": "memory"}, detector=detector)
    assert summary.exit_code == 0
    assert summary.frames == 300
    assert sum(calls) == 300 + 4


def test_a_run_that_is_stopped_while_its_detector_is_away_is_over(clip: Path, caplog: pytest.LogCaptureFixture) -> None:
    def detector(images: list[np.ndarray]) -> list[Detections]:
        raise DetectorAway("for good", retry=60.0)

    run = cl.Run({"sources": [{"name": "street", "uri": str(clip)}], "outbox": "memory"}, detector=detector)
    summaries: list[cl.Summary] = []
    thread = threading.Thread(target=lambda: summaries.append(run.execute()))
    thread.start()
    while not run.snapshot()["away"]:
        thread.join(0.01)
    run.stop()
    thread.join(30)
    assert summaries[0].interrupted
    assert summaries[0].frames == 0
    assert "left to the next run" in caplog.text
