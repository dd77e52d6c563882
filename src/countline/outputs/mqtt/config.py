"""Options of the MQTT output."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from countline.config.base import Model
from countline.config.faults import ConfigFault
from countline.outputs.base.options import Host, OrderedConfig, Port, Secret, Tls

__all__ = ["Config", "WillConfig", "is_topic", "without_control"]


_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ufdd0-\ufdef\ufffe\uffff]")
"""Control characters and non-characters of Unicode (MQTT 5, section 1.5.4): brokers close the connection over them."""


def is_topic(topic: str) -> bool:
    """Can be published to: 1 to 65535 bytes, no wildcards, no control characters."""
    fits = 0 < len(topic.encode("utf-8", "replace")) <= 65535
    return fits and not set(topic) & set("+#") and not _CONTROL.search(topic)


def without_control(text: str) -> str:
    """The text with control characters written as Python writes them: ``\\x0a``."""
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def _topic(value: str) -> str:
    if not is_topic(value):
        raise ConfigFault(f"'{value}' is not a topic to publish to", fix="words joined by /, without + and #")
    return value


Topic = Annotated[str, AfterValidator(_topic)]


class WillConfig(Model):
    """What the broker publishes for us when the connection breaks without a goodbye."""

    topic: Topic
    payload: str = ""
    qos: Literal[0, 1, 2] = 1
    retain: bool = False


class Config(OrderedConfig):
    """Publishes to an MQTT broker. With MQTT 5 the message id, key and headers are user properties (``countline-id``,
    ``countline-key``); MQTT 3.1.1 carries the value alone."""

    host: Host = "localhost"
    port: Port | None = None
    """1883, or 8883 with TLS, unless set."""
    version: Annotated[Literal["3.1.1", "5"], BeforeValidator(lambda v: str(v) if isinstance(v, int) else v)] = "5"
    topic: Topic = "countline"
    """Topic, for messages that have none of their own."""
    qos: Literal[0, 1, 2] = 1
    """0: acknowledged once written to the connection, may be lost with it. 1: acknowledged by the broker. 2: the same, with
    a second hand-shake."""
    retain: bool = False
    """The broker keeps the last message of each topic for those who subscribe later."""
    client_id: str = Field(default="", max_length=65535)
    """Chosen by the broker or at random unless set. Two clients with one id throw each other out."""
    keepalive: int = Field(default=60, ge=1, le=65535)
    """Seconds between signs of life."""
    username: str | None = None
    password: Secret | None = None
    will: WillConfig | None = None
    tls: Tls = None
    max_in_flight: int = Field(default=500, ge=1, le=10_000)
    """Most messages that wait for acknowledgement; with MQTT 5 no more than the broker's receive maximum are sent at once."""
