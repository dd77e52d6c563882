"""At 15 frames a second and more: whom the detector's errors do not lead astray, and who is caught all the same."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from track_world import THRESHOLD, Box, follow, ids, seen, tracker

from countline.analytics.native import NativeRules
from countline.config.rules import RulesConfig
from countline.types import FrameInfo, FrameTracks, SourceInfo, Tracks

KERNEL = pytest.mark.parametrize("kernel", [True, False], ids=["kernel", "NumPy"])


def crossings(frames: Sequence[Tracks], fps: float, row: float, size: tuple[int, int]) -> int:
    """Over a line from edge to edge at this row of the picture."""
    line = {"name": "door", "points": [[0, row], [size[0], row]]}
    config = RulesConfig.model_validate({"coordinates": "pixels", "resolution": list(size), "lines": [line]})
    source = SourceInfo("gate")
    rules = NativeRules(config, [source], ["person"])
    count = 0
    for i, tracks in enumerate(frames):
        pts = round(i * 1e9 / fps)
        (analytics,) = rules.update([FrameTracks(FrameInfo(source, i, pts, pts, *size), tracks)])
        count += len(analytics.events)
    return count


def walkers(
    fps: float, *, visible: float, gap: float, way: tuple[float, float], size: tuple[float, float], stray: float = 0.0
) -> list[list[Box]]:
    """Twelve, one after another at the same place, every second one back; their feet go the ``way``. Boxes stray by a part."""
    rng, frames = np.random.default_rng(int(fps)), list[list[Box]]()
    shown, dark = round(visible * fps), max(1, round(gap * fps))
    for number in range(12):
        for step in np.linspace(0, 1, shown):
            feet = way[0] + (way[1] - way[0]) * (1 - step if number % 2 else step)
            a, b, c, d = rng.normal(0, stray, 4) * np.tile(size, 2)
            frames.append([(70 + a, feet - size[1] + b, 70 + size[0] + c, feet + d, 0.8)])
        frames += [[]] * dark
    return frames


@KERNEL
@pytest.mark.parametrize("stray", [0.0, 0.03])
@pytest.mark.parametrize("fps", [30, 60])
def test_each_of_those_who_walk_one_after_another_at_the_same_place_is_counted(
    fps: float, stray: float, kernel: bool
) -> None:
    """Seen for a third of a second each, with a fifteenth between them, at three of their heights a second."""
    frames = walkers(fps, visible=1 / 3, gap=1 / 15, way=(40, 103), size=(20, 20), stray=stray)
    assert crossings(follow(frames, fps, kernel), fps, 60, (160, 120)) == 12


@KERNEL
@pytest.mark.parametrize(
    ("fps", "speed"), [(f, s) for f in (15, 20, 25, 30, 60) for s in (3, 5, 8) if (f, s) != (15, 8)]
)
def test_runners_are_counted(fps: float, speed: float, kernel: bool) -> None:
    """``speed`` in their heights a second; by half a height from frame to frame is the most."""
    frames = walkers(fps, visible=3 / speed, gap=0.3, way=(90, 330), size=(30, 80), stray=0.02)
    assert crossings(follow(frames, fps, kernel), fps, 220, (200, 400)) == 12


@KERNEL
@pytest.mark.parametrize("fps", [10, 12.5, 15, 20, 25, 30, 60])
def test_what_is_seen_for_four_tenths_of_a_second_is_counted(fps: float, kernel: bool) -> None:
    frames = walkers(fps, visible=0.4, gap=0.6, way=(100, 160), size=(30, 80), stray=0.02)
    assert crossings(follow(frames, fps, kernel), fps, 130, (200, 240)) == 12


@KERNEL
@pytest.mark.parametrize("fps", [15, 20, 25, 30, 50, 60])
def test_one_who_turns_about_quickly_is_one_track(fps: float, kernel: bool) -> None:
    """Up and down in 1.6 seconds, at up to eight of his heights a second: a filter that counts in time awaits him elsewhere."""
    feet = 60 + 40 * np.sin(2 * np.pi * np.arange(round(8 * fps)) / fps / 1.6)
    found = follow([[(60, y - 20, 80, y, 0.9)] for y in feet.tolist()], fps, kernel)
    assert {one for tracks in found for one in ids(tracks)} == {1}
    assert crossings(found, fps, 60, (160, 120)) == 9


def newcomer(fps: float, confidence: Sequence[float]) -> list[list[int]]:
    """Ids by frame of one who is seen from the third frame on, as sure as that."""
    boxes = [(100.0, 50.0, 130.0, 130.0, sure) for sure in confidence]
    return [ids(one) for one in follow([[], [], *([box] for box in boxes)], fps, True)]


def test_one_seen_surely_is_reported_from_the_second_sighting_on_at_any_rate() -> None:
    for fps in (10, 12.5, 15, 30, 60):
        assert newcomer(fps, [0.6] * 4) == [[], [], [], [1], [1], [1]]


def test_a_doubtful_newcomer_is_reported_after_as_long_as_at_ten_frames_a_second() -> None:
    assert newcomer(10, [0.5] * 6) == [[], [], [], [1], [1], [1], [1], [1]]
    assert newcomer(12.5, [0.5] * 6) == [[], [], [], [1], [1], [1], [1], [1]]
    assert newcomer(15, [0.5] * 6) == [[], [], [], [], [1], [1], [1], [1]]
    assert newcomer(30, [0.5] * 6) == [[], [], [], [], [], [1], [1], [1]]
    assert newcomer(60, [0.5] * 9) == [[]] * 7 + [[1]] * 4


def test_one_that_is_not_believed_on_average_is_not_reported_until_it_is() -> None:
    """It begins at the threshold and stays below it: nobody's box, mostly."""
    assert newcomer(30, [0.46, *[0.4] * 20]) == [[]] * 23
    assert newcomer(30, [0.46, *[0.4] * 8, *[0.52] * 12])[-1] == [1]
    assert newcomer(30, [0.46, *[0.4] * 8, 0.6])[-1] == [1]


