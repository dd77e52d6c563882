"""A topic for dead letters, and what `check` says before there are any: Apache Kafka 4."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import kafka4
import pytest
from feed import SOURCE, Feed, in_order_per_key, kafka, message, mixed, numbers
from kafka_tools import Record, consume, deny_writing, new_topic

import starting
from countline import outbox
from countline.commands.check import checks
from countline.config import Config, OutboxConfig
from countline.errors import ConfigError
from countline.pipeline import build
from countline.types import FrameInfo, Message

pytestmark = pytest.mark.kafka4
PREFIX = "__connect.errors."


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.outbox"


def put(feed: Feed, messages: list[Message]) -> None:
    for made in messages:
        feed.delivery.put(FrameInfo(SOURCE, feed.sent, 0, 0, 1, 1, stream="s"), [made], ())
        feed.sent += 1


def kept(path: Path) -> dict[str, str]:
    with outbox.open(OutboxConfig(), path, ["kafka"]) as box:
        return {d.message.id: d.reason for d in box.dead_letters()}


def headers(record: Record) -> dict[str, str]:
    return {name: content.decode() for name, content in record.headers}


def test_refused_messages_go_to_the_topic_for_dead_letters_with_reason_origin_and_class(
    apache: kafka4.Kafka4, path: Path
) -> None:
    topic = new_topic(apache.bootstrap(), **{"cleanup.policy": "compact"})
    dead = new_topic(apache.bootstrap())
    with Feed(path, kafka(apache.bootstrap(), topic, linger_ms=50, dead_letters={"topic": dead})) as feed:
        put(feed, mixed(0, 200))
        put(feed, [replace(message(200), topic="a/b", headers=(("plate", b"x"), ("n\0l", b"y")))])
        feed.delivered()
        stats = feed.delivery.stats()["kafka"]
        assert (stats.acknowledged, stats.dead, stats.error) == (180, 21, "")
    ids = [r.id for r in consume(apache.bootstrap(), topic, 180)]
    assert set(ids) == {f"id-{n:06d}" for n in range(200) if n % 10}
    assert in_order_per_key(ids)
    letters = {r.id: r for r in consume(apache.bootstrap(), dead, 21)}
    assert set(letters) == {f"id-{n:06d}" for n in range(0, 201, 10)}
    first = letters["id-000000"]
    assert (first.key, first.value) == (None, message(0).value)
    said = headers(first)
    assert said[PREFIX + "topic"] == topic
    assert said[PREFIX + "connector.name"] == "kafka"
    assert said[PREFIX + "exception.class.name"] == "INVALID_RECORD"
    assert "takes no record without a key" in said[PREFIX + "exception.message"]
    assert (said["countline.source"], said["countline.definition"]) == ("gate", "crossings")
    odd = headers(letters["id-000200"])
    assert odd[PREFIX + "topic"] == "a/b"
    assert (odd["plate"], odd["n\\0l"]) == ("x", "y")
    assert kept(path) == {}, "what has arrived there is nowhere else"


def test_what_the_topic_for_dead_letters_refuses_too_is_kept_in_the_outbox_with_both_reasons(
    apache: kafka4.Kafka4, path: Path
) -> None:
    compacted = {"cleanup.policy": "compact"}
    topic, dead = new_topic(apache.bootstrap(), **compacted), new_topic(apache.bootstrap(), **compacted)
    with Feed(path, kafka(apache.bootstrap(), topic, dead_letters=dead)) as feed:
        put(feed, mixed(0, 50))
        feed.delivered()
        assert feed.delivery.stats()["kafka"].dead == 5
    found = kept(path)
    assert set(found) == {f"id-{n:06d}" for n in range(0, 50, 10)}
    assert all(f"'{topic}'" in reason and f"as a dead letter: topic '{dead}'" in reason for reason in found.values())
    assert {r.id for r in consume(apache.bootstrap(), topic, 45)} == numbers(50) - set(found)


def test_dead_letters_wait_for_their_topic_over_a_restart_while_the_rest_flows(
    apache: kafka4.Kafka4, path: Path
) -> None:
    topic = new_topic(apache.bootstrap(), **{"cleanup.policy": "compact"})
    dead = new_topic(apache.bootstrap())
    sasl = {"mechanism": "SCRAM-SHA-512", "username": "alice", "password": kafka4.PASSWORD}
    security = {"tls": {"ca": str(apache.folder / "ca.crt")}, "sasl": sasl}
    options: dict[str, Any] = {**security, "dead_letters": dead}
    deny_writing(apache.bootstrap(), dead, deny=True)
    try:
        with Feed(path, kafka(apache.bootstrap("SASL"), topic, **options)) as feed:
            put(feed, mixed(0, 100))
            feed.until(lambda: feed.delivery.stats()["kafka"].acknowledged == 90)
            feed.until(lambda: f"topic '{dead}'" in feed.delivery.stats()["kafka"].error)
            assert feed.delivery.stats()["kafka"].pending == 10
    finally:
        deny_writing(apache.bootstrap(), dead, deny=False)
    with Feed(path, kafka(apache.bootstrap("SASL"), topic, **options)) as feed:
        feed.delivered()
    assert {r.id for r in consume(apache.bootstrap(), dead, 10)} == {f"id-{n:06d}" for n in range(0, 100, 10)}
    assert kept(path) == {}


def test_no_dead_letter_is_lost_when_the_broker_is_killed_in_the_middle(apache: kafka4.Kafka4, path: Path) -> None:
    topic = new_topic(apache.bootstrap(), **{"cleanup.policy": "compact"})
    dead = new_topic(apache.bootstrap())
    with Feed(path, kafka(apache.bootstrap(), topic, dead_letters=dead)) as feed:
        for turn in range(2):
            part = mixed(turn * 2000, turn * 2000 + 2000, bad=50)
            worker = threading.Thread(target=put, args=(feed, part))
            worker.start()
            time.sleep(0.15)
            apache.kill()
            worker.join()
            apache.start()
        feed.delivered()
    ids = [r.id for r in consume(apache.bootstrap(), topic, 3920)]
    bad = {f"id-{n:06d}" for n in range(0, 4000, 50)}
    assert set(ids) == numbers(4000) - bad
    assert in_order_per_key(ids)
    assert {r.id for r in consume(apache.bootstrap(), dead, 80)} == bad
    assert kept(path) == {}


@pytest.mark.slow
def test_no_dead_letter_is_lost_when_countline_is_killed_again_and_again(apache: kafka4.Kafka4, path: Path) -> None:
    topic = new_topic(apache.bootstrap(), **{"cleanup.policy": "compact"})
    dead = new_topic(apache.bootstrap())
    count, chance = 4000, random.Random(3)
    script = Path(__file__).with_name("dead_letters_publisher.py")
    words = [sys.executable, *map(str, (script, path, apache.bootstrap(), topic, dead, count))]
    for _ in range(8):
        with starting.Popen(words, stdout=subprocess.PIPE) as child:
            child.stdout.readline()  # all is in the outbox; now it is sent
            time.sleep(chance.uniform(0.0, 0.3))
            child.kill()
        assert child.returncode == -signal.SIGKILL, "it was still at work"
    assert starting.run(words, stdout=subprocess.PIPE, timeout=120).returncode == 0
    bad = {f"id-{n:06d}" for n in range(0, count, 20)}
    ids = [r.id for r in consume(apache.bootstrap(), topic, count - len(bad))]
    assert set(ids) == numbers(count) - bad
    assert in_order_per_key(ids)
    assert {r.id for r in consume(apache.bootstrap(), dead, len(bad))} == bad
    assert kept(path) == {}
    assert outbox.inspect(path).messages == 0


def configured(bootstrap: str, **kafka: Any) -> Config:
    messages = [
        {"name": "bare", "on": "crossing", "value": {"n": 1}},
        {"name": "keyed", "on": "crossing", "key": "{source}", "value": {"n": 1}},
        {"name": "fixed", "on": "crossing", "topic": "elsewhere", "value": {"n": 1}},
        {"name": "chosen", "on": "crossing", "topic": "by-{source}", "value": {"n": 1}},
        {"name": "ready", "type": "deepstream/minimal"},
        {"name": "other", "on": "crossing", "value": {"n": 1}, "outputs": ["stdout"]},
    ]
    data = {
        "sources": [{"name": "gate", "uri": "no-such.mp4"}],
        "rules": {"lines": [{"name": "door", "points": [[0.5, 0.0], [0.5, 1.0]]}]},
        "messages": messages,
        "outputs": [{"kafka": {"bootstrap": bootstrap, **kafka}}, "stdout"],
        "outbox": "memory",
    }
    return build.as_config(data)


def test_dead_letters_into_the_topic_that_refused_them_are_no_configuration() -> None:
    with pytest.raises(ConfigError, match="'counts'") as found:
        configured("localhost:9092", topic="counts", dead_letters={"topic": "counts"})
    assert "a topic of their own, e.g. counts-dead-letters" in str(found.value)


def test_check_asks_for_the_topics_of_exactly_the_messages_without_a_key(apache: kafka4.Kafka4) -> None:
    topic = new_topic(apache.bootstrap(), **{"cleanup.policy": "compact"})
    config = configured(apache.bootstrap(), topic=topic, dead_letters=f"{topic}-dead")
    lines = [check for code, check in checks(config, None, send=False, timeout=8.0) if code == 4]
    bad = [line for line in lines if not line.ok]
    assert len(bad) == 1
    assert "the message 'bare' has none" in bad[0].detail
    assert any(f"topic '{topic}-dead' does not exist yet" in line.detail for line in lines)


@pytest.mark.parametrize("policy", ["compact", "compact,delete", "delete"])
def test_check_finds_messages_without_a_key_for_a_topic_that_takes_none(apache: kafka4.Kafka4, policy: str) -> None:
    topic, plain = new_topic(apache.bootstrap(), **{"cleanup.policy": policy}), new_topic(apache.bootstrap())
    output = kafka(apache.bootstrap(), topic)
    lines = list(output.check_keyless({topic: ["bare", "poor"], plain: ["elsewhere"], "no-such-topic": ["bare"]}))
    if policy == "delete":
        assert lines == []
        return
    (line,) = lines
    assert not line.ok
    assert f"topic '{topic}' takes no record without a key" in line.detail
    assert "'bare', 'poor' have none" in line.detail
    assert "give the message a `key`" in line.fix
    assert all(check.ok for check in output.check(send=True)), "the test message has a key"
