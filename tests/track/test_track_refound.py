"""Who comes out of hiding keeps his id at any frame rate, and feet that were never seen make no jump."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from countline.config import TrackerConfig
from countline.track import make
from countline.track.newcomers import Newcomers
from countline.track.refound import APART, Refound, remember
from countline.types import Detections, Tracks

RATES = [8.0, 15.0, 30.0, 60.0]
Boxes = list[tuple[float, float, float, float]]


def film(boxes: Callable[[float], Boxes], seconds: float, fps: float, iou: float | None = None) -> list[Tracks]:
    """Tracks of what is seen at each time; edges stray by 2 % of the width, as detectors' do."""
    t = make(TrackerConfig(iou=iou), fps=fps, thresholds=np.full(1, 0.5, np.float32))
    rng = np.random.default_rng(5)
    said = []
    for i in range(round(seconds * fps)):
        seen = np.array(boxes(i / fps), np.float32).reshape(-1, 4)
        seen += rng.normal(0, 0.02, seen.shape) * (seen[:, 2:3] - seen[:, :1])
        said.append(t.update(Detections(seen, np.full(len(seen), 0.9), np.zeros(len(seen))), round(i * 1e9 / fps)))
    return said


def ids(said: list[Tracks]) -> set[int]:
    return {int(track) for tracks in said for track in tracks.track_id}


def person(x: float, foot: float, high: float = 100.0) -> tuple[float, float, float, float]:
    return x - 0.2 * high, foot - high, x + 0.2 * high, foot


@pytest.mark.parametrize("fps", RATES)
@pytest.mark.parametrize("gap", [0.4, 0.8, 1.2])
def test_who_walks_behind_something_is_the_same_at_any_frame_rate(fps: float, gap: float) -> None:
    said = film(lambda t: [] if 2 <= t < 2 + gap else [person(50 + 80 * t, 200)], 5, fps)
    assert ids(said) == {1}
    assert len(said[-1]) == 1


@pytest.mark.parametrize("fps", [8.0, 15.0, 30.0])
@pytest.mark.parametrize("away", [False, True])
def test_a_car_that_comes_nearer_behind_a_hoarding_is_the_same(fps: float, away: bool) -> None:
    """At an even pace over the ground: in the picture it becomes larger and quicker."""

    def boxes(t: float) -> Boxes:
        if 2.0 <= t < 3.2:
            return []
        distance = 14 + 8 * t if away else 50 - 8 * t  # metres
        x, y, size = 320 + 900 * 3.0 / distance, 100 + 900 * 5.0 / distance, 900 * 1.9 / distance
        return [(x - size / 2, y - 0.8 * size, x + size / 2, y)]

    said = film(boxes, 5, fps)
    assert ids(said) == {1}
    assert len(said[-1]) == 1


@given(st.floats(6, 60), st.floats(-12, 12), st.floats(-6, 6), st.floats(0.2, 0.8), st.floats(0.1, 1.4))
def test_the_way_over_the_ground_is_continued(
    distance: float, pace: float, side: float, seen: float, gap: float
) -> None:
    """Of what was seen without error, wherever it goes; but for what would come nearer than half of the way."""

    def box(t: float) -> NDArray[np.float32]:
        far = distance - pace * t
        x, y, size = 320 + 900 * side / far, 100 + 900 * 5.0 / far, 900 * 1.9 / far
        return np.array([x - size / 2, y - 0.8 * size, x + size / 2, y], np.float32)

    assume(distance - pace * seen > 3)
    left = distance - pace * seen
    assume(0 < pace * gap < left / 2 or pace <= 0)
    refound = Refound(1_500_000_000, 0.2)
    for time in (0.0, seen):
        tracks = Tracks(box(time)[None], np.full(1, 0.9), np.zeros(1), np.ones(1, np.int64))
        refound.remember(tracks, np.array([7]), round(time * 1e9))
    found = refound.find(box(seen + gap)[None], np.zeros(1, np.int32), [], round((seen + gap) * 1e9))
    assert found == [(0, 7)]


@pytest.mark.parametrize("fps", RATES)
def test_who_turns_up_where_nobody_was_going_is_another(fps: float) -> None:
    def boxes(t: float) -> Boxes:
        return [person(50 + 80 * t, 200)] if t < 2 else [person(90, 200)] if t > 2.8 else []

    assert ids(film(boxes, 4, fps)) == {1, 2}


