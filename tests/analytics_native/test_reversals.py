"""A reversal must last: a box that flutters over a line counts once, one that truly turns counts twice."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from native_world import CAM, LABELS, MIDDLE, events, frame, rules, run

from countline.analytics.native import NativeRules
from countline.config.rules import RulesConfig
from countline.types import UNTRACKED, Analytics, CounterKey, Crossing, FrameTracks, Journey

MS = 1_000_000
ABOVE, BELOW = 400, 680
"""Well outside of MIDDLE's band, on either side."""
examples = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


def film(sides: list[int | None], step: int = 33, track: int = 1, x: float = 960) -> list[FrameTracks]:
    """A frame each ``step`` ms of one object at these heights; None: it is not seen."""
    return [
        frame(n, [] if y is None else [(track, x, y)], pts=n * step * MS) for n, y in enumerate(sides)
    ]  # fmt: skip


def engines(debounce: float, *lines: dict, **more: object) -> list[NativeRules]:
    """With the kernel (where there is one), with NumPy, and with neither short cut."""
    config = RulesConfig.model_validate({"lines": [MIDDLE | {"debounce": debounce}, *lines], **more})
    return [
        NativeRules(config, [CAM], LABELS, fast=fast, kernel=kernel)
        for fast, kernel in ((True, True), (True, False), (False, False))
    ]


def told(results: list[Analytics]) -> list[tuple[int, str, str, int | None]]:
    return [(e.frame.number, e.rule, e.direction, e.track_id) for e in events(results) if isinstance(e, Crossing)]


def counted(debounce: float, frames: list[FrameTracks], *lines: dict, **more: object) -> list[tuple[int, str]]:
    """(frame, direction) of each crossing of MIDDLE: the same by all engines, events, counts and explanations."""
    found = []
    for engine in engines(debounce, *lines, **more):
        results = run(engine, frames)
        found.append((told(results), results[-1].lines, engine.explain("cam", 1, "middle")))
    assert found[0] == found[1] == found[2]
    return [(number, way) for number, rule, way, _ in found[0][0] if rule == "middle"]


def expected(raw: list[tuple[int, str]], sides: list[int | None], step: int, least: float) -> list[tuple[int, str]]:
    """What must be told, by going through the frames: ``raw`` is what an engine without debounce tells."""
    at, made = dict(raw), []
    last: tuple[int, str] | None = None
    waiting = ""
    for n, y in enumerate(sides):
        now, way = n * step, at.get(n, "")
        if way and last and (waiting or (way != last[1] and now - last[0] < least * 1000)):
            waiting = way if not waiting else ""
        elif way:
            made.append((n, way))
            last = now, way
        if waiting and last and y is not None and now - last[0] >= least * 1000:
            made.append((n, waiting))
            last, waiting = (now, waiting), ""
    return made


heights = st.sampled_from([ABOVE, ABOVE, 533, 545, BELOW, BELOW, None])
ways = st.lists(st.tuples(heights, st.integers(1, 9)), min_size=1, max_size=25).map(
    lambda parts: [ABOVE, *(y for y, n in parts for _ in range(n))]
)


@examples
@given(ways, st.sampled_from([20, 40, 100, 250]), st.sampled_from([0.1, 0.5, 1.0]))
def test_what_is_told_follows_from_what_is_told_without(sides, step, least):
    frames = film(sides, step)
    raw = counted(0, frames)
    assert counted(least, frames) == expected(raw, sides, step, least)


@examples
@given(ways, st.sampled_from([20, 40, 100]))
def test_first_crossings_are_told_in_the_frame_in_which_they_were(sides, step):
    frames = film(sides, step)
    raw, now = counted(0, frames), counted(0.5, frames)
    assert now[:1] == raw[:1]
    # And so is each that follows its predecessor by half a second, or goes the same way as what was told last.
    times = [n * step for n, _ in now]
    assert all(b - a >= 500 for a, b in pairwise(times))
    assert {way for _, way in now} <= {way for _, way in raw}


