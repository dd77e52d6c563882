"""DeepStream's broker options become the configuration of an output."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from countline.compat.deepstream.files.nvmsgbroker import kind_of, output
from countline.config.outputs import config_class
from countline.errors import ConfigError

KAFKA = "/opt/nvidia/deepstream/deepstream/lib/libnvds_kafka_proto.so"


def made(lib: str, conn: str | None, text: str | None = None, tmp: Path | None = None, **more: Any) -> Any:
    path = None
    if text is not None:
        assert tmp is not None
        path = tmp / "cfg.txt"
        path.write_text(text)
    return output(lib, conn, path, environment=more.pop("environment", {}), **more)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        (KAFKA, "kafka"),
        ("libnvds_amqp_proto.so", "amqp"),
        ("./libnvds_redis_proto.so", "redis"),
        ("libnvds_mqtt_proto.so.1", "mqtt"),
    ],
)
def test_library_name_chooses_the_output(name: str, kind: str) -> None:
    assert kind_of(name) == kind


def test_libraries_without_an_output() -> None:
    with pytest.raises(ConfigError, match="Azure"):
        kind_of("libnvds_azure_edge_proto.so")
    with pytest.raises(ConfigError, match="tells no protocol"):
        kind_of("libfoo.so")


@pytest.mark.parametrize(
    ("conn", "topic", "bootstrap", "wanted"),
    [
        ("localhost;9092;ds-kafka", None, "localhost:9092", "ds-kafka"),
        (" localhost ; 9092 ; ds-kafka ", None, "localhost:9092", "ds-kafka"),
        ("localhost;9092;ds-kafka", "other", "localhost:9092", "other"),
        ("10.0.0.1;9093", "t", "10.0.0.1:9093", "t"),
        ("::1;9092;t", None, "[::1]:9092", "t"),
        ("fe80::1;9092;t", None, "[fe80::1]:9092", "t"),
        ("[::1];9092;t", None, "[::1]:9092", "t"),
    ],
)
def test_kafka_connection_string(conn: str, topic: str | None, bootstrap: str, wanted: str) -> None:
    got = made(KAFKA, conn, topic=topic)
    assert got.as_config() == {"kafka": {"bootstrap": bootstrap, "topic": wanted, "partitioner": "consistent_random"}}
    config_class("kafka").model_validate(got.options)


@pytest.mark.parametrize(
    ("conn", "what"),
    [
        ("localhost:9092", r'separated by a semicolon\n  -> write "localhost;9092"'),
        ("localhost:9092;ds-kafka", 'write "localhost;9092;ds-kafka"'),
        ("localhost", "the port is missing"),
        (";9092;t", "the host is empty"),
        ("localhost;;t", "'' is not a port"),
        ("localhost;kafka;t", "'kafka' is not a port"),
        ("localhost;0;t", "'0' is not a port"),
        ("localhost;65536;t", "'65536' is not a port"),
        ("localhost;٣;t", "is not a port"),
        ("localhost;9092;a;b", "has 4 parts"),
        ("localhost;9092", "no topic is named"),
        ("localhost;9092;", "no topic is named"),
        (None, "no broker is named"),
    ],
)
def test_wrong_kafka_connection_strings_say_what_to_write(conn: str | None, what: str) -> None:
    with pytest.raises(ConfigError, match=what):
        made(KAFKA, conn)


def test_kafka_configuration_file(tmp_path: Path) -> None:
    text = """\
