"""Options of the Redis output."""

from __future__ import annotations

from pydantic import Field

from countline.outputs._common import Host, NetworkConfig, Port, Secret, Tls

__all__ = ["Config"]


class Config(NetworkConfig):
    """Appends to a Redis stream (XADD), fields ``value`` and ``id``, and ``key`` and ``headers`` where present."""

    host: Host = "localhost"
    port: Port = 6379
    db: int = Field(default=0, ge=0)
    """Number of the database."""
    username: str | None = None
    """ACL user; the default user unless set."""
    password: Secret | None = None
    stream: str = Field(default="countline", min_length=1)
    """Name of the stream, for messages that have no topic of their own."""
    maxlen: int | None = Field(default=None, ge=1)
    """Length to which the stream is trimmed, approximately (MAXLEN ~); never unless set."""
    value_field: str = Field(default="value", min_length=1)
    """Name of the field with the value (DeepStream's adapter calls it payloadkey, and its default is 'metadata')."""
    tls: Tls | None = None
    batch: int = Field(default=200, ge=1)
    """Most messages in one pipeline."""
