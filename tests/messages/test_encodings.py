"""Values in every encoding are read back by the libraries that others read them with."""

from __future__ import annotations

import io
from base64 import b64decode
from dataclasses import dataclass

import fastavro
import msgspec
import orjson
import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary, from_structured
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from hypothesis import given
from hypothesis import strategies as st
from messages_build import analytics, definition, from_function

from countline.errors import MessageError
from countline.messages import message
from countline.messages.proto import file_descriptor, message_class

VALUE = {
    "@timestamp": "{time}",
    "id": "{id}",
    "box": "{box}",
    "v": "{speed}",
    "none": "{lines.north gate 2.0.reset_at}",
    "path": "{trajectory}",
    "lines": "{lines}",
    "od": "{journeys}",
    "objects": {"for": "objects", "do": {"id": "{track_id}", "c": "{confidence}", "in": "{regions}"}},
    "maybe": {"if": "confidence > 2", "then": "yes"},
    "a b": "{frame}",
    "a_b": True,
    "mixed": [1, "x", None],
    "texts": ["a", "b"],
}


def expected():
    return orjson.loads(definition(VALUE).make(analytics())[0].value)


def renamed(value):
    """As Avro and Protobuf name the keys."""
    names = {"@timestamp": "timestamp", "a b": "a_b_2"}
    return {names.get(k, k): v for k, v in value.items()}


def test_json_lines_end_with_one_newline():
    body = definition(VALUE, encoding="jsonl").make(analytics())[0].value
    assert body.count(b"\n") == 1
    assert body.endswith(b"}\n")


def test_avro_is_read_back_with_the_schema_alone():
    one = definition(VALUE, encoding="avro")
    message = one.make(analytics())[0]
    schema = fastavro.parse_schema(orjson.loads(one.schema.text("avro")))
    read = fastavro.schemaless_reader(io.BytesIO(message.value), schema, None)
    want = renamed(expected())
    want["mixed"] = ["1", '"x"', "null"]  # of no fixed shape: JSON text
    assert read == {"maybe": None, **want}
    assert message.content_type == "application/avro"


def test_protobuf_is_read_back_by_a_class_from_the_descriptor():
    from google.protobuf import json_format

    one = definition(VALUE, encoding="protobuf")
    message = one.make(analytics())[0]
    read = message_class(one.schema).FromString(message.value)
    found = json_format.MessageToDict(read, preserving_proto_field_name=True)
    assert found["timestamp"] == "2023-11-14T22:13:20.123Z"
    assert read.a_b_2 == 7
    assert read.a_b is True
    assert not read.HasField("none")
    assert not read.HasField("maybe")
    assert read.lines["straight"].directions["in"].cumulative == 10
    assert [(o.id, o.c) for o in read.objects] == [(5, 0.9), (6, 0.75), (0, 0.5)]
    assert not read.objects[2].HasField("id")
    assert found["mixed"] == [1.0, "x", None]
    assert found["od"] == {"through": {"a>b": 4.0, "b>a": 1.0}}
    assert json_format.MessageToDict(read)["@timestamp"] == "2023-11-14T22:13:20.123Z"


def test_the_proto_text_says_what_the_descriptor_says():
    schema = definition(VALUE).schema
    text, file = schema.text("proto"), file_descriptor(schema)
    assert 'string timestamp = 1 [json_name = "@timestamp"];' in text
    assert "map<string, Lines> lines = 7;" in text
    assert "optional uint64 id = 1;" in text
    assert "repeated google.protobuf.Value mixed = 13;" in text
    assert len(file.message_type[0].field) == len(VALUE)
    assert text.count("{") == text.count("}")


def test_protobuf_numbers_can_be_fixed():
    schema = definition({"a": 1, "b": {"c": 2, "d": 3}, "e": 4}, schema={"numbers": {"b": 9, "b.d": 1}}).schema
    message = file_descriptor(schema).message_type[0]
    assert {f.name: f.number for f in message.field} == {"a": 1, "b": 9, "e": 2}
    assert {f.name: f.number for f in message.nested_type[0].field} == {"c": 2, "d": 1}


def test_message_pack():
    body = definition(VALUE, encoding="msgpack").make(analytics())[0].value
    assert msgspec.msgpack.decode(body) == expected()


@dataclass
class Inner:
    x: float
    tags: list[str]


@dataclass
class Outer:
    who: int | None
    inner: Inner
    extra: dict[str, int]
    blob: bytes


@pytest.mark.parametrize("encoding", ["avro", "protobuf"])
def test_a_functions_return_annotation_gives_the_schema(encoding):
    @message(on="crossing", encoding=encoding)
    def payload(event) -> Outer:
        return Outer(event.track_id, Inner(1.5, ["a"]), {"n": 1}, b"\x00\xff")

    one = from_function(payload)
    body = one.make(analytics())[0].value
    assert not one.failures
    if encoding == "avro":
        read = fastavro.schemaless_reader(io.BytesIO(body), fastavro.parse_schema(one.schema.avro()), None)
        assert read == {"who": 5, "inner": {"x": 1.5, "tags": ["a"]}, "extra": {"n": 1}, "blob": b"\x00\xff"}
    else:
        proto = message_class(one.schema).FromString(body)
        assert (proto.who, proto.inner.x, list(proto.inner.tags), dict(proto.extra), proto.blob) == (
            5,
            1.5,
            ["a"],
            {"n": 1},
            b"\x00\xff",
        )


