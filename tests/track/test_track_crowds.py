"""Where people hide each other everybody keeps the box that is his, and nobody has that of two."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from track_world import Box, follow, ids, tracker

from countline.track.crowds import Pairing, pairing
from countline.track.engines import BEGINS, CONTINUES, FINDS, NOISE, ByteTrackEngine
from countline.track.timed_bytetrack import TimedByteTrack
from countline.types import Tracks

RATES = pytest.mark.parametrize("fps", [10, 30])
MOST = 0.8
"""Greatest distance of a pair, where the least overlap is 0.2."""
Place = tuple[float, float, float, float]


def film(boxes: Callable[[float], Sequence[Box]], fps: float, seconds: float = 3.0) -> list[tuple[float, Tracks]]:
    """Time in seconds and tracks of each frame of what ``boxes`` shows."""
    times = [i / fps for i in range(round(seconds * fps))]
    return list(zip(times, follow([boxes(t) for t in times], fps, kernel=False)))


def whose(tracks: Tracks, box: Sequence[float]) -> list[int]:
    """Ids of those who are told to be there; feet may be told lower down, where somebody hides them."""
    return ids(tracks.only((np.abs(tracks.xyxy[:, :3] - np.array(box[:3])) < 0.01).all(axis=1)))


def of_all(said: Sequence[tuple[float, Tracks]]) -> set[int]:
    return {number for _, tracks in said for number in ids(tracks)}


def moved(box: Sequence[float], x: float, y: float = 0.0, sure: float = 0.9) -> Box:
    return box[0] + x, box[1] + y, box[2] + x, box[3] + y, sure


def priced(tracks: Sequence[Place], detections: Sequence[Place], *, unseen: int = 0, unsure: int = 0) -> Pairing:
    """Of tracks that were all seen lately, the last of them out of sight, and detections, the last of them unsure."""
    late = np.ones(len(tracks), bool)
    boxes = np.array(tracks, float), np.array(detections, float)
    return pairing(boxes[0], len(tracks) - unseen, late, boxes[1], len(detections) - unsure, MOST)


HE: Place = (100, 100, 140, 200)


@RATES
def test_one_who_is_half_hidden_keeps_his_own_box_beside_a_neighbour_who_comes_into_sight(fps: float) -> None:
    def own(t: float) -> Box:
        box = moved(HE, 20 * t)
        return (box[0], box[1], box[2] - 6, box[3], 0.2) if 1 <= t < 1.6 else box

    def neighbour(t: float) -> Box:
        return moved(HE, 20 * t + 18, sure=0.8)

    said = film(lambda t: [own(t), neighbour(t)] if t >= 1 else [own(t)], fps)
    assert all(whose(tracks, own(t)) == [1] for t, tracks in said)
    assert all(whose(tracks, neighbour(t)) == [2] for t, tracks in said if t > 1.5)
    assert of_all(said) == {1, 2}


@RATES
def test_of_a_sure_and_a_doubtful_box_on_somebody_the_sure_one_is_his(fps: float) -> None:
    def sure(t: float) -> Box:
        return moved(HE, 20 * t + (5 if t >= 1 else 0))

    said = film(lambda t: [sure(t), moved(HE, 20 * t, sure=0.2)], fps)
    assert all(whose(tracks, sure(t)) == [1] for t, tracks in said)
    assert of_all(said) == {1}


def test_a_doubtful_box_that_lies_half_elsewhere_continues_nobody() -> None:
    assert priced([HE], [(110, 100, 150, 200)], unsure=1).allowed.all()
    assert not priced([HE], [(118, 100, 158, 200)], unsure=1).allowed.any()
    assert priced([HE], [(118, 100, 158, 200)]).allowed.all()


COMPANION: Place = (125, 100, 165, 200)
STRANGER: Place = (90, 140, 120, 200)
"""Overlaps him by a quarter, and is six tenths as high."""


@RATES
def test_one_who_is_not_seen_in_a_crowd_does_not_take_the_box_of_a_newcomer_elsewhere(fps: float) -> None:
    def boxes(t: float) -> list[Box]:
        one = [] if 1 <= t < 1.3 else [moved(HE, 0)]
        return [*one, moved(COMPANION, 0), *([moved(STRANGER, 0)] if t >= 1 else [])]

    said = film(boxes, fps)
    assert all(whose(tracks, COMPANION) == [2] for _, tracks in said)
    for t, tracks in said:
        assert whose(tracks, HE) == ([] if 1 <= t < 1.3 else [1])
        assert 1 not in whose(tracks, STRANGER)
    assert whose(said[-1][1], STRANGER) == [3]
    assert of_all(said) == {1, 2, 3}


@RATES
def test_one_alone_is_found_with_the_least_overlap_that_is_configured(fps: float) -> None:
    """The same box with nobody beside him."""
    said = film(lambda t: [moved(HE if t < 1 else STRANGER, 0)], fps, seconds=2)
    first = next(tracks for t, tracks in said if t >= 1)
    assert (len(first), of_all(said)) in ((0, {1}), (1, {1}))
    assert priced([HE], [STRANGER]).allowed.all()
    assert not priced([HE], [(81, 140, 111, 200)]).allowed.any(), "less than that"


def test_where_others_only_touch_him_he_is_as_alone() -> None:
    touching, beside = (137, 100, 177, 200), (132, 100, 172, 200)
    for other in (touching, (240, 300, 280, 400)):
        assert priced([HE, other], [STRANGER]).allowed[0, 0]
    assert not priced([HE, beside], [STRANGER]).allowed[0, 0]


def test_of_one_who_is_seen_and_one_who_is_not_the_former_has_the_box() -> None:
    seen, lost, between = HE, (110, 100, 150, 200), (105.4, 100, 145.4, 200)
    one, other = priced([seen, lost], [between], unseen=1).cost[:, 0]
    assert one < other
    one, other = priced([seen, lost], [(107, 100, 147, 200)], unseen=1).cost[:, 0]
    assert one > other, "unless it is clearly the other one's"


@RATES
@pytest.mark.parametrize("apart", [16.0, 30.0, 44.0])
def test_a_box_round_two_in_place_of_their_own_is_nobodys(fps: float, apart: float) -> None:
    def one(t: float) -> Box:
        return moved(HE, 20 * t)

    def other(t: float) -> Box:
        return moved(HE, 20 * t + apart, 2)

    def boxes(t: float) -> list[Box]:
        a, b = one(t), other(t)
        return [(a[0], a[1], b[2], b[3], 0.9)] if 1 <= t < 1.4 else [a, b]

    said = film(boxes, fps)
    for t, tracks in said:
        assert ids(tracks) == ([] if 1 <= t < 1.4 else [1, 2])
        assert len(tracks) == 0 or (whose(tracks, one(t)), whose(tracks, other(t))) == ([1], [2])


class Steps:
    """The engine for crowds, which is shown boxes at a frame rate."""

    def __init__(self, fps: float) -> None:
        self.engine = ByteTrackEngine(0.2, round(1.5 * fps), crowds=True)
        self.engine.lasts(round(1e9 / fps))

    def show(self, boxes: Sequence[Place], tier: int = BEGINS) -> list[int]:
        """Ids by row, 0 where it is nobody's."""
        table = np.array(boxes, np.float32).reshape(-1, 4)
        rows, numbers = self.engine.step(table, np.full(len(table), tier, np.intp), 1)
        found = np.zeros(len(table), np.intp)
        found[rows] = numbers
        return found.tolist()


