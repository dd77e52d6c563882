"""What the recordings do not show: any input gives valid JSON and Protobuf, and what C++ would print."""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np
import orjson
import payloads_model
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nvmsgconv_recordings import NOW, counted_ids

from countline.compat.deepstream import payloads as deepstream
from countline.compat.deepstream.files.msgconv import AnalyticsModule, PlaceInfo, Sensor, StaticDescription
from countline.compat.deepstream.payloads.numbers import box, fixed, float32, general, integer, unsigned
from countline.compat.deepstream.payloads.proto import SCHEMA, timestamp
from countline.errors import MessageError

STATIC = StaticDescription(
    sensors={0: Sensor("CAM", "Camera", 'a "b"', (1.0, 2.0, 3.0), (4.0, 5.0, 6.0))},
    places={0: PlaceInfo("1", "garage", "XYZ", (1.0, 2.0, 3.0), (4.0, 5.0, 6.0), "s1", "s2", "s3")},
    analytics={0: AnalyticsModule("A", "d", "s", "1.0")},
)

TEXT = st.text(st.characters(blacklist_categories=["Cs"]), max_size=8)
FLOAT = st.floats(width=64)
EVENT = st.fixed_dictionaries(
    {
        "type": st.sampled_from([*range(8), 0x101, -1]),
        "objType": st.sampled_from([*range(13), 0x101, 0x102, 99]),
        "bbox": st.fixed_dictionaries(dict.fromkeys(("left", "top", "width", "height"), FLOAT)),
        "confidence": FLOAT,
        "trackingId": st.integers(0, 2**64 - 1),
        "frameId": st.integers(-(2**31), 2**31 - 1),
        "sensorId": st.integers(0, 1),
        "placeId": st.integers(0, 1),
        "moduleId": st.integers(0, 1),
        "ts": st.one_of(st.none(), st.just(NOW), TEXT),
    },
    optional={
        "objectId": st.one_of(st.none(), TEXT),
        "sensorStr": st.one_of(st.none(), TEXT),
        "videoPath": st.one_of(st.none(), TEXT),
        "location": st.fixed_dictionaries(dict.fromkeys(("lat", "lon", "alt"), FLOAT)),
        "ext": st.one_of(
            st.none(),
            st.dictionaries(st.sampled_from(["type", "make", "gender", "hair", "brand", "name"]), TEXT),
            st.fixed_dictionaries({"mask": st.lists(st.lists(FLOAT, max_size=4), max_size=3)}),
        ),
        "embedding": st.lists(FLOAT, max_size=3),
        "objSignature": st.lists(FLOAT, max_size=3),
        "pose": st.fixed_dictionaries(
            {"type": st.integers(0, 3), "joints": st.lists(st.lists(FLOAT, min_size=4, max_size=4), max_size=40)}
        ),
        "sv3dt": st.fixed_dictionaries(
            {
                "img": st.lists(FLOAT, min_size=2, max_size=2),
                "world": st.lists(FLOAT, min_size=2, max_size=2),
                "hull": st.lists(st.integers(-5000, 5000), max_size=6),
            }
        ),
    },
)
FRAME = st.fixed_dictionaries(
    {
        "source_id": st.integers(0, 2),
        "frame_num": st.integers(0, 2**31),
        "objects": st.lists(
            st.fixed_dictionaries(
                {
                    "object_id": st.integers(0, 2**64 - 1),
                    "obj_label": TEXT,
                    "confidence": FLOAT,
                    "bbox": st.fixed_dictionaries(dict.fromkeys(("left", "top", "width", "height"), FLOAT)),
                    "classifiers": st.lists(
                        st.fixed_dictionaries({"type": st.one_of(st.none(), TEXT), "labels": st.lists(TEXT)}),
                        max_size=2,
                    ),
                }
            ),
            max_size=3,
        ),
    },
    optional={"custom": st.lists(TEXT), "pipeline_width": st.integers(0, 1), "pipeline_height": st.integers(0, 1)},
)


