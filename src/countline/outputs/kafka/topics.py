"""What topics refuse, asked of the broker before a message does: records without a key, where old ones are compacted away."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType

from countline.outputs.kafka import errors
from countline.protocols import Check

__all__ = ["keyless"]


def keyless(
    subject: str,
    admin: AdminClient,
    topics: Mapping[str, Sequence[str]],
    *,
    timeout: float,
    redact: Callable[[str], str],
) -> Iterator[Check]:
    """A Check for each topic that is given messages without a key (topic -> names of the definitions), where it matters."""
    resources = {topic: ConfigResource(ResourceType.TOPIC, topic) for topic in topics}
    futures = admin.describe_configs(list(resources.values()), request_timeout=timeout)
    for topic, names in topics.items():
        one = len(names) == 1
        what = ("the message " if one else "the messages ") + ", ".join(f"'{name}'" for name in names)
        try:
            policy = _policy(futures[resources[topic]].result(timeout))
        except KafkaException as error:
            line = _unseen(subject, topic, what, error.args[0], redact)
            if line is not None:
                yield line
            continue
        if "compact" in policy.split(","):
            yield Check(
                subject,
                False,
                f"topic '{topic}' takes no record without a key (cleanup.policy={policy}), and {what} {'has' if one else 'have'} none",
                "give the message a `key`, or send it to another topic",
            )


def _policy(found: Mapping[str, Any]) -> str:
    """The topic's ``cleanup.policy``; '' where the broker knows no such setting."""
    entry = found.get("cleanup.policy")
    return "" if entry is None else entry.value or ""


def _unseen(subject: str, topic: str, what: str, error: KafkaError, redact: Callable[[str], str]) -> Check | None:
    if error.code() in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC):
        return None  # made at the first message, and not compacted unless the broker makes all topics so
    if error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
        detail = (
            f"no right to see whether topic '{topic}' takes records without a key (DESCRIBE_CONFIGS); {what}: no key"
        )
    else:
        detail = (
            f"whether topic '{topic}' takes records without a key is not known: {redact(errors.describe(error, topic))}"
        )
    return Check(subject, True, detail)
