"""Each known fault of the exact engine, and how the native one counts the same tracks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from native_world import CAM, MIDDLE, events, frame, rules, run, straight, walk, ways

from countline.types import UNTRACKED, CounterKey, Crossing


def test_walking_down_is_out_and_up_is_in():
    down, up = straight((960, 300), (960, 800), 50), straight((960, 800), (960, 300), 50)
    assert ways(walk(rules(MIDDLE), down)) == ["out"]
    assert ways(walk(rules(MIDDLE), up)) == ["in"]


def test_in_is_the_left_hand_side_walking_from_first_to_last_point():
    upward = {"name": "v", "points": [[0.5, 0.9], [0.5, 0.1]]}
    to_left = straight((1200, 540), (700, 540), 30)
    assert ways(walk(rules(upward), to_left)) == ["in"]
    assert ways(walk(rules(upward), to_left[::-1])) == ["out"]


@pytest.mark.parametrize("step", [0.2, 1, 7, 300])
def test_no_speed_is_too_slow_or_too_fast(step):
    frames = max(2, round(600 / step) + 1)
    path = [(960, 250 + step * i) for i in range(frames)]
    assert ways(walk(rules(MIDDLE), path)) == ["out"]


def test_two_sightings_suffice():
    assert ways(walk(rules(MIDDLE), [(960, 400), (960, 700)])) == ["out"]


def test_jitter_on_the_line_never_counts():
    rng = np.random.default_rng(1)
    noise = rng.uniform(-6, 6, (3000, 2))
    assert ways(walk(rules(MIDDLE), [(960 + dx, 540 + dy) for dx, dy in noise])) == []


@pytest.mark.parametrize("offset", [-8, -3, 3, 8])
def test_jitter_beside_the_line_never_counts(offset):
    rng = np.random.default_rng(2)
    noise = rng.uniform(-6, 6, (3000, 2))
    assert ways(walk(rules(MIDDLE), [(960 + dx, 540 + offset + dy) for dx, dy in noise])) == []


def test_dithering_across_the_line_never_counts():
    assert ways(walk(rules(MIDDLE), [(960, 540 + (6 if i % 2 else -6)) for i in range(3000)])) == []
    # Come from outside the band first, so that the track is armed.
    path = straight((960, 400), (960, 534), 20) + [(960, 540 + (6 if i % 2 else -6)) for i in range(3000)]
    assert ways(walk(rules(MIDDLE), path)) == []


def test_a_slow_walk_with_jitter_is_exactly_one():
    rng = np.random.default_rng(3)
    path = [(960 + rng.uniform(-6, 6), 400 + 0.2 * i + rng.uniform(-6, 6)) for i in range(1500)]
    assert ways(walk(rules(MIDDLE), path)) == ["out"]


@pytest.mark.parametrize("height", [120, 300, 800])
def test_who_crosses_at_a_fourteenth_of_his_height_a_second_is_told_within_two_seconds(height):
    """And a brisk one at once: each leaves the band, whose half-width is 13 % of his height, before he is told. There are 25 frames a
    second, and he is on the line in frame 75."""
    for speed, most in ((1 / 14, 2.0), (1.0, 0.2)):
        path = [(960, 540 + speed * height * (i - 75) / 25) for i in range(130)]
        found = events(walk(rules(MIDDLE), path, box=(height / 2, height)))
        assert [e.direction for e in found] == ["out"]
        assert 0.1 < (found[0].frame.number - 75) / 25 <= most


@pytest.mark.parametrize("size", [(640, 360), (1280, 720), (1920, 1080), (3840, 2160)])
def test_counts_are_equal_at_every_resolution(size):
    scale = size[0] / 1920
    rng = np.random.default_rng(4)
    engine = rules(MIDDLE, {"name": "v", "points": [[0.3, 0.2], [0.35, 0.8]]})
    found = []
    walkers = [(rng.uniform(100, 1800, 2), rng.uniform(-6, 6, 2)) for _ in range(40)]
    for n in range(250):
        objects = [
            (k, *((start + speed * n + rng.uniform(-4, 4, 2)) * scale), 0, 40 * scale, 80 * scale)
            for k, (start, speed) in enumerate(walkers)
        ]
        for a in engine.update([frame(n, objects, size=size)]):
            found += [(n, e.rule, e.track_id, e.direction) for e in a.events]
    engine_hd = rules(MIDDLE, {"name": "v", "points": [[0.3, 0.2], [0.35, 0.8]]})
    rng = np.random.default_rng(4)
    walkers = [(rng.uniform(100, 1800, 2), rng.uniform(-6, 6, 2)) for _ in range(40)]
    expected = []
    for n in range(250):
        objects = [(k, *(start + speed * n + rng.uniform(-4, 4, 2))) for k, (start, speed) in enumerate(walkers)]
        for a in engine_hd.update([frame(n, objects)]):
            expected += [(n, e.rule, e.track_id, e.direction) for e in a.events]
    assert len(expected) >= 10
    assert found == expected


def test_a_resolution_change_in_mid_stream_changes_nothing():
    engine = rules(MIDDLE)
    first = walk(engine, straight((960, 300), (960, 560), 30))
    second = walk(
        engine,
        [(x / 3, y / 3) for x, y in straight((960, 565), (960, 700), 20)],
        start=30,
        size=(640, 360),
        box=(40 / 3, 80 / 3),
    )
    assert ways(first) + ways(second) == ["out"]


def test_a_change_of_shape_in_mid_stream_creates_no_counts():
    engine = rules(MIDDLE, {"name": "v", "points": [[0.5, 0.1], [0.5, 0.9]]})
    results = []
    for n in range(40):
        width = 1920 if n % 2 else 1440
        results += walk(engine, [(0.3 * width, 300)], start=n, size=(width, 1080))
    assert events(results) == []


def test_back_and_forth_counts_every_time():
    path = straight((960, 400), (960, 700), 20) + straight((960, 700), (960, 400), 20)
    assert ways(walk(rules(MIDDLE), path * 3)) == ["out", "in"] * 3


def test_count_once_counts_one_per_object():
    path = straight((960, 400), (960, 700), 20) + straight((960, 700), (960, 400), 20)
    assert ways(walk(rules({**MIDDLE, "count": "once"}), path * 3)) == ["out"]


@pytest.mark.parametrize(("direction", "expected"), [("in", ["in"]), ("out", ["out"]), ("both", ["out", "in"])])
def test_a_direction_can_be_chosen(direction, expected):
    path = straight((960, 400), (960, 700), 20) + straight((960, 700), (960, 400), 20)
    engine = rules({**MIDDLE, "direction": direction})
    results = walk(engine, path)
    assert ways(results) == expected
    assert results[-1].lines["middle"].cumulative == len(expected)


def test_directions_bear_the_users_names():
    engine = rules({**MIDDLE, "names": {"in": "northbound", "out": "southbound"}})
    results = walk(engine, straight((960, 400), (960, 700), 20))
    assert ways(results) == ["southbound"]
    assert engine.rules[0].directions == ("northbound", "southbound")
    assert results[-1].lines["middle"].directions["southbound"].cumulative == 1


@pytest.mark.parametrize("x", [60, 150, 1770, 1860])
def test_passing_beyond_the_ends_does_not_count(x):
    assert ways(walk(rules(MIDDLE), straight((x, 300), (x, 800), 30))) == []
    assert ways(walk(rules(MIDDLE), [(x, 300), (x, 800)])) == []


def test_walking_round_the_end_does_not_count():
    path = (
        straight((300, 500), (100, 500), 20)
        + straight((100, 500), (100, 600), 20)
        + straight((100, 600), (300, 600), 20)
    )
    assert ways(walk(rules(MIDDLE), path)) == []


@pytest.mark.parametrize("kernel", ["1", "off"])
@pytest.mark.parametrize("others", [0, 60])
@pytest.mark.parametrize(("gap", "counted"), [(5, 0), (7, 1), (11, 1)])
def test_a_track_that_begins_in_the_band_is_counted_if_its_side_is_known(monkeypatch, kernel, others, gap, counted):
    """The band's half-width is 10.8 px here; one object or many, and the kernel or not, take different ways."""
    monkeypatch.setenv("COUNTLINE_KERNELS", kernel)
    crowd = [(10 + k, 20 + 30 * k, 100) for k in range(others)]
    for start, end, way in ((540 - gap, 800, "out"), (540 + gap, 300, "in")):
        path = straight((960, start), (960, end), 40)
        engine = rules(MIDDLE)
        found = run(engine, (frame(i, [*crowd, (1, x, y)]) for i, (x, y) in enumerate(path)))
        assert ways(found) == [way] * counted


