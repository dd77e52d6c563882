"""When messages are made, how many, and with which ids, keys, headers and topics."""

from __future__ import annotations

import uuid
from dataclasses import replace

import orjson
import pytest
from messages_build import (
    ENTRANCE,
    TIME,
    YARD,
    all_events,
    analytics,
    crossing,
    definition,
    info,
    made,
)

from countline.errors import ConfigError, MessageError
from countline.messages.ids import NAMESPACE, uuid5_text
from countline.types import DirectionState, LineState, RegionState

S = 1_000_000_000


@pytest.mark.parametrize(
    ("on", "expected"),
    [
        ("crossing", ["crossing"]),
        ("enter", ["enter"]),
        ("leave", ["leave"]),
        ("crowding", ["crowding"]),
        ("heading", ["heading"]),
        ("speeding", ["speeding"]),
        ("journey", ["journey"]),
        ("dwell", []),
        (["enter", "leave"], ["enter", "leave"]),
        ("enter | leave", ["enter", "leave"]),
    ],
)
def test_each_kind_of_event_has_its_trigger(on, expected):
    assert made("{kind}", analytics(events=all_events(info())), on=on) == expected


@pytest.mark.parametrize(
    ("on", "template", "value"),
    [
        ("leave", "{dwell}", 12.346),
        ("crowding", "{phase} {occupancy}", "begin 9"),
        ("heading", "{direction}", "left turn"),
        ("speeding", "{speed}", 61.24),
        ("journey", "{origin}>{destination}", "a>b"),
    ],
)
def test_the_fields_of_each_kind(on, template, value):
    assert made(template, analytics(events=all_events(info())), on=on) == [value]


def test_a_template_with_an_event_field_is_sent_per_event_else_per_frame():
    assert made({"t": "{track_id}"}) == [{"t": 5}, {"t": 6}]
    assert made({"t": "{frame}"}) == [{"t": 7}]
    assert made({"t": "{frame}"}, per="event") == [{"t": 7}, {"t": 7}]
    assert made({"t": "{frame}"}, key="{track_id}") == [{"t": 7}, {"t": 7}]
    assert made({"t": {"for": "events", "do": "{track_id}"}}) == [{"t": [5, 6]}]


def test_filters_by_rule_source_and_class():
    frame = info()
    data = analytics(frame, [crossing(frame), crossing(frame, 1, 6, rule="north gate 2.0", class_name="car")])
    assert made("{track_id}", data, rules="straight") == [5]
    assert made("{track_id}", data, classes=["car"]) == [6]
    assert made("{track_id}", data, sources=["yard"]) == []
    assert made("{track_id}", data, **{"if": "class == 'car' and track_id >= 6"}) == [6]
    assert made("{frame}", data, rules=["north gate 2.0"]) == [7]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"rules": ["strait"]}, "did you mean straight?"),
        ({"sources": ["exit"]}, "sources are: entrance, yard"),
        ({"classes": ["persn"]}, "did you mean person?"),
    ],
)
def test_a_filter_that_names_nothing_is_a_fault(more, words):
    with pytest.raises(MessageError, match=words.replace("?", r"\?")):
        definition("{track_id}", **more)


@pytest.mark.parametrize(
    "more",
    [
        {"on": "crosing"},
        {"on": "interval"},
        {"on": "interval 0s"},
        {"on": "interval 1 fortnight"},
        {"on": "frame", "classes": ["car"]},
        {"on": "interval 1s", "rules": ["straight"]},
        {"on": "change", "per": "event"},
        {"key": "a", "partition_key": "b"},
        {"type": "deepstream/full", "value": 1},
        {"encoding": "xml"},
        {"attach": {"as": "file"}},
        {"valeu": 1},
    ],
)
def test_what_cannot_be_meant_is_a_configuration_error(more):
    from countline.config.loader import Document, validate
    from countline.config.messages import MessageConfig

    data = {"name": "x", "value": 1, **more}
    with pytest.raises(ConfigError):
        validate(MessageConfig, data, Document(data, {}, "x.yaml"))


