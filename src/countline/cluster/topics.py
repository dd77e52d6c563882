"""The sources and state topics at the broker: made if they are missing, read whole, written to."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType

from countline.cluster.tables import Tables
from countline.errors import OutputError
from countline.outputs.kafka import errors
from countline.redaction import redact

__all__ = ["Names", "Reader", "Writer", "ensure", "failed", "quiet"]

log = logging.getLogger("countline.cluster")

PARTITIONS = 32
"""Of topics that countline makes: a worker has whole partitions, so there should be some times as many as workers."""


@dataclass(frozen=True, slots=True)
class Names:
    """Of the topics of a group of workers."""

    sources: str
    state: str

    @classmethod
    def of(cls, group: str) -> Names:
        """By the group's name."""
        return cls(f"{group}.sources", f"{group}.state")


def quiet(options: Mapping[str, Any]) -> dict[str, Any]:
    """librdkafka's own log lines, which repeat each failed connection, only for whoever debugs."""
    return {"log_level": 0, **options}


def failed(error: KafkaException | KafkaError, what: str) -> OutputError:
    """An error of the broker's in words."""
    reason = error.args[0] if isinstance(error, KafkaException) else error
    return OutputError(
        f"{what}: {redact(errors.clean(reason.str()))}",
        where="--kafka",
        fix="check the address, and that the broker runs and lets this client in",
    )


def ensure(options: Mapping[str, Any], names: Names, partitions: int | None = None, timeout: float = 20.0) -> int:
    """Make the two topics, compacted and with as many partitions each, where they are missing; returns how many that are.

    Raises OutputError: no broker answers, no right to make them, or the two do not fit each other.
    """
    admin = AdminClient(quiet(options))
    found = _found(admin, names, timeout)
    if len(found) < 2:
        count = next(iter(found.values()), partitions or PARTITIONS)
        config = {"cleanup.policy": "compact"}
        missing = [NewTopic(t, count, config=config) for t in (names.sources, names.state) if t not in found]
        for topic, future in admin.create_topics(missing, request_timeout=timeout).items():
            try:
                future.result(timeout)
            except KafkaException as error:
                if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                    raise failed(error, f"topic '{topic}' cannot be made") from None
        deadline = time.monotonic() + timeout
        while len(found := _found(admin, names, timeout)) < 2:
            if time.monotonic() > deadline:
                raise OutputError("the topics that were made do not appear", where="--kafka", fix="try again")
            time.sleep(0.05)
    if found[names.sources] != found[names.state]:
        raise OutputError(
            f"topic '{names.sources}' has {found[names.sources]} partitions and '{names.state}' {found[names.state]}",
            where="--kafka",
            fix="make both with the same number of partitions; it cannot be changed once workers have run",
        )
    for topic in (names.sources, names.state):
        _compacted(admin, topic, timeout)
    return found[names.sources]


def _found(admin: AdminClient, names: Names, timeout: float) -> dict[str, int]:
    try:
        topics = admin.list_topics(timeout=timeout).topics
    except KafkaException as error:
        raise failed(error, "no broker answers") from None
    known = {t: topics[t] for t in (names.sources, names.state) if t in topics}
    return {t: len(found.partitions) for t, found in known.items() if found.error is None and found.partitions}


def _compacted(admin: AdminClient, topic: str, timeout: float) -> None:
    """Say it where old records would be deleted by their age: with them would go counts."""
    resource = ConfigResource(ResourceType.TOPIC, topic)
    try:
        entry = (
            admin.describe_configs([resource], request_timeout=timeout)[resource].result(timeout).get("cleanup.policy")
        )
    except KafkaException:
        return  # no right to see it
    if entry is not None and entry.value and "delete" in entry.value.split(","):
        log.warning(
            "topic '%s' deletes records by their age (cleanup.policy=%s): counts and sources would go with them; set it to compact",
            topic,
            entry.value,
        )


