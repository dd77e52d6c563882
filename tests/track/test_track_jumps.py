"""Nobody is told to be where his track cannot be: a box that is another's for a moment crosses no line. Whatever moves is told."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from countline.analytics.native import NativeRules
from countline.config.rules import RulesConfig
from countline.protocols import DoubtingTracker
from countline.track.by_birth import ByBirth
from countline.track.jumps import AGAIN, ANY_WAY, NEAR, STAYS, Jumps
from countline.track.tracker import EngineTracker
from countline.types import Detections, FrameInfo, FrameTracks, SourceInfo, Tracks

PATIENCE = 1_500_000_000
RATES = [6.0, 10.0, 15.0, 30.0, 60.0]
rates = st.sampled_from(RATES)


def at(x: float, foot: float, high: float = 100.0) -> tuple[float, float, float, float]:
    return x - 0.2 * high, foot - high, x + 0.2 * high, foot


def seen(*boxes: tuple[float, float, float, float], ids: Sequence[int] = ()) -> Tracks:
    n = len(boxes)
    return Tracks(
        np.array(boxes, np.float32).reshape(-1, 4), np.full(n, 0.9), np.zeros(n), np.array(ids or range(1, n + 1))
    )


def told(places: Sequence[tuple[float, float] | None], fps: float) -> list[bool | str]:
    """For each frame whether the track is told there; 'other' where it is another object's from then on, '' where it is not seen."""
    jumps, found = Jumps(PATIENCE), list[bool | str]()
    for i, place in enumerate(places):
        tracks = seen() if place is None else seen(at(*place))
        verdict = jumps.check(tracks, round(i * 1e9 / fps))
        if place is None:
            found.append("")
        elif verdict is None:
            found.append(True)
        else:
            assert not verdict[0].any()
            found.append("other" if verdict[1] else False)
    return found


@given(rates, st.floats(0, 12), st.floats(0, 6.3), st.lists(st.tuples(*[st.floats(-0.06, 0.06)] * 2), min_size=30))
def test_whatever_goes_its_way_is_told_in_every_frame(fps, speed, turn, strays):
    """Up to twelve of its sizes a second, in any direction; boxes stray."""
    step = 100 * min(speed, 0.6 * fps) / fps  # farther from frame to frame engines do not follow: see leaps
    places = [
        (500 + step * i * np.cos(turn) + 100 * x, 500 + step * i * np.sin(turn) + 100 * y)
        for i, (x, y) in enumerate(strays)
    ]
    assert told(places, fps) == [True] * len(places)


@pytest.mark.parametrize("fps", RATES)
def test_who_comes_nearer_and_grows_is_told_in_every_frame(fps: float) -> None:
    """A car at 20 m/s from 60 m away: in the picture it becomes larger and quicker."""
    jumps = Jumps(PATIENCE)
    for i in range(int(2.6 * fps)):
        away = 60 - 20 * i / fps
        car = at(100 + 900 / away, 100 + 2700 / away, 1350 / away)
        assert jumps.check(seen(car), round(i * 1e9 / fps)) is None


@pytest.mark.parametrize("fps", [15.0, 30.0, 60.0])
def test_a_box_round_him_and_one_who_stands_nearer_is_not_told(fps: float) -> None:
    """It is longer than his own, and its foot is that of the other one, half his height farther down."""
    jumps, verdicts = Jumps(PATIENCE), []
    for i in range(20):
        box = at(300 + 60 * i / fps, 400)
        round_two = (box[0], box[1], box[2] + 30, box[3] + 55)
        verdicts.append(jumps.check(seen(round_two if i == 15 else box), round(i * 1e9 / fps)))
    assert [i for i, verdict in enumerate(verdicts) if verdict is not None] == [15]


@given(rates, st.floats(0.8, 5), st.integers(0, 5))
def test_one_box_of_another_is_not_told(fps, away, frame):
    frame += round(0.5 * fps)
    places = [(500.0 + 100 / fps * i, 500.0) for i in range(2 * int(fps))]
    places[frame] = (places[frame][0], 500 + 100 * (away + 1.5 / fps))
    assert told(places, fps) == [i != frame for i in range(len(places))]


@pytest.mark.parametrize("fps", RATES)
def test_a_track_that_stays_elsewhere_is_of_another_object(fps: float) -> None:
    first = round(fps)
    places = [(500.0 + 100 / fps * i, 500.0 if i < first else 650.0) for i in range(2 * first)]
    found = told(places, fps)
    other = found.index("other")
    assert found == [True] * first + [False] * (other - first) + ["other"] + [True] * (len(found) - other - 1)
    assert (other - first - 1) / fps < STAYS / 1e9 <= (other - first) / fps + 1e-6


@pytest.mark.parametrize("fps", [10.0, 15.0, 30.0])
@pytest.mark.parametrize("aside", [0.0, 25.0])
def test_who_comes_back_where_he_must_is_told_at_once_and_elsewhere_when_he_is_seen_again(
    fps: float, aside: float
) -> None:
    gap = range(round(fps), round(1.5 * fps))
    places = [
        None if i in gap else (500.0 + 100 / fps * i, 500.0 + (aside if i >= gap.stop else 0))
        for i in range(round(2.5 * fps))
    ]
    found = told(places, fps)[gap.stop :]
    late = found.index(True)
    assert all(value is True for value in found[late:])
    assert late / fps >= (AGAIN / 1e9 if aside else 0) - 1e-6
    assert late <= (1 + AGAIN / 1e9 * fps if aside else 0)


