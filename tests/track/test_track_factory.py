"""From the configuration to a tracker."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from track_world import STEP, ids, line, scene, tracker

from countline.config import TrackerConfig
from countline.errors import ConfigError
from countline.track import make

MINE = '''
import numpy as np
from countline.types import Tracks
class Mine:
    """Gives every row its number as id."""
    def __init__(self, fps, labels=()):
        self.fps, self.labels = fps, labels
    def update(self, detections, pts):
        return Tracks(detections.xyxy, detections.confidence, detections.class_id, np.arange(len(detections)))
class Bare:
    def update(self, detections, pts):
        return Tracks.empty()
class Broken:
    def __init__(self): raise RuntimeError("no luck")
class Idle: pass
'''


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    name = "my_tracker_for_the_test"
    (tmp_path / f"{name}.py").write_text(MINE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, name, raising=False)
    return name


def test_a_class_of_ones_own(module: str) -> None:
    t = make(TrackerConfig(kind=f"{module}:Mine"), fps=12.5, labels=["person"])
    assert (t.fps, t.labels) == (12.5, ["person"])  # type: ignore[attr-defined]
    assert t.update(scene([line(0, 0, 1), line(200, 0, 1)], 0), 0).track_id.tolist() == [0, 1]
    assert len(make(TrackerConfig(kind=f"{module}:Bare")).update(scene([], 0), 0)) == 0


@pytest.mark.parametrize(
    ("kind", "match"),
    [
        ("sort", "unknown tracker 'sort'"),
        ("no_such_module:Tracker", "cannot be imported"),
        ("{module}:Absent", "cannot be imported"),
        ("{module}:Broken", "cannot be made: RuntimeError: no luck"),
        ("{module}:Idle", "no method update"),
    ],
)
def test_what_cannot_be_had_is_refused(kind: str, match: str, module: str) -> None:
    with pytest.raises(ConfigError, match=match) as caught:
        make(TrackerConfig(kind=kind.format(module=module)))
    assert caught.value.fix


def test_a_library_that_is_absent_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyxtrackers", None)
    with pytest.raises(ConfigError, match="needs the package pyxtrackers"):
        make(TrackerConfig(kind="bytetrack"))


@pytest.mark.parametrize("fps", [7, 10, 30])
def test_the_default_tracker_needs_no_library(fps: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyxtrackers", None)
    monkeypatch.setitem(sys.modules, "edgefirst", None)
    made = tracker("default", fps, kernel=False)
    walkers = [line(50, 100, 30 / fps), line(700, 200, -40 / fps)]
    for i in range(round(3 * fps)):
        assert ids(made.update(scene(walkers, i), round(i * 1e9 / fps))) == [1, 2]


def test_overlap_of_the_configuration_is_what_links_boxes() -> None:
    """A jump by half the width is an overlap of a third: linked at 0.2, not at 0.6."""

    def last_id(iou: float) -> int:
        t = make(TrackerConfig(kind="bytetrack", iou=iou), fps=10, thresholds=np.full(1, 0.5, np.float32))
        for i in range(20):
            found = t.update(scene([line(100 + (15 if i >= 10 else 0), 100, 0)], i), i * STEP)
        return int(found.track_id[0])

    assert last_id(0.2) == 1
    assert last_id(0.6) == 2
