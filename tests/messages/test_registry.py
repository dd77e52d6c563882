"""Schema registration: the client's built-in registry, and what users are told when it fails."""

from __future__ import annotations

import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.schema_registry.json_schema import JSONDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext
from messages_build import analytics, definition

from countline.errors import MessageError, OutputError
from countline.messages import Tools
from countline.messages.proto import message_class
from countline.registry import SchemaIds

VALUE = {"@timestamp": "{time}", "id": "{track_id}", "box": "{box}"}
CONTEXT = SerializationContext("counts", MessageField.VALUE)


def one(encoding, url, tools=None, **schema):
    tools = tools or Tools(schema_id=SchemaIds("counts"))
    return definition(VALUE, encoding=encoding, tools=tools, schema={"registry": url, **schema})


@pytest.mark.parametrize("encoding", ["avro", "protobuf", "json"])
def test_confluents_own_deserializers_read_what_is_sent(encoding):
    url = "mock://test"
    ids = SchemaIds("counts")
    made = one(encoding, url, Tools(schema_id=ids))
    body = made.make(analytics())[0].value
    assert body[:1] == b"\0"
    client = ids._clients[url]
    assert client.get_subjects() == ["counts-value"]
    if encoding == "avro":
        assert AvroDeserializer(client)(body, CONTEXT)["timestamp"] == "2023-11-14T22:13:20.123Z"
    elif encoding == "protobuf":
        # Confluent's deserializer asks for the serialised form, which the mock does not give: see the real server's test.
        assert body[:6] == b"\0\0\0\0\x01\0"
        assert message_class(made.schema).FromString(body[6:]).box.right == 50.5
    else:
        assert JSONDeserializer(made.schema.text("json"))(body, CONTEXT)["id"] == 5


@pytest.mark.parametrize(
    ("strategy", "topic", "subject"),
    [
        ("topic", None, "counts-value"),
        ("topic", "own", "own-value"),
        ("record", None, "countline.Test"),
        ("topic-record", None, "counts-countline.Test"),
        ("said", None, "said"),
    ],
)
def test_subject_naming_strategies(strategy, topic, subject):
    url = "mock://test"
    ids = SchemaIds("counts")
    definition(
        VALUE, encoding="avro", topic=topic, tools=Tools(schema_id=ids), schema={"registry": url, "subject": strategy}
    )
    assert ids._clients[url].get_subjects() == [subject]


def test_a_subject_named_after_a_topic_with_fields_is_a_fault():
    tools = Tools(schema_id=SchemaIds())
    with pytest.raises(MessageError, match="has no fixed one"):
        definition(VALUE, encoding="avro", topic="t-{source}", tools=tools, schema={"registry": "mock://x"})


def test_without_auto_register_an_absent_schema_is_a_fault():
    url = "mock://test"
    with pytest.raises(MessageError, match="auto_register is off"):
        one("avro", url, auto_register=False)


def test_a_known_id_needs_no_registry():
    body = definition(VALUE, encoding="avro", schema={"id": 258}).make(analytics())[0].value
    assert body[:5] == b"\0\0\0\x01\x02"


def test_a_registry_without_a_client_or_for_message_pack_is_a_fault():
    with pytest.raises(MessageError, match="given no client"):
        definition(VALUE, encoding="avro", schema={"registry": "mock://x"})
    with pytest.raises(MessageError, match="registries know no msgpack"):
        one("msgpack", "mock://x")


def test_a_registry_that_is_away_is_told_without_its_password():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(OutputError) as caught:
        one("avro", f"http://user:secret@127.0.0.1:{port}/api", options={"max.retries": 0})
    assert "secret" not in str(caught.value)
    assert f"http://127.0.0.1:{port}/api" in str(caught.value)
    assert "that it is up" in str(caught.value)


class Registry(BaseHTTPRequestHandler):
    """Answers as a registry that knows one schema and wants a password for anything else."""

    calls: list[str] = []

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.calls.append(self.path)
        if "/subjects/secret" in self.path:
            self.answer(401, b'{"error_code":401,"message":"Unauthorized"}')
        elif self.path.startswith("/compatibility"):
            self.answer(404, b'{"error_code":40401,"message":"Subject not found"}')
        else:
            self.answer(200, b'{"id":77,"version":1,"subject":"counts-value","schema":"{}"}')

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "application/vnd.schemaregistry.v1+json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    Registry.calls.clear()
    server = HTTPServer(("127.0.0.1", 0), Registry)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_an_id_learned_once_needs_no_registry_at_the_next_start(server, tmp_path):
    cache = tmp_path / "deep" / "ids.json"
    first = one("avro", server, Tools(schema_id=SchemaIds("counts", cache=cache))).make(analytics())[0].value
    assert first[:5] == b"\0\0\0\0\x4d"
    calls = len(Registry.calls)
    assert calls > 0
    again = one("avro", server, Tools(schema_id=SchemaIds("counts", cache=cache))).make(analytics())[0].value
    assert again == first
    assert len(Registry.calls) == calls
    cache.write_text("{damaged")
    assert one("avro", server, Tools(schema_id=SchemaIds("counts", cache=cache))).make(analytics())[0].value == first


def test_a_wrong_password_is_named_as_such(server):
    with pytest.raises(OutputError, match="user and password"):
        one("avro", server, subject="secret", auto_register=False)


def test_the_subject_is_named_after_the_topic_of_the_outputs_that_the_message_goes_to():
    def subject(outputs=(), topic=None, **topics):
        url = "mock://outputs"
        ids = SchemaIds(topics=topics)
        definition(
            VALUE,
            encoding="avro",
            topic=topic,
            outputs=list(outputs),
            tools=Tools(schema_id=ids),
            schema={"registry": url},
        )
        return ids._clients[url].get_subjects()[-1:]

    assert subject(kafka="ds-kafka") == ["ds-kafka-value"]
    assert subject(["b"], a="one", b="two") == ["two-value"]
    assert subject(["a"], topic="own", a="one") == ["own-value"]
    with pytest.raises(MessageError, match="goes to several: one, two"):
        subject(a="one", b="two")


def test_an_output_without_topics_does_not_name_the_subject(tmp_path):
    from countline.config import Config
    from countline.pipeline import build

    config = Config.model_validate({
        "sources": [{"name": "a", "uri": "b"}],
        "outputs": [{"file": {"path": "o.jsonl"}}, {"redis": {"topic": "r"}}, {"kafka": {"bootstrap": "localhost", "topic": "ds-kafka"}}],
    })  # fmt: skip
    assert build._message_tools(config).schema_id.topics == {"kafka": "ds-kafka"}