def test_a_lost_one_that_comes_back_doubtfully_is_reported_at_once() -> None:
    walk = [[(50.0 + 2 * i, 50.0, 80.0 + 2 * i, 130.0, 0.8)] for i in range(60)]
    back = [[(50.0 + 2 * i, 50.0, 80.0 + 2 * i, 130.0, 0.46)] for i in range(60, 90)]
    walk[40:60] = [[]] * 20
    found = [ids(one) for one in follow(walk + back, 30, True)]
    assert found[39] == [1]
    assert found[62] == [1], "two thirds of a second unseen"
    assert all(one == [1] for one in found[62:])


@KERNEL
def test_a_source_whose_rate_is_not_known_is_followed_as_one_whose_rate_is(kernel: bool) -> None:
    """From the ninth frame on, when it is known by what came."""
    rng, fps = np.random.default_rng(3), 30
    frames = [
        [(x + 3 * i, y, x + 3 * i + 30, y + 80, 0.8) for x, y in ((20 + rng.normal(0, 2), 40 + rng.normal(0, 2)),)]
        for i in range(60)
    ]
    known, unknown = (tracker("default", rate, kernel=kernel, thresholds=THRESHOLD) for rate in (fps, None))
    for i, boxes in enumerate(frames):
        one, other = (made.update(seen(boxes), round(i * 1e9 / fps)) for made in (known, unknown))
        assert ids(one) == ids(other)
    assert known._engine._pace == pytest.approx(1 / 3)  # type: ignore[attr-defined]
    assert unknown._engine._pace == pytest.approx(1 / 3)  # type: ignore[attr-defined]


@pytest.mark.parametrize(("fps", "pace"), [(5, 1), (10, 1), (13, 1), (15, 2 / 3), (25, 0.4), (50, 0.2)])
def test_at_about_ten_frames_a_second_and_below_all_is_as_it_was(fps: float, pace: float) -> None:
    pytest.importorskip("pyxtrackers")
    made = tracker("bytetrack", fps)
    assert made._engine._pace == pytest.approx(pace)  # type: ignore[attr-defined]
