"""The two brokers of the Kafka tests: the embedded one, and Apache Kafka 4 where Java and Maven are."""

from __future__ import annotations

from collections.abc import Iterator

import kafka4
import pytest

from countline.demo.broker import EmbeddedBroker

pytest.register_assert_rewrite("kafka_tools")


@pytest.fixture(scope="session")
def kafka4_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[kafka4.Kafka4]:
    reason = kafka4.missing()
    if reason:
        pytest.skip(reason)
    broker = kafka4.Kafka4(tmp_path_factory.mktemp("kafka4") / "broker")
    broker.start()
    yield broker
    broker.kill()


@pytest.fixture
def apache(kafka4_session: kafka4.Kafka4) -> kafka4.Kafka4:
    """Apache Kafka 4, running."""
    kafka4_session.start()
    return kafka4_session


@pytest.fixture
def tansu() -> Iterator[EmbeddedBroker]:
    """The embedded broker, empty."""
    with EmbeddedBroker() as broker:
        yield broker
