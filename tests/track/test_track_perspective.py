"""How high somebody is follows from where he is, so that who walks away is not taken for one whose feet are hidden."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from track_world import Box, follow

from countline.track.perspective import SPAN, Perspective

BOTH_WAYS = pytest.mark.parametrize("kernel", [True, False])
RATES = pytest.mark.parametrize("fps", [10, 15, 30])
HORIZON = 50.0
LEARNED = 30.0
"""Seconds after which something happens, while others cross the picture near and far."""


def stands(x: float, foot: float, sure: float = 0.9) -> Box:
    """One whose feet are at x, foot: half as high as they are below the horizon, and 0.4 of that wide."""
    high = (foot - HORIZON) / 2
    return x - 0.2 * high, foot - high, x + 0.2 * high, foot, sure


def others(t: float) -> list[Box]:
    return [stands(400 + 150 * k + 8 * t, 100 + 60 * k) for k in range(6)]


def told(
    make: Callable[[float], Sequence[Box]], fps: float, kernel: bool, seconds: float = LEARNED + 3
) -> list[tuple[float, Box, float]]:
    """Time, first box that is shown, and bottom that is told of it, of each frame in which it is told."""
    times = [i / fps for i in range(round(seconds * fps))]
    found = []
    for t, tracks in zip(times, follow([[*make(t), *others(t)] for t in times], fps, kernel)):
        box = make(t)[0]
        found += [
            (t, box, float(row[3]))
            for row in tracks.xyxy
            if abs(row[0] - box[0]) < 0.01 and abs(row[1] - box[1]) < 0.01
        ]
    assert len(found) > 0.9 * len(times)
    return found


def walks_away(t: float) -> tuple[float, float]:
    """x and foot of one who becomes a third as high within two and a half seconds."""
    return 200.0, 350 - 80 * min(max(t - LEARNED, 0.0), 2.5)


@BOTH_WAYS
@RATES
def test_who_walks_away_before_another_keeps_his_feet(fps: float, kernel: bool) -> None:
    """The other one walks behind him, nearer to the camera, half beside him, and hides nothing of him."""

    def two(t: float) -> list[Box]:
        x, foot = walks_away(t)
        return [stands(x, foot), stands(x + 0.12 * (foot - HORIZON), foot + 0.1 * (foot - HORIZON))]

    assert all(bottom == pytest.approx(box[3], abs=0.01) for _, box, bottom in told(two, fps, kernel))


@BOTH_WAYS
@RATES
def test_hidden_feet_of_one_who_walks_away_are_where_he_is_by_now(fps: float, kernel: bool) -> None:
    hidden = LEARNED + 0.5, LEARNED + 2.0

    def two(t: float) -> list[Box]:
        x, foot = walks_away(t)
        left, top, right, bottom, sure = stands(x, foot)
        shown = (left, top, right, bottom - 0.5 * (bottom - top) if hidden[0] <= t < hidden[1] else bottom, sure)
        return [shown, stands(x + 0.05 * (foot - HORIZON), foot + 0.2 * (foot - HORIZON))]

    completed = 0
    for t, box, bottom in told(two, fps, kernel):
        foot = walks_away(t)[1]
        assert bottom == pytest.approx(foot, abs=0.15 * (foot - HORIZON) / 2), f"at {t:.2f} s"
        completed += bottom > box[3] + 1
    assert completed > fps


def learned(slope: float, middle: float, tops: Sequence[float]) -> Perspective:
    made = Perspective()
    for top in tops:
        made.learn(top, middle + slope * (top - 200))
    return made


def ratio(made: Perspective, there: float, here: float) -> float:
    """How many times as high somebody is whose upper edge was there and is here."""
    return made.scaled([(1.0, there)], here)[0]


tops = st.lists(st.floats(0, 400), min_size=1, max_size=60)
slopes, middles = st.floats(-1, 1), st.floats(10, 300)


@given(slopes, middles, tops, st.floats(0, 400), st.floats(0, 400))
def test_by_where_he_is_nobody_becomes_higher_or_lower_without_bounds_and_who_stays_stays_as_high(
    slope: float, middle: float, tops: list[float], there: float, here: float
) -> None:
    made = learned(slope, max(middle, 210 * abs(slope)), tops)
    assert 1 / SPAN <= ratio(made, there, here) <= SPAN
    assert ratio(made, there, there) == 1.0
    assert ratio(made, there, here) == pytest.approx(1 / ratio(made, here, there))


@given(st.floats(-0.4, 0.4), st.floats(120, 300))
def test_heights_on_a_line_are_learned(slope: float, middle: float) -> None:
    made = learned(slope, middle, [400 * (k * 0.618 % 1) for k in range(3000)])
    for there, here in ((120, 280), (280, 120), (150, 200)):
        true = (middle + slope * (here - 200)) / (middle + slope * (there - 200))
        assert ratio(made, there, here) == pytest.approx(min(max(true, 1 / SPAN), SPAN), abs=0.2 * abs(true - 1) + 1e-3)


def test_while_nothing_is_known_of_other_places_all_are_of_one_height() -> None:
    assert ratio(Perspective(), 10, 300) == 1.0
    assert ratio(learned(0.5, 100, [150.0] * 500), 100, 300) == pytest.approx(1.0)


def test_another_view_is_learned_anew() -> None:
    """A camera that was turned: what was seen before fades."""
    made = learned(0.4, 150, [100 + 200 * (k * 0.618 % 1) for k in range(3000)])
    before = ratio(made, 120, 280)
    for k in range(20_000):
        made.learn(100 + 200 * (k * 0.618 % 1), 150)
    assert before > 1.3
    assert ratio(made, 120, 280) == pytest.approx(1, abs=0.01)