ROUND = (100, 100, 184, 200)
BESIDE_HIM: Place = (144, 100, 184, 200)


@RATES
@pytest.mark.parametrize("tier", [BEGINS, CONTINUES])
def test_the_engine_gives_a_box_of_two_to_nobody_and_begins_no_track_with_it(fps: float, tier: int) -> None:
    steps = Steps(fps)
    for _ in range(round(fps)):
        assert steps.show([HE, BESIDE_HIM]) == [1, 2]
    for _ in range(round(0.4 * fps)):
        assert steps.show([ROUND], tier) == [0]
    assert steps.show([HE, BESIDE_HIM]) == [1, 2]
    assert steps.engine._tracker.track_id_counter == 2


@RATES
def test_who_was_not_seen_for_long_is_in_no_box_of_two(fps: float) -> None:
    """Up to half a second: then it is the box of one who has come."""
    for gone, begun in ((0.3, False), (0.7, True)):
        steps = Steps(fps)
        for _ in range(round(fps)):
            steps.show([HE, BESIDE_HIM])
        for _ in range(round(gone * fps)):
            steps.show([HE])
        found = [steps.show([(99, 99, 185, 201)]) for _ in range(2)]
        assert (found[-1] != [0]) is begun


@pytest.mark.parametrize(
    ("other", "box", "both"),
    [
        (BESIDE_HIM, ROUND, True),
        (BESIDE_HIM, (100, 100, 166, 200), True),  # most of it
        (BESIDE_HIM, (100, 100, 152, 200), False),  # less,
        (BESIDE_HIM, (90, 80, 194, 220), False),  # and far more
        ((146, 100, 186, 200), (100, 100, 186, 200), True),  # apart by less than a fifth of the width,
        ((152, 100, 192, 200), (100, 100, 192, 200), False),  # and by more
        ((146, 100, 166, 200), (100, 100, 166, 200), False),  # of the narrower one's
        ((144, 205, 184, 305), (100, 100, 184, 305), False),  # one lies above the other
        ((105, 100, 145, 200), (100, 100, 145, 200), False),  # as good as his alone
        ((117, 100, 157, 200), (100, 100, 157, 200), True),  # one hides a part of the other,
        ((107, 92, 141, 192), (100, 92, 141, 200), False),  # or most of him
    ],
)
def test_a_box_that_two_make_up_and_none_alone_is_that_of_both(other: Place, box: Place, both: bool) -> None:
    for tracks in ([HE, other], [other, HE]):
        made = priced(tracks, [box])
        assert made.both.tolist() == [both]
        assert not (made.both & made.allowed.any(axis=0)).any()
    assert not pairing(np.array([HE, other], float), 2, np.array([True, False]), np.array([box], float), 1, MOST).both


