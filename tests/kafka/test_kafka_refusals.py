"""One bad record does not take its batch along, a clock is no reason for a dead letter, a topic that stands still costs the others nothing:
Apache Kafka 4."""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from pathlib import Path

import kafka4
import pytest
from feed import SOURCE, Feed, in_order_per_key, kafka, message, numbers
from kafka_tools import consume, deny_writing, new_topic

from countline import outbox
from countline.config import OutboxConfig
from countline.types import CounterDelta, CounterKey, FrameInfo, Message
from ports import free_port

pytestmark = pytest.mark.kafka4
HOUR_NS = 3600 * 10**9


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.outbox"


def put(feed: Feed, messages: list[Message]) -> None:
    """These messages in one frame each."""
    for made in messages:
        info = FrameInfo(SOURCE, feed.sent, 0, 0, 1, 1, stream="s")
        feed.delivery.put(info, [made], [CounterDelta(CounterKey("gate", "line", "in", "car"), 1)])
        feed.sent += 1


def letters(path: Path) -> dict[str, str]:
    with outbox.open(OutboxConfig(), path, ["kafka"]) as box:
        return {d.message.id: d.reason for d in box.dead_letters()}


def test_a_record_without_a_key_in_a_compacted_topic_is_the_only_dead_letter_and_says_what_helps(
    apache: kafka4.Kafka4, path: Path
) -> None:
    topic = new_topic(apache.bootstrap(), **{"cleanup.policy": "compact"})
    with Feed(path, kafka(apache.bootstrap(), topic, linger_ms=50)) as feed:
        put(feed, [replace(message(n), key=None) if n in (40, 41, 150) else message(n) for n in range(200)])
        feed.delivered()
        assert feed.delivery.stats()["kafka"].dead == 3
        put(feed, [message(n) for n in range(200, 250)])
        feed.delivered()
    ids = [r.id for r in consume(apache.bootstrap(), topic, 247)]
    assert set(ids) == numbers(250) - {"id-000040", "id-000041", "id-000150"}
    assert len(ids) == 247, "no duplicates"
    assert in_order_per_key(ids)
    found = letters(path)
    assert set(found) == {"id-000040", "id-000041", "id-000150"}
    for reason in found.values():
        assert "takes no record without a key" in reason
        assert "give the message a `key`" in reason


def test_a_backlog_with_refused_records_in_it_arrives_in_order(apache: kafka4.Kafka4, path: Path) -> None:
    """Many batches are in hand when one is refused: none of them may go on before it."""
    count = 4000
    bad = {f"id-{n:06d}" for n in range(0, count, 100)}
    for turn in range(3):
        topic = new_topic(apache.bootstrap(), **{"cleanup.policy": "compact"})
        box = path.with_name(f"{turn}.outbox")
        with Feed(box, kafka(f"127.0.0.1:{free_port()}", topic)) as feed:
            put(feed, [replace(message(n), key=None) if n % 100 == 0 else message(n) for n in range(count)])
            feed.delivery.writer.flush()
        with Feed(box, kafka(apache.bootstrap(), topic, options={"batch.num.messages": 50})) as feed:
            feed.delivered()
        ids = [r.id for r in consume(apache.bootstrap(), topic, count - len(bad))]
        assert set(ids) == numbers(count) - bad
        assert len(ids) == count - len(bad), "no duplicates"
        assert in_order_per_key(ids)
        assert set(letters(box)) == bad


def test_records_too_large_for_a_topic_in_a_backlog_leave_the_rest_in_order(apache: kafka4.Kafka4, path: Path) -> None:
    topic = new_topic(apache.bootstrap(), **{"max.message.bytes": "20000"})
    count = 2000
    bad = {f"id-{n:06d}" for n in range(50, count, 100)}
    with Feed(path, kafka(f"127.0.0.1:{free_port()}", topic)) as feed:
        put(feed, [message(n, size=30_000 if n % 100 == 50 else 200) for n in range(count)])
        feed.delivery.writer.flush()
    with Feed(path, kafka(apache.bootstrap(), topic, compression="none", options={"batch.num.messages": 50})) as feed:
        feed.delivered()
    ids = [r.id for r in consume(apache.bootstrap(), topic, count - len(bad))]
    assert set(ids) == numbers(count) - bad
    assert len(ids) == count - len(bad), "no duplicates"
    assert in_order_per_key(ids)
    found = letters(path)
    assert set(found) == bad
    assert all("max.message.bytes" in reason for reason in found.values())


