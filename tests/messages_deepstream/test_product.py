"""DeepStream messages from countline's own analytics."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from payloads_model import dsmeta_frame
from pydantic import ValidationError

from countline.compat.deepstream import payloads as deepstream
from countline.compat.deepstream.files.msgconv import StaticDescription, parse
from countline.compat.deepstream.payloads import make_definition
from countline.compat.deepstream.payloads.objects import event_meta, object_type, static_of_sources
from countline.config.messages import MessageConfig
from countline.errors import ConfigError, MessageError
from countline.messages import make
from countline.types import (
    Analytics,
    Count,
    Crossing,
    Crowding,
    Dwell,
    Enter,
    Event,
    FrameInfo,
    Heading,
    Leave,
    LineState,
    RegionState,
    RuleInfo,
    SourceInfo,
    Tracks,
)

DESCRIPTION = """\
[sensor0]
enable=1
id=CAM
type=Camera
[place0]
enable=1
id=P
place-sub-field1=a
"""
SOURCE = SourceInfo("entrance", 0, "device_test", "street.mp4")
NAMES = ("car", "person", "dog")
RULES = (
    RuleInfo("straight", "line", None, (), ("in", "out")),
    RuleInfo("door", "line", None, (), ("north", "south")),
    RuleInfo("Lobby Entry", "line", None),
    RuleInfo("lobby_exit", "line", None),
    RuleInfo("yard", "region", None, (), (), True),
)


SIDE = st.one_of(st.sampled_from([0.0, -0.0, -20.5, 0.1, 99999.95, 1e6]), st.floats(-100, 4000, width=32))
OBJECT = st.tuples(SIDE, SIDE, SIDE, SIDE, st.floats(0, 1, width=32), st.integers(-1, 4), st.integers(0, 2**64 - 1))


def ordered(text: bytes) -> Any:
    """Parsed JSON in which the order of keys counts."""
    return json.loads(text, object_pairs_hook=lambda items: [("object",), *items])


def tracks_of(objects: list[tuple[Any, ...]], ltwh: bool) -> Tracks:
    boxes = np.array([o[:4] for o in objects], np.float32).reshape(-1, 4)
    confidence, class_id, track_id = ([o[i] for o in objects] for i in (4, 5, 6))
    ids = np.array(track_id, np.uint64)
    return Tracks(boxes, np.array(confidence, np.float32), np.array(class_id, np.int32), ids, boxes if ltwh else None)


def info(number: int = 60, time: int = 1_700_000_000_123_456_789, source: SourceInfo = SOURCE) -> FrameInfo:
    return FrameInfo(source, number, number * 33_333_333, time, 1920, 1080, stream="abc")


def tracks(n: int = 3, ltwh: bool = False) -> Tracks:
    rng = np.random.default_rng(n)
    corner = rng.uniform(-50, 900, (n, 2)).astype(np.float32)
    size = rng.uniform(1, 200, (n, 2)).astype(np.float32)
    ids = np.arange(n, dtype=np.uint64) + np.uint64(2**63)
    boxes = np.concatenate([corner, corner + size], axis=1)
    exact = np.concatenate([corner, size], axis=1) if ltwh else None
    return Tracks(boxes, rng.uniform(0, 1, n).astype(np.float32), rng.integers(0, 3, n), ids, exact)


def analytics(frame: FrameInfo | None = None, events: tuple[Event, ...] = (), **more: Any) -> Analytics:
    given: dict[str, Any] = {
        "lines": {
            "straight": LineState(1, 7, {"in": Count(1, 5), "out": Count(0, 2)}),
            "door": LineState(0, 9, {"north": Count(0, 4), "south": Count(0, 5)}),
            "Lobby Entry": LineState(0, 11),
            "lobby_exit": LineState(0, 3),
        },
        "regions": {"yard": RegionState(3, crowded=True)},
        **more,
    }
    return Analytics(frame or info(), given.pop("tracks", tracks()), events=events, class_names=NAMES, **given)


def crossing(direction: str = "in", name: str = "person", sequence: int = 0, rule: str = "straight") -> Crossing:
    return Crossing(info(), rule, sequence, 7, NAMES.index(name), name, 0.875, (1.0, 2.0, 30.5, 40.25), direction)


def definition(kind: str, **options: Any) -> deepstream.DeepStreamDefinition:
    config = MessageConfig(name="m", type=f"deepstream/{kind}", **options)
    return make_definition(config, rules=RULES, sources=[SOURCE], labels=NAMES)


def test_messages_make_finds_the_deepstream_types() -> None:
    config = MessageConfig(name="m", type="deepstream/analytics")
    (made,) = make([config], rules=RULES, sources=[SOURCE], labels=NAMES)
    assert [m.definition for m in made.make(analytics(events=(crossing(),)))] == ["m"]


def test_recipe_message_has_its_keys_for_every_line_and_region() -> None:
    (message,) = definition("analytics").make(analytics(events=(crossing(),)))
    assert orjson.loads(message.value) == {
        "messageid": message.id,
        "@timestamp": "2023-11-14T22:13:20.123Z",
        "deviceId": "device_test",
        "analyticsModule": {
            "stream_source_id": 0,
            "lc_curr_straight": 1,
            "lc_cum_straight": 7,
            "lc_curr_door": 0,
            "lc_cum_door": 9,
            "lc_curr_Lobby Entry": 0,
            "lc_cum_Lobby Entry": 11,
            "lc_curr_lobby_exit": 0,
            "lc_cum_lobby_exit": 3,
            "roi_yard": 3,
            "oc_yard": True,
        },
    }
    assert message.key == b"device_test"
    assert message.time == info().time


def test_two_crossings_in_a_frame_are_one_counts_message_and_no_crossing_is_none() -> None:
    made = definition("analytics")
    assert len(made.make(analytics(events=(crossing(), crossing("out", sequence=1))))) == 1
    assert made.make(analytics()) == []


def test_occupancy_by_names_and_by_directions() -> None:
    values = {
        v["place"]: v["analyticsModule"]
        for v in (orjson.loads(m.value) for m in definition("occupancy", on="frame").make(analytics()))
    }
    assert values == {
        "Lobby": {"source_id": 0, "occupancy": 8, "lccum_cnt_entry": 11, "lccum_cnt_exit": 3},
        "straight": {"source_id": 0, "occupancy": 3, "lccum_cnt_entry": 5, "lccum_cnt_exit": 2},
        "door": {"source_id": 0, "occupancy": -1, "lccum_cnt_entry": 4, "lccum_cnt_exit": 5},
    }


def test_lines_named_entry_and_exit_are_the_place_of_the_source() -> None:
    rules = [RuleInfo("Entry", "line", None), RuleInfo("Exit", "line", None)]
    config = MessageConfig(name="m", type="deepstream/occupancy")
    made = make_definition(config, rules=rules, sources=[SOURCE])
    a = analytics(events=(crossing(rule="Entry"),), lines={"Entry": LineState(1, 22), "Exit": LineState(0, 12)})
    (value,) = [orjson.loads(m.value) for m in made.make(a)]
    assert (value["place"], value["analyticsModule"]) == (
        "device_test",
        {"source_id": 0, "occupancy": 10, "lccum_cnt_entry": 22, "lccum_cnt_exit": 12},
    )


def test_places_as_configured_and_their_mistakes() -> None:
    places = {"hall": {"entry": ["straight.in", "Lobby Entry"], "exit": "door.south"}}
    (message,) = definition("occupancy", on="frame", places=places).make(analytics())
    assert orjson.loads(message.value)["analyticsModule"] == {
        "source_id": 0,
        "occupancy": 11,
        "lccum_cnt_entry": 16,
        "lccum_cnt_exit": 5,
    }
    with pytest.raises(MessageError, match=r"no line 'straight\.up'"):
        definition("occupancy", places={"hall": {"entry": ["straight.up"]}})
    with pytest.raises(MessageError, match="no line tells entries from exits"):
        make_definition(
            MessageConfig(name="m", type="deepstream/occupancy"),
            rules=[RuleInfo("straight", "line", None)],
            sources=[SOURCE],
        )


@pytest.mark.parametrize(
    ("event", "wanted"),
    [
        (crossing("in"), "entry"),
        (crossing("out"), "exit"),
        (crossing(""), "moving"),
        (crossing("north", rule="door"), "entry"),
        (crossing("south", rule="door"), "exit"),
        (Enter(info(), "yard", 0, 7, 1, "person", 0.5, (0, 0, 1, 1)), "entry"),
        (Leave(info(), "yard", 0, 7, 1, "person", 0.5, (0, 0, 1, 1)), "exit"),
        (Dwell(info(), "yard", 0, 7, 1, "person", 0.5, (0, 0, 1, 1)), "stopped"),
        (Heading(info(), "north", 0, 7, 1, "person", 0.5, (0, 0, 1, 1)), "moving"),
    ],
)
def test_event_types(event: Event, wanted: str) -> None:
    (message,) = definition("full", on=event.kind).make(analytics(events=(event,)))
    assert orjson.loads(message.value)["event"]["type"] == wanted


@pytest.mark.parametrize(
    ("label", "number"),
    [("car", 0), ("Vehicle", 0), ("person", 1), ("Person", 1), ("TwoWheeler", 4), ("Roadsign", 5), ("dog", 0x102)],
)
def test_object_types_by_class_name(label: str, number: int) -> None:
    assert object_type(label) == number


def test_full_message_of_a_crossing_equals_nvmsgconvs_for_the_mapped_event(tmp_path: Path) -> None:
    path = tmp_path / "msgconv.txt"
    path.write_text(DESCRIPTION)
    for event in (crossing("in", "person"), crossing("out", "car"), crossing("in", "dog")):
        (message,) = definition("full", msgconv=str(path)).make(analytics(events=(event,)))
        value = orjson.loads(message.value)
        static = parse(DESCRIPTION, "msgconv.txt")
        meta = event_meta(event, static, {rule.name: rule for rule in RULES})
        ids = iter((message.id, value["event"]["id"]))
        assert deepstream.full({"events": [meta]}, static, ids=ids) == [message.value]
        assert value["event"]["id"] != message.id
        assert (value["sensor"]["id"], value["place"]["id"], value["analyticsModule"]) == ("CAM", "P", None)
        assert value["object"]["id"] == "7"


def test_region_events_without_object_make_no_object_message() -> None:
    event = Crowding(info(), "yard", 0, phase="begin", occupancy=4)
    for kind in ("full", "minimal", "protobuf"):
        assert definition(kind, on="crowding").make(analytics(events=(event,))) == []


@settings(max_examples=40)
@given(st.integers(0, 25), st.booleans(), st.sampled_from([None, DESCRIPTION]))
def test_full_messages_of_a_frame_equal_nvmsgconvs(n: int, ltwh: bool, text: str | None) -> None:
    static = None if text is None else parse(text, "x.txt")
    config = MessageConfig(name="m", type="deepstream/full", on="frame", msgconv=static)
    made = make_definition(config, rules=RULES, sources=[SOURCE], labels=NAMES)
    a = analytics(tracks=tracks(n, ltwh))
    messages = made.make(a)
    values = [orjson.loads(m.value) for m in messages]
    ids = iter([i for v in values for i in (v["messageid"], v["event"]["id"])])
    wanted = deepstream.full(
        {"frame": dsmeta_frame(a)}, static_of_sources(static, [SOURCE]), ids=ids, now="2023-11-14T22:13:20.123Z"
    )
    assert [ordered(m.value) for m in messages] == [ordered(v) for v in wanted]
    assert [v["messageid"] for v in values] == [m.id for m in messages]
    every = [i for v in values for i in (v["messageid"], v["event"]["id"])]
    assert len(set(every)) == 2 * n


@settings(max_examples=100)
@given(st.lists(OBJECT, max_size=8), st.booleans())
def test_any_objects_make_the_full_messages_nvmsgconv_would(objects: list[tuple[Any, ...]], ltwh: bool) -> None:
    a = analytics(tracks=tracks_of(objects, ltwh))
    messages = definition("full", on="frame").make(a)
    ids = iter([i for m in messages for i in (m.id, orjson.loads(m.value)["event"]["id"])])
    named, now = static_of_sources(None, [SOURCE]), "2023-11-14T22:13:20.123Z"
    wanted = deepstream.full({"frame": dsmeta_frame(a)}, named, ids=ids, now=now)
    assert [ordered(m.value) for m in messages] == [ordered(v) for v in wanted]


@settings(max_examples=100)
@given(st.lists(OBJECT, max_size=8), st.booleans())
def test_minimal_and_protobuf_of_a_frame_equal_nvmsgconvs(objects: list[tuple[Any, ...]], ltwh: bool) -> None:
    a = analytics(tracks=tracks_of(objects, ltwh))
    named = static_of_sources(None, [SOURCE])
    item, now = {"frame": dsmeta_frame(a)}, "2023-11-14T22:13:20.123Z"
    (minimal,) = definition("minimal", on="frame").make(a)
    assert [minimal.value] == deepstream.minimal(item, named, now=now)
    (protobuf,) = definition("protobuf", on="frame").make(a)
    assert [protobuf.value] == deepstream.protobuf(item, named, now=now)
    assert protobuf.content_type == "application/x-protobuf"


def test_minimal_of_crossings_is_one_line_each() -> None:
    (message,) = definition("minimal").make(analytics(events=(crossing(), crossing("out", "car", 1))))
    assert orjson.loads(message.value) == {
        "version": "4.0",
        "id": "60",
        "@timestamp": "2023-11-14T22:13:20.123Z",
        "sensorId": "device_test",
        "objects": ["7|1|2|30.5|40.25|Person|#||0||||0.875", "7|1|2|30.5|40.25|Vehicle|#|car||||||0.875"],
    }


def test_every_thirtieth_frame_unless_said_otherwise() -> None:
    numbers = range(61)
    made = definition("minimal", on="frame")
    assert [n for n in numbers if made.make(analytics(info(n)))] == [0, 30, 60]
    made = definition("minimal", on="frame", every=20)
    assert [n for n in numbers if made.make(analytics(info(n)))] == [0, 20, 40, 60]
    made = definition("analytics", on="frame")
    assert all(made.make(analytics(info(n))) for n in numbers)


def test_ids_are_the_same_on_every_run_and_differ_between_messages() -> None:
    def ids(kind: str, number: int) -> list[str]:
        return [m.id for m in definition(kind, on="frame", every=1).make(analytics(info(number)))]

    for kind in ("full", "minimal", "analytics", "occupancy"):
        assert ids(kind, 60) == ids(kind, 60)
        assert not set(ids(kind, 60)) & set(ids(kind, 61))
        assert len(set(ids(kind, 60))) == len(ids(kind, 60))


def test_key_partition_key_topic_headers_and_condition() -> None:
    a = analytics(events=(crossing(),))
    (message,) = definition(
        "analytics",
        partition_key="analyticsModule.lc_cum_straight",
        topic="t-{source}",
        headers={"frame": "{frame}"},
        outputs=["kafka"],
    ).make(a)
    assert (message.key, message.topic, message.headers, message.outputs) == (
        b"7",
        "t-entrance",
        (("frame", b"60"),),
        ("kafka",),
    )
    (message,) = definition("full", key="{track_id}").make(a)
    assert message.key == b"7"
    assert definition("analytics", **{"if": "lines.straight.cumulative > 7"}).make(a) == []
    (message,) = definition("protobuf", on="frame", partition_key="sensor.id").make(a)
    assert message.key == b"device_test"
    other = analytics(info(source=SourceInfo("garden", 1)), events=(crossing(),))
    assert definition("analytics", sources=["entrance"]).make(other) == []
    assert len(definition("analytics", rules=["straight"], classes=["person"]).make(a)) == 1
    assert definition("analytics", rules=["door"]).make(a) == []


def test_cloudevents_around_a_payload() -> None:
    a = analytics(events=(crossing(),))
    (plain,) = definition("full").make(a)
    (structured,) = definition("full", cloudevents="structured").make(a)
    event = orjson.loads(structured.value)
    assert event["data"] == orjson.loads(plain.value)
    assert (event["id"], event["type"], event["subject"]) == (plain.id, "io.countline.deepstream.full", "straight")
    assert structured.content_type == "application/cloudevents+json"
    (binary,) = definition("protobuf", on="frame", cloudevents="binary").make(a)
    headers = dict(binary.headers)
    assert (headers["content-type"], headers["ce_id"]) == (b"application/x-protobuf", binary.id.encode())
    assert [binary.value] == [m.value for m in definition("protobuf", on="frame").make(a)]


def test_key_that_cannot_be_made_is_reported_and_stops_nothing() -> None:
    made = definition("analytics", key="{device_id | int}")
    assert made.make(analytics(events=(crossing(),))) == []
    (failure,) = made.take_failures()
    assert (failure.definition, made.failed, made.take_failures()) == ("m", 1, [])
    assert "device_test" in failure.error


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"encoding": "avro"}, "'encoding' has no meaning"),
        ({"schema": {"name": "x"}}, "'schema' has no meaning"),
        ({"attach": {"what": "crop"}}, "'attach' has no meaning"),
        ({"sources": ["other"]}, "sources: there is no 'other'"),
        ({"rules": ["strait"]}, "did you mean straight"),
        ({"classes": ["persn"]}, "did you mean person"),
    ],
)
def test_options_that_mean_nothing_and_names_that_do_not_exist(options: dict[str, Any], what: str) -> None:
    with pytest.raises(MessageError, match=what):
        definition("analytics", **options)


def test_mistakes_are_named() -> None:
    with pytest.raises(MessageError, match="no message type 'deepstream/custom'"):
        definition("custom")
    with pytest.raises(MessageError, match="track_id"):
        definition("analytics", on="frame", key="{track_id}")
    with pytest.raises(ConfigError, match="no such msgconv file"):
        MessageConfig(name="m", type="deepstream/full", msgconv="/nowhere/msgconv.txt")
    with pytest.raises(ValidationError):
        MessageConfig(name="m", type="deepstream/full", every=0)
    with pytest.raises(MessageError, match="named like a part of the payload"):
        config = MessageConfig(name="m", type="deepstream/full", on="frame")
        make_definition(config, rules=RULES, sources=[SOURCE], labels=["bbox"])


def test_description_that_lacks_a_source_names_it_by_its_device_id_in_the_minimal_payload() -> None:
    for on, events in (("frame", ()), ("crossing", (crossing(),))):
        config = MessageConfig(name="m", type="deepstream/minimal", on=on, msgconv=StaticDescription())
        made = make_definition(config, rules=RULES, sources=[SOURCE], labels=NAMES)
        (message,) = made.make(analytics(events=events))
        assert orjson.loads(message.value)["sensorId"] == "device_test"