def test_the_own_box_of_one_who_stands_before_two_is_not_that_of_both() -> None:
    made = priced([HE, BESIDE_HIM, (98, 98, 186, 206)], [ROUND])
    assert not made.both.any()
    assert made.allowed[2, 0]


@RATES
def test_the_one_box_that_is_left_of_two_who_pass_is_that_of_the_one_in_front(fps: float) -> None:
    """Who is behind sticks out of it at the top and at the sides, and the box with him."""
    front: Place = (100, 104, 140, 204)

    def behind(t: float) -> Box:
        return moved((103, 96, 137, 188), 60 - 40 * t)

    def one_box(t: float) -> bool:
        return abs(60 - 40 * t) <= 10

    def boxes(t: float) -> list[Box]:
        if not one_box(t):
            return [moved(front, 0), behind(t)]
        left, top, right, _, _ = behind(t)
        return [(min(left, 100), top, max(right, 140), 204, 0.9)]

    said = film(boxes, fps)
    assert sum(one_box(t) for t, _ in said) > 0.4 * fps
    for t, tracks in said:
        if one_box(t):
            assert whose(tracks, boxes(t)[0]) == [1]
            assert ids(tracks) == [1]
        else:
            assert (whose(tracks, front), whose(tracks, behind(t))) == ([1], [2])


