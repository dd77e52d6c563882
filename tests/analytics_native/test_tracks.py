"""How tracks come, go, change their id, and what odd input does."""

import math

import numpy as np
import pytest
from native_world import FRAME, LABELS, MIDDLE, events, frame, rules, run, straight, walk, ways

from countline.analytics.native import NativeRules
from countline.analytics.native.source import MEMORY
from countline.config.rules import RulesConfig
from countline.types import UNTRACKED, CounterKey, FrameInfo, FrameTracks, Journey, SourceInfo, Tracks

SQUARE = {"name": "square", "points": [[0.4, 0.3], [0.6, 0.3], [0.6, 0.7], [0.4, 0.7]]}


@pytest.mark.parametrize("speed", [1, 4, 12])
@pytest.mark.parametrize("gap", [1, 3, 10, 20])
@pytest.mark.parametrize("switch", [-40, -10, -3, 3, 10, 40])
def test_an_id_switch_near_the_line_counts_once(speed, gap, switch):
    path = [(960, 540 + speed * (i - 60)) for i in range(161)]
    at = next(i for i, (_, y) in enumerate(path) if y >= 540 + switch)
    engine = rules(MIDDLE)
    results = run(
        engine,
        [frame(n, [] if at < n <= at + gap else [(1 if n <= at else 2, x, y)]) for n, (x, y) in enumerate(path)],
    )
    assert ways(results) == (["out"] if speed * 60 > 12 else [])
    assert engine.metrics["stitched"] == 1


