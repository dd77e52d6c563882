"""Before a run: what is wanted of the detector, and what it can do."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from countline.commands.check import checks
from countline.config import load
from countline.demo import clip_path
from countline.detect import wrap
from countline.pipeline.admission import admission, detector_rate
from countline.types import Detections


def test_the_rate_of_a_detector_is_that_of_all_its_threads() -> None:
    class Slow:
        labels = ("person",)
        parallel = 2

        def detect(self, frames: Any) -> list[Detections]:
            time.sleep(0.05)
            return [Detections.empty() for _ in frames]

        def close(self) -> None:
            pass

    assert 15 < detector_rate(Slow(), batch=4) <= 40, "two threads, 20 frames/s each"


def test_a_detector_that_takes_several_frames_is_given_them() -> None:
    sizes: set[int] = set()

    def several(images: list[Any]) -> list[Detections]:
        sizes.add(len(images))
        return [Detections.empty() for _ in images]

    assert detector_rate(wrap(several), batch=4, seconds=0.01) > 0
    assert sizes == {4}


@given(st.dictionaries(st.text(max_size=3), st.floats(1, 60), min_size=1, max_size=30), st.floats(1, 1000))
def test_a_share_is_told_where_not_all_can_be_processed_and_only_there(
    wanted: dict[str, float], possible: float
) -> None:
    words = admission(wanted, possible)
    assert ("each gets at most" in words) is (sum(wanted.values()) > possible * 0.8)


@pytest.fixture
def camera(tmp_path: Path) -> Path:
    path = tmp_path / "c.yaml"
    sources = [{"name": "c0", "uri": str(clip_path()), "live": True}]
    path.write_text(yaml.safe_dump({"sources": sources, "outputs": [{"stdout": {}}], "outbox": "memory"}))
    return path


def test_check_says_whether_the_detector_keeps_up_with_the_cameras(camera: Path) -> None:
    config = load(camera)
    found = {check.subject: check for _, check in checks(config, camera, send=False, timeout=1)}
    assert found["source 'c0'"].rate == 10
    assert found["load"].ok
    assert found["load"].detail.startswith("1 live source gives 10 frames/s, and about ")


def test_check_says_nothing_of_load_where_all_are_files(camera: Path) -> None:
    camera.write_text(camera.read_text().replace("live: true", "live: null"))
    config = load(camera)
    assert "load" not in {check.subject for _, check in checks(config, camera, send=False, timeout=1)}
