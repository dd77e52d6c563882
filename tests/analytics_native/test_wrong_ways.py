"""Who travels against an arrow within an area."""

from __future__ import annotations

from math import cos, hypot, radians

import numpy as np
import pytest
from area_model import AREA, SECOND, world
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from native_world import CAM, events, frame, rules, run, straight, walk

from countline.analytics.native.kinds.wrong_way import SLACK
from countline.config.loader import read_yaml, validate
from countline.config.rules import RulesConfig
from countline.errors import ConfigError
from countline.types import CounterKey

STREET = {
    "name": "street",
    "points": [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9], [0.1, 0.9]],
    "arrow": [[0.5, 0.9], [0.5, 0.1]],
}
"""192..1728 by 108..972 pixels of 1920 x 1080; the right way is up."""
UP, DOWN = straight((960, 900), (960, 200), 60), straight((960, 200), (960, 900), 60)
examples = settings(max_examples=80, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


def street(**more):
    return rules(wrong_ways=[{**STREET, **more}])


def state(analytics, name="street"):
    return analytics.states["wrong_ways"][name]


def told(results):
    return [(e.frame.number, e.track_id) for e in events(results) if e.kind == "wrong-way"]


def journey_of(rng, frames):
    """Positions that wander to and fro within and beyond the area."""
    pace = np.cumsum(rng.normal(0, 0.004, frames))
    return 0.3 + 0.4 * abs((rng.uniform(0, 2) + np.cumsum(pace)) % 2.4 - 1.2)


def model(clocks, path, stay, arrow, rule):
    """Frames in which one object, during one presence in the area, is told to go the wrong way. Positions in pixels."""
    size, found, wrong = 80.0, [], False
    ux, uy = arrow
    front = begin = since = hindmost = None
    for n in stay.sighted:
        x, y = path[n]
        at = x * ux + y * uy
        if wrong:
            hindmost = min(hindmost, at)
            if at >= hindmost + rule["distance"] * size:
                wrong, front, begin, since = False, at, (x, y), clocks[n]
            continue
        if front is None or at >= front - SLACK * size:
            front = at if front is None else max(front, at)
            begin, since = (x, y), clocks[n]
            continue
        back = -((x - begin[0]) * ux + (y - begin[1]) * uy)
        near = back >= cos(radians(rule["tolerance"])) * hypot(x - begin[0], y - begin[1])
        if back >= rule["distance"] * size and near and clocks[n] - since >= rule["seconds"] * SECOND:
            wrong, hindmost = True, at
            found.append((n, stay.track))
    return found


@examples
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([0, 90, 180, 205, 330]),
    st.sampled_from([0.0, 0.4, 2.0]),
    st.sampled_from([0.3, 1.0, 3.0]),
    st.sampled_from([20.0, 60.0, 90.0]),
    st.sampled_from([None, ["person", "car"]]),
)
def test_a_model_made_from_whole_tracks_says_the_same(seed, angle, seconds, distance, tolerance, classes):
    made = world(seed, frames=90, positions=journey_of)
    rng = np.random.default_rng(seed + 1)
    frames = made.frames()
    ways = {t: {} for t in made.paths}
    for f in frames:  # jitter in both directions, below what changes who is in the area
        boxes = f.tracks.xyxy
        sideways, down = np.round(rng.normal(0, 3, (2, len(boxes))))
        sideways[(abs(boxes[:, 0] + 20 - 576) < 20) | (abs(boxes[:, 0] + 20 - 1344) < 20)] = 0
        boxes += np.stack([sideways, down, sideways, down], axis=1).astype(np.float32)
        for track, box in zip(f.tracks.track_id.tolist(), boxes.astype(float)):
            ways[track][f.info.number] = (box[0] + box[2]) / 2, box[3]
    unit = cos(radians(angle)), -float(np.sin(radians(angle)))
    arrow = [[0.5, 0.5], [0.5 + 0.2 * unit[0] * 9 / 16, 0.5 + 0.2 * unit[1]]]
    rule = {"seconds": seconds, "distance": distance, "tolerance": tolerance}
    given_rule = {"name": "w", "points": AREA, "band": 0, "arrow": arrow, "classes": classes, "grace": 0.5, **rule}
    results = run(rules(wrong_ways=[given_rule]), frames)
    expected = []
    for stay in made.stays(0.5, {0, 2} if classes else {0, 1, 2}):
        expected += model(made.clocks, ways[stay.track], stay, unit, rule)
    assert sorted(told(results)) == sorted(expected)
    assert state(results[-1], "w").counted.cumulative == len(expected)


def test_the_model_finds_wrong_ways_to_compare():
    found = 0
    for seed in range(12):
        made = world(seed, frames=90, positions=journey_of)
        rule = {"name": "w", "points": AREA, "band": 0, "arrow": [[0.2, 0.5], [0.8, 0.5]], "seconds": 0.4}
        found += len(told(run(rules(wrong_ways=[rule]), made.frames())))
    assert found > 12