@pytest.mark.parametrize("gap", [-11, -7, 7, 11])
def test_a_track_that_begins_in_the_band_and_turns_back_is_not_counted(gap):
    there = straight((960, 540 + gap), (960, 540 - gap / 2), 10)
    assert ways(walk(rules(MIDDLE), there + straight(there[-1], (960, 540 + 20 * gap), 40))) == []


def test_a_track_that_begins_near_the_line_counts_when_it_comes_back():
    path = straight((960, 536), (960, 800), 40) + straight((960, 800), (960, 300), 40)
    assert ways(walk(rules(MIDDLE), path)) == ["in"]


def test_turning_back_within_the_band_does_not_count():
    path = straight((960, 400), (960, 545), 20) + straight((960, 545), (960, 400), 20)
    assert ways(walk(rules(MIDDLE), path)) == []


def test_a_band_of_your_own():
    path = straight((960, 400), (960, 560), 40)
    assert ways(walk(rules(MIDDLE), path)) == ["out"]
    assert ways(walk(rules({**MIDDLE, "band": 0.5}), path)) == []
    assert ways(walk(rules({**MIDDLE, "band": 0}), straight((960, 400), (960, 541), 40))) == ["out"]


def test_the_band_of_huge_objects_leaves_room_at_the_pictures_edge():
    low = {"name": "low", "points": [[0.1, 0.96], [0.9, 0.96]]}
    path = straight((960, 900), (960, 1080), 30)
    assert ways(walk(rules(low), path, box=(400, 800))) == ["out"]


