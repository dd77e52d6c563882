"""The Kafka output keeps the contract of all outputs, against the embedded broker and against Apache Kafka 4."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import kafka4
import pytest
from kafka_tools import consume, new_topic

from countline.demo.broker import EmbeddedBroker
from countline.testing import OutputContract, Received


class _Tansu:
    """The embedded broker at a port that stays the same. Its topics are gone when it stops."""

    def __init__(self) -> None:
        self.broker = EmbeddedBroker()
        self.topic = "contract"
        self.start()

    def start(self) -> None:
        if self.broker.pid is None:
            self.broker = EmbeddedBroker(self.broker.port or None).start()

    def stop(self) -> None:
        self.broker.stop()

    @property
    def bootstrap(self) -> str:
        return self.broker.bootstrap


class _Apache:
    """A topic of its own at the Apache Kafka of this session."""

    def __init__(self, broker: kafka4.Kafka4) -> None:
        self.broker = broker
        self.bootstrap = broker.bootstrap()
        self.topic = new_topic(self.bootstrap)

    def start(self) -> None:
        self.broker.start()

    def stop(self) -> None:
        self.broker.stop()

    def kill(self) -> None:
        self.broker.kill()


class _Contract(OutputContract):
    kind = "kafka"
    bad_options = (
        ({"bootstrap": "no port: here"}, "bootstrap"),
        ({"bootstrap": "localhost:99999"}, "bootstrap"),
        ({"topic": "has spaces"}, "topic"),
        ({"compression": "zip"}, "compression"),
        ({"partitioner": "murmur"}, "partitioner"),
        ({"linger_ms": -1}, "linger_ms"),
        ({"sasl": {"mechanism": "SCRAM-SHA-512", "username": "a"}}, "sasl"),
        ({"sasl": {"mechanism": "OAUTHBEARER"}}, "sasl"),
        ({"tls": {"key": "x"}}, "tls"),
        ({"security": {"tsl": {}}}, "tsl"),
    )

    def options(self, server: Any) -> dict[str, Any]:
        return {"bootstrap": server.bootstrap, "topic": server.topic, "linger_ms": 1}

    def address(self, host: str, port: int) -> dict[str, Any]:
        return {"bootstrap": f"{host}:{port}"}

    def read_back(self, server: Any, count: int) -> list[Received]:
        records = consume(server.bootstrap, server.topic, count)
        return [Received(r.value, r.id, r.key, r.headers) for r in records]


class TestEmbeddedBroker(_Contract):
    can_lose = True  # it keeps all in memory: a restart loses what it had acknowledged

    def prepare(self, server: Any) -> None:
        new_topic(server.bootstrap, name=server.topic)

    @pytest.fixture
    def server(self) -> Iterator[_Tansu]:
        server = _Tansu()
        yield server
        server.stop()


@pytest.mark.kafka4
class TestApacheKafka(_Contract):
    survives_kill = True

    @pytest.fixture
    def server(self, apache: kafka4.Kafka4) -> _Apache:
        return _Apache(apache)


@pytest.mark.kafka4
class TestApacheKafkaScramOverTls(TestApacheKafka):
    secret = kafka4.PASSWORD
    mechanism = "SCRAM-SHA-512"

    # Starting and ending the broker is the class above's; what is different here is how one signs in.
    test_server_down_at_start_is_a_state_and_not_an_exception = None  # type: ignore[assignment]
    test_server_restart_in_the_middle_loses_nothing = None  # type: ignore[assignment]
    test_server_killed_in_the_middle_loses_nothing = None  # type: ignore[assignment]
    test_close_while_the_server_is_away_accounts_for_everything = None  # type: ignore[assignment]
    # One between the two sees the first connection only: the broker names the addresses of the others itself. The protocol is
    # fixed for all of a client's connections (security.protocol).
    test_tls_is_never_given_up_at_a_reconnect = None  # type: ignore[assignment]

    def options(self, server: Any) -> dict[str, Any]:
        sasl = {"mechanism": self.mechanism, "username": "alice", "password": kafka4.PASSWORD}
        tls = {"ca": str(server.broker.folder / "ca.crt")}
        return {
            **super().options(server),
            "bootstrap": server.broker.bootstrap("SASL"),
            "tls": tls,
            "sasl": sasl,
        }

    @property
    def wrong_secret(self) -> dict[str, Any]:  # type: ignore[override]
        sasl = {"mechanism": self.mechanism, "username": "alice", "password": "wrong-pa55word"}
        return {"tls": {"ca": str(self._folder / "ca.crt")}, "sasl": sasl}

    @pytest.fixture
    def server(self, apache: kafka4.Kafka4) -> _Apache:
        self._folder = apache.folder
        return _Apache(apache)