def test_the_right_way_is_not_told_and_the_wrong_way_once():
    assert told(walk(street(), UP)) == []
    results = walk(street(), DOWN)
    ((number, track),) = told(results)
    assert track == 1
    (event,) = [e for a in results for e in a.events]
    assert event.seconds == pytest.approx(1.0, abs=0.05)
    assert event.distance >= 1.0
    assert (event.rule, event.class_name) == ("street", "person")
    assert results[number].deltas == ((CounterKey("cam", "street", "wrong-way", "person"), 1),)
    assert [state(results[n]).objects for n in (number - 1, number, 59)] == [0, 1, 1]
    assert [state(results[n]).counted.current for n in (number - 1, number, number + 1)] == [0, 1, 0]


@pytest.mark.parametrize("pace", [0.2, 1, 5, 30, 200])
def test_no_speed_is_too_slow_or_too_fast(pace):
    path = [(960, y) for y in np.arange(150, 960, pace)]
    made = [frame(n, [(1, x, y)], pts=n * SECOND) for n, (x, y) in enumerate(path)]
    assert len(told(run(street(), made))) == 1


def test_an_object_that_turns_is_told_anew():
    engine = street()
    assert len(told(walk(engine, DOWN + UP + DOWN))) == 2
    assert "turned at frame" in engine.explain("cam", 1, "street")
    assert engine.explain("cam", 1, "street").count("travelled the wrong way") == 2


def test_an_object_that_leaves_and_comes_back_is_told_anew():
    engine = street()
    results = walk(engine, straight((960, 300), (960, 1070), 60) + straight((100, 1070), (100, 50), 10) + DOWN)
    assert len(told(results)) == 2


def test_who_only_passes_outside_is_not_told():
    engine = street()
    assert told(walk(engine, straight((60, 100), (60, 1000), 60))) == []
    assert "px from the area's edge and was never inside" in engine.explain("cam", 1, "street")


def test_too_short_a_time_or_way_is_none():
    engine = street(seconds=3.0)
    assert told(walk(engine, DOWN)) == []  # two seconds
    assert "after 3 s" in engine.explain("cam", 1, "street")
    engine = street(distance=3.0)
    assert told(walk(engine, straight((960, 200), (960, 400), 60))) == []
    assert engine.explain("cam", 1, "street").startswith("went at most 2.4 of its size against the arrow")


def test_standing_is_no_part_of_the_way():
    rng = np.random.default_rng(3)
    jitter = [(960 + dx, 300 + dy) for dx, dy in rng.uniform(-3, 3, (900, 2))]
    engine = street(seconds=1.5)
    results = walk(engine, jitter + straight((960, 300), (960, 500), 30) + [(960, 500)] * 60)
    ((number, _),) = told(results)
    assert number >= 900 + 40


@pytest.mark.parametrize(
    ("angle", "wrong"), [(0, True), (50, True), (-50, True), (70, False), (-70, False), (90, False), (180, False)]
)
def test_the_tolerance_is_of_angles_on_screen(angle, wrong):
    target = 960 + 400 * np.sin(np.radians(angle)), 540 + 400 * np.cos(np.radians(angle))
    assert len(told(walk(street(), straight((960, 540), target, 90)))) == int(wrong)


def test_it_goes_on_under_a_new_id():
    engine = street(seconds=1.5)
    results = run(engine, [frame(n, [(1 if n < 30 else 2, x, y)]) for n, (x, y) in enumerate(DOWN)])
    assert [track for _, track in told(results)] == [2]
    assert engine.metrics["stitched"] == 1


def test_a_short_absence_is_bridged_and_a_long_one_begins_anew():
    for absent, count in ((10, 1), (60, 0)):
        engine = street(seconds=1.5, distance=4.0)
        path = straight((960, 200), (960, 600), 50)
        made = [frame(n if n < 25 else n + absent, [(1, x, y)]) for n, (x, y) in enumerate(path)]
        made[25:25] = [frame(25 + n, []) for n in range(absent)]
        assert len(told(run(engine, made))) == count


def test_a_gap_in_time_is_bridged_for_who_is_on_both_sides_of_it():
    made = [frame(n, [(1, 960, y)], pts=pts * SECOND) for n, (y, pts) in enumerate([(200, 0), (210, 1), (600, 60)])]
    assert len(told(run(street(seconds=30), made))) == 1


def test_who_is_there_from_the_start_is_judged_from_there():
    assert len(told(walk(street(), straight((960, 540), (960, 900), 60)))) == 1


def test_other_classes_may_go_as_they_like():
    engine = street(classes=["car"])
    assert told(walk(engine, DOWN)) == []
    assert "looks at car only" in engine.explain("cam", 1, "street")
    assert len(told(walk(street(classes=["car"]), DOWN, class_id=2))) == 1


def test_areas_that_overlap_judge_for_themselves():
    back = {**STREET, "name": "back", "arrow": STREET["arrow"][::-1]}
    engine = rules(wrong_ways=[STREET, back], regions=[{"name": "r", "points": STREET["points"]}])
    results = walk(engine, DOWN + UP)
    assert [(e.rule, e.kind) for e in events(results) if e.kind != "enter"] == [
        ("street", "wrong-way"),
        ("back", "wrong-way"),
    ]
    assert results[-1].regions["r"].occupancy == 1