def test_untracked_objects_are_ignored_and_counted():
    engine = rules(MIDDLE)
    results = []
    for n, (x, y) in enumerate(straight((960, 400), (960, 700), 20)):
        results += engine.update([frame(n, [(UNTRACKED, 500, y), (7, x, y), (UNTRACKED, 600, y)])])
    assert [(e.track_id, e.direction) for e in events(results)] == [(7, "out")]
    assert engine.metrics["untracked"] == 40
    assert events(results)[0].box == pytest.approx(
        (940, events(results)[0].box[3] - 80, 980, events(results)[0].box[3])
    )


def test_class_filter():
    engine = rules({**MIDDLE, "classes": ["car", "bicycle"]})
    path = straight((960, 400), (960, 700), 20)
    results = [walk(engine, path, track=i, class_id=i, start=100 * i) for i in range(3)]
    assert [ways(r) for r in results] == [[], ["out"], ["out"]]
    assert set(results[2][-1].lines["middle"].classes) == {"bicycle", "car"}


@pytest.mark.parametrize(("anchor", "counted"), [("bottom-center", 1), ("top-center", 0), ("center", 1)])
def test_anchor(anchor, counted):
    # The feet go from above to below the line, the head stays above it.
    assert len(ways(walk(rules({**MIDDLE, "anchor": anchor}), straight((960, 500), (960, 600), 40)))) == counted


def test_polyline_counts_once_at_its_corner_and_not_within_its_angle():
    bent = {"name": "bent", "points": [[0.2, 0.3], [0.5, 0.6], [0.8, 0.3]]}
    engine = rules(bent)
    assert ways(walk(engine, straight((960, 300), (960, 900), 61))) == ["out"]
    assert ways(walk(engine, [(960, 300), (960, 900)], track=2, start=100)) == ["out"]
    # In through one arm, out through the other, in one jump: nothing was passed in the end.
    assert ways(walk(engine, [(500, 600), (1500, 600)], track=3, start=200)) == []
    assert ways(walk(engine, straight((500, 600), (1500, 600), 60), track=4, start=300)) == ["in", "out"]


def test_every_crossing_is_one_event_one_delta_and_one_count():
    engine = rules(MIDDLE)
    path = straight((960, 400), (960, 700), 20) + straight((960, 700), (960, 400), 20)
    results = walk(engine, path)
    deltas = [d for a in results for d in a.deltas]
    assert [d.key for d in deltas] == [CounterKey("cam", "middle", w, "person") for w in ("out", "in")]
    assert [d.amount for d in deltas] == [1, 1]
    state = results[-1].lines["middle"]
    assert (state.current, state.cumulative) == (0, 2)
    assert {k: v.cumulative for k, v in state.directions.items()} == {"in": 1, "out": 1}
    assert state.classes["person"].cumulative == 2
    event = next(e for e in events(results))
    assert isinstance(event, Crossing)
    at = next(a for a in results if a.events)
    assert (event.source, event.rule, event.track_id, event.class_name, event.frame) == (
        CAM,
        "middle",
        1,
        "person",
        at.frame,
    )
    assert event.confidence == pytest.approx(0.9)
    assert at.lines["middle"].current == 1