def test_the_first_step_may_be_a_long_one() -> None:
    """Of whom no velocity is known yet."""
    reach = 100 * (NEAR + ANY_WAY / 10)
    assert told([(500, 500), (500 + 0.98 * reach, 500)], 10.0) == [True, True]
    assert told([(500, 500), (500 + 1.02 * reach, 500)], 10.0) == [True, False]


def test_rows_that_were_found_by_their_way_are_not_doubted() -> None:
    jumps = Jumps(PATIENCE)
    for i in range(8):
        assert jumps.check(seen(at(100, 100), at(100 + 290 * i, 300)), i * 100_000_000, leaping=[1]) is None


def test_of_tracks_that_are_gone_nothing_is_kept() -> None:
    jumps = Jumps(PATIENCE)
    for i in range(3000):
        jumps.check(seen(at(100, 100), ids=[i]), i * 50_000_000)
    assert len(jumps._ways) <= 2 * PATIENCE / 50_000_000 + 256


class Mixing:
    """An engine that has the numbers told: in each frame those of the rows."""

    def __init__(self, numbers: Sequence[Sequence[int]]) -> None:
        self._numbers = iter(numbers)

    def step(self, boxes: NDArray[np.float32], tiers: NDArray[np.intp], steps: int) -> tuple[NDArray, NDArray]:
        numbers = np.array(next(self._numbers), np.int64)
        return np.arange(len(numbers)), numbers

    def keep(self, lost: int) -> None:
        pass


def followed(boxes: Sequence[Sequence[tuple]], numbers: Sequence[Sequence[int]], fps: float = 30) -> list[Tracks]:
    follower = EngineTracker(lambda lost: Mixing(numbers), fps=fps)
    assert isinstance(follower, DoubtingTracker)
    said = []
    for i, row in enumerate(boxes):
        table = np.array(row, np.float32).reshape(-1, 4)
        said.append(
            follower.update(Detections(table, np.full(len(row), 0.9), np.zeros(len(row))), round(i * 1e9 / fps))
        )
    followed.doubtful = follower.doubtful  # type: ignore[attr-defined]
    return said


def crossings(said: Sequence[Tracks], line: list[list[float]], fps: float = 30) -> int:
    config = {"coordinates": "pixels", "resolution": [800, 600], "lines": [{"name": "l", "points": line}]}
    source = SourceInfo("s")
    rules = NativeRules(RulesConfig.model_validate(config), [source], ("person",))
    found = 0
    for i, tracks in enumerate(said):
        pts = round(i * 1e9 / fps)
        events = rules.update([FrameTracks(FrameInfo(source, i, pts, pts, 800, 600), tracks)])[0].events
        found += sum(event.kind == "crossing" for event in events)
    return found


@pytest.mark.parametrize("mixed", [1, 2, 5])
def test_a_box_of_a_neighbour_crosses_no_line_and_its_sightings_are_counted(mixed: int) -> None:
    """Two walk in line ahead on both sides of a line; for some frames the first one's track has the second one's box, who has no
    track meanwhile."""
    boxes, numbers = [], []
    for i in range(90):
        boxes.append([at(200 + i, 250), at(200 + i, 400)] if not 40 <= i < 40 + mixed else [at(200 + i, 400)])
        numbers.append([1, 2] if not 40 <= i < 40 + mixed else [1])
    said = followed(boxes, numbers)
    assert crossings(said, [[0, 325], [800, 325]]) == 0
    assert followed.doubtful == mixed  # type: ignore[attr-defined]
    assert {int(t) for tracks in said for t in tracks.track_id} == {1, 2}


def test_a_track_that_has_gone_over_to_another_object_for_good_gets_another_id_and_the_first_one_is_found_again() -> (
    None
):
    """The engine goes on with a neighbour; half a second later it begins a track where the first one is."""
    boxes, numbers = [], []
    for i in range(120):
        first, other = at(200 + i, 250), at(200 + i, 420)
        if i < 40:
            boxes.append([first])
            numbers.append([1])
        elif i < 58:
            boxes.append([other])
            numbers.append([1])
        else:
            boxes.append([other, first])
            numbers.append([1, 7])
    said = followed(boxes, numbers)
    upper = {int(t) for tracks in said for t, box in zip(tracks.track_id, tracks.xyxy) if box[3] < 300}
    lower = {int(t) for tracks in said for t, box in zip(tracks.track_id, tracks.xyxy) if box[3] > 300}
    assert (upper, lower) == ({1}, {2})
    assert crossings(said, [[0, 335], [800, 335]]) == 0


def test_a_neighbour_s_box_is_not_told_by_prediction_either() -> None:
    numbers = [[1]] * 12
    follower = EngineTracker(lambda lost: Mixing(numbers), fps=10)
    for i in range(11):
        box = np.array([at(200 + 5 * i, 250 if i < 10 else 420)], np.float32)
        said = follower.update(Detections(box, np.full(1, 0.9), np.zeros(1)), i * 100_000_000)
    assert len(said) == 0
    assert len(follower.predict(1_050_000_000)) == 0


def test_how_many_were_left_out_is_known_of_trackers_whose_ids_are_times() -> None:
    numbers = [[1]] * 30
    follower = ByBirth(lambda: EngineTracker(lambda lost: Mixing(numbers), fps=10))
    for i in range(15):
        box = np.array([at(200 + 5 * i, 420 if i == 10 else 250)], np.float32)
        follower.update(Detections(box, np.full(1, 0.9), np.zeros(1)), i * 100_000_000)
    assert follower.doubtful == 1
    follower.forget()
    assert follower.doubtful == 1
