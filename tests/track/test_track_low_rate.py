"""Below six frames a second objects keep their ids, by motion: on generated scenes with exact truth."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from track_world import tracker

from countline.config import TrackerConfig
from countline.track import make
from countline.track.assign import assign
from countline.track.buffered import BufferedEngine
from countline.track.engines import BEGINS, CONTINUES
from countline.track.tracker import EngineTracker
from countline.types import Detections, Tracks

THRESHOLDS = np.full(2, 0.5, np.float32)


def usual(**more: object) -> EngineTracker:
    made = make(TrackerConfig(), thresholds=THRESHOLDS, **more)  # type: ignore[arg-type]
    assert isinstance(made, EngineTracker)
    return made


def follow(
    t: EngineTracker, paths: list[np.ndarray], size: tuple[float, float], fps: float, seed: int
) -> list[set[int]]:
    """Ids that each object had. ``paths``: (frames, 2) feet, NaN where it is not seen."""
    rng, had = np.random.default_rng(seed), [set[int]() for _ in paths]
    wide, high = size
    for i in range(len(paths[0])):
        here = [(k, path[i]) for k, path in enumerate(paths) if not np.isnan(path[i, 0])]
        boxes = np.array([[x - wide / 2, y - high, x + wide / 2, y] for _, (x, y) in here]).reshape(-1, 4)
        boxes += rng.normal(0, 0.02 * wide, boxes.shape)
        order = rng.permutation(len(boxes))
        n = len(boxes)
        tracks = t.update(Detections(boxes[order], np.full(n, 0.8), np.zeros(n)), round(i * 1e9 / fps))
        for track, box in zip(tracks.track_id.tolist(), tracks.xyxy):
            whose = [k for k, _ in here][int(np.abs(boxes - box).sum(axis=1).argmin())]
            had[whose].add(track)
    return had


def one_each(had: list[set[int]]) -> bool:
    return all(len(ids) == 1 for ids in had) and len(set.union(*had)) == len(had)


@pytest.mark.parametrize("fps", [5, 3, 2])
@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0.6, 1.8), st.booleans(), st.floats(-0.2, 0.2)), min_size=2, max_size=6),
    st.integers(0, 99),
)
def test_walkers_who_do_not_touch_keep_their_ids(fps: int, people: list[tuple[float, bool, float]], seed: int) -> None:
    """Each on a path of his own, to either side, at up to 1.8 m/s: 40 pixels are a person's half metre."""
    seconds = np.arange(0, 8, 1 / fps)
    paths = []
    for k, (speed, right, drift) in enumerate(people):
        x = (100 if right else 900) + (1 if right else -1) * 80 * speed * seconds
        paths.append(np.stack([x, 200 + 160 * k + 30 * drift * seconds], axis=1))
    assert one_each(follow(usual(fps=fps), paths, (40, 110), fps, seed))


@pytest.mark.parametrize("fps", [5, 3, 2])
@settings(max_examples=30, deadline=None)
@given(st.floats(0.9, 1.6), st.floats(2.5, 6), st.integers(0, 99))
def test_two_who_meet_and_pass_keep_their_ids(fps: int, speed: float, meet: float, seed: int) -> None:
    """Paths that run side by side, so that the boxes overlap while they pass."""
    seconds = np.arange(0, 9, 1 / fps)
    way = 80 * speed * (seconds - meet)
    paths = [np.stack([500 + way, np.full(len(way), 300.0)], 1), np.stack([500 - way, np.full(len(way), 360.0)], 1)]
    assert one_each(follow(usual(fps=fps), paths, (40, 110), fps, seed))


@pytest.mark.parametrize("fps", [5, 3, 2])
def test_cars_that_go_by_several_lengths_a_frame_keep_their_ids_once_others_have_shown_the_way(fps: int) -> None:
    step, frames = 240.0, 60
    paths = []
    for k in range(10):  # the first ones alone, then a column in which the next one stands where the last one went
        begin = 8 * k if k < 4 else 32 + (k - 4) * 2
        x = np.full(frames, np.nan)
        there = np.arange(begin, min(frames, begin + 7))
        x[there] = 60 + step * (there - begin)
        paths.append(np.stack([x, np.full(frames, 300.0)], axis=1))
    had = follow(usual(fps=fps), paths, (100, 60), fps, 1)
    assert one_each(had), had


