"""Errors that no real broker gives on demand: librdkafka's mock cluster, through our output, sender and outbox."""

from __future__ import annotations

from pathlib import Path

import pytest
from confluent_kafka import KafkaError
from feed import Feed, in_order_per_key, kafka, numbers
from kafka_tools import Record, consume
from rdmock import MockCluster

# A refused batch makes a real broker refuse those behind it (out of sequence); the mock cluster would take them. One request at a time
# gives the same order there.
ONE_AT_A_TIME = {"max.in.flight.requests.per.connection": 1}
QUICK = {
    "retry.backoff.ms": 20,
    "retry.backoff.max.ms": 100,
    "reconnect.backoff.ms": 20,
    "reconnect.backoff.max.ms": 100,
}
METADATA = {"topic.metadata.refresh.interval.ms": 200, "topic.metadata.refresh.fast.interval.ms": 50}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.outbox"


def whole_and_in_order(records: list[Record], count: int) -> None:
    """Nothing lost, order per key kept, a duplicate only as the same value under the same id."""
    ids = [r.id for r in records]
    assert set(ids) == numbers(count)
    assert in_order_per_key(ids)
    assert len({(r.id, r.value, r.key) for r in records}) == count


@pytest.mark.parametrize(
    "error",
    [
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.NOT_ENOUGH_REPLICAS,
        KafkaError.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
        KafkaError.REQUEST_TIMED_OUT,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.INVALID_MSG,  # a damaged batch: sent again
    ],
    ids=lambda code: KafkaError(code).name(),
)
def test_a_passing_error_of_a_broker_loses_nothing_and_keeps_the_order(path: Path, error: int) -> None:
    with MockCluster() as cluster:
        output = kafka(cluster.bootstrap, cluster.topic, options={**QUICK, **METADATA, **ONE_AT_A_TIME})
        with Feed(path, output) as feed:
            for _ in range(4):
                feed.put(100, rate=5000)
                cluster.refuse(error, 2)
                feed.put(100, rate=5000)
            feed.delivered()
            stats = feed.delivery.stats()["kafka"]
            assert (stats.acknowledged, stats.dead, stats.dropped) == (800, 0, 0)
        whole_and_in_order(consume(cluster.bootstrap, cluster.topic, 800, partitions=3), 800)


@pytest.mark.parametrize("options", [{}, ONE_AT_A_TIME], ids=["five requests at once", "one request at a time"])
def test_leaders_that_change_lose_nothing_and_keep_the_order(path: Path, options: dict[str, int]) -> None:
    with MockCluster() as cluster:
        output = kafka(cluster.bootstrap, cluster.topic, options={**QUICK, **METADATA, **options})
        with Feed(path, output) as feed:
            for turn in range(20):
                feed.put(100, rate=4000)
                for partition in range(cluster.partitions):
                    cluster.lead(partition, (turn + partition) % cluster.brokers + 1)
            feed.delivered()
        whole_and_in_order(consume(cluster.bootstrap, cluster.topic, 2000, partitions=3), 2000)


def test_all_brokers_down_and_up_again_lose_nothing_and_keep_the_order(path: Path) -> None:
    with MockCluster() as cluster:
        output = kafka(cluster.bootstrap, cluster.topic, options={**QUICK, **METADATA})
        with Feed(path, output) as feed:
            for _ in range(3):
                feed.put(300, rate=5000)
                cluster.down()
                feed.put(300)
                feed.until(lambda: "no broker" in feed.delivery.stats()["kafka"].error)
                cluster.up()
                feed.until(lambda: feed.delivery.stats()["kafka"].connected)
            feed.delivered()
            assert feed.delivery.stats()["kafka"].error == ""
        whole_and_in_order(consume(cluster.bootstrap, cluster.topic, 1800, partitions=3), 1800)


def test_an_outage_is_still_said_where_a_late_acknowledgement_was_taken_after_its_beginning(path: Path) -> None:
    with MockCluster() as cluster:
        output = kafka(cluster.bootstrap, cluster.topic, options=QUICK)
        with Feed(path, output) as feed:
            feed.put(100)
            feed.delivered()
            cluster.down()
            feed.put(100)
            feed.until(lambda: "no broker" in output.status.error)
            output.status.connected, output.status.error = True, ""  # as such an acknowledgement leaves it
            feed.until(lambda: "no broker" in output.status.error and not output.status.connected)
            cluster.up()
            feed.delivered()
            assert (output.status.connected, output.status.error) == (True, "")


