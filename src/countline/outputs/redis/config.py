"""Options of the Redis output."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field

from countline.config.faults import ConfigFault
from countline.outputs.base.options import Host, OrderedConfig, Port, Secret, Tls

__all__ = ["Config"]


def _free(name: str) -> str:
    if name in ("id", "key", "headers"):
        raise ConfigFault(f"the field '{name}' has another meaning", fix="choose another name, e.g. value or metadata")
    return name


class Config(OrderedConfig):
    """Appends to a Redis stream (XADD), fields ``value`` and ``id``, and ``key`` and ``headers`` where present."""

    renamed: ClassVar[Mapping[str, str]] = {"stream": "topic"}

    host: Host = "localhost"
    port: Port = 6379
    db: int = Field(default=0, ge=0)
    """Number of the database."""
    username: str | None = None
    """ACL user; the default user unless set."""
    password: Secret | None = None
    topic: str = Field(default="countline", min_length=1)
    """Name of the stream (its key), for messages that have no topic of their own."""
    maxlen: int | None = Field(default=None, ge=1)
    """Length to which the stream is trimmed, approximately (MAXLEN ~); never unless set."""
    value_field: Annotated[str, AfterValidator(_free)] = Field(default="value", min_length=1)
    """Name of the field with the value (DeepStream's adapter calls it payloadkey, and its default is 'metadata')."""
    tls: Tls = None
    batch: int = Field(default=200, ge=1)
    """Most messages in one pipeline."""