@settings(max_examples=150)
@given(st.lists(EVENT, max_size=3), st.sampled_from([STATIC, StaticDescription()]))
def test_any_events_give_valid_payloads(events: list[dict[str, Any]], static: StaticDescription) -> None:
    item = {"events": events}
    full = deepstream.full(item, static, ids=counted_ids())
    assert len(full) == len(events)
    for compact, pretty in zip(full, deepstream.full(item, static, ids=counted_ids(), pretty=True)):
        assert orjson.loads(compact) == orjson.loads(pretty)
    minimal = deepstream.minimal(item, static)
    assert len(minimal) == (1 if events else 0)
    for value in minimal:
        assert len(orjson.loads(value)["objects"]) == len(events)


@settings(max_examples=150)
@given(st.lists(EVENT, max_size=3), st.sampled_from([STATIC, None]))
def test_any_events_give_readable_protobuf(
    frame_class: Any, events: list[dict[str, Any]], static: StaticDescription | None
) -> None:
    made = deepstream.protobuf({"events": events}, static)
    shown = [e for e in events if e["objType"] != 10]
    if not events or (events[0]["ts"] is not None and timestamp(events[0]["ts"]) is None):
        assert made == []
        return
    frame = frame_class.FromString(made[0])
    assert frame.id == str(events[0]["frameId"])
    assert [o.id for o in frame.objects] == [str(e["trackingId"]) for e in shown]
    for item, event in zip(frame.objects, shown):
        wanted = np.array(box(event["bbox"]), np.float32)
        got = np.array([item.bbox.leftX, item.bbox.topY, item.bbox.rightX, item.bbox.bottomY], np.float32)
        np.testing.assert_array_equal(got, wanted)
        assert "visibility" in item.info


@settings(max_examples=150)
@given(FRAME, st.sampled_from([STATIC, StaticDescription()]))
def test_any_frame_gives_valid_payloads(frame_class: Any, frame: dict[str, Any], static: StaticDescription) -> None:
    item = {"frame": frame}
    full = deepstream.full(item, static, ids=counted_ids(), now=NOW)
    assert len(full) == len(frame["objects"])
    for compact, pretty in zip(full, deepstream.full(item, static, ids=counted_ids(), now=NOW, pretty=True)):
        assert orjson.loads(compact) == orjson.loads(pretty)
    (minimal,) = deepstream.minimal(item, static, now=NOW)
    assert len(orjson.loads(minimal)["objects"]) == len(frame["objects"])
    (body,) = deepstream.protobuf(item, static, now=NOW)
    read = frame_class.FromString(body)
    assert [o.type for o in read.objects] == [o["obj_label"] for o in frame["objects"]]
    assert (read.timestamp.seconds, read.timestamp.nanos) == timestamp(NOW)


@settings(max_examples=300)
@given(FLOAT, FLOAT)
def test_float32_is_numpys(a: float, b: float) -> None:
    with np.errstate(all="ignore"):
        x, y = np.float32(a), np.float32(b)
        np.testing.assert_array_equal(np.float32(float32(a)), x)
        np.testing.assert_array_equal(np.float32(float32(float32(a) + float32(b))), x + y)


def test_numbers_are_printed_as_cpp_prints_them() -> None:
    assert [general(v) for v in (1e6, 123456.7, float32(99999.95), -0.0, 0.1, 1e22, 5e-324)] == [
        "1e+06", "123457", "100000", "-0", "0.1", "1e+22", "4.94066e-324",
    ]  # fmt: skip
    assert fixed(-3.0) == "-3.000000"
    assert unsigned(2**64 - 1) == "18446744073709551615"
    assert [integer(v) for v in (-20.9, 1e10, float("nan"), 1e300)] == [-20, 10**10, -(2**63), -(2**63)]


def test_numbers_that_are_not_finite_become_null() -> None:
    item = {"events": [{"location": {"lat": float("nan"), "lon": float("inf"), "alt": 1.0}}]}
    for pretty in (False, True):
        (value,) = deepstream.full(item, STATIC, ids=counted_ids(), pretty=pretty)
        assert json.loads(value)["object"]["location"] == {"lat": None, "lon": None, "alt": 1.0}


