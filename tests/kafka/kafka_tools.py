"""Topics and consumers for the tests of the Kafka output."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    NewTopic,
    ResourcePatternType,
    ResourceType,
)


@dataclass(frozen=True)
class Record:
    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes
    headers: tuple[tuple[str, bytes], ...]
    time: int
    """Record time, ms since the Unix epoch."""

    @property
    def id(self) -> str:
        return dict(self.headers).get("id", b"").decode()


def new_topic(bootstrap: str, *, partitions: int = 1, name: str | None = None, **config: str) -> str:
    """A topic that is there when this returns."""
    name = name or f"t-{uuid.uuid4().hex[:12]}"
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    admin.create_topics([NewTopic(name, partitions, 1, config=config)])[name].result(20)
    wait_for_topic(admin, name, partitions)
    return name


def wait_for_topic(admin: AdminClient, name: str, partitions: int) -> None:
    for _ in range(200):
        found = admin.list_topics(timeout=10).topics.get(name)
        if found is not None and found.error is None and len(found.partitions) == partitions:
            return
        time.sleep(0.05)
    raise AssertionError(f"topic {name} does not appear")


def consume(
    bootstrap: str, topic: str, count: int, *, partitions: int = 1, grace: float = 0.3, timeout: float = 30.0
) -> list[Record]:
    """All records of a topic from its beginning: at least ``count``, and then what still comes within ``grace`` s."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": f"g-{uuid.uuid4().hex}",
            "enable.auto.commit": False,
            "log_level": 0,
            "fetch.wait.max.ms": 50,
        }
    )
    try:
        consumer.list_topics(
            topic, timeout=10
        )  # knowing the leaders before, it need not find them on a timer of half a second
        consumer.assign([TopicPartition(topic, p, OFFSET_BEGINNING) for p in range(partitions)])
        records: list[Record] = []
        deadline = time.monotonic() + timeout
        quiet_since = time.monotonic()
        while True:
            for message in consumer.consume(500, 0.1):
                error = message.error()
                if error is not None:
                    if error.code() in (KafkaError._PARTITION_EOF, KafkaError._ALL_BROKERS_DOWN, KafkaError._TRANSPORT):
                        continue
                    if error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                        continue
                    raise KafkaException(error)
                quiet_since = time.monotonic()
                records.append(
                    Record(
                        message.topic(), message.partition(), message.offset(), message.key(), message.value() or b"",
                        tuple(message.headers() or ()), message.timestamp()[1],
                    )
                )  # fmt: skip
            now = time.monotonic()
            if len(records) >= count and now - quiet_since > grace:
                return records
            assert now < deadline, f"{len(records)} of {count} records came"
    finally:
        consumer.close()


def deny_writing(bootstrap: str, topic: str, *, deny: bool) -> None:
    """Forbid alice to write to a topic, or take that back."""
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    what = (ResourceType.TOPIC, topic, ResourcePatternType.LITERAL, "User:alice", "*", AclOperation.WRITE)
    if deny:
        binding = AclBinding(*what, AclPermissionType.DENY)
        admin.create_acls([binding])[binding].result(20)
    else:
        filtered = AclBindingFilter(*what, AclPermissionType.DENY)
        admin.delete_acls([filtered])[filtered].result(20)
