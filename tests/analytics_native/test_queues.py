"""Who is in a queue, for how long, and what is told of it."""

from __future__ import annotations

import pytest
from area_model import AREA, INSIDE, OUTSIDE, SECOND, world
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from native_world import CAM, LABELS, events, frame, rules, run, straight, walk

from countline.analytics.native import NativeRules
from countline.config.loader import read_yaml, validate
from countline.config.rules import RulesConfig
from countline.errors import ConfigError, RuleError
from countline.types import CounterKey

SQUARE = {"name": "till", "points": [[0.4, 0.3], [0.6, 0.3], [0.6, 0.7], [0.4, 0.7]]}
"""768..1152 by 324..756 pixels of 1920 x 1080."""
examples = settings(max_examples=80, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


def queue(**more):
    return rules(queues=[{**SQUARE, "after": 1.0, **more}])


def state(analytics, name="till"):
    return analytics.states["queues"][name]


def standing(engine, who, frames, start=0):
    """Objects that stand in the middle, one beside the other."""
    return run(engine, [frame(n, [(k, 800 + 60 * k, 540) for k in who]) for n in range(start, start + frames)])


@examples
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([0.0, 0.2, 1.0, 4.0]),
    st.sampled_from([0.0, 0.5, 1.0]),
    st.sampled_from([None, ["person", "car"]]),
)
def test_a_model_made_from_whole_tracks_says_the_same(seed, after, grace, classes):
    made = world(seed)
    rule = {"name": "q", "points": AREA, "band": 0, "after": after, "grace": grace, "classes": classes}
    limits = {"max_length": 1, "max_wait": max(after, 2.5)}
    results = run(rules(queues=[{**rule, **limits}]), made.frames())
    clocks, joins = made.clocks, {}
    stays = made.stays(grace, {0, 2} if classes else {0, 1, 2})
    for i, stay in enumerate(stays):
        since = clocks[stay.enter]
        joins[i] = next((n for n in stay.sighted if clocks[n] - since >= after * SECOND), None)
    long, expected = False, []
    for n, clock in enumerate(clocks):
        there = [
            i
            for i, s in enumerate(stays)
            if joins[i] is not None and joins[i] <= n and (s.leave is None or n < s.leave)
        ]
        waits = [(clock - clocks[stays[i].enter]) / SECOND for i in there]
        now = state(results[n], "q")
        assert now.length == len(there)
        assert now.mean_wait == pytest.approx(sum(waits) / len(waits) if waits else 0.0)
        assert now.longest_wait == pytest.approx(max(waits, default=0.0))
        joined = sum(j is not None and j <= n for j in joins.values())
        assert (now.joined.cumulative, now.left.cumulative) == (joined, joined - len(there))
        assert sum(now.classes.values()) == now.length
        for i, stay in enumerate(stays):
            late = [
                m
                for m in stay.sighted
                if m >= (joins[i] or 0) and clocks[m] - clocks[stay.enter] > limits["max_wait"] * SECOND
            ]
            if joins[i] is not None and late and late[0] == n:
                expected.append((n, "long-wait", stay.track))
        if long != (len(there) > 1):
            long = not long
            expected.append((n, "long-queue", "begin" if long else "end"))
    told = [(e.frame.number, e.kind, e.phase if e.kind == "long-queue" else e.track_id) for e in events(results)]
    assert sorted(told, key=str) == sorted(expected, key=str)


def test_who_walks_through_is_never_in_the_queue():
    engine = queue(after=5.0)
    results = walk(engine, straight((960, 200), (960, 900), 100))
    assert all(state(a).length == 0 for a in results)
    assert results[-1].deltas == ()
    assert "before it was in the queue (5 s), at frame" in engine.explain("cam", 1, "till")


def test_waits_begin_at_the_area_and_not_at_the_queue():
    results = standing(queue(), [1, 2], 61)
    assert [a.states["queues"]["till"].length for a in results[::30]] == [0, 0, 2]
    assert state(results[31]).longest_wait == pytest.approx(31 / 30, abs=1e-3)
    assert state(results[60]).mean_wait == pytest.approx(2.0, abs=1e-3)


def test_who_is_there_from_the_start_waits_from_the_start():
    results = standing(queue(), [1], 40)
    assert state(results[31]).joined.cumulative == 1


def test_a_queue_is_too_long_from_one_more_than_allowed_until_no_more_than_that():
    engine = queue(max_length=2)
    results = standing(engine, [1, 2, 3], 60) + standing(engine, [1, 2], 60, start=60)
    found = [(e.kind, e.phase, e.length, e.track_id) for e in events(results)]
    assert found == [("long-queue", "begin", 3, None), ("long-queue", "end", 2, None)]
    assert state(results[59]).long
    assert not state(results[-1]).long


def test_a_long_wait_is_told_once_with_the_object():
    engine = queue(max_wait=1.5)
    results = standing(engine, [4], 120)
    (event,) = events(results)
    assert (event.kind, event.track_id, event.class_name, event.frame.number) == ("long-wait", 4, "person", 46)
    assert event.wait == pytest.approx(46 / 30, abs=1e-3)
    assert event.box is not None
    told = engine.explain("cam", 4, "till")
    assert told.startswith("came at frame 0 (0.00 s); joined the queue after 1.0 s at frame")
    assert "has waited 1.5 s at frame 46" in told


def test_a_wait_that_grew_too_long_out_of_sight_is_told_when_it_is_seen_again():
    engine = queue(max_wait=1.5, grace=10)
    results = standing(engine, [4], 40) + run(engine, [frame(n, []) for n in range(40, 60)])
    assert events(results) == []
    (event,) = events(standing(engine, [4], 5, start=60))
    assert event.frame.number == 60