def test_full_without_description_is_refused_like_nvmsgconv_does() -> None:
    with pytest.raises(MessageError, match="needs a static description"):
        deepstream.full({"events": []}, None, ids=counted_ids())


def test_minimal_dsmeta_without_description_does_better_than_crash() -> None:
    (value,) = deepstream.minimal({"frame": {"source_id": 0, "frame_num": 1, "objects": []}}, None, now=NOW)
    assert orjson.loads(value)["sensorId"] == "0"


def test_pose_of_a_person_in_the_minimal_line() -> None:
    event = {
        "objType": 1,
        "trackingId": 3,
        "confidence": 0.5,
        "ts": NOW,
        "bbox": {"left": 1, "top": 2, "width": 3, "height": 4},
        "ext": {"gender": "male", "age": 45, "hair": "black", "cap": "none", "apparel": "formal"},
        "pose": {"type": 0, "joints": [[1.5, 2.25, 0.5, 0.75]]},
        "embedding": [0.1, -0.25],
        "sv3dt": {"img": [1.5, 2.5], "world": [10.25, -3], "hull": [1, 2, 3, 4]},
        "visibility": 0.75,
    }
    (value,) = deepstream.minimal({"events": [event]}, STATIC)
    assert orjson.loads(value)["objects"] == [
        "3|1|2|4|6|Person|#|male|45|black|none|formal|#|pose2D|nose,1.500000,2.250000,0.750000||0.5"
        "|#|embedding|0.1,-0.25|#|SV3DT|0.750000|1.500000,2.500000|10.250000,-3.000000|1,2,3,4|"
    ]


def test_mask_outlines_in_both_json_forms() -> None:
    polygons = [[1.5, 2, 3, 4.25], [10, 20, 1e6, 0.1]]
    event = {"objType": 7, "trackingId": 7, "ts": NOW, "ext": {"mask": polygons}}
    (full,) = deepstream.full({"events": [event]}, STATIC, ids=counted_ids())
    assert orjson.loads(full)["object"]["maskoutline"] == polygons
    (minimal,) = deepstream.minimal({"events": [event]}, STATIC)
    assert orjson.loads(minimal)["masks"] == ["7|2|1.5|2|3|4.25|#|10|20|1e+06|0.1"]


def test_outlines_of_products_stand_in_the_minimal_payload_alone() -> None:
    item = {"events": [{"objType": 12, "trackingId": 7, "ts": NOW, "ext": {"mask": [[1, 2]]}}]}
    (full,) = deepstream.full(item, STATIC, ids=counted_ids())
    assert "maskoutline" not in orjson.loads(full)["object"]
    (minimal,) = deepstream.minimal(item, STATIC)
    assert orjson.loads(minimal)["masks"] == ["7|1|1|2"]


@pytest.mark.parametrize(
    ("event", "kind", "section"),
    [
        (0, 0, {"aisle": ["id", "name", "level"]}),
        (1, 6, {"entrance": ["name", "lane", "level"]}),
        (0, 1, {"entrance": ["name", "lane", "level"]}),
        (2, 6, {"aisle": ["id", "name", "level"]}),
        (4, 1, {"parkingSpot": ["id", "type", "level"]}),
        (6, 0, {}),
    ],
)
def test_part_of_the_place_by_event_and_object(event: int, kind: int, section: dict[str, list[str]]) -> None:
    (full,) = deepstream.full({"events": [{"type": event, "objType": kind}]}, STATIC, ids=counted_ids())
    place = orjson.loads(full)["place"]
    assert {k: list(v) for k, v in place.items() if k not in ("id", "name", "type", "location")} == {
        k: [*v, "coordinate"] for k, v in section.items()
    }