def test_an_outage_longer_than_every_patience_of_the_client_loses_nothing(path: Path) -> None:
    """Ten minutes at a two-hundredth: the broker is away for 3 s, and librdkafka's own times are about a two-hundredth of their
    defaults where it lets them be, so that each expires as often as it would."""
    shortened = {
        "socket.timeout.ms": 300,
        "request.timeout.ms": 150,
        "socket.connection.setup.timeout.ms": 1000,  # the least it takes
        "reconnect.backoff.ms": 1,
        "reconnect.backoff.max.ms": 50,
        "retry.backoff.ms": 1,
        "retry.backoff.max.ms": 10,
        "metadata.max.age.ms": 4500,
        "topic.metadata.refresh.interval.ms": 1500,
        "topic.metadata.propagation.max.ms": 150,
        "transaction.timeout.ms": 1000,
    }
    with MockCluster() as cluster:
        with Feed(path, kafka(cluster.bootstrap, cluster.topic, options=shortened)) as feed:
            feed.put(300, rate=5000)
            cluster.down()
            feed.put(1200, rate=400)  # 3 s
            stats = feed.delivery.stats()["kafka"]
            assert stats.pending >= 1200
            assert (stats.dead, stats.dropped) == (0, 0)
            cluster.up()
            feed.delivered()
        whole_and_in_order(consume(cluster.bootstrap, cluster.topic, 1500, partitions=3), 1500)


def test_one_broker_down_and_its_partition_with_another_leader_loses_nothing(path: Path) -> None:
    with MockCluster() as cluster:
        for partition in range(cluster.partitions):
            cluster.lead(partition, partition + 1)
        with Feed(path, kafka(cluster.bootstrap, cluster.topic, options={**QUICK, **METADATA})) as feed:
            feed.put(300, rate=5000)
            cluster.down(2)
            feed.put(300, rate=5000)
            cluster.lead(1, 3)
            feed.put(300, rate=5000)
            feed.delivered()
            cluster.up(2)
            cluster.lead(1, 2)
            feed.put(300, rate=5000)
            feed.delivered()
        whole_and_in_order(consume(cluster.bootstrap, cluster.topic, 1200, partitions=3), 1200)


def test_slow_answers_lose_nothing(path: Path) -> None:
    with MockCluster() as cluster:
        cluster.slow(100)
        with Feed(path, kafka(cluster.bootstrap, cluster.topic)) as feed:
            feed.put(1000)
            feed.delivered()
        whole_and_in_order(consume(cluster.bootstrap, cluster.topic, 1000, partitions=3), 1000)


def test_a_right_that_is_missing_when_a_message_is_handed_over_holds_it_until_there_is_one(path: Path) -> None:
    """Once metadata say so, librdkafka's produce() itself raises instead of a failed delivery."""
    denied = KafkaError.TOPIC_AUTHORIZATION_FAILED
    with MockCluster() as cluster:
        output = kafka(cluster.bootstrap, cluster.topic, options={**QUICK, **METADATA, **ONE_AT_A_TIME})
        raised: list[int] = []
        refused = output._not_produced
        output._not_produced = lambda error, *rest: (raised.append(error.code()), refused(error, *rest))[1]  # type: ignore[method-assign]
        with Feed(path, output) as feed:
            feed.put(200)
            feed.delivered()
            cluster.topic_error(denied)
            cluster.refuse(denied, 1)
            feed.put(200)
            feed.until(lambda: denied in raised)
            feed.until(lambda: "no right to write" in feed.delivery.stats()["kafka"].error)
            feed.put(200)
            assert feed.delivery.stats()["kafka"].pending > 0
            cluster.topic_error(0)
            feed.delivered()
            stats = feed.delivery.stats()["kafka"]
            assert (stats.acknowledged, stats.dead, stats.error) == (600, 0, "")
        whole_and_in_order(consume(cluster.bootstrap, cluster.topic, 600, partitions=3), 600)


@pytest.mark.parametrize("times", [1, 7])
def test_a_whole_batch_refused_as_too_large_is_sent_again_one_by_one(path: Path, times: int) -> None:
    with MockCluster(partitions=1) as cluster:
        options = {**QUICK, **METADATA, **ONE_AT_A_TIME}
        output = kafka(cluster.bootstrap, cluster.topic, linger_ms=50, options=options)
        with Feed(path, output) as feed:
            cluster.refuse(KafkaError.MSG_SIZE_TOO_LARGE, times)
            feed.put(300)
            feed.delivered()
            stats = feed.delivery.stats()["kafka"]
            # The first refusal was of a batch; each further one of a single message, which nothing can make smaller.
            letters = [letter.message.id for letter in feed.delivery.outbox.dead_letters()]
            assert stats.dead == len(letters) <= times - 1
            assert stats.retried > 1, "a batch came back"
        ids = [r.id for r in consume(cluster.bootstrap, cluster.topic, 300 - len(letters))]
        assert sorted([*ids, *letters]) == sorted(numbers(300))
        assert in_order_per_key(ids)