@examples
@given(st.lists(st.integers(1, 4), min_size=1, max_size=7), st.booleans())
def test_a_flutter_counts_no_more_than_its_first_crossing(lengths, ends_beyond):
    """In, out, in ... within half a second."""
    flutter = [y for n, length in enumerate(lengths) for y in [(BELOW, ABOVE)[n % 2]] * length][:14]
    sides: list[int | None] = [ABOVE] * 10 + flutter + [BELOW if ends_beyond else ABOVE] * 40
    found = counted(0.5, film(sides))
    assert found[0] == (10, "out")
    assert [way for _, way in found[1:]] == ([] if ends_beyond else ["in"])


@examples
@given(st.integers(1, 14), st.integers(20, 60))
def test_a_lasting_reversal_counts_exactly_once_when_its_time_has_passed(beyond, after):
    found = counted(0.5, film([ABOVE] * 5 + [BELOW] * beyond + [ABOVE] * after))
    assert found == [(5, "out"), (5 + 16, "in")]  # 16 frames of 33 ms are the first half second or more


def test_who_comes_back_later_is_told_at_once():
    assert counted(0.5, film([ABOVE] * 5 + [BELOW] * 16 + [ABOVE] * 3)) == [(5, "out"), (21, "in")]


def test_a_track_that_is_not_seen_again_has_not_stayed():
    there = [ABOVE] * 5 + [BELOW] * 4 + [ABOVE] * 4
    assert counted(0.5, film(there + [None] * 60)) == [(5, "out")]
    assert counted(0.5, film([*there, *[None] * 25, ABOVE])) == [(5, "out"), (38, "in")]
    assert counted(0.5, film([*there, *[None] * 25, BELOW, *[BELOW] * 30])) == [(5, "out")]


def test_no_debounce_tells_each_at_once():
    sides: list[int | None] = [ABOVE, BELOW] * 6
    assert counted(0, film(sides)) == [(n, ("in", "out")[n % 2]) for n in range(1, 12)]


def test_where_time_stands_still_nothing_waits():
    assert counted(0.5, film([ABOVE, BELOW] * 6, step=0)) == counted(0, film([ABOVE, BELOW] * 6, step=0))


def test_each_track_and_each_line_is_for_itself():
    beside = {"name": "beside", "points": [[0.1, 0.8], [0.9, 0.8]], "debounce": 2.0}
    one, two = [ABOVE] * 3 + [BELOW] * 3 + [ABOVE] * 20, [ABOVE] * 5 + [1000] * 3 + [ABOVE] * 18
    frames = [frame(n, [(1, 500, a), (2, 1300, b)]) for n, (a, b) in enumerate(zip(one, two))]
    for engine in engines(0.5, beside):
        assert told(run(engine, frames)) == [
            (3, "middle", "out", 1), (5, "middle", "out", 2), (5, "beside", "out", 2), (19, "middle", "in", 1),
            (21, "middle", "in", 2),
        ]  # fmt: skip


def test_round_the_end_of_a_line_and_through_it_again_both_count():
    short = {"name": "short", "points": [[0.45, 0.5], [0.55, 0.5]]}
    through, round_it = [(960, ABOVE), (960, BELOW)], [(1300, BELOW), (1300, ABOVE)]
    path = [*through, *round_it, *through, *[(960, ABOVE)] * 30]
    assert told(run(rules(short), [frame(n, [(1, *p)]) for n, p in enumerate(path)])) == [
        (1, "short", "out", 1), (5, "short", "out", 1), (21, "short", "in", 1),
    ]  # fmt: skip
    # In twice while a reversal waits: both are told when they have lasted.
    path = [*through, (960, ABOVE), *round_it[::-1], (960, BELOW), *[(960, ABOVE)] * 30]
    assert told(run(rules(short), [frame(n, [(1, *p)]) for n, p in enumerate(path)])) == [
        (1, "short", "out", 1), (17, "short", "in", 1), (17, "short", "in", 1),
    ]  # fmt: skip


def test_explain_tells_of_what_waited():
    (engine, *_) = engines(0.5)
    run(engine, film([ABOVE] * 5 + [BELOW] * 3 + [ABOVE] * 3 + [BELOW] * 3))
    assert engine.explain("cam", 1, "middle") == (
        "counted out at frame 5 (0.17 s); reversed in within 0.5 s, which counts if it lasts, at frame 8 (0.26 s); "
        "came back out, so that what reversed within 0.5 s does not count, at frame 11 (0.36 s)"
    )
    (engine, *_) = engines(0.5)
    run(engine, film([ABOVE] * 5 + [BELOW] * 3 + [ABOVE] * 40))
    assert engine.explain("cam", 1, "middle").endswith("at frame 8 (0.26 s); counted in at frame 21 (0.69 s)")


