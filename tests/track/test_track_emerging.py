"""Who comes out of hiding on somebody else's body is not told there: it is a second box on that one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from track_world import Box, follow

from countline.track.emerging import ALIKE, AWAY, BRIEFLY, HERE, STEADY, within
from countline.types import Tracks

BOTH_WAYS = pytest.mark.parametrize("kernel", [True, False])
RATES = pytest.mark.parametrize("fps", [10, 15, 30])
NOW = 10_000_000_000
MAN = (100.0, 100.0, 160.0, 260.0)
"""A grown-up, in sight."""
UPPER = (105.0, 100.0, 150.0, 180.0)
"""The upper half of him."""
LATE, EARLY, LONG = NOW - AWAY - 1, NOW - HERE + 1, NOW - 3_000_000_000
"""When somebody was seen last: just too long ago to be in sight still, just in sight, long ago."""


@dataclass
class Seen:
    seen: int
    high: float
    part: int | None = None


def hidden(*tracks: tuple[int | None, float, tuple[float, ...]], classes: tuple[int, ...] = ()) -> list[int]:
    """Which of the tracks, each with when it was seen last, how high it was and where it is now, are not told."""
    remembered = [None if seen is None else Seen(seen, high) for seen, high, _ in tracks]
    boxes = np.array([box for _, _, box in tracks], np.float32)
    kinds = np.array(classes or (0,) * len(tracks), np.int32)
    found = within(remembered, boxes, kinds, NOW)
    return [] if found is None else found.nonzero()[0].tolist()


def test_one_who_comes_back_on_the_upper_body_of_one_in_sight_is_not_told() -> None:
    assert hidden((EARLY, 160, MAN), (LATE, 160, UPPER)) == [1]
    assert hidden((EARLY, 160, MAN), (LONG, 80, UPPER)) == [1], "as high as before, but away for long"


def test_who_was_away_only_for_a_moment_and_is_as_high_as_he_was_is_told() -> None:
    """A child before a grown-up, whom the detector missed for some frames."""
    high = UPPER[3] - UPPER[1]
    assert hidden((EARLY, 160, MAN), (LATE, high, UPPER)) == []
    assert hidden((EARLY, 160, MAN), (LATE, high / (1 + ALIKE + 0.01), UPPER)) == [1]
    assert hidden((EARLY, 160, MAN), (LATE, high / (1 - ALIKE - 0.01), UPPER)) == [1]
    assert hidden((EARLY, 160, MAN), (NOW - BRIEFLY, high, UPPER)) == [1]


def test_who_lies_within_another_for_a_second_is_told_from_then_on() -> None:
    boxes, kinds = np.array([MAN, UPPER], np.float32), np.zeros(2, np.int32)
    man, child = Seen(0, 160), Seen(LONG, 100)
    for after in (0, 400_000_000, STEADY - 1, STEADY):
        man.seen = NOW + after - 1
        found = within([man, child], boxes, kinds, NOW + after)
        assert (found is None) == (after == STEADY)
        assert child.part == NOW


def test_who_was_in_sight_all_the_while_is_told() -> None:
    assert hidden((EARLY, 160, MAN), (NOW - AWAY, 160, UPPER)) == []


@pytest.mark.parametrize(
    "box",
    [
        (85.0, 100.0, 130.0, 180.0),  # a third of him shows beside the other
        (105.0, 180.0, 150.0, 270.0),  # reaches farther down: stands nearer
        (105.0, 100.0, 119.0, 130.0),  # much smaller: no part of a body
    ],
)
def test_who_is_no_part_of_another_is_told(box: tuple[float, ...]) -> None:
    assert hidden((EARLY, 160, MAN), (LONG, 160, box)) == []


def test_only_those_in_sight_and_of_the_class_hide_somebody() -> None:
    assert hidden((NOW - HERE, 160, MAN), (LONG, 160, UPPER)) == []
    assert hidden((None, 160, MAN), (LONG, 160, UPPER)) == [], "one who is new has no id yet"
    assert hidden((EARLY, 160, MAN), (LONG, 160, UPPER), classes=(0, 1)) == []


ages = st.one_of(st.none(), st.integers(0, 3_000_000_000))
places = st.tuples(st.floats(0, 60), st.floats(0, 40), st.floats(5, 60), st.floats(5, 90))


@given(st.lists(st.tuples(ages, st.floats(5, 90), places, st.integers(0, 1)), max_size=7))
def test_whoever_is_not_told_was_away_and_lies_on_one_who_was_not(tracks) -> None:
    given = [(age if age is None else NOW - age, high, (x, y, x + w, y + h)) for age, high, (x, y, w, h), _ in tracks]
    found = hidden(*given, classes=tuple(kind for *_, kind in tracks)) if tracks else []
    for at in found:
        age, _, (x, y, w, h), kind = tracks[at]
        assert age is not None
        assert age > AWAY
        assert any(
            other is not None
            and other < HERE
            and same == kind
            and (min(x + w, u + p) - max(x, u)) * (min(y + h, v + q) - max(y, v)) > 0.84 * w * h
            for other, _, (u, v, p, q), same in tracks
        )


def scene(t: float) -> list[Box]:
    """One stands, and is not seen any more; a second later another comes by, on whose upper body the detector sees a second box from
    there on."""
    boxes: list[Box] = []
    if t < 2.0:
        boxes.append((200, 100, 240, 200, 0.9))
    x = 400 - 75 * (t - 0.4)
    boxes.append((x, 102, x + 45, 212, 0.9))
    if 2.95 < t < 4.0:
        boxes.append((x + 3, 104, x + 43, 176, 0.7))
    return boxes


def boxes_of_first(told: list[Tracks]) -> list[tuple[float, float]]:
    """Left and bottom of the boxes that are told of the one who stood there."""
    him = next(int(t.track_id[row]) for t in told for row in (t.xyxy[:, 0] == 200).nonzero()[0])
    return [(float(row[0]), float(row[3])) for t in told for row in t.xyxy[t.track_id == him]]


@BOTH_WAYS
@RATES
def test_one_who_is_hidden_does_not_go_on_as_a_part_of_who_comes_by(fps: float, kernel: bool) -> None:
    told = follow([scene(i / fps) for i in range(round(4 * fps))], fps, kernel)
    assert set(boxes_of_first(told)) == {(200.0, 200.0)}


def test_without_it_he_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("countline.track.emerging.AWAY", 10**18)
    told = follow([scene(i / 10) for i in range(40)], 10, kernel=False)
    assert boxes_of_first(told)[-1] != (200.0, 200.0)


@BOTH_WAYS
@RATES
def test_who_parts_from_him_is_told_under_his_own_id(fps: float, kernel: bool) -> None:
    """He is seen first as a part of the one who passes, then beside him."""

    def parting(t: float) -> list[Box]:
        boxes: list[Box] = []
        if t < 2.0 or t > 3.4:
            boxes.append((200, 100, 240, 200, 0.9))
        elif t > 2.8:
            boxes.append((200, 104, 240, 180, 0.7))
        x = 400 - 70 * t
        boxes.append((x, 98, x + 50, 215, 0.9))
        return boxes

    told = follow([parting(i / fps) for i in range(round(5 * fps))], fps, kernel)
    assert boxes_of_first(told)[-1] == (200.0, 200.0)
    assert sum(len(set(t.track_id.tolist()) - {1, 2}) for t in told) == 0


@BOTH_WAYS
@RATES
def test_a_child_before_a_grown_up_whom_the_detector_misses_now_and_then_is_told(fps: float, kernel: bool) -> None:
    def two(t: float) -> list[Box]:
        x = 100 + 40 * t
        boxes: list[Box] = [(x, 100, x + 60, 260, 0.9)]
        if t < 2 or t % 1.0 > 0.25:
            child = x + max(10, 70 - 50 * t)  # beside him at first
            boxes.append((child, 160, child + 30, 262, 0.8))
        return boxes

    frames = [two(i / fps) for i in range(round(6 * fps))]
    told = follow(frames, fps, kernel)
    assert len({number for t in told for number in t.track_id.tolist()}) == 2
    assert sum(len(t) for t in told[round(2 * fps) :]) == sum(len(f) for f in frames[round(2 * fps) :])
