"""Options of the AMQP output."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr

from countline.outputs.base.options import Host, OrderedConfig, Port, Secret, Tls

__all__ = ["Config"]


class Config(OrderedConfig):
    """Publishes to an AMQP 0.9.1 exchange (RabbitMQ) with publisher confirms. The message id is the property
    ``message_id``, the key is the header ``countline-key``."""

    host: Host = "localhost"
    port: Port | None = None
    """5672, or 5671 with TLS, unless set."""
    username: str = "guest"
    password: Secret = SecretStr("guest")
    vhost: str = "/"
    """Virtual host."""
    exchange: str = Field(default="amq.topic", max_length=255)
    """Exchange; '' is the default exchange, where the routing key is a queue's name."""
    exchange_type: Literal["topic", "direct", "fanout", "headers"] | None = None
    """Declares the exchange, durable, as this type; unless set it must exist."""
    topic: str = Field(default="countline", max_length=255)
    """Routing key, for messages that have no topic of their own."""
    routing_key: Literal["topic", "key"] = "topic"
    """What the routing key is made of: the topic, or the message's key (the topic where a message has none)."""
    queue: str | None = Field(default=None, min_length=1, max_length=255)
    """Declares a durable queue of this name and binds it to the exchange, so that nothing is lost before the first
    consumer comes."""
    binding: str = Field(default="#", max_length=255)
    """Binding key of ``queue``."""
    mandatory: bool = True
    """A message that no queue takes is not acknowledged but sent again later. False: it is lost, as AMQP has it."""
    persistent: bool = True
    """Ask the broker to write messages to disk."""
    heartbeat: int = Field(default=60, ge=0, le=65535)
    """Seconds between signs of life; 0: none."""
    tls: Tls = None