@RATES
def test_where_one_stands_behind_another_the_box_that_is_left_is_that_of_the_one_in_front(fps: float) -> None:
    """It lies as near to the place of the one behind."""

    def front(t: float) -> Box:
        return moved(HE, 20 * (t - 1.5), 4)

    def behind(t: float) -> Box:
        return moved(HE, -20 * (t - 1.5), -1)

    def one_box(t: float) -> bool:
        return 1.35 <= t <= 1.65

    said = film(lambda t: [moved(HE, 0, 1)] if one_box(t) else [front(t), behind(t)], fps)
    for t, tracks in said:
        assert whose(tracks, moved(HE, 0, 1) if one_box(t) else front(t)) == [1]
        assert (t < 1.9 and ids(tracks) == [1]) or whose(tracks, behind(t)) == [2]
    assert all(ids(tracks) == [1] for t, tracks in said if one_box(t))
    assert of_all(said) == {1, 2}


def test_only_one_who_stands_nearer_covers_somebody() -> None:
    """A foot that is lower by a hair tells nothing."""
    alone = priced([HE], [HE]).cost[0, 0]
    for lower, covers in ((-6, False), (0, False), (2, False), (5, True)):
        cost = priced([HE, (104, 100 + lower, 144, 200 + lower)], [HE]).cost[0, 0]
        assert alone + 0.05 < cost < alone + 0.2 if covers else cost == alone


@RATES
def test_of_two_boxes_that_overlap_alike_that_of_like_height_is_taken(fps: float) -> None:
    """A child before somebody who has made a step aside."""
    said = film(
        lambda t: [moved(HE, 0)] if t < 1 else [(100, 138, 140, 200, 0.9), moved(HE, 10)],
        fps,
    )
    assert all(whose(tracks, moved(HE, 10)) == [1] for t, tracks in said if t >= 1)
    assert whose(said[-1][1], (100, 138, 140)) == [2]
    cut, aside = priced([HE], [(100, 138, 140, 200), (110, 100, 150, 200)]).cost[0]
    assert cut > aside + 0.15


# What holds of any boxes

sides = st.integers(0, 99)
near = st.integers(-150, 150)
places = st.tuples(near, near, sides, sides).map(lambda box: (box[0], box[1], box[0] + box[2], box[1] + box[3]))
"""On a grid, so that what must be equal is equal to the bit; some are points and lines, and many touch or are the same."""
far = st.floats(-1e6, 1e6)
anywhere = st.tuples(far, far, st.floats(0, 1e4), st.floats(0, 1e4)).map(
    lambda box: (box[0], box[1], box[0] + box[2], box[1] + box[3])
)
Case = tuple[NDArray[np.float64], int, NDArray[np.bool_], NDArray[np.float64], int, float]


@st.composite
def cases(draw: st.DrawFn, boxes: st.SearchStrategy[Place] = places) -> Case:
    """What :func:`pairing` takes; detections are mostly where tracks are, round two of them, or a part of one."""
    tracks = draw(st.lists(boxes, min_size=1, max_size=6))
    table = np.array(tracks, float)
    strangers = draw(st.lists(boxes, max_size=3))
    pairs = draw(st.lists(st.tuples(*[st.sampled_from(tracks)] * 2), max_size=4))
    rounds = [(*np.minimum(a, b)[:2], *np.maximum(a, b)[2:]) for a, b in pairs]
    found = np.array([*strangers, *rounds], float).reshape(-1, 4)
    late = draw(arrays.arrays(bool, len(table)))
    most = draw(st.sampled_from([0.5, 0.8, 0.9, 1.0]))
    return table, draw(st.integers(0, len(table))), late, found, draw(st.integers(0, len(found))), most