class Reader:
    """Reads both topics whole into tables, and goes on reading. Used by one thread."""

    def __init__(self, options: Mapping[str, Any], names: Names, partitions: int, tables: Tables) -> None:
        self.tables = tables
        self._names = names
        self._reached: dict[tuple[str, int], int] = {}
        """Offset behind the last record that was read, or that there is."""
        self._trouble = ""
        self._consumer = Consumer(
            {
                **quiet(options),
                "group.id": "countline-tables",  # never joined
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "auto.offset.reset": "earliest",
                "isolation.level": "read_committed",
                "enable.partition.eof": True,
                "fetch.wait.max.ms": 50,
                "fetch.queue.backoff.ms": 10,
                "error_cb": self._note,
            }
        )
        places = [(t, p) for t in (names.sources, names.state) for p in range(partitions)]
        self._places = places
        self._consumer.assign([TopicPartition(t, p, OFFSET_BEGINNING) for t, p in places])

    def _note(self, error: KafkaError) -> None:
        self._trouble = redact(errors.clean(error.str()))

    def poll(self, timeout: float) -> bool:
        """Read what has come, waiting up to ``timeout`` s for the first; whether there was anything."""
        messages = self._consumer.consume(1000, timeout)
        for message in messages:
            error = message.error()
            place = (message.topic(), message.partition())
            if error is not None:
                if error.code() == KafkaError._PARTITION_EOF:
                    self._reached[place] = max(self._reached.get(place, 0), message.offset())
                continue
            take = self.tables.defined if place[0] == self._names.sources else self.tables.stated
            take(message.partition(), message.offset(), message.key(), message.value())
            self._reached[place] = max(self._reached.get(place, 0), message.offset() + 1)
        return bool(messages)

    def catch_up(self, timeout: float = 30.0, partitions: Iterable[int] | None = None) -> None:
        """Read up to what is in the topics now (of some partitions, or all). Raises OutputError."""
        wanted = None if partitions is None else set(partitions)
        deadline = time.monotonic() + timeout
        try:
            ends = {
                (t, p): self._consumer.get_watermark_offsets(TopicPartition(t, p), timeout=timeout)[1]
                for t, p in self._places
                if wanted is None or p in wanted
            }
        except KafkaException as error:
            raise failed(error, "the topics of the group cannot be read") from None
        while any(self._reached.get(place, 0) < end for place, end in ends.items()):
            if time.monotonic() > deadline:
                raise OutputError(
                    f"the topics of the group cannot be read to their end: {self._trouble or 'no answer'}",
                    where="--kafka",
                    fix="check the broker",
                )
            self.poll(0.1)

    def reached(self, topic: str, partition: int) -> int:
        """Offset behind the last record that was read. From any thread."""
        return self._reached.get((topic, partition), 0)

    def close(self) -> None:
        """Let go of the connection."""
        self._consumer.close()


class Writer:
    """Writes definitions and claims, and says where they stand. Used by one thread."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._producer = Producer(
            {
                **quiet(options),
                "enable.idempotence": True,
                "acks": "all",
                "linger.ms": 0,
                "partitioner": "murmur2_random",
            }
        )

    def write(
        self,
        topic: str,
        items: Iterable[tuple[bytes, bytes | None, int | None]],
        *,
        timeout: float = 20.0,
        meanwhile: Callable[[], None] = lambda: None,
    ) -> list[tuple[int, int]]:
        """Write (key, value, partition; None: by the key) and wait for the broker; returns (partition, offset) of each. Raises
        OutputError."""
        places: dict[int, tuple[int, int]] = {}
        faults: list[KafkaError] = []
        count = 0
        try:
            for number, (key, value, partition) in enumerate(items):
                count += 1

                def on_delivery(error: KafkaError | None, message: Any, number: int = number) -> None:
                    if error is not None:
                        faults.append(error)
                    else:
                        places[number] = (message.partition(), message.offset())

                where = {} if partition is None else {"partition": partition}
                self._producer.produce(topic, value, key, on_delivery=on_delivery, **where)
            deadline = time.monotonic() + timeout
            while len(places) + len(faults) < count and time.monotonic() < deadline:
                self._producer.poll(0.05)
                meanwhile()
        except KafkaException as error:
            raise failed(error, f"topic '{topic}' cannot be written") from None
        if faults or len(places) < count:
            self._producer.purge()
            reason = redact(errors.describe(faults[0], topic)) if faults else f"no answer within {timeout:g} s"
            raise OutputError(f"topic '{topic}' cannot be written: {reason}", where="--kafka", fix="check the broker")
        return [places[number] for number in range(count)]
