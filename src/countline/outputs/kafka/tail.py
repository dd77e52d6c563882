"""Reads a topic, so that nobody needs another tool for a look at it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import confluent_kafka as ck

from countline.errors import ConfigError, OutputError
from countline.outputs.kafka import errors

__all__ = ["Record", "tail"]


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a topic."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    """Record time in ms since the Unix epoch; 0 where the record has none."""
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


def tail(
    options: Mapping[str, Any],
    topic: str,
    *,
    beginning: bool = True,
    count: int | None = None,
    idle: float | None = None,
    wait_for_topic: float = 10.0,
    stop: Callable[[], bool] = lambda: False,
    on_error: Callable[[str], None] = lambda _: None,
) -> Iterator[Record]:
    """Records of a topic, all partitions, without a consumer group (nothing is committed, nobody is disturbed).

    Parameters
    ----------
    options: librdkafka options, at least ``bootstrap.servers``.
    beginning: from the oldest record; else only those that come from now on.
    count: end after so many records.
    idle: end after so many seconds without a record.
    wait_for_topic: seconds to wait for the topic to appear.
    stop: asked about twice a second; True ends.
    on_error: told of each broker trouble once, while librdkafka goes on trying.

    Raises OutputError: no broker answers, no such topic, no rights. ConfigError: an option that librdkafka refuses.
    """
    trouble: list[str] = []

    def note(error: Any) -> None:
        if error.code() == ck.KafkaError._ALL_BROKERS_DOWN:  # says less than the error before it
            return
        security = error.code() in errors.AUTHENTICATION
        text = errors.security(error) if security else errors.connection(errors.clean(error.str()))
        if text not in trouble:  # librdkafka repeats it with every attempt
            trouble.append(text)
            on_error(text)

    consumer = _consumer(
        {
            **options,
            "group.id": "countline-consume",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "error_cb": note,
            "log_level": 0,
        }
    )
    try:
        partitions = _partitions(consumer, topic, wait_for_topic, trouble, stop)
        start = ck.OFFSET_BEGINNING if beginning else ck.OFFSET_END
        consumer.assign([ck.TopicPartition(topic, p, start) for p in partitions])
        yield from _records(consumer, count, idle, stop)
    finally:
        consumer.close()


def _consumer(settings: Mapping[str, Any]) -> Any:
    try:
        return ck.Consumer(dict(settings))
    except ck.KafkaException as error:
        raise ConfigError(
            errors.clean(error.args[0].str()),
            where="kafka",
            fix="see librdkafka's CONFIGURATION.md for names and values",
        ) from None


def _partitions(consumer: Any, topic: str, patience: float, trouble: list[str], stop: Callable[[], bool]) -> list[int]:
    deadline = time.monotonic() + patience
    reason = silence = ""
    while True:
        try:
            found = consumer.list_topics(topic, timeout=2.0).topics[topic]
            if found.error is None and found.partitions:
                return sorted(found.partitions)
            reason = found.error.str() if found.error else "it has no partitions"
            if found.error and found.error.code() == ck.KafkaError.TOPIC_AUTHORIZATION_FAILED:
                break
        except ck.KafkaException as error:
            reason, silence = "", error.args[0].str()
            consumer.poll(0.1)  # only this calls error_cb, which knows more; at once it might not have been told yet
        if time.monotonic() > deadline or stop():
            break
        time.sleep(0.2)
    raise OutputError(
        f"topic '{topic}' cannot be read: {reason or (trouble or [silence])[-1]}",
        where="kafka",
        fix="check the address, the topic's name and your rights; `countline check` looks at each step",
    )


def _records(consumer: Any, count: int | None, idle: float | None, stop: Callable[[], bool]) -> Iterator[Record]:
    seen = 0
    last = time.monotonic()
    while count is None or seen < count:
        if stop():
            return
        message = consumer.poll(0.5)
        if message is None:
            if idle is not None and time.monotonic() - last > idle:
                return
            continue
        if message.error():
            if message.error().code() == ck.KafkaError._PARTITION_EOF:
                continue
            raise OutputError(message.error().str(), where="kafka", fix="check topic and rights")
        last = time.monotonic()
        seen += 1
        kind, moment = message.timestamp()
        yield Record(
            message.topic(),
            message.partition(),
            message.offset(),
            moment if kind != ck.TIMESTAMP_NOT_AVAILABLE else 0,
            message.key(),
            message.value(),
            tuple(message.headers() or ()),
        )
