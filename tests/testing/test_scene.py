"""The source and the detector that are shipped for tests give what the scene says, and countline counts it."""

from __future__ import annotations

import subprocess
import sys

import pytest

import countline as cl
from countline.protocols import Detector, Source
from countline.testing import Scene, Walk


def test_a_scene_is_a_source_and_a_detector_of_its_boxes() -> None:
    scene = Scene([Walk((0.1, 0.9), (0.9, 0.9)), Walk((0.5, 0.2), (0.5, 1.0), label="car", begin=1.0)], seconds=2.0)
    source: Source = scene.source("gate", device_id="cam-7")
    detector: Detector = scene.detector()
    frames = list(source)
    found = detector.detect(frames)
    assert isinstance(source, Source)
    assert (len(frames), source.stats.frames, source.info.device_id) == (20, 20, "cam-7")
    assert [f.info.pts for f in frames] == [n * 100_000_000 for n in range(20)]
    assert [len(d) for d in found] == [1] * 10 + [2] * 10
    assert list(detector.labels) == ["person", "car"]
    assert found[0].xyxy[0] == pytest.approx([(0.1 - 0.03) * 640, (0.9 - 0.25) * 360, (0.1 + 0.03) * 640, 0.9 * 360])
    left, top, right, bottom = found[19].xyxy[1].round().astype(int)
    assert (frames[19].image[top:bottom, left:right] == 200).all()


def test_a_source_that_is_closed_ends() -> None:
    source = Scene([Walk((0, 1), (1, 1))], seconds=1000).source()
    for frame in source:
        if frame.info.number == 3:
            source.close()
    assert source.stats.frames == 4


def test_what_walks_through_a_scene_is_counted() -> None:
    scene = Scene([Walk((0.2, 0.9), (0.8, 0.9)), Walk((0.9, 0.5), (0.1, 0.5))])
    config = {
        "rules": {"lines": [{"name": "door", "points": [[0.5, 0], [0.5, 1]], "direction": "both"}]},
        "outputs": ["stdout"],
        "outbox": "memory",
    }
    seen: list[cl.Event] = []
    summary = cl.run(
        config,
        sources=[scene.source("gate")],
        detector=scene.detector(),
        consumers=[lambda frame, analytics: seen.extend(analytics.events)],
    )
    assert summary.sources["gate"].lines["door"] == {"in": 1, "out": 1, "total": 2}
    assert {event.direction for event in seen if isinstance(event, cl.Crossing)} == {"in", "out"}


def test_only_the_contract_needs_pytest() -> None:
    code = (
        "import sys; sys.modules['pytest'] = None\n"
        "from countline.testing import Scene, Sender, SilentServer, entries, free_port\n"
        "from countline.errors import MissingExtra\n"
        "try: from countline.testing import OutputContract\n"
        "except MissingExtra as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "countline[testing]" in done.stdout