def test_a_restart_counts_nothing_twice():
    """What is stored is what was told; a reversal that waits is forgotten with its track."""
    frames = film([ABOVE] * 5 + [BELOW] * 3 + [ABOVE] * 40)
    for cut in range(6, 24):
        (engine, *_), (again, *_) = engines(0.5), engines(0.5)
        before = run(engine, frames[:cut])
        stored: dict[CounterKey, int] = {}
        for analytics in before:
            for delta in analytics.deltas:
                stored[delta.key] = stored.get(delta.key, 0) + delta.amount
        again.restore(stored, {})
        line = run(again, frames[cut:])[-1].lines["middle"]
        ways = {way: count.cumulative for way, count in line.directions.items()}
        assert ways == {"out": 1, "in": int(cut < 8 or cut > 21)}  # before 8 it is a new track's first crossing


def test_another_configuration_while_a_reversal_waits_changes_nothing_for_its_line():
    sides: list[int | None] = [ABOVE] * 5 + [BELOW] * 3 + [ABOVE] * 20
    low = {"name": "low", "points": [[0.1, 0.9], [0.9, 0.9]]}
    for at in range(4, 25):
        for engine in engines(0.5):
            results = run(engine, film(sides)[:at])
            engine.replace(RulesConfig.model_validate({"lines": [low, MIDDLE | {"debounce": 0.5}]}))
            assert told(results + run(engine, film(sides)[at:])) == [(5, "middle", "out", 1), (21, "middle", "in", 1)]


def test_a_reversal_goes_on_under_another_id():
    first = film([ABOVE] * 5 + [BELOW] * 3 + [ABOVE] * 3)
    for engine in engines(0.5):
        results = run(engine, first + [frame(n, [(2, 960, ABOVE)], pts=n * 33 * MS) for n in range(11, 30)])
        assert engine.metrics["stitched"] == 1
        assert told(results) == [(5, "middle", "out", 1), (21, "middle", "in", 2)]


def test_an_object_of_two_tracks_counts_as_often_as_that_one_of_them_that_stays():
    """Both go out; one flutters back, the other comes back to stay."""
    flutters, stays = [ABOVE] * 5 + [BELOW] * 3 + [ABOVE] * 3 + [BELOW] * 40, [ABOVE] * 5 + [BELOW] * 25 + [ABOVE] * 21
    frames = [frame(n, [(1, 960, a), (2, 970, b)]) for n, (a, b) in enumerate(zip(flutters, stays))]
    for one in frames:
        one.tracks.twin_of = np.array([UNTRACKED, 1], np.uint64)
    for engine in engines(0.5):
        assert told(run(engine, frames)) == [(5, "middle", "out", 1), (30, "middle", "in", 2)]
        assert engine.twins("cam") == 1


def test_a_journey_goes_by_what_counts():
    low = {"name": "low", "points": [[0.1, 0.8], [0.9, 0.8]]}
    sides: list[int | None] = [1000] * 3 + [BELOW] * 3 + [1000] * 3 + [BELOW] * 20 + [ABOVE] * 3
    for engine in engines(0.5, low, journeys=[{"name": "od", "places": ["low", "middle"]}]):
        found = events(run(engine, film(sides)))
        assert [(e.frame.number, e.kind, e.rule) for e in found] == [
            (3, "crossing", "low"), (29, "crossing", "middle"), (29, "journey", "od"),
        ]  # fmt: skip
        assert isinstance(found[-1], Journey)


@pytest.mark.parametrize("count", ["every", "once"])
def test_what_a_line_does_not_count_is_crossed_all_the_same(count):
    """Only `out` counts: to flutter in and out again is not to go out twice."""
    sides: list[int | None] = [ABOVE] * 3 + [BELOW] * 3 + [ABOVE] * 3 + [BELOW] * 20
    for debounce, times in ((0, 2 if count == "every" else 1), (0.5, 1)):
        line = MIDDLE | {"direction": "out", "count": count, "debounce": debounce}
        assert len(told(run(rules(line), film(sides)))) == times