@given(cases() | cases(anywhere))
def test_a_pair_costs_between_nothing_and_one_and_none_is_of_an_unseen_track_with_an_unsure_box(case: Case) -> None:
    tracks, seen, _, found, sure, most = case
    made = pairing(*case)
    assert made.cost.shape == made.allowed.shape == (len(tracks), len(found))
    assert made.both.shape == (len(found),)
    assert ((made.cost >= 0) & (made.cost <= 1)).all()
    assert (made.cost[~made.allowed] == 1).all()
    assert not made.allowed[seen:, sure:].any()
    assert not made.allowed[:, made.both].any()
    wide = np.minimum(tracks[:, None, 2], found[:, 2]) - np.maximum(tracks[:, None, 0], found[:, 0]) + 1
    high = np.minimum(tracks[:, None, 3], found[:, 3]) - np.maximum(tracks[:, None, 1], found[:, 1]) + 1
    if most < 1:
        assert not made.allowed[(wide <= 0) | (high <= 0)].any(), "they do not touch"


@given(cases() | cases(anywhere))
def test_a_box_is_that_of_two_only_where_two_tracks_were_seen_lately(case: Case) -> None:
    tracks, _, late, *_ = case
    made = pairing(*case)
    assert late.sum() > 1 or not made.both.any()
    assert len(np.unique(tracks[late], axis=0)) > 1 or not made.both.any()


@given(cases() | cases(anywhere), st.randoms(use_true_random=False))
def test_the_order_of_tracks_and_of_boxes_does_not_matter(case: Case, random) -> None:
    tracks, seen, late, found, sure, most = case

    def shuffled(first: int, n: int) -> list[int]:
        """Those before the first and those from it on, each in another order."""
        return random.sample(range(first), first) + random.sample(range(first, n), n - first)

    rows, columns = shuffled(seen, len(tracks)), shuffled(sure, len(found))
    made = pairing(*case)
    other = pairing(tracks[rows], seen, late[rows], found[columns], sure, most)
    assert np.array_equal(other.cost, made.cost[rows][:, columns])
    assert np.array_equal(other.allowed, made.allowed[rows][:, columns])
    assert np.array_equal(other.both, made.both[columns])


@given(cases(), st.integers(-(10**6), 10**6), st.integers(-(10**6), 10**6))
def test_it_does_not_matter_where_in_the_picture_all_this_is(case: Case, x: int, y: int) -> None:
    tracks, seen, late, found, sure, most = case
    aside = np.array([x, y, x, y], float)
    made, other = pairing(*case), pairing(tracks + aside, seen, late, found + aside, sure, most)
    np.testing.assert_allclose(other.cost, made.cost, rtol=0, atol=1e-9)
    assert np.array_equal(other.allowed, made.allowed)
    assert np.array_equal(other.both, made.both)


@given(
    st.lists(st.lists(st.tuples(places, st.sampled_from([NOISE, CONTINUES, FINDS, BEGINS])), max_size=6), max_size=12)
)
def test_whatever_comes_no_box_is_taken_twice_and_no_id_given_twice(frames) -> None:
    engine = ByteTrackEngine(0.2, 12, crowds=True)
    for frame in frames:
        boxes = np.array([box for box, _ in frame], np.float32).reshape(-1, 4)
        boxes[:, 2:] = np.maximum(boxes[:, 2:], boxes[:, :2] + 1)  # what comes to an engine has a width and a height
        rows, numbers = engine.step(boxes, np.array([tier for _, tier in frame], np.intp), 1)
        assert len(set(rows.tolist())) == len(rows) == len(set(numbers.tolist())) == len(numbers)
        assert not any(frame[row][1] == NOISE for row in rows.tolist())


@pytest.mark.parametrize("fps", [7, 10, 13, 15, 30, 60, None])
def test_the_default_tracker_looks_at_crowds_at_any_rate_and_bytetrack_never_does(fps: float | None) -> None:
    pytest.importorskip("pyxtrackers")
    for kind, crowds in (("default", True), ("bytetrack", False)):
        engine = tracker(kind, fps, kernel=False)._engine  # type: ignore[attr-defined]
        assert isinstance(engine, ByteTrackEngine)
        own = isinstance(engine._tracker, TimedByteTrack)
        assert own is (crowds or (fps or 0) > 13)
        assert not own or engine._tracker._crowds is crowds