@pytest.mark.parametrize("fps", RATES)
def test_who_is_of_another_size_is_another(fps: float) -> None:
    def boxes(t: float) -> Boxes:
        return [person(50 + 80 * t, 200)] if t < 2 else [person(50 + 80 * t, 200, 38)] if t > 2.6 else []

    assert ids(film(boxes, 4, fps)) == {1, 2}


def test_after_as_long_as_tracks_are_kept_nobody_is_found_again() -> None:
    said = film(lambda t: [person(300, 200)] + ([] if 2 <= t < 3.7 else [person(50 + 20 * t, 200)]), 5, 30)
    assert ids(said) == {1, 2, 3}


def test_of_two_lost_ones_each_is_found_where_he_was_going() -> None:
    def boxes(t: float) -> Boxes:
        return [] if 2 <= t < 2.6 else [person(100 + 60 * t, 200), person(400 - 60 * t, 215)]

    said = film(boxes, 4, 30)
    last = dict(zip(said[-1].track_id.tolist(), said[-1].xyxy[:, 0].tolist()))
    assert last[1] > last[2]


@pytest.mark.parametrize("fps", [10, 30, 60, 120])
def test_as_many_frames_tell_of_as_long_a_time_at_any_rate(fps: float) -> None:
    past: deque[tuple[int, Tracks]] = deque(maxlen=6)
    for i in range(400):
        remember(past, round(i * 1e9 / fps), Tracks.empty())
    times = [pts for pts, _ in past]
    assert times[-1] == round(399e9 / fps)
    assert (np.diff(times[:-1]) >= APART).all()
    assert 0.35e9 < times[-1] - times[0] < 0.8e9


def test_nobody_lost_means_nobody_is_found() -> None:
    lost = Refound(1_000_000_000, 0.2)
    assert lost.find(np.array([[0, 0, 10, 20]], np.float32), np.zeros(1, np.int32), [1], 0) == []


@pytest.mark.parametrize("fps", RATES)
def test_feet_never_seen_are_guessed_while_somebody_is_in_front(fps: float) -> None:
    """Behind one who stands nearer; others are in sight, who tell how high people are."""

    def boxes(t: float) -> Boxes:
        whole, others = person(200, 200), [person(350, 210), person(450, 190)]
        front = person(203, 260)
        if t < 1.5:
            return [front, *others]
        cut = (whole[0], whole[1], whole[2], 160.0)
        return [cut if t < 2.2 else whole, *([front] if t < 2.2 else []), *others]

    feet = [
        float(box[3])
        for tracks in film(boxes, 3.5, fps)
        for track, box in zip(tracks.track_id.tolist(), tracks.xyxy)
        if track == 4
    ]
    assert len(feet) > 1.5 * fps
    assert min(feet) > 185


def test_who_is_short_with_nobody_in_front_is_short() -> None:
    others = [person(350, 210), person(450, 190)]
    said = film(lambda t: [*others, *([(180.0, 100.0, 220.0, 160.0)] if t > 1 else [])], 3, 15)
    feet = [float(b[3]) for tracks in said for i, b in zip(tracks.track_id.tolist(), tracks.xyxy) if i == 3]
    assert feet
    assert max(feet) < 165


def test_who_stays_short_is_short_when_nobody_is_in_front_for_half_a_second() -> None:
    newcomers = Newcomers()
    others = np.array([person(350, 210), person(450, 190), person(203, 260)], np.float32)

    def tracks(boxes: np.ndarray) -> Tracks:
        n = len(boxes)
        return Tracks(boxes, np.full(n, 0.9, np.float32), np.zeros(n, np.int32), np.arange(1, n + 1).astype(np.uint64))

    past = [(i, tracks(others)) for i in range(4)]
    assert newcomers.complete(past[-1][1], [], 3) is past[-1][1].xyxy
    short = np.concatenate([others, np.array([[180, 100, 220, 158]], np.float32)])
    assert 185 < newcomers.complete(tracks(short), past, 10)[3, 3] < 215
    assert len(newcomers) == 1
    short[2] += 500  # the one in front is gone
    assert newcomers.complete(tracks(short), past, 400_000_000)[3, 3] > 185
    assert newcomers.complete(tracks(short), past, 600_000_000)[3, 3] == 158
    assert len(newcomers) == 0
