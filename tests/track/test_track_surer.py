"""Who took a doubtful box has, in its place, a sure one on the same that nobody took."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from track_world import follow, ids

from countline.track.crowds import SAME, distances, pairing, surer

HE = (100.0, 100.0, 140.0, 200.0)
MOST = 0.8
"""Greatest distance of a pair, where the least overlap is 0.2."""


def right(box: tuple[float, ...], by: float) -> tuple[float, ...]:
    return box[0] + by, box[1], box[2] + by, box[3]


def taken(
    tracks: list[tuple[float, ...]], sure: list[tuple[float, ...]], doubtful: list[tuple[float, ...]]
) -> list[int]:
    """Which of the detections, the sure ones first, each of the tracks has, if each took the doubtful one of its number."""
    detections = np.array([*sure, *doubtful]).reshape(-1, 4)
    late = np.ones(len(tracks), bool)
    pairs = pairing(np.array(tracks), len(tracks), late, detections, len(sure), MOST)
    had = [(i, len(sure) + i) for i in range(len(tracks))]
    got = surer(had, pairs, detections, len(sure))
    assert [i for i, _ in got] == [i for i, _ in had]
    return [j for _, j in got]


def test_a_sure_box_on_the_same_is_taken_in_place_of_a_doubtful_one_that_lies_nearer() -> None:
    assert taken([HE], [right(HE, 15)], [HE]) == [0]


def test_a_sure_box_beside_the_doubtful_one_is_somebody_elses() -> None:
    assert taken([HE], [right(HE, 22)], [HE]) == [1]


def test_a_sure_box_that_may_not_be_the_tracks_is_not_taken() -> None:
    """It lies on the doubtful box, which lies half off the track, but not on the track."""
    there, off = right(HE, 12), right(HE, 28)
    assert 1 - distances(np.array([there]), np.array([off]))[0, 0] > SAME
    assert taken([HE], [off], [there]) == [1]


def test_of_several_sure_boxes_the_one_that_lies_best_is_taken() -> None:
    assert taken([HE], [right(HE, 15), right(HE, -9), right(HE, 12)], [HE]) == [1]


def test_two_do_not_take_the_same_sure_box() -> None:
    other = right(HE, 20)
    assert taken([HE, other], [right(HE, 10)], [HE, other]) == [0, 2]
    assert taken([HE, other], [right(HE, 10), right(HE, 16)], [HE, other]) == [0, 1]


def test_a_box_of_two_is_nobodys_here_either() -> None:
    """Two side by side, of whom one is seen surely only as part of the box round both."""
    one, other = (100.0, 100.0, 140.0, 200.0), (142.0, 100.0, 182.0, 200.0)
    both = (100.0, 100.0, 182.0, 200.0)
    assert taken([one, other], [both], [one, other]) == [1, 2]


place = st.tuples(st.floats(0, 60), st.floats(0, 40), st.floats(5, 60), st.floats(5, 90))
places = st.lists(place.map(lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3])), min_size=1, max_size=6)


@given(places, places, st.integers(1, 6))
def test_every_box_is_one_tracks_and_whoever_keeps_a_doubtful_one_had_no_sure_one_left(
    tracks, detections, sure
) -> None:
    boxes, found = np.array(tracks), np.array(detections)
    sure = min(sure, len(found))
    pairs = pairing(boxes, len(boxes), np.ones(len(boxes), bool), found, sure, MOST)
    free = list(range(len(found)))
    had = []
    for i in range(len(boxes)):  # each takes the last that it may have, so the doubtful ones first
        may = [j for j in free if pairs.allowed[i, j]]
        if may:
            had.append((i, may[-1]))
            free.remove(may[-1])
    got = surer(had, pairs, found, sure)
    columns = [j for _, j in got]
    assert len(set(columns)) == len(columns)
    overlap = 1 - distances(found, found)
    for (i, before), (same, now) in zip(had, got, strict=True):
        assert same == i
        assert pairs.allowed[i, now]
        if now != before:
            assert before >= sure > now
            assert overlap[before, now] >= SAME - 1e-9
        elif before >= sure:
            left = [j for j in range(sure) if j not in columns and pairs.allowed[i, j]]
            assert not [j for j in left if overlap[before, j] > SAME + 1e-9]


def test_who_comes_out_from_behind_a_post_goes_on_with_the_box_of_the_whole_of_him() -> None:
    """At any rate: what is seen of him grows to one side, and a weak box stays on the half that was seen."""
    for fps in (10, 15, 30):

        def boxes(t: float) -> list[tuple[float, ...]]:
            half = (*right((100.0, 100.0, 124.0, 200.0), 20 * t), 0.9)
            if t < 1:
                return [half]
            whole = (half[0], 100.0, half[0] + 60, 200.0, 0.9)
            return [whole, (*half[:4], 0.3)]

        times = [i / fps for i in range(2 * fps)]
        for t, tracks in zip(times, follow([boxes(t) for t in times], fps, kernel=False)):
            if t >= 1:
                assert ids(tracks.only(np.abs(tracks.xyxy[:, 2] - boxes(t)[0][2]) < 0.01)) == [1]
        assert ids(tracks) == [1]
