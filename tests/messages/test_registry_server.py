"""A real schema registry: Apicurio Registry from Maven Central, through its Confluent-compatible API.

Skipped, visibly, without Java 17 or Maven. The download (140 MB) and the unpacked server stay in ``.cache/``.
"""

from __future__ import annotations

import os

import pytest
import registry_server
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext
from messages_build import analytics, definition

import fetching
from countline.errors import MessageError
from countline.messages import Tools
from countline.messages.proto import message_class
from countline.registry import SchemaIds


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    missing = fetching.registry()
    if missing:
        pytest.skip(f"{missing} (the built-in registry is tested always)")
    with registry_server.running(tmp_path_factory.mktemp("registry")) as url:
        yield url


@pytest.mark.timeout(800)
@pytest.mark.parametrize("encoding", ["avro", "protobuf", "json"])
def test_schemas_are_registered_checked_and_read_back(registry, encoding):
    tools = Tools(schema_id=SchemaIds("counts"))
    subject = f"counts-{encoding}-{os.getpid()}"
    schema = {"registry": registry, "subject": subject, "compatibility": "BACKWARD"}

    def make(value, **more):
        return definition(value, encoding=encoding, tools=tools, schema={**schema, **more})

    one = make({"@timestamp": "{time}", "n": "{track_id}"})
    body = one.make(analytics())[0].value
    client = SchemaRegistryClient({"url": registry})
    assert int.from_bytes(body[1:5], "big") == client.get_latest_version(subject).schema_id
    if encoding == "avro":
        read = AvroDeserializer(client)(body, SerializationContext("counts", MessageField.VALUE))
        assert read == {"timestamp": "2023-11-14T22:13:20.123Z", "n": 5}
    elif encoding == "protobuf":
        # Confluent's deserializer wants the schema in serialised form, which this server does not give.
        assert "uint64 n = 2;" in client.get_schema(int.from_bytes(body[1:5], "big")).schema_str
        assert message_class(one.schema).FromString(body[6:]).n == 5
    else:
        assert body[5:] == b'{"@timestamp":"2023-11-14T22:13:20.123Z","n":5}'
    with pytest.raises(MessageError, match="not compatible"):
        make({"@timestamp": "{time}", "n": "{class}"})
    with pytest.raises(MessageError, match="auto_register is off"):
        make({"@timestamp": "{time}", "n": "{track_id}", "m": 1}, auto_register=False)
    optional = {"@timestamp": "{time}", "n": "{track_id}", "m": {"if": "frame > 3", "then": "{frame}"}}
    make(optional).make(analytics())
    assert client.get_versions(subject) == [1, 2]
    assert make({"@timestamp": "{time}", "n": "{track_id}"}).make(analytics())[0].value == body


@pytest.mark.timeout(800)
def test_an_id_learned_from_the_server_is_known_at_the_next_start(registry, tmp_path):
    schema = {"registry": registry, "subject": f"kept-{os.getpid()}"}

    def start():
        ids = SchemaIds("counts", cache=tmp_path / "ids.json")
        one = definition({"n": "{track_id}"}, encoding="avro", tools=Tools(schema_id=ids), schema=schema)
        return one.make(analytics())[0].value, ids

    first, asked = start()
    again, silent = start()
    assert first == again
    assert asked._clients
    assert not silent._clients  # no client was even made