def test_a_function_without_a_type_cannot_be_avro_and_says_what_to_do():
    with pytest.raises(MessageError, match="annotate what the function returns"):
        from_function(message(on="crossing", encoding="avro")(lambda e: {}))
    one = from_function(message(on="crossing", encoding="avro", schema=Outer)(lambda e: {"who": 1}))
    assert one.make(analytics()) == []
    assert "the field inner is missing" in one.failures[0].error


def test_a_64_bit_id_that_avro_cannot_hold_is_a_failure_not_another_number():
    from messages_build import crossing, info

    frame = info()
    one = definition({"t": "{track_id}"}, encoding="avro")
    assert one.make(analytics(frame, [crossing(frame, track=2**63 + 5)])) == []
    assert one.failed == 1
    proto = definition({"t": "{track_id}"}, encoding="protobuf")
    body = proto.make(analytics(frame, [crossing(frame, track=2**63 + 5)]))[0].value
    assert message_class(proto.schema).FromString(body).t == 2**63 + 5


def read_event(message, *, structured):
    headers = dict(message.headers)
    kafka = KafkaMessage(headers=headers, key=message.key, value=message.value)
    return (from_structured if structured else from_binary)(kafka, JSONFormat(), CloudEvent)


@pytest.mark.parametrize("mode", ["structured", "binary"])
def test_cloud_events_are_read_by_the_cloudevents_sdk(mode):
    one = definition({"n": "{track_id}"}, key="{device_id}", cloudevents=mode)
    message = one.make(analytics())[0]
    event = read_event(message, structured=mode == "structured")
    assert event.get_id() == message.id
    assert event.get_source() == "/countline/entrance"
    assert event.get_type() == "io.countline.crossing"
    assert event.get_subject() == "straight"
    assert event.get_time().isoformat() == "2023-11-14T22:13:20.123000+00:00"
    assert event.get_datacontenttype() == "application/json"
    assert event.get_dataschema() == one.schema.urn
    assert event.get_extension("partitionkey") == "device_test"
    data = event.get_data()
    assert (orjson.loads(data) if isinstance(data, (bytes, str)) else data) == {"n": 5}


def test_cloud_events_around_bytes_and_with_templates():
    chosen = {
        "mode": "structured",
        "type": "com.example.{kind}",
        "source": "urn:cam:{device_id}",
        "subject": "{track_id}",
    }
    one = definition({"n": "{track_id}"}, encoding="protobuf", cloudevents=chosen)
    message = one.make(analytics())[0]
    outer = orjson.loads(message.value)
    assert (outer["type"], outer["source"], outer["subject"]) == ("com.example.crossing", "urn:cam:device_test", "5")
    assert message_class(one.schema).FromString(b64decode(outer["data_base64"])).n == 5
    assert message.content_type == "application/cloudevents+json"
    assert ("content-type", b"application/cloudevents+json") in message.headers


def test_the_json_schema_describes_what_is_sent():
    import jsonschema

    one = definition(VALUE)
    schema = orjson.loads(one.schema.text("json"))
    jsonschema.Draft7Validator.check_schema(schema)
    for sent in one.make(analytics()):
        jsonschema.validate(orjson.loads(sent.value), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**expected(), "more": 1}, schema)


def test_the_version_of_a_schema_changes_with_its_shape_and_not_with_its_constants():
    one = definition({"a": "{frame}", "b": "x"}, version="3").schema
    assert one.full_version == definition({"a": "{pts}", "b": "y"}, version="3").schema.full_version
    assert one.full_version != definition({"a": "{frame}", "b": 1}, version="3").schema.full_version
    assert one.full_version.startswith("3+")


KEYS = st.text(st.characters(min_codepoint=32, max_codepoint=300, exclude_characters="{}"), min_size=1, max_size=6)
LEAVES = st.sampled_from(
    [
        "{frame}",
        "{class}",
        "{speed}",
        "{box}",
        "{lines}",
        "{objects}",
        "{events}",
        "{regions.lobby.crowded}",
        "{lines.north gate 2.0.reset_at}",
    ]
)
NESTED = st.recursive(
    LEAVES,
    lambda inner: st.dictionaries(KEYS, inner, min_size=1, max_size=3) | st.lists(inner, min_size=1, max_size=3),
)


@given(st.dictionaries(KEYS, NESTED, min_size=1, max_size=4))
def test_any_template_can_be_written_and_read_in_avro_protobuf_and_json_schema(value):
    import jsonschema

    plain = definition(value)
    jsonschema.validate(orjson.loads(plain.make(analytics())[0].value), plain.schema.json())
    avro = definition(value, encoding="avro")
    (body, *_) = avro.make(analytics()) or [None]
    assert not avro.failures, avro.failures
    fastavro.schemaless_reader(io.BytesIO(body.value), fastavro.parse_schema(avro.schema.avro()), None)
    proto = definition(value, encoding="protobuf")
    (body, *_) = proto.make(analytics()) or [None]
    assert not proto.failures, proto.failures
    message_class(proto.schema).FromString(body.value)