@pytest.mark.parametrize(
    ("sizes", "sides"),
    [
        ({}, [0, 0, 0, 0]),
        ({"pipeline_width": 1280}, [10, 0, 110, 0]),
        ({"source_frame_height": 1080}, [0, 20, 0, 70]),
        ({"source_frame_width": 1920, "pipeline_height": 720}, [10, 20, 110, 70]),
    ],
)
def test_boxes_vanish_where_neither_source_nor_pipeline_has_a_size(
    frame_class: Any, sizes: dict[str, int], sides: list[int]
) -> None:
    item = {"obj_label": "car", "bbox": {"left": 10, "top": 20, "width": 100, "height": 50}}
    frame = {"frame": {**sizes, "objects": [item]}}
    (full,) = deepstream.full(frame, STATIC, ids=counted_ids(), now=NOW)
    assert list(orjson.loads(full)["object"]["bbox"].values()) == sides
    (minimal,) = deepstream.minimal(frame, STATIC, now=NOW)
    assert orjson.loads(minimal)["objects"] == ["|".join(["0", *map(str, sides), "car"])]
    bbox = frame_class.FromString(deepstream.protobuf(frame, STATIC, now=NOW)[0]).objects[0].bbox
    assert [bbox.leftX, bbox.topY, bbox.rightX, bbox.bottomY] == sides


def test_confidence_of_objects_is_a_32_bit_float() -> None:
    item = {"object_id": 1, "obj_label": "car", "confidence": 0.2330845, "classifiers": [{"labels": ["bmw"]}]}
    (minimal,) = deepstream.minimal({"frame": {"objects": [item]}}, STATIC, now=NOW)
    (line,) = orjson.loads(minimal)["objects"]
    assert line.endswith(f"|car|#|bmw|{np.float32(0.2330845):g}")
    assert not line.endswith(f"|{0.2330845:g}")


def test_class_label_named_like_a_key_takes_its_place_as_in_json_glib() -> None:
    frame = {"pipeline_width": 1, "pipeline_height": 1, "objects": [{"object_id": 1, "obj_label": "speed"}]}
    (value,) = deepstream.full({"frame": frame}, STATIC, ids=counted_ids(), now=NOW)
    assert list(orjson.loads(value)["object"]) == [
        "id",
        "speed",
        "direction",
        "orientation",
        "bbox",
        "location",
        "coordinate",
    ]
    assert orjson.loads(value)["object"]["speed"] == {"confidence": 0.0}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("1970-01-01T00:00:00Z", (0, 0)),
        ("1969-12-31T23:59:59.5Z", (-1, 500_000_000)),
        ("2024-01-02T03:04:05.678+01:00", (1704161045, 678_000_000)),
        ("2024-01-02T03:04:05-00:30", (1704166445, 0)),
        ("2024-13-02T03:04:05Z", None),
        ("2024-01-02 03:04:05Z", None),
        ("2024-01-02T03:04:05", None),
        ("", None),
    ],
)
def test_time_of_the_protobuf_payload(text: str, wanted: tuple[int, int] | None) -> None:
    assert timestamp(text) == wanted


def test_negative_time_and_negative_zero_survive_protobuf(frame_class: Any) -> None:
    event = {"ts": "1969-12-31T23:59:59.5Z", "bbox": {"left": -0.0, "top": 0, "width": 0, "height": 0}}
    frame = frame_class.FromString(deepstream.protobuf({"events": [event]}, None)[0])
    assert frame.timestamp.seconds == -1
    assert struct.pack("<f", frame.objects[0].bbox.leftX) == struct.pack("<f", -0.0)


def test_schema_text_has_the_fields_that_are_written(frame_class: Any) -> None:
    for message in ("Frame", "Object", "Bbox", "Embedding", "Pose"):
        body = SCHEMA.split(f"message {message} {{")[1].split("\n}")[0]
        fields = frame_class.DESCRIPTOR.file.message_types_by_name[message].fields
        for field in fields:
            assert f" {field.name} = {field.number};" in body


def test_unknown_payload_type_is_named() -> None:
    with pytest.raises(MessageError, match="unknown payload type 3"):
        payloads_model.payloads(3, {"events": []}, None, ids=counted_ids())
