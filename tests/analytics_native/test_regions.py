"""Occupancy, enter and leave, dwell, crowding."""

import numpy as np
import pytest
from native_world import events, frame, rules, run, straight, walk

from countline.types import Crowding, Dwell, Enter, Leave

SQUARE = {"name": "square", "points": [[0.4, 0.3], [0.6, 0.3], [0.6, 0.7], [0.4, 0.7]]}
"""768..1152 by 324..756 pixels of 1920 x 1080."""


def region(**more):
    return rules(regions=[{**SQUARE, **more}])


def kinds(results):
    return [e.kind for e in events(results)]


def test_walking_through_enters_and_leaves_once():
    results = walk(region(), straight((960, 200), (960, 900), 100))
    assert kinds(results) == ["enter", "leave"]
    assert [a.regions["square"].occupancy for a in results].count(1) > 50
    last = results[-1].regions["square"]
    assert (last.occupancy, last.entered.cumulative, last.left.cumulative) == (0, 1, 1)


def test_jitter_at_the_edge_does_not_flap():
    rng = np.random.default_rng(5)
    path = [(960 + dx, 324 + dy) for dx, dy in rng.uniform(-6, 6, (3000, 2))]
    assert kinds(walk(region(), path)) == ["enter"]


def test_a_region_smaller_than_the_band_works():
    tiny = {"name": "tiny", "points": [[0.498, 0.498], [0.502, 0.498], [0.502, 0.502], [0.498, 0.502]]}
    assert kinds(walk(rules(regions=[tiny]), straight((960, 500), (960, 600), 101))) == ["enter", "leave"]


def test_inverse_counts_what_is_outside():
    results = walk(region(inverse=True), straight((960, 200), (960, 900), 100))
    assert kinds(results) == ["enter", "leave", "enter"]
    assert results[0].regions["square"].occupancy == 1
    assert results[50].regions["square"].occupancy == 0


def test_concave_and_crossing_polygons_are_even_odd():
    bow = {"name": "bow", "points": [[0.2, 0.2], [0.8, 0.8], [0.8, 0.2], [0.2, 0.8]]}
    engine = rules(regions=[bow])
    a = run(engine, [frame(0, [(1, 0.3 * 1920, 0.5 * 1080), (2, 0.5 * 1920, 0.3 * 1080)])])[0]
    assert a.regions["bow"].occupancy == 1
    assert [e.track_id for e in a.events] == [1]


def test_an_object_that_vanishes_leaves_after_the_grace_time():
    engine = region(grace=0.5)
    run(engine, [frame(n, [(1, 960, 540)]) for n in range(30)])
    results = run(engine, [frame(n, []) for n in range(30, 60)])
    assert results[0].regions["square"].occupancy == 1
    (leave,) = events(results)
    assert isinstance(leave, Leave)
    at = next(i for i, a in enumerate(results) if a.events)
    assert at * 33.3 == pytest.approx(500, abs=40)
    assert leave.dwell == pytest.approx(29 / 30, abs=0.01)
    assert (leave.track_id, leave.class_name) == (1, "person")
    assert leave.box == pytest.approx((940, 460, 980, 540))
    assert results[-1].regions["square"].occupancy == 0


def test_a_flicker_within_the_grace_time_is_not_noticed():
    engine = region()
    results = [a for n in range(90) for a in engine.update([frame(n, [(1, 960, 540)] if n % 10 else [])])]
    assert kinds(results) == ["enter"]
    assert {a.regions["square"].occupancy for a in results[1:]} == {1}


def test_dwell_is_told_once_per_stay():
    engine = region(dwell=1.0)
    inside, outside = [(960, 540)] * 60, [(960, 200)] * 10
    found = [e for e in events(walk(engine, inside + outside + inside)) if isinstance(e, Dwell)]
    assert [e.frame.number for e in found] == [31, 101]
    assert all(e.dwell == pytest.approx(1.0, abs=0.04) for e in found)


def test_longest_dwell_is_of_the_one_inside_longest():
    engine = region()
    results = []
    for n in range(60):
        objects = [(1, 960, 540)] if n < 30 else []
        results += run(engine, [frame(n, [*objects, *([(2, 900, 540)] if n >= 15 else [])])])
    assert results[29].regions["square"].longest_dwell == pytest.approx(29 / 30, abs=0.01)
    assert results[59].regions["square"].longest_dwell == pytest.approx(59 / 30, abs=0.01)  # grace
    results = run(engine, [frame(n, [(2, 900, 540)]) for n in range(60, 70)])
    assert results[-1].regions["square"].longest_dwell == pytest.approx(54 / 30, abs=0.01)


def crowd(count, n):
    return frame(n, [(i, 900 + 10 * i, 540, i % 3) for i in range(count)])


def test_crowding_needs_number_and_time_and_ends():
    engine = region(crowding={"objects": 3, "seconds": 1.0}, grace=0)
    results = run(engine, [crowd(3, n) for n in range(20)])  # too short
    results += run(engine, [crowd(2, n) for n in range(20, 30)])
    assert not any(isinstance(e, Crowding) for e in events(results))
    results = run(engine, [crowd(4, n) for n in range(30, 80)])
    (begin,) = [e for e in events(results) if isinstance(e, Crowding)]
    assert (begin.phase, begin.occupancy, begin.track_id) == ("begin", 4, None)
    assert begin.frame.number in (60, 61)
    assert results[-1].regions["square"].crowded
    assert results[-1].objects[0].crowding == ["square"]
    results = run(engine, [crowd(2, n) for n in range(80, 90)])
    (end,) = [e for e in events(results) if isinstance(e, Crowding)]
    assert (end.phase, end.occupancy) == ("end", 2)
    assert not results[-1].regions["square"].crowded


def test_a_limit_per_class():
    engine = region(limits={"car": 1}, grace=0)
    results = run(
        engine, [frame(0, [(1, 900, 540, 2), (2, 950, 540, 0)]), frame(1, [(1, 900, 540, 2), (3, 950, 540, 2)])]
    )
    (begin,) = [e for e in events(results) if isinstance(e, Crowding)]
    assert (begin.class_name, begin.class_id, begin.occupancy, begin.frame.number) == ("car", 2, 2, 1)


def test_class_filter_and_occupancy_by_class():
    engine = region(classes=["person", "bicycle"])
    (a,) = run(engine, [frame(0, [(1, 900, 540, 0), (2, 920, 540, 1), (3, 940, 540, 2), (4, 960, 540, 0)])])
    assert a.regions["square"].occupancy == 3
    assert a.regions["square"].classes == {"person": 2, "bicycle": 1}


def test_occupancy_is_entered_minus_left():
    rng = np.random.default_rng(6)
    engine = region(grace=0.2)
    where = rng.uniform((600, 200), (1300, 900), (30, 2))
    for n in range(400):
        where += rng.normal(0, 15, where.shape)
        seen = [(i, *where[i]) for i in range(30) if rng.random() < 0.9 and n % 200 > i]
        (a,) = run(engine, [frame(n, seen)])
        state = a.regions["square"]
        assert state.occupancy == state.entered.cumulative - state.left.cumulative
        assert state.occupancy == sum(state.classes.values())
    assert state.left.cumulative > 30


def test_objects_tell_which_regions_they_are_in():
    engine = region()
    (a,) = run(engine, [frame(0, [(1, 960, 540), (2, 100, 540)])])
    assert a.objects[0].regions == ["square"]
    assert a.objects[1] is None
    assert isinstance(a.events[0], Enter)