def test_a_wait_goes_on_under_a_new_id():
    engine = queue(max_wait=2.0)
    results = run(engine, [frame(n, [(n // 20, 960 + n, 540)]) for n in range(90)])
    (event,) = events(results)
    assert (event.kind, event.track_id) == ("long-wait", 3)
    assert state(results[-1]).joined.cumulative == 1


def test_who_is_not_seen_any_more_leaves_after_the_grace_time():
    engine = queue(grace=0.5)
    standing(engine, [1], 60)
    results = run(engine, [frame(n, []) for n in range(60, 90)])
    assert [state(a).length for a in results].index(0) in (15, 16)
    assert state(results[-1]).left.cumulative == 1
    assert "was seen no more and left after 2.0 s" in engine.explain("cam", 1, "till")


def test_a_gap_in_time_counts_as_waited_for_who_is_on_both_sides_of_it():
    engine = queue()
    run(engine, [frame(0, [(1, 960, 540)], pts=0)])
    (a,) = run(engine, [frame(1, [(1, 960, 540)], pts=30 * SECOND)])
    assert (state(a).length, state(a).longest_wait) == (1, 30.0)


def test_other_classes_do_not_queue():
    engine = queue(classes=["car"])
    results = standing(engine, [1], 60)
    assert state(results[-1]).length == 0
    assert "looks at car only" in engine.explain("cam", 1, "till")


def test_queues_and_regions_that_overlap_look_for_themselves():
    wide = {**SQUARE, "name": "wide", "points": [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9], [0.1, 0.9]]}
    engine = rules(regions=[{**SQUARE, "name": "zone"}], queues=[{**SQUARE, "after": 1}, {**wide, "after": 0.5}])
    results = standing(engine, [1, 2], 60)
    assert (state(results[20]).length, state(results[20], "wide").length) == (0, 2)
    assert (state(results[-1]).length, state(results[-1], "wide").length) == (2, 2)
    assert results[-1].regions["zone"].occupancy == 2
    assert results[-1].objects[0].regions == ["zone"]
    assert engine.explain("cam", 1, "zone").startswith("entered")


def test_who_never_came_is_told_how_far_away():
    engine = queue()
    walk(engine, [(300, 540)] * 5)
    assert engine.explain("cam", 1, "till") == "track of 5 frames is 468 px from the queue's edge and was never inside"


def test_counters_go_on_after_a_restart_and_are_reset():
    engine = queue()
    engine.restore({CounterKey("cam", "till", "join", "person"): 7, CounterKey("cam", "till", "in", "car"): 1}, {})
    results = standing(engine, [1], 60)
    assert state(results[-1]).joined.cumulative == 8
    assert [d for a in results for d in a.deltas] == [(CounterKey("cam", "till", "join", "person"), 1)]
    engine.reset("cam", 5)
    (a,) = standing(engine, [1], 1, start=60)
    assert (state(a).joined.cumulative, state(a).epoch, state(a).reset_at, state(a).length) == (0, 1, 5, 1)


def test_a_replacement_that_leaves_the_queue_alone_leaves_who_is_in_it():
    engine = queue()
    standing(engine, [1, 2], 60)
    more = {"lines": [{"name": "l", "points": [[0, 0], [1, 1]]}], "regions": [{**SQUARE, "name": "r"}]}
    engine.replace(RulesConfig.model_validate({"queues": [{**SQUARE, "after": 1.0}], **more}))
    (a,) = standing(engine, [1, 2], 1, start=60)
    assert (state(a).length, state(a).joined.cumulative) == (2, 2)
    assert state(a).longest_wait == pytest.approx(2.0, abs=1e-3)


def test_a_change_of_the_pictures_shape_changes_nothing():
    engine = queue()
    standing(engine, [1], 60)
    (a,) = run(engine, [frame(60, [(1, 860 / 1920 * 640, 540 / 1080 * 640)], size=(640, 640))])
    assert state(a).length == 1


QUEUE = "queues:\n  - name: q\n    points: [[0, 0], [1, 0], [1, 1]]\n"


@pytest.mark.parametrize(
    ("text", "line", "what", "fix"),
    [
        ("queues:\n  - {name: q, points: [[0, 0], [1, 1], [0, 0]]}", 2, "three different points, queue 'q' has 2", "[[x1, y1]"),
        (f"{QUEUE}    after: 9\n    max_wait: 5", 5, "nobody is in queue 'q' before 9 s", "smaller `after`"),
        (f"{QUEUE}    max_length: -1", 4, "must be 0 or more", ""),
        ("queues:\n  - {name: q, points: [[0, 0], [1, 0], [1, 1]], lenght: 3}", 2, "unknown key 'lenght'", ""),
        ("queues:\n  - name: q\n    points: [[0, 0], [900, 0], [1, 1]]", 3, "far outside the picture: [900, 0]", "coordinates: pixels"),
    ],
)  # fmt: skip
def test_every_mistake_is_one_clear_error_with_its_line(text, line, what, fix):
    document = read_yaml("rules.yaml", text)
    with pytest.raises(ConfigError) as caught:
        validate(RulesConfig, document.data, document)
    assert what in str(caught.value)
    assert fix in str(caught.value)
    assert caught.value.where.line == line


def test_an_unknown_class_is_told():
    config = RulesConfig.model_validate({"queues": [{**SQUARE, "classes": ["persn"]}]})
    with pytest.raises(RuleError, match="did you mean person"):
        NativeRules(config, [CAM], LABELS)


def test_the_model_is_not_of_one_case_only():
    made = [world(seed) for seed in range(20)]
    assert any(x is None for w in made for path in w.paths.values() for x in path)
    assert {x for w in made for path in w.paths.values() for x in path} == {None, INSIDE, OUTSIDE}