def test_rules_of_other_sources_do_not_disturb():
    from countline.types import SourceInfo

    other = SourceInfo("b")
    engine = rules(
        wrong_ways=[{**STREET, "name": "mine", "source": "b"}, STREET], regions=[{"name": "r", "source": "b", "points": AREA}],
        sources=(CAM, other),
    )  # fmt: skip
    results = [
        engine.update([frame(n, [(1, x, y)]), frame(n, [(1, x, 1100 - y)], source=other)])
        for n, (x, y) in enumerate(DOWN)
    ]
    assert told([a for pair in results for a in pair]) == [told([a for a, _ in results])[0]]
    assert set(results[-1][0].states["wrong_ways"]) == {"street"}
    assert set(results[-1][1].states["wrong_ways"]) == {"mine", "street"}


@pytest.mark.parametrize("size", [(640, 360), (3840, 2160), (1080, 1920)])
def test_a_change_of_resolution_on_the_way_changes_nothing(size):
    engine = street()
    first = [frame(n, [(1, x, y)]) for n, (x, y) in enumerate(DOWN[:20])]
    scale = size[0] / 1920, size[1] / 1080
    more = [
        frame(20 + n, [(1, x * scale[0], y * scale[1], 0, 40 * scale[0], 80 * scale[1])], size=size)
        for n, (x, y) in enumerate(DOWN[20:])
    ]
    assert len(told(run(engine, first + more))) == 1


def test_counters_go_on_after_a_restart_and_are_reset():
    engine = street()
    engine.restore({CounterKey("cam", "street", "wrong-way", "car"): 3}, {})
    results = walk(engine, DOWN)
    assert state(results[-1]).counted.cumulative == 4
    engine.reset("cam", 9)
    (a,) = run(engine, [frame(60, [(1, 960, 905)])])
    assert (state(a).counted.cumulative, state(a).epoch, state(a).reset_at, state(a).objects) == (0, 1, 9, 1)


def test_a_replacement_that_leaves_the_rule_alone_leaves_the_way_that_was_gone():
    engine = street()
    first = walk(engine, DOWN[:25])
    queue = {"name": "q", "points": AREA}
    config = {"queues": [queue], "wrong_ways": [{**STREET, "name": "new"}, STREET], "regions": [{**queue, "name": "r"}]}
    engine.replace(RulesConfig.model_validate(config))
    results = run(engine, [frame(25 + n, [(1, x, y)]) for n, (x, y) in enumerate(DOWN[25:])])
    plain = told(walk(street(), DOWN))
    assert told(first) == []
    assert [(e.frame.number, e.track_id) for e in events(results) if e.rule == "street"] == plain
    assert [e.frame.number for e in events(results) if e.rule == "new"] > [plain[0][0]]


SOUND = "wrong_ways:\n  - name: w\n    points: [[0, 0], [1, 0], [1, 1]]\n"


@pytest.mark.parametrize(
    ("text", "line", "what", "fix"),
    [
        (f"{SOUND}    arrow: [[0.5, 0.5], [0.5, 0.5]]", 4, "has no length, so it points nowhere", "move its head"),
        (f"{SOUND}    arrow: [[0.5, 0.5]]", 4, "has 1 point, not two", "tail and head"),
        (f"{SOUND}    arrow: [0.5, 0.5, 0.1, 0.1]", 4, "list of 4 numbers", "[[0.5, 0.5], [0.1, 0.1]]"),
        (f"{SOUND}    arrow: [[500, 500], [900, 100]]", 4, "far outside the picture: [500, 500]", "coordinates: pixels"),
        (f"{SOUND}    tolerance: 120\n    arrow: [[0, 0], [1, 1]]", 4, "must be 90.0 or less", ""),
        ("wrong_ways:\n  - {name: w, arrow: [[0, 0], [1, 1]], points: [[0, 0], [1, 1], [0, 0]]}", 2, "wrong-way 'w' has 2", ""),
        ("wrong_ways:\n  - {name: w, points: [[0, 0], [1, 0], [1, 1]]}", 2, "arrow", ""),
    ],
)  # fmt: skip
def test_every_mistake_is_one_clear_error_with_its_line(text, line, what, fix):
    document = read_yaml("rules.yaml", text)
    with pytest.raises(ConfigError) as caught:
        validate(RulesConfig, document.data, document)
    assert what in str(caught.value)
    assert fix in str(caught.value)
    assert caught.value.where.line == line


def test_arrows_may_be_written_in_pixels():
    pixels = {
        "name": "street",
        "points": [[192, 108], [1728, 108], [1728, 972], [192, 972]],
        "arrow": [[960, 972], [960, 108]],
        "resolution": (1920, 1080),
    }
    assert told(walk(rules(wrong_ways=[pixels]), DOWN)) == told(walk(street(), DOWN))
