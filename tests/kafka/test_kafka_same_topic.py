"""A broker that comes back without its data gives producer ids anew, and takes one producer for another: nothing is lost by that."""

from __future__ import annotations

import time
from pathlib import Path

import kafka4
import pytest
from confluent_kafka import KafkaError, Producer
from confluent_kafka.admin import AdminClient
from feed import WAITING, Feed, in_order_per_key, kafka, numbers
from kafka_tools import consume, new_topic
from rdmock import MockCluster

from countline.demo.broker import EmbeddedBroker
from countline.outputs.kafka import same_topic
from countline.outputs.kafka.same_topic import SameTopic
from ports import free_port


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.outbox"


class Namesake:
    """Another idempotent producer: the first that a broker without data meets, which gives it the id that it gave to ours once."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self._topic = topic
        self._producer = Producer(
            {"bootstrap.servers": bootstrap, "enable.idempotence": True, "batch.num.messages": 1, "log_level": 0}
        )

    def write(self, count: int) -> None:
        """In batches of one message, as slow cameras make them."""
        for n in range(count):
            self._producer.produce(self._topic, b"another's", b"k", headers=[("id", b"other-%d" % n)])
        assert self._producer.flush(30) == 0


@pytest.mark.parametrize("before", [0, 100])
def test_messages_that_a_broker_without_its_data_takes_for_repetitions_of_anothers_are_sent_again(
    path: Path, before: int
) -> None:
    broker = EmbeddedBroker().start()
    topic = new_topic(broker.bootstrap)
    output = kafka(broker.bootstrap, topic, options=WAITING)
    try:
        with Feed(path, output) as feed:
            feed.until(lambda: output.status.extra.get("brokers_up"))  # and has given our producer its id
            feed.put(before)
            feed.delivered()
            broker.kill()
            feed.until(lambda: not output.status.connected)
            broker = EmbeddedBroker(broker.port).start()
            new_topic(broker.bootstrap, name=topic)
            Namesake(broker.bootstrap, topic).write(500)
            feed.put(100)
            feed.delivered()
        ids = [r.id for r in consume(broker.bootstrap, topic, 600)]
        assert set(ids) >= numbers(before + 100) - numbers(before)
        assert in_order_per_key([i for i in ids if i.startswith("id-")])
    finally:
        broker.stop()


@pytest.mark.kafka4
def test_nothing_is_lost_where_kafka_comes_back_without_its_data_and_gives_our_id_to_another(
    apache: kafka4.Kafka4, path: Path
) -> None:
    apache.wipe()
    topic = new_topic(apache.bootstrap())
    output = kafka(apache.bootstrap(), topic, options={**WAITING, "batch.num.messages": 1})
    with Feed(path, output) as feed:
        feed.put(100)
        feed.delivered()
        apache.wipe()
        new_topic(apache.bootstrap(), name=topic)
        Namesake(apache.bootstrap(), topic).write(102)
        feed.put(2)  # with the numbers of two of the last batches of the other: Kafka knows so many
        feed.delivered()
    ids = [r.id for r in consume(apache.bootstrap(), topic, 104)]
    assert set(ids) >= numbers(102) - numbers(100)


def told(same: SameTopic) -> str:
    """What it says once it lets go of something, or gives it up."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if reason := same.poll():
            return reason
        if counted := same.take():
            return f"counts: {sorted(counted)}"
        time.sleep(0.01)
    raise AssertionError("nothing")


def test_acknowledgements_after_a_lost_connection_count_once_the_topic_is_seen_and_never_without(
    tansu: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = new_topic(tansu.bootstrap)
    asked = tansu.bootstrap
    same = SameTopic(lambda: AdminClient({"bootstrap.servers": asked, "log_level": 0}))
    assert not same.holds(1, topic, 100), "nothing is in doubt"
    same.trouble("127.0.0.1:1: Connect failed: Connection refused (after 0ms in state CONNECT)")
    assert same.holds(2, topic, 100)
    assert told(same) == "counts: [2]"
    same.trouble("127.0.0.1:1: Disconnected (after 5ms in state UP)")
    assert same.holds(3, topic, 100)
    assert told(same) == "counts: [3]"
    asked = f"127.0.0.1:{free_port()}"
    monkeypatch.setattr(same_topic, "PATIENCE", 0.3)
    same.trouble("1/1 brokers are down", all_down=True)
    assert same.holds(4, topic, 100)
    assert "nobody says whether" in told(same)
    assert same.abandon() == [4]


def test_where_nobody_tells_the_ids_of_topics_nothing_waits_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(same_topic, "TIMEOUT", 0.2)
    with MockCluster(controller=False) as cluster:
        same = SameTopic(lambda: AdminClient({"bootstrap.servers": cluster.bootstrap, "log_level": 0}))
        same.trouble("1/1 brokers are down", all_down=True)
        for position in (1, 2):
            assert same.holds(position, cluster.topic, 100)
            assert told(same) == f"counts: [{position}]"
            same.trouble("127.0.0.1:1: Disconnected (after 5ms in state UP)")
        assert same.abandon() == []


def test_a_producer_without_an_id_is_mistaken_for_nobody() -> None:
    output = kafka("127.0.0.1:1", "t", acks=1)
    same = output._same
    same.trouble("1/1 brokers are down", all_down=True)
    assert not same.holds(1, "t", 100)


def test_an_acknowledgement_counts_by_whether_it_came_before_or_after_a_trouble() -> None:
    """Reports are looked at together; which of them came first still decides."""
    output = kafka("127.0.0.1:1", "t")
    flight = output._flight
    flight.sizes.update({1: 10, 2: 10, 3: 10})
    flight.topics["t"] = 3
    flight.report(1)(None, None)
    output._on_error(KafkaError(KafkaError._TRANSPORT, "Disconnected (after 9ms in state UP)"))
    flight.report(2)(None, None)
    flight.report(3)(KafkaError(KafkaError._PURGE_QUEUE), None)
    output._book()
    receipts = output._take()
    assert [(receipt.position, receipt.retry) for receipt in receipts] == [(1, False), (3, True)]
    assert {type(receipt.position) for receipt in receipts} == {int}
    assert output._same.holding
    assert output._same.abandon() == [2]