[message-broker]
proto-cfg = "queue.buffering.max.messages=200000;message.send.max.retries=3"
producer-proto-cfg="message.send.max.retries=5; linger.ms = 20;"
consumer-proto-cfg="max.poll.interval.ms=20000"
partition-key = analyticsModule.stream_source_id
topic=from-file
share-connection = 1
colour = red
[other]
a=1
"""
    got = made(KAFKA, "localhost;9092", text, tmp_path)
    assert got.options == {
        "bootstrap": "localhost:9092",
        "topic": "from-file",
        "partitioner": "consistent_random",
        "options": {"queue.buffering.max.messages": "200000", "message.send.max.retries": "5", "linger.ms": "20"},
    }
    assert got.partition_key == "analyticsModule.stream_source_id"
    assert [note.split(": ", 1)[1] for note in got.notes] == [
        "only [message-broker] is read; this group is ignored",
        "ignored (countline only produces)",
        "ignored (there is one connection for each output)",
        "ignored (unknown here)",
    ]
    assert made(KAFKA, "localhost;9092;conn", text, tmp_path).options["topic"] == "conn"
    assert made(KAFKA, "localhost;9092;conn", text, tmp_path, topic="option").options["topic"] == "option"


def test_brokers_and_partitioner_of_the_file(tmp_path: Path) -> None:
    text = '[message-broker]\nproto-cfg="bootstrap.servers=a:1,b:2;partitioner=murmur2"\n'
    got = made(KAFKA, "localhost;9092;t", text, tmp_path)
    assert got.options == {"bootstrap": "a:1,b:2", "topic": "t", "options": {"partitioner": "murmur2"}}
    assert "win over --conn-str" in got.notes[0]
    assert made(KAFKA, None, text, tmp_path, topic="t").options["bootstrap"] == "a:1,b:2"


def test_options_that_are_no_pairs_are_named_with_their_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cfg\.txt:2 .*'linger\.ms' is not an option with its value"):
        made(KAFKA, "h;1;t", '[message-broker]\nproto-cfg="linger.ms"\n', tmp_path)


def test_amqp(tmp_path: Path) -> None:
    lib = "libnvds_amqp_proto.so"
    got = made(lib, "rabbit;5673;u;p", topic="cars").options
    assert got == {
        "host": "rabbit", "port": 5673, "username": "u", "password": "p", "exchange": "amq.topic", "topic": "cars",
    }  # fmt: skip
    text = (
        "[message-broker]\nhostname = rabbit\nport = 5674\nusername = u\npassword = p\nexchange = e\ntopic = t\n"
        "amqp-framesize = 1\namqp-heartbeat = 5\n"
    )
    found = made(lib, None, text, tmp_path)
    assert found.options == {
        "host": "rabbit", "port": 5674, "username": "u", "password": "p", "exchange": "e", "topic": "t", "heartbeat": 5,
    }  # fmt: skip
    assert len(found.notes) == 1
    config_class("amqp").model_validate(found.options)
    text = "[message-broker]\nusername = file\npassword = file\n"
    both = made(lib, "rabbit;5673;string", text, tmp_path).options
    assert (both["username"], both["password"]) == ("string", "file"), (
        "what the connection string says wins, each by itself"
    )
    secret = {"USER_AMQP": "env", "PASSWORD_AMQP": "word"}
    got = made(lib, "rabbit;5673;u;p", environment=secret).options
    assert (got["username"], got["password"], got["topic"]) == ("env", "word", "deepstream_topic")
    with pytest.raises(ConfigError) as caught:
        made(lib, "rabbit;x;u;hush")
    assert "hush" not in str(caught.value)


def test_redis(tmp_path: Path) -> None:
    lib = "libnvds_redis_proto.so"
    text = "[message-broker]\nhostname=r\npassword=p\npayloadkey=value\nstreamsize=1000\nconsumergroup=g\nflush-timeout=1\n"
    got = made(lib, None, text, tmp_path, topic="cars")
    assert got.options == {
        "host": "r", "port": 6379, "password": "p", "topic": "cars", "value_field": "value", "maxlen": 1000,
    }  # fmt: skip
    config_class("redis").model_validate(got.options)
    assert made(lib, "r;1", topic="cars").options == {
        "host": "r",
        "port": 1,
        "topic": "cars",
        "value_field": "metadata",
    }
    with pytest.raises(ConfigError, match="no topic"):
        made(lib, "r;1")
    assert made(lib, "r;1;t").options["topic"] == "t"
    assert made(lib, "r;1;t", topic="cars").options["topic"] == "cars"
    assert made(lib, "r;1;t", "[message-broker]\ntopic=file\n", tmp_path).options["topic"] == "t"
    with pytest.raises(ConfigError, match="has 4 parts"):
        made(lib, "r;1;t;u")


def test_mqtt(tmp_path: Path) -> None:
    lib = "libnvds_mqtt_proto.so"
    text = (
        "[message-broker]\nusername=u\npassword=p\nclient-id=c\nenable-tls=1\ntls-cafile=ca.pem\ntls-certfile=c.pem\n"
        "tls-keyfile=k.pem\ntls-capath=/etc\nloop-timeout=2000\nkeep-alive=30\nset-threaded=1\n"
    )
    got = made(lib, "m;8883", text, tmp_path, topic="cars")
    assert got.options == {
        "host": "m", "port": 8883, "username": "u", "password": "p", "topic": "cars", "client_id": "c", "keepalive": 30,
        "tls": {"ca": "ca.pem", "cert": "c.pem", "key": "k.pem"},
    }  # fmt: skip
    config_class("mqtt").model_validate({**got.options, "tls": True})
    assert any("tls-capath" in note for note in got.notes)
    assert made(lib, "m;1883", topic="t").options == {"host": "m", "port": 1883, "topic": "t"}
    assert made(lib, "m;1883;t").options == {"host": "m", "port": 1883, "topic": "t"}
    assert made(lib, "m;1883;", "[message-broker]\ntopic=file\n", tmp_path).options["topic"] == "file"


def test_numbers_and_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'x' is not a whole number"):
        made("libnvds_redis_proto.so", None, "[message-broker]\nhostname=r\nport=x\n", tmp_path, topic="t")
    with pytest.raises(ConfigError, match="no such adapter configuration"):
        output(KAFKA, "h;1;t", tmp_path / "none.txt")
    assert "has no [message-broker]" in made(KAFKA, "h;1;t", "[x]\na=1\n", tmp_path).notes[-1]
