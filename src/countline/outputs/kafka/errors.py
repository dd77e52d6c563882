"""librdkafka's errors: which of them sending again can mend, and how to say them."""

from __future__ import annotations

import re

from confluent_kafka import KafkaError

__all__ = [
    "ANOTHER",
    "AUTHENTICATION",
    "NO_TROUBLE",
    "OF_TOPIC",
    "PERMANENT",
    "REPLACED",
    "TIMESTAMP",
    "TOO_LARGE",
    "clean",
    "connection",
    "describe",
    "refused",
    "security",
]

TOO_LARGE = frozenset({KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE})
PERMANENT = frozenset(
    {
        KafkaError.TOPIC_EXCEPTION,
        KafkaError.UNSUPPORTED_FOR_MESSAGE_FORMAT,
        getattr(KafkaError, "INVALID_RECORD", 87),
        KafkaError._INVALID_ARG,
    }
)
"""The message itself is refused, or another of its batch: those go alone, and what is refused alone is a dead letter. All else
is sent again: rights come back, topics are made, brokers return."""
ANOTHER = getattr(KafkaError, "_INVALID_DIFFERENT_RECORD", -138)
"""Another record of the same batch was invalid."""
REPLACED = frozenset(
    code for name in ("_DESTROY", "_DESTROY_BROKER") if (code := getattr(KafkaError, name, None)) is not None
)
"""librdkafka let go of a connection that it has no more use for, as when the last topic at a broker was deleted: no trouble of the
cluster, and what was on that way is sent again."""
TIMESTAMP = KafkaError.INVALID_TIMESTAMP
"""The topic's window for time stamps, or the clock: never a reason for a dead letter."""
OF_TOPIC = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError._UNKNOWN_TOPIC,
        KafkaError._UNKNOWN_PARTITION,
        getattr(KafkaError, "UNKNOWN_TOPIC_ID", 100),
        TIMESTAMP,
    }
)
"""Troubles of one topic, while others may flow."""
NO_TROUBLE = OF_TOPIC | REPLACED | {KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT, ANOTHER}
"""Of the output as a whole: topics tell their own, and called back or on a connection that was replaced, a message is sent again."""
AUTHENTICATION = frozenset({KafkaError._AUTHENTICATION, KafkaError._SSL, KafkaError.SASL_AUTHENTICATION_FAILED})

_NOISE = re.compile(
    r"\s*\((?:after \d+ms in state \w+|in \w+ state)(?:[^()]|\([^()]*\))*\)|^[^ ]+/\w+: |ipv[46]#|sasl_ssl://|sasl_plaintext://|ssl://"
)


def clean(text: str) -> str:
    """A librdkafka error without thread names, states and counts of repetition."""
    return _NOISE.sub("", text).strip().rstrip(":")


def describe(error: KafkaError, topic: str = "") -> str:
    """An error of the broker in words that say what to do."""
    code = error.code()
    if code == KafkaError.TOPIC_AUTHORIZATION_FAILED:
        return f"no right to write to topic '{topic}'; grant WRITE and DESCRIBE on it to this user"
    if code in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION):
        return f"topic '{topic}' does not exist and is not made by itself; create it"
    if code in TOO_LARGE:
        return f"larger than topic '{topic}' takes (max.message.bytes)"
    if code in AUTHENTICATION:
        return security(error)
    if code == KafkaError.CLUSTER_AUTHORIZATION_FAILED:
        return "no right to write idempotently; grant IDEMPOTENT_WRITE on the cluster, or WRITE on a topic"
    if code in REPLACED:
        return "the connection on which it was sent is no longer needed; it is sent again"
    return clean(error.str())


def refused(error: KafkaError, topic: str, *, keyless: bool) -> str:
    """Why a record that was sent alone is refused for good: which rule of the topic, and what helps."""
    if error.code() == getattr(KafkaError, "INVALID_RECORD", 87):
        if keyless:
            return (
                f"topic '{topic}' takes no record without a key (cleanup.policy=compact); give the message a `key`, or send it to "
                f"another topic ({clean(error.str())})"
            )
        return f"topic '{topic}' refuses the record as invalid; the broker's log says which rule it breaks ({clean(error.str())})"
    return describe(error, topic)


def connection(detail: str) -> str:
    """Why no broker answers. A broker that wants a client certificate only hangs up on who has none."""
    low = detail.lower()
    if "certificate required" in low or "alert bad certificate" in low:
        return f"TLS failed: the broker wants a client's certificate; give tls.cert and key ({detail})"
    if "ssl routines" in low or "ssl handshake" in low:
        return _untrusted(detail) or f"TLS failed: {detail}"
    return detail


def _untrusted(text: str) -> str:
    """What to do where ``text`` says that nobody vouches for the broker's certificate; else empty."""
    signs = ("unable to get local issuer", "verify failed", "self-signed", "self signed")
    if not any(sign in text.lower() for sign in signs):
        return ""
    return f"the broker's certificate is not trusted; name the authority's file as tls.ca ({text})"


def security(error: KafkaError) -> str:
    """TLS and SASL failures; librdkafka says them only through its error callback, and tries for ever."""
    text = clean(error.str())
    low = text.lower()
    if error.code() == KafkaError._SSL or "ssl" in low or "certificate" in low:
        if untrusted := _untrusted(text):
            return untrusted
        if "unsupported sasl mechanism" not in low:
            return f"TLS failed: {text}"
    if "mechanism" in low and ("unsupported" in low or "not supported" in low or "handshake" in low):
        return f"the broker does not offer this SASL mechanism: {text}"
    return f"authentication failed: wrong user name, password or token ({text})"
