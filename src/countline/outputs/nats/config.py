"""Options of the NATS output."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from countline.config.faults import ConfigFault
from countline.outputs.base.options import Host, OrderedConfig, Port, Secret, Tls

__all__ = ["SUBJECT", "Config"]

SUBJECT = re.compile(r"[^\s.*>\x00-\x1f]+(\.[^\s.*>\x00-\x1f]+)*")
"""A subject that can be published to."""


def _subject(value: str) -> str:
    if not SUBJECT.fullmatch(value):
        raise ConfigFault(
            f"'{value}' is not a subject to publish to", fix="words joined by dots, without blanks, * and >"
        )
    return value


class Config(OrderedConfig):
    """Publishes to NATS JetStream. The message id is in the header ``Nats-Msg-Id``, by which the server drops duplicates
    within its window; the key is in ``Countline-Key``."""

    host: Host = "localhost"
    port: Port = 4222
    topic: Annotated[str, AfterValidator(_subject)] = "countline"
    """Subject, for messages that have no topic of their own."""
    stream: str | None = Field(default=None, pattern=r"^[^\s.*>/\\]+$")
    """Stream that is made for the subject if no stream takes it yet; unless set, one must be there."""
    duplicate_window: float = Field(default=120.0, ge=0.1)
    """Seconds for which a stream made here remembers ids to drop duplicates."""
    username: str | None = None
    password: Secret | None = None
    token: Secret | None = None
    creds: str | None = None
    """File with the user's JWT and nkey seed (`nsc generate creds`)."""
    nkey: Secret | None = None
    """Seed of the user's nkey (SU...)."""
    tls: Tls = None

    @model_validator(mode="after")
    def _one_login(self) -> Config:
        ways = [n for n in ("username", "token", "creds", "nkey") if getattr(self, n) is not None]
        if len(ways) > 1:
            raise ConfigFault(f"{' and '.join(ways)} are different ways to log in", fix="keep one", loc=(ways[1],))
        if self.password is not None and self.username is None:
            raise ConfigFault("password without username", fix="add username", loc=("password",))
        return self
