"""What explain says of each fate of a track."""

import pytest
from native_world import MIDDLE, frame, rules, run, straight, walk

from countline.types import SourceInfo

SQUARE = {"name": "square", "points": [[0.4, 0.3], [0.6, 0.3], [0.6, 0.7], [0.4, 0.7]]}


def told(engine, track=1, rule="middle", source="cam"):
    return engine.explain(source, track, rule)


def test_counted_names_direction_frame_and_time():
    engine = rules(MIDDLE)
    walk(engine, straight((960, 400), (960, 700), 31))
    assert told(engine) == "counted out at frame 16 (0.53 s)"


def test_there_and_back_names_both():
    engine = rules(MIDDLE)
    walk(engine, straight((960, 400), (960, 700), 31) + straight((960, 700), (960, 400), 31))
    assert told(engine).startswith("counted out at frame 16 (0.53 s); counted in at frame")


def test_never_left_the_band():
    engine = rules(MIDDLE)
    walk(engine, [(960, 537)] * 50)
    assert told(engine).startswith("never left the band of 11 px")
    assert "track of 50 frames is 3 px from the line" in told(engine)


def test_ended_before_the_line():
    engine = rules(MIDDLE)
    walk(engine, [(960, 500), (960, 526)])
    run(engine, [frame(2, [])])
    assert told(engine) == "track of 2 frames ended 14 px before the line"


def test_ended_behind_the_line_but_within_the_band():
    engine = rules(MIDDLE)
    walk(engine, [(960, 500), (960, 546)])
    run(engine, [frame(2, [])])
    assert told(engine) == (
        "passed the line, but track of 2 frames ended 6 px behind it, within the band of 11 px that it must leave"
    )


@pytest.mark.parametrize("frames", [2, 60])
def test_crossed_the_extension(frames):
    engine = rules(MIDDLE)
    walk(engine, straight((162, 300), (162, 800), frames))
    assert told(engine) == "crossed the line's extension 30 px beyond its end"


def test_first_seen_near_the_line():
    engine = rules(MIDDLE)
    walk(engine, straight((960, 545), (960, 645), 30))
    assert told(engine).startswith("was first seen within half of the line's band, so that passage is unknown; ")


def test_class_filtered():
    engine = rules(
        {**MIDDLE, "classes": ["car"]}, {"name": "far", "points": [[0.1, 0.9], [0.9, 0.9]], "classes": ["car"]}
    )
    walk(engine, straight((960, 400), (960, 700), 31))
    assert told(engine) == 'crossed out, but the class "person" is not counted by this line, at frame 16 (0.53 s)'
    assert told(engine, rule="far") == "class filtered: the object is a person, the rule looks at car only"


def test_direction_and_once():
    engine = rules({**MIDDLE, "direction": "in"}, {**MIDDLE, "name": "once", "count": "once"})
    walk(engine, straight((960, 400), (960, 700), 31) + straight((960, 700), (960, 400), 31))
    assert "crossed out, which this line does not count, at frame 16" in told(engine)
    assert "counted in at frame" in told(engine)
    assert "crossed in again, which `count: once` does not count," in told(engine, rule="once")


def test_a_stitched_track_is_told_under_both_ids():
    engine = rules(MIDDLE)
    run(engine, [frame(n, [(1 if n < 14 else 2, 960, 400 + 10 * n)]) for n in range(31)])
    assert told(engine, 2) == "counted out at frame 16 (0.53 s)"
    assert told(engine, 1) == "track 1 was continued as track 2: counted out at frame 16 (0.53 s)"


def test_what_does_not_exist():
    engine = rules(MIDDLE, {**MIDDLE, "name": "else", "source": "b"}, sources=(SourceInfo("cam"), SourceInfo("b")))
    run(engine, [frame(0, [])])
    assert told(engine) == "no such track in the last 128 s"
    assert told(engine, source="nowhere") == "no source is named 'nowhere'"
    assert told(engine, rule="else") == "rule 'else' does not apply to source 'cam'"
    assert told(engine, rule="nothing") == "no rule is named 'nothing'; known are: middle"


def test_ended_tracks_are_remembered_for_a_while_and_then_not():
    engine = rules(MIDDLE)
    walk(engine, straight((960, 400), (960, 700), 31))
    run(engine, [frame(n, []) for n in range(31, 31 + 30 * 60, 30)])
    assert engine.live == 0
    assert told(engine) == "counted out at frame 16 (0.53 s)"
    run(engine, [frame(n, [(n, 500, 500)]) for n in range(3000, 3000 + 30 * 140, 30)])
    assert told(engine).startswith("no such track")


def test_regions_directions_speeds_and_journeys():
    engine = rules(
        MIDDLE,
        regions=[SQUARE, {"name": "far", "points": [[0, 0], [0.1, 0], [0, 0.1]]}],
        directions=[{"name": "down", "points": [[0, 0], [0, 1]]}, {"name": "up", "points": [[0, 1], [0, 0]]}],
        speeds=[{"name": "v", "points": [[0, 0], [1, 0], [1, 1], [0, 1]], "width": 20, "length": 10, "limit": 100}],
        journeys=[{"name": "j", "places": ["middle", "square"]}, {"name": "k", "places": ["far", "middle"]}],
    )
    walk(engine, straight((960, 200), (960, 900), 100))
    assert "entered at frame" in told(engine, rule="square")
    assert "left after 2." in told(engine, rule="square")
    assert "px from the region's edge and was never inside" in told(engine, rule="far")
    assert told(engine, rule="down").startswith("began to head this way at frame")
    assert told(engine, rule="up").startswith("never moved by 0.25 of its size within 1 s")
    assert "was never measured above 100 km/h" in told(engine, rule="v")
    assert told(engine, rule="j").startswith("counted square>middle at frame")
    assert told(engine, rule="k") == "has been at middle only"


def test_ids_that_go_round_in_a_circle_end():
    engine = rules(MIDDLE)
    ids = [1, 2, 1, 2, 1, 3, 4]
    run(engine, [frame(n, [(ids[n // 6], 960, 350 + 5 * n)]) for n in range(42)])
    assert told(engine, 4) == "counted out at frame 41 (1.37 s)"
    for old in (1, 2, 3):
        assert told(engine, old).endswith("counted out at frame 41 (1.37 s)")
