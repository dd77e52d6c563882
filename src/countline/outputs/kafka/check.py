"""What `countline check` asks of Kafka: name, port, TLS, authentication, topic, rights, and if asked a test message."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AclOperation, AdminClient, TopicMetadata  # type: ignore[attr-defined,unused-ignore]

from countline.errors import CountlineError
from countline.outputs.kafka import errors
from countline.outputs.kafka.config import Config
from countline.outputs.kafka.settings import build_admin, build_producer
from countline.outputs.kafka.topics import keyless
from countline.protocols import Check

__all__ = ["check", "check_keyless"]


def check(config: Config, *, send: bool, timeout: float, redact: Callable[[str], str]) -> Iterator[Check]:
    """One Check for each thing looked at; stops where going on makes no sense."""
    subject = f"output '{config.name or 'kafka'}'"
    reached = False
    for server in config.bootstrap:
        line = _port(subject, server, timeout)
        reached |= line.ok
        yield line
    if not reached:
        return
    seen: list[KafkaError] = []
    try:
        admin = build_admin(config, seen.append)
    except (CountlineError, KafkaException) as error:
        yield Check(subject, False, redact(str(error)), "correct the options of this output")
        return
    metadata, line = _login(subject, config, admin, seen, timeout, redact)
    yield line
    if metadata is None:
        return
    for topic in [config.topic] + ([config.dead_letters.topic] if config.dead_letters is not None else []):
        yield _topic(subject, topic, metadata.topics.get(topic))
        rights = _rights(subject, topic, admin, timeout)
        if rights is not None:
            yield rights
    if send:
        yield _test_message(subject, config, timeout, redact)


def check_keyless(
    config: Config, topics: Mapping[str, Sequence[str]], *, timeout: float, redact: Callable[[str], str]
) -> Iterator[Check]:
    """Whether topics take the messages without a key that go there (topic -> names of the definitions). Silent where no broker
    answers: the other checks say so."""
    try:
        admin = build_admin(config)
        admin.list_topics(timeout=timeout)
    except (CountlineError, KafkaException):
        return
    yield from keyless(f"output '{config.name or 'kafka'}'", admin, topics, timeout=timeout, redact=redact)


def _port(subject: str, server: str, timeout: float) -> Check:
    host, _, port = server.rpartition(":")
    if not host:
        host, port = server, "9092"
    host = host.strip("[]")
    try:
        found = socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)
    except OSError as error:
        return Check(
            subject,
            False,
            f"{host}: name cannot be resolved ({error.strerror})",
            "check the spelling of bootstrap, and DNS",
        )
    reason = ""
    for family, kind, protocol, _, address in found:
        try:
            with socket.socket(family, kind, protocol) as probe:
                probe.settimeout(timeout)
                probe.connect(address)
            return Check(subject, True, f"{server}: port reached")
        except OSError as error:
            reason = (error.strerror or "no answer").lower()
    fix = "is the broker running, and is this its port? look at firewalls between"
    return Check(subject, False, f"{server}: port cannot be reached ({reason})", fix)


def _login(
    subject: str,
    config: Config,
    admin: AdminClient,
    seen: list[KafkaError],
    timeout: float,
    redact: Callable[[str], str],
) -> tuple[Any, Check]:
    """TLS, authentication and a first answer from the broker."""
    deadline = time.monotonic() + timeout
    last: KafkaError | None = None
    while time.monotonic() < deadline:
        try:
            metadata = admin.list_topics(timeout=min(1.0, timeout))
            how = _how(config)
            return metadata, Check(subject, True, f"{len(metadata.brokers)} broker(s) answer{how}")
        except KafkaException as error:
            last = error.args[0]
        admin.poll(0)
        serious = [e for e in seen if e.code() in errors.AUTHENTICATION]
        if serious:
            return None, Check(
                subject,
                False,
                redact(errors.security(serious[-1])),
                "check tls and sasl of this output",
            )
    detail = errors.clean(seen[-1].str() if seen else last.str() if last else "no answer")
    fix = "does this port speak Kafka, with the security that is configured here (TLS or not, SASL or not)?"
    return None, Check(subject, False, redact(f"the broker does not answer: {errors.connection(detail)}"), fix)


def _how(config: Config) -> str:
    parts = []
    if config.tls is not None:
        parts.append("TLS")
    if config.sasl is not None:
        parts.append(f"signed in with {config.sasl.mechanism}")
    return f" ({', '.join(parts)})" if parts else ""


def _topic(subject: str, name: str, topic: TopicMetadata | None) -> Check:
    if topic is None or (topic.error is not None and topic.error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART):
        return Check(
            subject,
            True,
            f"topic '{name}' does not exist yet; it is made at the first message if the broker allows that",
        )
    if topic.error is not None:
        return Check(
            subject,
            False,
            f"topic '{name}': {errors.describe(topic.error, name)}",
            "grant the right, or create the topic",
        )
    return Check(subject, True, f"topic '{name}' has {len(topic.partitions)} partition(s)")


def _rights(subject: str, name: str, admin: AdminClient, timeout: float) -> Check | None:
    """Whether we may write; None where the broker does not say (old ones, and those that know no rights)."""
    from confluent_kafka import TopicCollection

    try:
        futures = admin.describe_topics(
            TopicCollection([name]), include_authorized_operations=True, request_timeout=timeout
        )
        operations = futures[name].result(timeout).authorized_operations
    except Exception as error:
        failure = error.args[0] if error.args else None
        if isinstance(failure, KafkaError) and failure.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
            return Check(
                subject, False, f"no right to see topic '{name}'", "grant DESCRIBE and WRITE on it to this user"
            )
        return None
    if operations is None:
        return None
    if AclOperation.WRITE in operations or AclOperation.ALL in operations:
        return Check(subject, True, f"may write to topic '{name}'")
    return Check(subject, False, f"no right to write to topic '{name}'", "grant WRITE on it to this user")


def _test_message(subject: str, config: Config, timeout: float, redact: Callable[[str], str]) -> Check:
    result: list[KafkaError | None] = []
    try:
        producer = build_producer(config.model_copy(update={"linger_ms": 0.0}), {}, redact)
        producer.produce(
            config.topic,
            b'{"test":"countline check"}',
            b"countline-test",  # a compacted topic takes nothing without a key
            headers=[("countline-test", b"1")],
            on_delivery=lambda error, _: result.append(error),
        )
        deadline = time.monotonic() + timeout
        while not result and time.monotonic() < deadline:
            producer.poll(0.1)
        producer.purge()
        producer.poll(0)
    except (KafkaException, CountlineError) as error:
        return Check(subject, False, redact(f"test message refused: {error}"), "see above")
    if result and result[0] is None:
        return Check(subject, True, f"test message acknowledged in topic '{config.topic}'")
    detail = (
        errors.describe(result[0], config.topic) if result and result[0] is not None else "no acknowledgement in time"
    )
    return Check(
        subject,
        False,
        redact(f"test message not delivered: {detail}"),
        "look at the broker's log; check rights, replicas and min.insync.replicas",
    )
