"""One object is counted once, whatever tracks show it, by every kind of rule; and what a user is told of it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from native_world import CAM, LABELS, MIDDLE, events, frame, rules, run

from countline.analytics.native import NativeRules
from countline.compat.deepstream.files.nvdsanalytics import parse
from countline.compat.deepstream.rules import DeepStreamRules
from countline.config.rules import RulesConfig
from countline.record import TracksWriter, read_tracks
from countline.types import UNTRACKED, Analytics, FrameTracks

TENTH = 100_000_000
SQUARE = {"name": "square", "points": [[0.4, 0.3], [0.6, 0.3], [0.6, 0.7], [0.4, 0.7]]}
"""768..1152 by 324..756 pixels of 1920 x 1080."""
BESIDE = {"name": "beside", "points": [[0.1, 0.8], [0.9, 0.8]]}
examples = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


def shown(number: int, objects: list[tuple[int, float, float]], twins: dict[int, int] | None = None) -> FrameTracks:
    """A frame of objects (id, x, y), ten a second; ``twins``: id -> id of the track it is one object with."""
    made = frame(number, objects, pts=number * TENTH)
    if twins:
        made.tracks.twin_of = np.array([twins.get(o[0], UNTRACKED) for o in objects], np.uint64)
    return made


def both(config: dict, frames: list[FrameTracks]) -> list[Analytics]:
    """The same with and without short cuts."""
    results = []
    for fast in (True, False):
        engine = NativeRules(RulesConfig.model_validate(config), (CAM,), LABELS, fast=fast)
        results.append(run(engine, frames))
    assert [a.events for a in results[0]] == [a.events for a in results[1]]
    return results[0]


# A track: y at each tenth of a second, None where it is not seen. It is there at first, and never out of sight for a second.
steps = st.lists(st.sampled_from([-90, -45, 0, 45, 90]), min_size=25, max_size=25)
unseen = st.lists(st.tuples(st.integers(1, 20), st.integers(1, 7)), max_size=2)


def way(moves: list[int], start: int, gaps: list[tuple[int, int]]) -> list[int | None]:
    ys: list[int | None] = list(np.clip(np.cumsum([start, *moves]), 60, 1060).tolist())
    for begin, length in gaps:
        ys[begin : begin + length] = [None] * len(ys[begin : begin + length])
    return ys


ways = st.builds(way, steps, st.sampled_from([200, 500, 900]), unseen)


def film(tracks: dict[int, list[int | None]], twins: dict[int, int] | None = None) -> list[FrameTracks]:
    """All of them, one beside the other."""
    length = len(next(iter(tracks.values())))
    return [
        shown(n, [(k, 930 + 20 * i, ys[n]) for i, (k, ys) in enumerate(tracks.items()) if ys[n] is not None], twins)
        for n in range(length)
    ]


@examples
@given(st.lists(ways, min_size=2, max_size=3))
def test_a_line_counts_as_often_as_that_track_of_an_object_that_crosses_most_often(made):
    tracks = dict(enumerate(made, 1))
    twins = dict.fromkeys(list(tracks)[1:], 1)
    together = both({"lines": [MIDDLE]}, film(tracks, twins))[-1].lines["middle"]
    alone = [run(rules(MIDDLE), film({k: ys}))[-1].lines["middle"] for k, ys in tracks.items()]
    for name, count in together.directions.items():
        assert count.cumulative == max(line.directions[name].cumulative for line in alone)


@examples
@given(st.lists(ways, min_size=2, max_size=3))
def test_an_object_is_in_an_area_while_one_of_its_tracks_is(made):
    tracks = dict(enumerate(made, 1))
    config = {"regions": [SQUARE], "queues": [{**SQUARE, "name": "queue", "after": 0}]}
    together = both(config, film(tracks, dict.fromkeys(list(tracks)[1:], 1)))
    alone = [run(rules(**config), film({k: ys})) for k, ys in tracks.items()]
    for n, a in enumerate(together):
        region, queue = a.regions["square"], a.states["queues"]["queue"]
        assert region.occupancy == max(each[n].regions["square"].occupancy for each in alone)
        assert region.entered.cumulative - region.left.cumulative == region.occupancy
        assert sum(region.classes.values()) == region.occupancy
        assert queue.joined.cumulative - queue.left.cumulative == queue.length <= region.occupancy
        if any(ys[n] is not None for ys in tracks.values()):
            assert queue.length == region.occupancy


links = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=26, max_size=26)


@examples
@given(st.lists(st.builds(way, steps, st.sampled_from([200, 500, 900]), st.just([])), min_size=3, max_size=3), links)
def test_whoever_becomes_one_and_two_again_is_inside_as_often_as_there_are_objects(made, said):
    tracks = dict(enumerate(made, 1))
    plain = film(tracks)
    config = {"regions": [{**SQUARE, "dwell": 0.3}], "queues": [{**SQUARE, "name": "queue", "after": 0}]}
    twins = [{k: 1 for k, yes in zip((2, 3), pair) if yes} for pair in said]
    frames = [shown(n, [(k, 930 + 20 * k, ys[n]) for k, ys in tracks.items()], twins[n]) for n in range(len(plain))]
    together = both(config, frames)
    alone = [
        run(rules(**config), [shown(n, [(k, 930 + 20 * k, ys[n])]) for n in range(26)]) for k, ys in tracks.items()
    ]
    for n, a in enumerate(together):
        inside = {twins[n].get(k, k) for k, each in zip(tracks, alone) if each[n].regions["square"].occupancy}
        region, queue = a.regions["square"], a.states["queues"]["queue"]
        assert region.occupancy == queue.length == len(inside)
        assert region.entered.cumulative - region.left.cumulative == region.occupancy
        assert queue.joined.cumulative - queue.left.cumulative == queue.length
        assert sum(a.object_count.values()) == len({twins[n].get(k, k) for k in tracks})


def down(number: int, start: float = 300, step: float = 20) -> float:
    return start + step * number


TWINS = {2: 1}


def test_the_younger_goes_on_for_an_older_track_that_vanishes_before_the_line():
    engine = rules(MIDDLE)
    results = run(engine, [shown(n, [*[(1, 900, down(n))][: n < 9], (2, 910, down(n, 280))], TWINS) for n in range(25)])
    assert [(e.track_id, e.direction) for e in events(results)] == [(2, "out")]
    assert engine.twins("cam") == 0


@pytest.mark.parametrize("wait", [3, 150], ids=["soon", "when the older one is forgotten"])
def test_the_younger_counts_no_more_where_the_older_one_has_crossed_and_vanished(wait):
    engine = rules(MIDDLE)
    crossed = [shown(n, [(1, 900, down(n)), (2, 910, 400)], TWINS) for n in range(25)]
    stood = [shown(25 + n, [(2, 910, 400)], TWINS) for n in range(wait)]
    follows = [shown(25 + wait + n, [(2, 910, down(n, 400))], TWINS) for n in range(20)]
    results = run(engine, crossed + stood + follows)
    assert [e.track_id for e in events(results)] == [1]
    assert engine.twins("cam") == 1
    assert "track 1 already, with which it is one object" in engine.explain("cam", 2, "middle")


def test_what_the_younger_did_in_the_second_before_it_was_known_counts_for_both():
    """It is ahead, and crosses before anybody knows."""
    engine = rules(MIDDLE)
    frames = [shown(n, [(1, 900, down(n, 200)), (2, 910, down(n))], TWINS if n > 17 else None) for n in range(40)]
    assert [e.track_id for e in events(run(engine, frames))] == [2]
    assert engine.twins("cam") == 1


def test_who_is_found_to_be_two_counts_as_two_from_then_on():
    frames = [shown(n, [(1, 900, down(n)), (2, 910, down(n))], TWINS if n < 20 else None) for n in range(40)]
    config = {"lines": [MIDDLE, BESIDE]}
    results = both(config, frames)
    assert sorted((e.rule, e.track_id) for e in events(results)) == [("beside", 1), ("beside", 2), ("middle", 1)]


def test_who_appears_beside_an_object_of_which_one_track_has_ended_is_another():
    """The object goes on with its other track, which is nearer to where the one that ended would be."""
    first = [shown(n, [(1, 900, down(n)), (2, 910, down(n))], TWINS) for n in range(8)]
    then = [shown(n, [(2, 910, down(n)), (5, 925, down(n, 315))], {2: 1}) for n in range(8, 40)]
    for fast in (True, False):
        engine = NativeRules(RulesConfig.model_validate({"lines": [MIDDLE]}), (CAM,), LABELS, fast=fast)
        results = run(engine, first + then)
        assert engine.metrics["stitched"] == 0
        assert sorted(e.track_id for e in events(results)) == [2, 5]


def test_who_is_nearer_to_where_it_would_be_than_the_other_track_of_the_object_goes_on_as_it():
    first = [shown(n, [(1, 900, down(n)), (2, 940, down(n, 180))], TWINS) for n in range(8)]
    then = [shown(n, [(2, 940, down(n, 180)), (5, 905, down(n))], {2: 5}) for n in range(8, 40)]
    engine = rules(MIDDLE)
    results = run(engine, first + then)
    assert engine.metrics["stitched"] == 1
    assert len(events(results)) == 1


def test_a_track_that_goes_on_under_another_id_stays_the_object_that_it_was():
    engine = rules(MIDDLE)
    frames = [shown(n, [(1 if n < 8 else 5, 900, down(n)), (2, 910, down(n, 250))], TWINS) for n in range(30)]
    results = run(engine, frames)
    assert engine.metrics["stitched"] == 1
    assert [(e.track_id, e.direction) for e in events(results)] == [(5, "out")]


def test_directions_speeds_wrong_ways_and_journeys_tell_an_object_once():
    config = {
        "lines": [MIDDLE, BESIDE],
        "regions": [SQUARE],
        "directions": [{"name": "down", "points": [[0.5, 0.1], [0.5, 0.9]]}],
        "speeds": [
            {
                "name": "fast",
                "points": [[0.2, 0.1], [0.8, 0.1], [0.8, 0.95], [0.2, 0.95]],
                "width": 10,
                "length": 20,
                "limit": 5,
            }
        ],
        "wrong_ways": [
            {
                "name": "against",
                "points": [[0.2, 0.05], [0.8, 0.05], [0.8, 0.98], [0.2, 0.98]],
                "arrow": [[0.5, 0.9], [0.5, 0.1]],
                "seconds": 0.5,
            }
        ],
        "journeys": [{"name": "through", "places": ["square", "middle", "beside"]}],
    }
    frames = [shown(n, [(1, 900, down(n, 200)), (2, 910, down(n, 160))], TWINS) for n in range(36)]
    told = both(config, frames)
    one = both(config, [shown(n, [(1, 900, down(n, 200))]) for n in range(36)])
    count = lambda results: sorted((e.kind, e.rule) for e in events(results))  # noqa: E731
    assert count(told) == count(one)
    assert told[-1].journeys == one[-1].journeys
    assert told[-1].states["wrong_ways"]["against"].counted.cumulative == 1
    assert max(a.directions["down"].current for a in told) == 1
    assert max(a.states["wrong_ways"]["against"].objects for a in told) == 1
    assert set(told[20].speeds) == {1, 2}, "either has its speed"


def test_what_twins_did_before_rules_that_changed_is_forgotten_and_a_restart_of_the_source_forgets_all():
    engine = rules(MIDDLE)
    run(engine, [shown(n, [(1, 900, down(n)), (2, 910, 400)], TWINS) for n in range(25)])
    engine.replace(RulesConfig.model_validate({"lines": [{**MIDDLE, "points": [[0.1, 0.55], [0.9, 0.55]]}]}))
    results = run(engine, [shown(25 + n, [(2, 910, down(n, 400))], TWINS) for n in range(20)])
    assert [e.track_id for e in events(results)] == [2]
    engine.forget("cam")
    results = run(engine, [shown(n, [(1, 900, down(n)), (2, 910, down(n))]) for n in range(25)])
    assert len(events(results)) == 2


def test_why_a_twin_was_not_counted_is_told():
    engine = rules(MIDDLE, BESIDE)
    run(engine, [shown(n, [(1, 900, down(n)), (2, 910, down(n, 290))], TWINS) for n in range(20)])
    said = engine.explain("cam", 2, "middle")
    assert said.startswith("crossed out, which was told of track 1 already, with which it is one object, at frame"), (
        said
    )
    assert engine.explain("cam", 2, "beside").startswith("is one object with track 1"), "nothing happened there"
    assert engine.explain("cam", 1, "middle").startswith("counted out")


def test_recorded_tracks_count_as_live_ones_did(tmp_path):
    frames = [shown(n, [(1, 900, down(n)), (2, 910, down(n, 280))], TWINS if n > 3 else None) for n in range(25)]
    live = run(rules(MIDDLE), frames)
    assert len(events(live)) == 1
    for name in ("tracks.jsonl", "tracks.parquet"):
        with TracksWriter(tmp_path / name) as writer:
            for f in frames:
                writer.write(f)
        engine = rules(MIDDLE)
        told = events(run(engine, read_tracks(tmp_path / name)))
        assert [(e.frame.number, e.track_id) for e in told] == [(e.frame.number, e.track_id) for e in events(live)]
        assert engine.twins("cam") == 1


def test_the_exact_engine_knows_no_twins():
    """It is NVIDIA's, whatever the tracker says."""
    config = parse(
        "[property]\nenable=1\nconfig-width=1920\nconfig-height=1080\n"
        "[line-crossing-stream-0]\nenable=1\nline-crossing-L=960;400;960;700;192;540;1728;540\nclass-id=-1\nmode=loose\n"
    )
    said = []
    for twins in (TWINS, None):
        engine = DeepStreamRules(config, [CAM], LABELS)
        frames = [shown(n, [(1, 900, down(n)), (2, 910, down(n, 280))], twins) for n in range(25)]
        said.append([a for f in frames for a in engine.update([f])])
    assert [a.events for a in said[0]] == [a.events for a in said[1]]
    assert [a.lines for a in said[0]] == [a.lines for a in said[1]]
    assert said[0][-1].lines["L"].cumulative == 2
