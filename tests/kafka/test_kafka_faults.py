"""What the outbox and the Kafka output promise when something breaks: Apache Kafka 4, real kills, real rights."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import kafka4
import pytest
from _pytest.mark import ParameterSet
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
)
from feed import WAITING, Feed, Proxy, in_order_per_key, kafka, numbers, running
from kafka_tools import Record, consume, deny_writing, new_topic

from countline.demo.broker import EmbeddedBroker
from ports import free_port

needs_kafka4 = pytest.mark.kafka4
LONG = bool(os.environ.get("COUNTLINE_LONG_OUTAGES"))


def _long(seconds: int) -> ParameterSet:
    """An outage in full length: only where asked for, it is nothing but waiting. The mock cluster has one with all of librdkafka's
    times shortened."""
    ask = pytest.mark.skipif(not LONG, reason=f"takes {seconds} s; set COUNTLINE_LONG_OUTAGES=1 to run it")
    return pytest.param(seconds, marks=[pytest.mark.slow, pytest.mark.timeout(seconds + 180), ask])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.outbox"


def exactly_once_in_order(records: list[Record], count: int) -> None:
    """All ids once, each key in order: what the idempotent producer gives as long as neither side forgets."""
    ids = [r.id for r in records]
    assert set(ids) == numbers(count)
    assert len(ids) == count, f"{len(ids) - count} duplicates"
    assert in_order_per_key(ids)


@needs_kafka4
def test_broker_down_at_start_loses_nothing_and_is_said_once(
    apache: kafka4.Kafka4, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "countline")
    topic = new_topic(apache.bootstrap())
    apache.stop()
    with Feed(path, kafka(apache.bootstrap(), topic)) as feed:
        feed.put(500)
        feed.until(lambda: feed.delivery.stats()["kafka"].error)
        feed.put(500)
        assert feed.delivery.stats()["kafka"].pending == 1000
        apache.start()
        feed.delivered()
        feed.until(lambda: not feed.delivery.stats()["kafka"].error)
        feed.until(lambda: "is back" in caplog.text)
    exactly_once_in_order(consume(apache.bootstrap(), topic, 1000), 1000)
    assert caplog.text.count("messages wait in the outbox") == 1
    assert caplog.text.count("is back after") == 1


@needs_kafka4
@pytest.mark.parametrize("seconds", [3, _long(30), _long(600)])
def test_an_outage_loses_nothing_and_keeps_the_order(apache: kafka4.Kafka4, path: Path, seconds: int) -> None:
    topic = new_topic(apache.bootstrap(), partitions=3)
    with Feed(path, kafka(apache.bootstrap(), topic)) as feed:
        feed.put(500, rate=1000)
        apache.stop()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            feed.put(50, rate=200)
        apache.start()
        feed.put(500, rate=1000)
        feed.delivered()
        count = feed.sent
    exactly_once_in_order(consume(apache.bootstrap(), topic, count, partitions=3), count)


@needs_kafka4
def test_a_broker_killed_in_the_middle_of_batches_loses_nothing(apache: kafka4.Kafka4, path: Path) -> None:
    topic = new_topic(apache.bootstrap(), partitions=3)
    with Feed(path, kafka(apache.bootstrap(), topic)) as feed:
        for _ in range(2):
            worker = threading.Thread(target=feed.put, args=(3000,))
            worker.start()
            time.sleep(0.15)
            apache.kill()
            worker.join()
            apache.start()
        feed.delivered()
    records = consume(apache.bootstrap(), topic, 6000, partitions=3)
    ids = [r.id for r in records]
    assert set(ids) == numbers(6000)
    assert in_order_per_key(ids)


@needs_kafka4
def test_acknowledgements_that_are_lost_make_no_duplicates(apache: kafka4.Kafka4, path: Path) -> None:
    topic = new_topic(apache.bootstrap())
    # The listener PROXIED says the proxy's address to its clients, so that all they do goes through it.
    with running(Proxy(apache.ports["PROXIED"], apache.proxy_port)) as proxy:
        with Feed(path, kafka(f"127.0.0.1:{apache.proxy_port}", topic)) as feed:
            for _ in range(4):
                feed.put(500, rate=5000)
                before = proxy.swallowed
                proxy.swallow = True
                feed.put(500, rate=5000)
                feed.until(lambda seen=before: proxy.swallowed > seen)
                proxy.swallow = False
                proxy.cut()
            feed.delivered()
    assert proxy.swallowed > 0
    exactly_once_in_order(consume(apache.bootstrap(), topic, 4000), 4000)


@needs_kafka4
def test_a_message_that_is_too_large_is_a_dead_letter_and_the_rest_flows(apache: kafka4.Kafka4, path: Path) -> None:
    topic = new_topic(apache.bootstrap(), **{"max.message.bytes": "20000"})
    output = kafka(apache.bootstrap(), topic, compression="none", linger_ms=50)
    with Feed(path, output) as feed:
        feed.put(50)
        feed.put(1, size=2_000_000)  # larger than the client sends at all
        feed.put(50)
        feed.put(1, size=30_000)  # larger than this topic takes: known only to the broker
        feed.put(50)
        feed.delivered()
        stats = feed.delivery.stats()["kafka"]
        assert stats.dead == 2
        letters = list(feed.delivery.outbox.dead_letters())
        assert [d.message.id for d in letters] == ["id-000050", "id-000101"]
        assert all("larger than" in d.reason for d in letters)
    ids = [r.id for r in consume(apache.bootstrap(), topic, 150)]
    assert sorted(ids) == sorted(numbers(152) - {"id-000050", "id-000101"})
    assert in_order_per_key(ids)


@needs_kafka4
def test_a_topic_that_is_deleted_holds_up_nobody_else_and_loses_nothing_more(apache: kafka4.Kafka4, path: Path) -> None:
    doomed, other = new_topic(apache.bootstrap()), new_topic(apache.bootstrap())
    admin = AdminClient({"bootstrap.servers": apache.bootstrap(), "log_level": 0})
    options = {"allow.auto.create.topics": False, "topic.metadata.propagation.max.ms": 500, "metadata.max.age.ms": 2000}
    output = kafka(apache.bootstrap(), doomed, options={**options, "topic.metadata.refresh.interval.ms": 1000})
    with Feed(path, output) as feed:
        feed.put(100)
        feed.delivered()
        admin.delete_topics([doomed])[doomed].result(20)
        feed.put(100)
        feed.until(lambda: "does not exist" in feed.delivery.stats()["kafka"].error)
        before = feed.delivery.stats()["kafka"].acknowledged
        feed.put(100, topic=other)
        feed.until(lambda: feed.delivery.stats()["kafka"].acknowledged == before + 100)
        assert feed.delivery.stats()["kafka"].pending == 100
        new_topic(apache.bootstrap(), name=doomed)
        feed.delivered()
    again = [r.id for r in consume(apache.bootstrap(), doomed, 100)]
    assert set(again) == numbers(200) - numbers(100)
    assert in_order_per_key(again)
    assert {r.id for r in consume(apache.bootstrap(), other, 100)} == numbers(300) - numbers(200)


@pytest.fixture
def denied(apache: kafka4.Kafka4) -> Iterator[list[str]]:
    """Topics put into the list may not be written to by alice, until taken out; cleaned up at the end."""
    topics: list[str] = []
    yield topics
    for topic in topics:
        deny_writing(apache.bootstrap(), topic, deny=False)


@needs_kafka4
def test_rights_that_are_withdrawn_and_given_back_lose_nothing_and_keep_the_order(
    apache: kafka4.Kafka4, path: Path, denied: list[str]
) -> None:
    topic, other = new_topic(apache.bootstrap(), partitions=3), new_topic(apache.bootstrap())
    sasl = {"mechanism": "SCRAM-SHA-512", "username": "alice", "password": kafka4.PASSWORD}
    security = {"tls": {"ca": str(apache.folder / "ca.crt")}, "sasl": sasl}
    with Feed(path, kafka(apache.bootstrap("SASL"), topic, **security)) as feed:
        feed.put(300)
        feed.delivered()
        flowed = 0
        for _ in range(2):
            worker = threading.Thread(target=feed.put, args=(400,), kwargs={"rate": 2000})
            worker.start()
            time.sleep(0.1)
            denied.append(topic)
            deny_writing(apache.bootstrap(), topic, deny=True)
            worker.join()
            feed.put(100)
            feed.until(lambda: "no right to write" in feed.delivery.stats()["kafka"].error)
            flowed += 20
            feed.put(20, topic=other)  # another topic flows meanwhile
            consume(apache.bootstrap(), other, flowed)
            deny_writing(apache.bootstrap(), topic, deny=False)
            denied.clear()
            feed.put(100, rate=2000)
            feed.delivered()
        count = feed.sent
    elsewhere = {r.id for r in consume(apache.bootstrap(), other, 40)}
    ids = [r.id for r in consume(apache.bootstrap(), topic, count - 40, partitions=3)]
    assert set(ids) | elsewhere == numbers(count)
    assert len(ids) + len(elsewhere) == count, "no duplicates"
    assert in_order_per_key(ids)


@needs_kafka4
def test_a_limit_of_the_topic_that_is_lowered_and_raised_loses_nothing(apache: kafka4.Kafka4, path: Path) -> None:
    topic = new_topic(apache.bootstrap())
    admin = AdminClient({"bootstrap.servers": apache.bootstrap(), "log_level": 0})

    def limit(size: int) -> None:
        entry = ConfigEntry("max.message.bytes", str(size), incremental_operation=AlterConfigOpType.SET)
        resource = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=[entry])
        admin.incremental_alter_configs([resource])[resource].result(20)

    limit(3_000)  # batches are refused, single messages fit
    with Feed(path, kafka(apache.bootstrap(), topic, compression="none", linger_ms=20)) as feed:
        feed.put(200, size=1000)
        feed.delivered()
        limit(1_000_000)
        feed.put(200, size=1000)
        feed.delivered()
        assert feed.delivery.stats()["kafka"].dead == 0
    exactly_once_in_order(consume(apache.bootstrap(), topic, 400), 400)


def test_a_broker_that_comes_back_without_its_data_is_given_all_that_it_had_not_acknowledged(path: Path) -> None:
    broker = EmbeddedBroker().start()
    topic = new_topic(broker.bootstrap)
    output = kafka(broker.bootstrap, topic, options=WAITING)
    try:
        with Feed(path, output) as feed:
            feed.put(500)
            feed.delivered()
            worker = threading.Thread(target=feed.put, args=(4000,), kwargs={"rate": 8000})
            worker.start()
            time.sleep(0.2)
            broker.kill()
            # What it acknowledged before it died may be read after: all of that is known when its end is, which comes behind.
            feed.until(lambda: not output.status.connected)
            acknowledged = output.status.acknowledged
            worker.join()
            broker = EmbeddedBroker(broker.port).start()
            new_topic(broker.bootstrap, name=topic)
            feed.delivered()
            assert feed.delivery.stats()["kafka"].acknowledged == 4500
        ids = [r.id for r in consume(broker.bootstrap, topic, 4500 - acknowledged)]
        assert in_order_per_key(ids)
        lost = numbers(4500) - set(ids)
        assert lost <= numbers(acknowledged), "only what the broker had acknowledged before it died is gone with it"
    finally:
        broker.stop()


def test_a_full_librdkafka_queue_loses_nothing_and_never_blocks(path: Path, tansu: EmbeddedBroker) -> None:
    topic = new_topic(tansu.bootstrap)
    output = kafka(tansu.bootstrap, topic, options={"queue.buffering.max.messages": 100})
    with Feed(path, output) as feed:
        feed.put(5000)
        feed.delivered()
        assert feed.delivery.stats()["kafka"].acknowledged == 5000
    exactly_once_in_order(consume(tansu.bootstrap, topic, 5000), 5000)


def test_a_dead_broker_never_holds_up_another(path: Path, tansu: EmbeddedBroker) -> None:
    topic = new_topic(tansu.bootstrap)
    dead = kafka(f"127.0.0.1:{free_port()}", topic)
    dead.name = "dead"
    with Feed(path, kafka(tansu.bootstrap, topic), dead) as feed:
        feed.put(2000)
        feed.until(lambda: feed.delivery.stats()["kafka"].acknowledged == 2000)
        stats = feed.delivery.stats()
        assert (stats["kafka"].pending, stats["dead"].pending) == (0, 2000)
    exactly_once_in_order(consume(tansu.bootstrap, topic, 2000), 2000)


def test_what_was_not_delivered_is_delivered_by_the_next_run(path: Path, tansu: EmbeddedBroker) -> None:
    topic = new_topic(tansu.bootstrap)
    with Feed(path, kafka(f"127.0.0.1:{free_port()}", topic)) as feed:
        feed.put(300)
        feed.stop(0.2)
        assert feed.delivery.stats()["kafka"].pending == 300
    with Feed(path, kafka(tansu.bootstrap, topic)) as feed:
        feed.sent = 300
        feed.put(100)
        feed.delivered()
    exactly_once_in_order(consume(tansu.bootstrap, topic, 400), 400)