@pytest.mark.parametrize("hours", [-30, 0.5])
def test_event_times_outside_the_window_of_the_topic_are_sent_with_the_time_of_sending(
    hours: float, apache: kafka4.Kafka4, path: Path
) -> None:
    window = {"message.timestamp.before.max.ms": "86400000", "message.timestamp.after.max.ms": "60000"}
    topic = new_topic(apache.bootstrap(), **window)
    event = time.time_ns() + int(hours * HOUR_NS)
    with Feed(path, kafka(apache.bootstrap(), topic, linger_ms=50)) as feed:
        put(feed, [replace(message(n), time=event + n * 10**6) if n % 2 else message(n) for n in range(200)])
        feed.delivered()
        assert feed.delivery.stats()["kafka"].dead == 0
    records = consume(apache.bootstrap(), topic, 200)
    assert {r.id for r in records} == numbers(200)
    assert len(records) == 200
    assert in_order_per_key([r.id for r in records])
    for record in records:
        number = int(record.id[3:])
        assert abs(record.time - time.time() * 1000) < 60_000
        if number % 2:
            assert dict(record.headers)["event_time"] == str((event + number * 10**6) // 10**6).encode()
        else:
            assert "event_time" not in dict(record.headers)


def test_a_clock_that_is_wrong_makes_messages_wait_and_buries_none(
    apache: kafka4.Kafka4, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As seen by the broker, this machine is two hours ahead."""
    topic = new_topic(apache.bootstrap(), **{"message.timestamp.after.max.ms": "3600000"})
    real = time.time_ns
    output = kafka(apache.bootstrap(), topic)
    ahead = [True]
    # librdkafka stamps with the machine's own clock where we give none, so ours gives one while it is "wrong".
    stamp = output._clock.stamp
    monkeypatch.setattr(
        output._clock, "stamp",
        lambda *a: (stamp(*a), (real() + 2 * HOUR_NS) // 10**6)[1] if ahead[0] else stamp(*a),
    )  # fmt: skip
    with Feed(path, output) as feed:
        put(feed, [replace(message(n), time=0) for n in range(100)])
        feed.until(lambda: "refuses the present time" in feed.delivery.stats()["kafka"].error)
        assert feed.delivery.stats()["kafka"].dead == 0
        assert feed.delivery.stats()["kafka"].pending == 100
        ahead[0] = False
        feed.delivered()
        assert feed.delivery.stats()["kafka"].dead == 0
    ids = [r.id for r in consume(apache.bootstrap(), topic, 100)]
    assert sorted(ids) == sorted(numbers(100))
    assert in_order_per_key(ids)


def test_a_topic_without_rights_never_stops_another_however_many_messages_wait_for_it(
    apache: kafka4.Kafka4, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "countline")
    denied, other = new_topic(apache.bootstrap()), new_topic(apache.bootstrap())
    sasl = {"mechanism": "SCRAM-SHA-512", "username": "alice", "password": kafka4.PASSWORD}
    security = {"tls": {"ca": str(apache.folder / "ca.crt")}, "sasl": sasl}
    count, queue = (
        50_000,
        {"queue.buffering.max.messages": 38_000},
    )  # as many as it holds, and more; more than a queue may hold
    deny_writing(apache.bootstrap(), denied, deny=True)
    try:
        with Feed(path, kafka(apache.bootstrap("SASL"), other, options=queue, **security), when_full="block") as feed:
            for start in range(0, count, 1000):
                made = [message(n, topic=denied if n % 2 else other, size=100) for n in range(start, start + 1000)]
                info = FrameInfo(SOURCE, start, 0, 0, 1, 1, stream="s")
                feed.delivery.put(info, made, ())
            feed.until(lambda: feed.delivery.stats()["kafka"].pending == count // 2, timeout=90)
            feed.until(lambda: "no right to write" in feed.delivery.stats()["kafka"].error)
            sender = feed.delivery.senders["kafka"]
            assert sender._queues.waiting < 10_000, "what waits is in the outbox, not in memory"
        assert {r.id for r in consume(apache.bootstrap(), other, count // 2)} == {
            f"id-{n:06d}" for n in range(0, count, 2)
        }
        assert sum("no right to write" in r.getMessage() for r in caplog.records) == 1, "told once"
    finally:
        deny_writing(apache.bootstrap(), denied, deny=False)
    with Feed(path, kafka(apache.bootstrap("SASL"), other, **security), when_full="block") as feed:
        assert feed.delivery.stats()["kafka"].pending == count // 2, "counted right after a restart"
        feed.delivered(90)
    ids = [r.id for r in consume(apache.bootstrap(), denied, count // 2)]
    assert set(ids) == {f"id-{n:06d}" for n in range(1, count, 2)}
    assert in_order_per_key(ids)
    assert len({r.id for r in consume(apache.bootstrap(), other, count // 2)}) == count // 2


@pytest.mark.parametrize(
    "bad",
    [
        {"topic": "nul\0topic"}, {"topic": "a/b"}, {"topic": "x" * 250}, {"topic": ".."}, {"topic": "\udc80"},
        {"headers": (("lone\udc80", b"x"),)}, {"headers": (("nul\0", b"x"),)}, {"headers": (("", b"x"),)},
    ],
)  # fmt: skip
def test_what_no_broker_takes_is_a_dead_letter_at_once_and_the_rest_flows(
    bad: dict[str, object], apache: kafka4.Kafka4, path: Path
) -> None:
    topic = new_topic(apache.bootstrap())
    with Feed(path, kafka(apache.bootstrap(), topic)) as feed:
        put(feed, [replace(message(n), **bad) if n == 5 else message(n) for n in range(20)])  # type: ignore[arg-type]
        feed.delivered()
    assert {r.id for r in consume(apache.bootstrap(), topic, 19)} == numbers(20) - {"id-000005"}
    (reason,) = letters(path).values()
    assert "is no name of a" in reason