def test_one_comes_into_the_picture_at_its_edge() -> None:
    """Box and middle grow, one side stands."""
    t, ids = usual(fps=3), set[int]()
    for i in range(8):
        bottom = 40 + 70.0 * i
        box = np.array([[200, max(0.0, bottom - 200), 320, bottom]])
        ids |= set(t.update(Detections(box, np.full(1, 0.8), np.zeros(1)), i * 333_333_333).track_id.tolist())
    assert ids == {1}


def test_who_was_missed_in_a_frame_is_found_where_he_must_be_by_then() -> None:
    path = np.stack([100 + 60.0 * np.arange(12), np.full(12, 300.0)], axis=1)
    path[[5, 6]] = np.nan
    assert one_each(follow(usual(fps=2), [path], (40, 110), 2, 0))


def test_nobody_turns_about_within_a_frame() -> None:
    """One leaves the picture when another comes the other way, where the first one's box was."""
    t = usual(fps=2)
    for i in range(6):
        x = 100 + 80.0 * i
        t.update(Detections(np.array([[x, 100, x + 60, 200]]), np.full(1, 0.8), np.zeros(1)), i * 500_000_000)
    box = np.array([[440.0, 100, 500, 200]])  # the last one stood at 500
    assert t.update(Detections(box, np.full(1, 0.8), np.zeros(1)), 3_000_000_000).track_id.tolist() == [2]


@pytest.mark.parametrize("known", [True, False])
def test_a_source_that_becomes_slow_and_quick_again_keeps_its_ids(known: bool) -> None:
    t, pts, x, ids = usual(fps=25 if known else None), 0, 100.0, set[int]()
    engines = []
    for gap in [40] * 20 + [400] * 15 + [40] * 30:
        pts += gap * 1_000_000
        x += gap * 0.05
        ids |= set(
            t.update(Detections(np.array([[x, 100, x + 40, 200]]), np.full(1, 0.8), np.zeros(1)), pts).track_id.tolist()
        )
        engines.append(isinstance(t._engine, BufferedEngine))
    assert ids == {1}
    assert (engines[19], engines[34], engines[-1]) == (False, True, False)


def test_weak_boxes_begin_nothing_and_continue_what_was_seen() -> None:
    engine = BufferedEngine(0.2, 3)
    box = np.array([[0, 0, 40, 100]], np.float32)
    assert len(engine.step(box, np.array([CONTINUES]), 1)[0]) == 0
    assert engine.step(box, np.array([BEGINS]), 1)[1].tolist() == [1]
    assert engine.step(box + 10, np.array([CONTINUES]), 1)[1].tolist() == [1]
    assert len(engine.step(box[:0], np.empty(0, int), 5)[0]) == 0
    assert engine.step(box + 10, np.array([BEGINS]), 1)[1].tolist() == [2], "gone for longer than is kept"


def test_the_tracker_can_be_chosen_for_any_rate() -> None:
    t = tracker("buffered", fps=10)
    seen = [t.update(Detections(np.array([[i, 0, i + 40, 90]]), np.ones(1), np.zeros(1)), i * 10**8) for i in range(5)]
    assert [s.track_id.tolist() for s in seen] == [[1]] * 5
    assert all(isinstance(s, Tracks) for s in seen)


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 5), st.integers(1, 5), st.integers(0, 2**31))
def test_an_assignment_has_as_many_pairs_as_can_be_and_costs_least(n: int, m: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    cost = np.where(rng.random((n, m)) < 0.6, rng.uniform(-1, 3, (n, m)).round(2), np.inf)
    square = np.full((max(n, m), max(n, m)), np.inf)
    square[:n, :m] = cost
    best = min(
        (-sum(fine), sum(v for v, ok in zip(values, fine) if ok))
        for order in permutations(range(len(square)))
        for values in [[square[i, j] for i, j in enumerate(order)]]
        for fine in [[bool(np.isfinite(v)) for v in values]]
    )
    pairs = assign(cost)
    assert len({i for i, _ in pairs}) == len({j for _, j in pairs}) == len(pairs) == -best[0]
    assert sum(cost[i, j] for i, j in pairs) == pytest.approx(best[1])