def test_each_window_is_told_once_when_it_is_over_and_the_last_one_at_the_end():
    one = definition(
        {"n": "{frame}", "from": "{window.start|epoch_ms}", "whole": "{window.complete}"}, on="interval 2s"
    )
    base = 1_700_000_000 * S
    told = []
    for number in range(60):  # 10 frames/s, from 0.05 s before a boundary
        for source in (ENTRANCE, YARD):
            told += one.make(analytics(info(number, source=source, time=base - S // 20 + number * S // 10), []))
    for source in (ENTRANCE, YARD):
        told += one.finish(source.name)
        assert one.finish(source.name) == []
    values = [orjson.loads(m.value) for m in told if m.source == "entrance"]
    assert len(told) == 2 * len(values)
    assert [v["n"] for v in values] == [0, 20, 40, 59], "each tells of its last frame"
    assert [v["from"] - base // 10**6 for v in values] == [-2000, 0, 2000, 4000]
    assert [v["whole"] for v in values] == [False, True, True, False]


def test_a_window_is_told_once_when_the_clock_jitters_around_its_end_and_begins_anew_when_it_is_set_back():
    one = definition({"n": "{frame}"}, on="interval 1s")
    times = [10 * S, 11 * S, 11 * S - 1, 11 * S + 1, 5 * S, 6 * S]
    assert [len(one.make(analytics(info(i, time=t), []))) for i, t in enumerate(times)] == [0, 1, 0, 0, 1, 1]


def test_frame_fires_always():
    one = definition({"n": "{frame}"}, on="frame")
    assert [len(one.make(analytics(info(n), []))) for n in range(3)] == [1, 1, 1]


def test_change_fires_when_a_count_of_that_source_changed_and_only_then():
    one = definition({"n": "{frame}"}, on="change")

    def step(number, **state):
        given = {"lines": {}, "regions": {}, "directions": {}, "journeys": {}, **state}
        return len(one.make(analytics(info(number), [], **given)))

    assert step(0, lines={"a": LineState()}) == 0
    assert step(1, lines={"a": LineState(1, 1)}) == 1
    assert step(2, lines={"a": LineState(0, 1)}) == 0  # only the momentary count fell back
    assert step(3, lines={"a": LineState(0, 1)}, regions={"r": RegionState(2)}) == 1
    assert step(4, lines={"a": LineState(0, 1)}, regions={"r": RegionState(2)}) == 0
    assert (
        step(5, lines={"a": LineState(0, 1)}, regions={"r": RegionState(2)}, directions={"d": DirectionState(1)}) == 1
    )
    other = analytics(info(6, source=YARD), [], lines={"a": LineState(0, 1)})
    assert len(one.make(other)) == 1  # the first frame of another source that has counts already
    assert len(one.make(replace(other, frame=info(7, source=YARD)))) == 0


def test_change_looks_at_the_named_rules_only():
    one = definition({"n": "{frame}"}, on="change", rules=["straight"])
    fired = []
    for i, (a, b) in enumerate([(0, 0), (0, 5), (1, 5), (1, 6)]):
        lines = {"straight": LineState(0, a), "north gate 2.0": LineState(0, b)}
        fired.append(len(one.make(analytics(info(i), [], lines=lines, regions={}, directions={}, journeys={}))))
    assert fired == [0, 0, 1, 0]


def test_ids_are_equal_on_every_run_and_unlike_for_unlike_messages():
    def ids():
        one = definition({"t": "{track_id}"})
        return [m.id for n in range(50) for m in one.make(analytics(info(n)))]

    first = ids()
    assert first == ids()
    assert len(set(first)) == 100
    for text in first:
        assert uuid.UUID(text).version == 5
        assert str(uuid.UUID(text)) == text
    other_stream = definition({"t": "{track_id}"}).make(analytics(info(0, stream="other")))
    other_source = definition({"t": "{track_id}"}).make(analytics(info(0, source=YARD)))
    other_name = definition({"t": "{track_id}"}, name="another").make(analytics(info(0)))
    per_frame = definition({"t": "{frame}"}).make(analytics(info(0)))
    everything = first + [m.id for m in other_stream + other_source + other_name + per_frame]
    assert len(set(everything)) == len(everything)


def test_ids_are_those_of_the_standard_library():
    for name in ("", "a", "entrance\0x", "straße"):
        assert uuid5_text(name) == str(uuid.uuid5(NAMESPACE, name))
    (message,) = definition({"t": "{frame}"}).make(analytics())
    assert message.id == str(uuid.uuid5(NAMESPACE, "test\0entrance\x005ca1ab1e\x007\0"))


def test_key_headers_topic_and_outputs_are_templates_of_their_own():
    one = definition(
        {"t": "{track_id}"},
        key="{track_id}",
        topic="counts-{source}",
        headers={
            "line": "{rule}",
            "n": "{frame}",
            "ok": "{regions.lobby.crowded}",
            "none": "{lines.north gate 2.0.reset_at}",
            "fixed": 3,
        },
        outputs=["kafka"],
    )
    message = one.make(analytics())[1]
    assert message.key == b"6"
    assert message.topic == "counts-entrance"
    assert message.headers == (("line", b"straight"), ("n", b"7"), ("ok", b"true"), ("fixed", b"3"))
    assert message.outputs == ("kafka",)


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("deviceId", b"device_test"),
        ("analyticsModule.n", b"12"),
        ("analyticsModule.ratio", b"0.5"),
        ("objects.1.id", b"6"),
        ("a.dotted.key", b"literal"),
        ("yes", b"true"),
        ("nothing", None),
    ],
)
def test_the_partition_key_is_looked_up_in_the_value(path, key):
    value = {
        "deviceId": "{device_id}",
        "analyticsModule": {"n": "{lines.straight.cumulative}", "ratio": 0.5},
        "objects": {"for": "objects", "do": {"id": "{track_id}"}},
        "a.dotted.key": "literal",
        "yes": True,
        "nothing": None,
    }
    (message,) = definition(value, partition_key=path).make(analytics())
    assert message.key == key


def test_a_partition_key_that_the_value_does_not_have_is_a_fault():
    with pytest.raises(MessageError, match=r"did you mean sensor\.id"):
        definition({"sensor": {"id": "{device_id}"}}, partition_key="senso.id")


def test_two_definitions_of_one_name_are_a_fault():
    from messages_build import LABELS, RULES, SOURCES, config

    from countline import messages

    with pytest.raises(MessageError, match="two messages are named 'test'"):
        messages.make([config(1), config(2)], rules=RULES, sources=SOURCES, labels=LABELS)


def test_the_trajectory_is_bounded_follows_the_track_and_forgets_it():
    one = definition({"id": "{track_id}", "path": "{trajectory}", "two": "{trajectory|last(2)}"}, trajectory_points=4)
    import orjson

    for n in range(9):
        frame = info(n, time=TIME + n * S)
        data = analytics(frame, [crossing(frame)] if n == 8 else [])
        data.tracks.xyxy[0] = (n, 0, n + 10, 50 + n)
        found = one.make(data)
    value = orjson.loads(found[0].value)
    t = TIME // 10**6
    assert value["path"] == [[t + n * 1000, n + 5.0, 50.0 + n] for n in (5, 6, 7, 8)]
    assert value["two"] == value["path"][-2:]
    frame = info(9, time=TIME + 100 * S, stream="another")
    (message,) = one.make(analytics(frame, [crossing(frame)]))
    assert len(orjson.loads(message.value)["path"]) == 1


def test_memory_of_tracks_does_not_grow_for_ever():
    from countline.messages.memory import Trajectories

    memory = Trajectories(8)
    for n in range(2000):
        data = analytics(info(n, time=TIME + n * S // 10), [])
        data.tracks.track_id[:] = (n, n + 100_000, n + 200_000)
        memory.update(data)
    assert sum(len(tracks) for tracks in memory._tracks.values()) < 700