def test_a_switch_at_every_fifth_frame_counts_once():
    path = straight((960, 300), (960, 800), 100)
    results = run(rules(MIDDLE), [frame(n, [(n // 5, x, y)]) for n, (x, y) in enumerate(path)])
    assert ways(results) == ["out"]


def test_a_stay_goes_on_under_a_new_id():
    engine = rules(regions=[{**SQUARE, "dwell": 2.0}])
    results = run(engine, [frame(n, [(n // 20, 960 + n, 540)]) for n in range(90)])
    assert [(e.kind, e.track_id) for e in events(results)] == [("enter", 0), ("dwell", 3)]


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("far", {"dx": 90}),
        ("other class", {"class_id": 2}),
        ("other size", {"h": 160}),
        ("late", {"gap": 40}),
        ("behind", {"dy": -40}),
    ],
)
def test_what_is_not_the_same_object_is_not_stitched(what, change):
    engine = rules(MIDDLE)
    path = straight((960, 440), (960, 540), 26)
    walk(engine, path)
    start = 26 + change.get("gap", 1)
    x, y = 960 + change.get("dx", 0), 544 + change.get("dy", 0)
    h = change.get("h", 80)
    run(engine, [frame(start, [(2, x, y, change.get("class_id", 0), h / 2, h)])])
    assert engine.metrics["stitched"] == 0, what


def test_two_objects_that_are_both_there_are_two():
    engine = rules(MIDDLE)
    results = [
        a
        for n in range(60)
        for a in engine.update([frame(n, [(1, 900, 400 + 5 * n), *([(2, 930, 400 + 5 * n)] if n > 5 else [])])])
    ]
    assert ways(results) == ["out", "out"]
    assert engine.metrics["stitched"] == 0


def test_several_switches_at_once_find_their_own():
    xs = [200 + 120 * i for i in range(10)]
    engine = rules(MIDDLE)
    results = []
    for n in range(80):
        late = n > 38
        results += engine.update(
            [frame(n, [(i + 100 * late, x, 380 + 4 * n) for i, x in enumerate(xs)][:: -1 if late else 1])]
        )
    assert ways(results) == ["out"] * 10
    assert engine.metrics["stitched"] == 10


@pytest.mark.parametrize("gap", [1, 30, 200])
def test_an_id_that_comes_back_goes_on(gap):
    engine = rules(MIDDLE)
    first = walk(engine, straight((960, 400), (960, 500), 10))
    run(engine, [frame(10 + i, []) for i in range(gap)])
    second = walk(engine, straight((960, 600), (960, 700), 10), start=10 + gap)
    assert ways(first + second) == ["out"]


def test_an_id_used_again_much_later_is_another_object():
    engine = rules(MIDDLE)
    walk(engine, straight((960, 400), (960, 500), 10))
    later = 10 + MEMORY // FRAME + 5
    run(engine, [frame(later - 1, [])])
    assert ways(walk(engine, straight((960, 600), (960, 700), 10), start=later)) == []


def test_memory_is_bounded_by_live_tracks_and_the_window():
    engine = rules(MIDDLE, regions=[SQUARE])
    most = 0
    for n in range(3000):
        engine.update([frame(n, [(n * 3 + i, 200 + 500 * i, 540, 0, 40 + n % 7 * 40, 80) for i in range(3)])])
        most = max(most, engine.live)
    assert most <= 3 * (MEMORY // FRAME + 2)
    run(engine, [frame(3000 + MEMORY // FRAME + 2 + i, []) for i in range(3)])
    assert engine.live == 0


def test_memory_is_bounded_when_the_clock_stands_still():
    engine = rules(MIDDLE)
    for n in range(5000):
        engine.update([frame(n, [(n, 100 + 700 * (n % 3), 540)], pts=7)])
        assert engine.live <= 2100


@pytest.mark.parametrize("pts", [lambda n: 5, lambda n: -n * FRAME, lambda n: (n % 7) * FRAME, lambda n: n * 10**12])
def test_odd_time_stamps_do_not_change_counts(pts):
    path = straight((960, 400), (960, 700), 40)
    engine = rules(MIDDLE, directions=[{"name": "d", "points": [[0, 0], [0, 1]]}])
    results = run(engine, [frame(n, [(1, x, y)], pts=pts(n)) for n, (x, y) in enumerate(path)])
    assert ways(results) == ["out"]


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 1e30])
def test_boxes_that_are_no_boxes_are_left_out_and_counted(bad):
    engine = rules(MIDDLE, regions=[SQUARE])
    good = straight((960, 400), (960, 700), 30)
    results = []
    for n, (x, y) in enumerate(good):
        f = frame(n, [(5, 300, 500), (1, x, y)])
        f.tracks.xyxy[0, n % 4] = bad
        results += engine.update([f])
    assert ways(results) == ["out"]
    assert engine.metrics["bad_boxes"] == 30


def test_inside_out_boxes_are_left_out_and_points_are_not():
    engine = rules(MIDDLE)
    info = FrameInfo(SourceInfo("cam"), 0, 0, 0, 1920, 1080)
    engine.update([FrameTracks(info, Tracks([[50, 50, 40, 60]], [1], [0], [1]))])
    assert engine.metrics["bad_boxes"] == 1
    assert ways(walk(engine, straight((960, 400), (960, 700), 30), box=(0, 0), start=1)) == ["out"]


def test_the_first_object_of_an_id_counts():
    engine = rules(MIDDLE)
    path = straight((960, 400), (960, 700), 20)
    results = run(engine, [frame(n, [(1, x, y), (1, x, 1000 - y)]) for n, (x, y) in enumerate(path)])
    assert ways(results) == ["out"]
    assert engine.metrics["duplicate_ids"] == 20


def test_64_bit_ids():
    big = [2**64 - 2, 2**63, 2**53 + 1, 2**53]
    engine = rules(MIDDLE)
    results = [
        a
        for n in range(30)
        for a in engine.update(
            [
                frame(n, [])._replace(
                    tracks=Tracks(
                        [[200 + 300 * i, 380 + 8 * n, 240 + 300 * i, 460 + 8 * n] for i in range(4)],
                        [1] * 4,
                        [0] * 4,
                        np.array(big, np.uint64),
                    )
                )
            ]
        )
    ]
    assert [e.track_id for e in events(results)] == big


def test_nothing_at_all():
    engine = NativeRules(RulesConfig(), [], [])
    assert engine.update([]) == []
    (a,) = engine.update([frame(0, [(1, 2, 3), (UNTRACKED, 5, 6)])])
    assert (a.lines, a.regions, a.events, a.object_count) == ({}, {}, (), {0: 2})
    assert run(rules(MIDDLE), [frame(0, [])])[0].lines["middle"].cumulative == 0


def test_a_class_without_a_label_bears_its_number():
    results = walk(rules(MIDDLE, labels=[]), straight((960, 400), (960, 700), 30), class_id=17)
    assert [e.class_name for e in events(results)] == ["17"]
    only = rules({**MIDDLE, "classes": [17]}, labels=LABELS)
    assert len(ways(walk(only, straight((960, 400), (960, 700), 30), class_id=17))) == 1


def test_forget_drops_tracks_and_keeps_counts():
    engine = rules(MIDDLE, regions=[SQUARE])
    walk(engine, straight((960, 400), (960, 700), 30))
    engine.forget("cam")
    assert engine.live == 0
    results = walk(engine, straight((960, 700), (960, 760), 10), start=30)
    assert results[-1].lines["middle"].cumulative == 1
    engine.forget("no such source")


def test_restore_and_reset():
    engine = rules(MIDDLE, regions=[SQUARE])
    engine.restore(
        {
            CounterKey("cam", "middle", "in", "car"): 5,
            CounterKey("cam", "middle", "out", "person"): 7,
            CounterKey("cam", "square", "enter", "person"): 3,
            CounterKey("cam", "gone", "in", "car"): 9,
            CounterKey("other", "middle", "in", "car"): 9,
        },
        {("cam", "middle"): (2, 123)},
    )
    a = walk(engine, straight((960, 400), (960, 700), 30))[-1]
    line = a.lines["middle"]
    assert (line.cumulative, line.directions["out"].cumulative, line.classes["person"].cumulative) == (13, 8, 8)
    assert (line.epoch, line.reset_at) == (2, 123)
    assert a.regions["square"].entered.cumulative == 4
    engine.reset("cam", 456)
    a = run(engine, [frame(30, [(1, 960, 700)])])[0]
    assert (a.lines["middle"].cumulative, a.lines["middle"].epoch, a.lines["middle"].reset_at) == (0, 3, 456)
    assert (a.regions["square"].entered.cumulative, a.regions["square"].epoch) == (0, 1)


def test_changing_one_rule_leaves_the_others_alone():
    low = {"name": "low", "points": [[0.1, 0.7], [0.9, 0.7]]}
    before = {"lines": [low, MIDDLE], "regions": [{**SQUARE, "dwell": 1.0}]}
    after = {
        "lines": [{"name": "new", "points": [[0.5, 0.1], [0.5, 0.5], [0.6, 0.9]]}, MIDDLE, {**low, "count": "once"}],
        "regions": [{"name": "also", "points": [[0, 0], [1, 0], [1, 1]]}, {**SQUARE, "dwell": 1.0}],
    }
    path = straight((960, 400), (960, 800), 60)  # frame 52 is the first in the inner half of the band of 'low'

    def go(change_at):
        engine = NativeRules(RulesConfig.model_validate(before), [SourceInfo("cam")], LABELS)
        found = []
        for n, (x, y) in enumerate(path):
            if n == change_at:
                engine.replace(RulesConfig.model_validate(after))
            found += engine.update([frame(n, [(1, x, y)])])
        return found

    for change_at in range(1, 60):
        found = go(change_at)
        told = [(e.frame.number, e.kind) for e in events(found) if e.rule in ("middle", "square")]
        assert told == [(e.frame.number, e.kind) for e in events(go(99)) if e.rule in ("middle", "square")]
        assert found[-1].lines["middle"].cumulative == 1
        assert found[-1].lines["new"].cumulative == 0
        assert found[-1].lines["low"].cumulative == (1 if change_at <= 51 else 0)


def test_a_source_that_nobody_announced_is_taken_up():
    engine = rules(MIDDLE, sources=[])
    new = SourceInfo("new")
    results = run(
        engine, [frame(n, [(1, x, y)], source=new) for n, (x, y) in enumerate(straight((9, 400), (999, 700), 30))]
    )
    assert ways(results) == ["out"]


def test_journeys_are_counted_between_places():
    west, east = (
        {"name": "west", "points": [[0.2, 0.1], [0.2, 0.9]]},
        {"name": "east", "points": [[0.8, 0.1], [0.8, 0.9]]},
    )
    engine = rules(west, east, regions=[SQUARE], journeys=[{"name": "od", "places": ["west", "square", "east"]}])
    there = straight((100, 540), (1800, 540), 80)
    results = walk(engine, there + there[::-1])
    assert [(e.origin, e.destination) for e in events(results) if isinstance(e, Journey)] == [
        ("west", "square"), ("square", "east"), ("east", "square"), ("square", "west"),
    ]  # fmt: skip
    assert results[-1].journeys["od"] == {"west>square": 1, "square>east": 1, "east>square": 1, "square>west": 1}
    assert CounterKey("cam", "od", "west>square", "person") in [d.key for a in results for d in a.deltas]
    again = walk(engine, there, start=200, track=2)
    assert again[-1].journeys["od"]["west>square"] == 2


def test_a_jump_over_two_lines_is_a_journey_in_the_order_of_the_path():
    west, east = (
        {"name": "west", "points": [[0.4, 0.1], [0.4, 0.9]]},
        {"name": "east", "points": [[0.6, 0.1], [0.6, 0.9]]},
    )
    engine = rules(west, east, journeys=[{"name": "od", "places": ["west", "east"]}])
    results = walk(engine, [(1800, 540), (100, 540)])
    assert [(e.origin, e.destination) for e in events(results) if isinstance(e, Journey)] == [("east", "west")]


def test_a_new_source_with_longer_lines_does_not_disturb_the_others():
    a, b = SourceInfo("a"), SourceInfo("b")
    bent = {"name": "bent", "source": "b", "points": [[0.1, 0.1], [0.2, 0.3], [0.4, 0.2], [0.5, 0.9]]}
    two = {"name": "two", "source": "a", "points": [[0.5, 0.1], [0.5, 0.9]]}
    engine = rules(MIDDLE, two, bent, sources=[a])
    path = straight((960, 400), (960, 700), 30)
    first = run(engine, [frame(n, [(1, x, y)], source=a) for n, (x, y) in enumerate(path[:15])])
    run(engine, [frame(0, [(1, 500, 500)], source=b, size=(640, 640))])
    second = run(engine, [frame(15 + n, [(1, x, y)], source=a) for n, (x, y) in enumerate(path[15:])])
    assert ways(first + second) == ["out"]


@pytest.mark.parametrize("objects", [5, 500])
@pytest.mark.parametrize("classes", [[0, 2, 1], [-3, 7], [0, 2**30]])
def test_objects_are_counted_by_class(objects, classes):
    shown = [(i, 10.0 + i, 500, classes[i % len(classes)]) for i in range(objects)]
    (a,) = run(rules(MIDDLE), [frame(0, shown)])
    assert list(a.object_count) == sorted(classes)
    assert a.object_count == {c: len([o for o in shown if o[3] == c]) for c in classes}


def test_a_change_of_shape_within_the_band_moves_nothing_of_what_is_remembered():
    engine = rules({"name": "middle", "points": [[0.1, 0.5], [0.6, 0.5]], "band": 0.5})
    # Into the band above the line, then round its right end within the band while the picture becomes narrower, and out below.
    wide = [(1100, 480), (1100, 520)]
    results = run(engine, [frame(n, [(1, x, y)]) for n, (x, y) in enumerate(wide)])
    narrow = [(1100 * 0.75, 530), (1160 * 0.75, 535), (1160 * 0.75, 545), (1100 * 0.75, 550), (1100 * 0.75, 600)]
    more = [frame(2 + n, [(1, x, y, 0, 30, 80)], size=(1440, 1080)) for n, (x, y) in enumerate(narrow)]
    assert ways(results + run(engine, more)) == ["out"]