def test_events_are_numbered_by_place_in_the_frame_then_by_rule():
    second = {"name": "second", "points": [[0.1, 0.55], [0.9, 0.55]]}
    engine = rules(MIDDLE, second)
    run(engine, [frame(0, [(9, 500, 400), (3, 900, 400), (5, 1200, 900)])])
    (a,) = run(engine, [frame(1, [(9, 500, 800), (3, 900, 800), (5, 1200, 300)])])
    assert [(e.sequence, e.track_id, e.rule) for e in a.events] == [
        (0, 9, "middle"), (1, 9, "second"), (2, 3, "middle"), (3, 3, "second"), (4, 5, "middle"), (5, 5, "second"),
    ]  # fmt: skip


def test_two_sources_count_apart():
    from countline.types import SourceInfo

    north, south = SourceInfo("north", 0), SourceInfo("south", 1)
    engine = rules(MIDDLE, {**MIDDLE, "name": "only", "source": "south"}, sources=(north, south))
    for n, (x, y) in enumerate(straight((960, 400), (960, 700), 20)):
        a, b = engine.update([frame(n, [(1, x, y)], source=north), frame(n, [(1, x, 1100 - y)], source=south)])
    assert {k: v.directions["out"].cumulative for k, v in a.lines.items()} == {"middle": 1}
    assert {k: v.directions["in"].cumulative for k, v in b.lines.items()} == {"middle": 1, "only": 1}


@pytest.mark.parametrize("box", [(10, 20), (20, 40), (60, 120), (300, 500)])
def test_jitter_of_small_and_large_objects_never_counts(box):
    rng = np.random.default_rng(9)
    noise = rng.uniform(-6, 6, (1000, 2))
    assert ways(walk(rules(MIDDLE), [(960 + dx, 540 + dy) for dx, dy in noise], box=box)) == []
    assert ways(walk(rules(MIDDLE), straight((960, 400), (960, 700), 200), box=box)) == ["out"]


@settings(max_examples=40)
@given(st.floats(0.1, 1.0), st.floats(0.2, 1.5), st.floats(0, 180), st.floats(0.4, 0.6), st.integers(0, 2**32 - 1))
def test_an_object_of_any_size_on_a_line_amid_the_picture_counts_nothing_with_3_percent_jitter(
    height, shape, degrees, place, seed
):
    """Each edge of the box jitters by 3 % of its longer side (standard deviation); the line has any slope."""
    rng = np.random.default_rng(seed)
    tall = height * 1080
    size = np.array([min(tall * shape, 1900), tall])
    dx, dy = 0.3 * np.cos(np.radians(degrees)) * 9 / 16, 0.3 * np.sin(np.radians(degrees))
    sloped = {"name": "l", "points": [[0.5 - dx, place - dy], [0.5 + dx, place + dy]]}
    noise = rng.normal(0, 0.03 * size.max(), (1000, 2))
    assert ways(walk(rules(sloped), [(960 + x, place * 1080 + y) for x, y in noise], box=tuple(size))) == []


def test_the_band_leaves_large_objects_room_near_the_pictures_edge():
    """A line near the lower edge, which somebody who fills the picture passes going out of it."""
    low = {"name": "low", "points": [[0.0, 0.9], [1.0, 0.9]]}
    assert ways(walk(rules(low), straight((960, 700), (960, 1060), 30), box=(500, 900))) == ["out"]
    beside = {"name": "beside", "points": [[0.95, 0.0], [0.95, 1.0]]}
    assert len(ways(walk(rules(beside), straight((1500, 700), (1910, 700), 30), box=(700, 500)))) == 1


def test_round_the_very_end_within_the_band_the_straight_way_between_the_sides_decides():
    # The line ends at x = 1728. The point comes down at 1722, sways out to 1734 within the band, and leaves at 1722.
    swaying = [(1722, 500), (1722, 515), (1727, 533), (1734, 538), (1734, 543), (1727, 548), (1722, 565), (1722, 580)]
    assert ways(walk(rules(MIDDLE), swaying)) == ["out"]
    assert ways(walk(rules(MIDDLE), swaying[::-1])) == ["in"]
    # The same sway of somebody who walks past the line beyond its end.
    beyond = [(x + 18, y) for x, y in swaying]
    assert ways(walk(rules(MIDDLE), beyond)) == []
    # And of somebody who comes back to where he came from.
    back = [*swaying[:5], (1734, 538), (1727, 533), (1722, 515), (1722, 500)]
    assert ways(walk(rules(MIDDLE), back)) == []
