"""What a user can say of a Kafka output."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, SecretStr, model_validator

from countline.config.base import Model, OutputConfig
from countline.config.faults import ConfigFault
from countline.outputs.base.options import Secret, Tls
from countline.secret_forms import SECRET_NAME

__all__ = ["OAUTH", "Config", "DeadLetters", "Sasl", "Token"]

OAUTH = "OAUTHBEARER"


class Token(Model):
    """Where an OAuth token comes from: a token endpoint (client credentials), or a file."""

    url: str | None = None
    """Token endpoint of the identity provider."""
    client_id: str | None = None
    client_secret: Secret | None = None
    scope: str | None = None
    extensions: dict[str, str] = {}
    """SASL extensions, e.g. {logicalCluster: lkc-1, identityPoolId: pool-1}."""
    file: str | None = None
    """File with a token, read again each time it expires (a token projected by Kubernetes)."""

    @model_validator(mode="after")
    def _one(self) -> Token:
        if (self.url is None) == (self.file is None):
            raise ConfigFault("a token comes from url or from file", fix="give one of the two")
        if self.url is not None and (self.client_id is None or self.client_secret is None):
            raise ConfigFault("a token endpoint needs client_id and client_secret", fix="give both")
        return self


class Sasl(Model):
    """Who we are, to the broker."""

    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] = "PLAIN"
    username: str | None = None
    password: Secret | None = None
    """Better as ${KAFKA_PASSWORD} or ${file:/run/secrets/kafka} than in errors."""
    token: Token | None = None
    """For OAUTHBEARER."""

    @model_validator(mode="after")
    def _complete(self) -> Sasl:
        if self.mechanism == OAUTH:
            if self.token is None:
                raise ConfigFault(
                    "OAUTHBEARER needs a token", fix="add token: {url, client_id, client_secret} or {file}"
                )
        elif not self.username or self.password is None:
            raise ConfigFault(f"{self.mechanism} needs username and password", fix="give both")
        return self


def _servers(value: Any) -> Any:
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, list):
        return value
    servers = [part.strip() for part in parts if isinstance(part, str) and part.strip()]
    for server in servers:
        check_server(server)
    return servers


_PROTOCOLS = ("plaintext", "ssl", "sasl_plaintext", "sasl_ssl")
_SERVER = re.compile(r"(?:\[[0-9A-Fa-f:.]+(?:%\w+)?\]|[^\s:/\[\]@,]+)(?::([0-9]{1,5}))?")


def check_server(server: str) -> None:
    """Raises ConfigFault for what is not the address of a broker: librdkafka would look for a host of that name, for ever."""
    scheme, separator, address = server.rpartition("://")
    match = _SERVER.fullmatch(address)
    if separator and scheme.lower() not in _PROTOCOLS:
        bare = address.partition("/")[0] or "localhost:9092"
        raise ConfigFault(
            f"'{server}' is not host:port: brokers speak Kafka's own protocol, not {scheme}", fix=f"write {bare}"
        )
    if match is None or (match[1] and not 0 < int(match[1]) < 65536):
        raise ConfigFault(f"'{server}' is not host:port", fix="write e.g. localhost:9092, or [::1]:9092 for IPv6")


def _hide(value: Any) -> Any:
    """Values of options that are secrets become SecretStr, so that no text of the configuration shows them."""
    if not isinstance(value, dict):
        return value
    return {name: _hidden(str(name), v) for name, v in value.items()}


def _hidden(name: str, value: Any) -> Any:
    if not SECRET_NAME.search(name) or isinstance(value, (bool, SecretStr)):
        return value
    if isinstance(value, (str, int, float)):
        return SecretStr(str(value))
    raise ConfigFault(
        "must be text", fix="put the secret in quotes, or write ${NAME} to take it from the environment", loc=(name,)
    )


_TOPIC_NAME = r"^[A-Za-z0-9._-]+$"


class DeadLetters(Model):
    """Where messages go that the broker refuses for good."""

    topic: str = Field(min_length=1, max_length=249, pattern=_TOPIC_NAME)
    """A topic of their own: the same key and value, with the reason in headers, as Kafka Connect does it."""


def _dead_letters(value: Any) -> Any:
    return {"topic": value} if isinstance(value, str) else value


class Config(OutputConfig):
    """``kafka: {bootstrap: "localhost:9092", topic: counts}``"""

    renamed: ClassVar[Mapping[str, str]] = {
        "security.tls": "tls",
        "security.sasl": "sasl",
        "queue_bytes": "max_in_flight_bytes",
    }

    bootstrap: Annotated[list[str], BeforeValidator(_servers, json_schema_input_type=list[str] | str)] = Field(
        min_length=1
    )
    """One ``host:port`` or several (a list, or separated by commas); the port is 9092 unless given."""
    topic: str = Field(min_length=1, max_length=249, pattern=_TOPIC_NAME)
    """Topic of messages that name none themselves."""
    tls: Tls = None
    """Encryption, and with ``cert`` the client's own identity (mTLS); in clear unless set."""
    sasl: Sasl | None = None
    """Who we are, to the broker; nobody unless set."""
    compression: Literal["none", "gzip", "snappy", "lz4", "zstd"] = "lz4"
    acks: Literal["all", 0, 1, "0", "1"] = "all"
    """Anything but all gives up idempotence, and with it order and the absence of duplicates when a broker fails."""
    linger_ms: float = Field(default=5.0, ge=0, le=900_000)
    """How long a message waits for company, in milliseconds."""
    partitioner: Literal[
        "murmur2_random", "murmur2", "consistent_random", "consistent", "fnv1a_random", "fnv1a", "random"
    ] = "murmur2_random"
    """murmur2_random is what Java's producers do: the same key goes to the same partition from both."""
    client_id: str = "countline"
    headers: dict[str, str] = {}
    """Added to every record."""
    id_header: str = "id"
    """Name of the header that carries the message id, by which consumers drop duplicates; '' for none."""
    event_time_past: float = Field(default=7 * 24 * 3600.0, ge=0)
    """Seconds: a record carries the event time as its time stamp only when that is not older; else the send time. Kafka
    deletes by this time stamp: a record older than the topic's retention vanishes without a word."""
    event_time_future: float = Field(default=3600.0, ge=0)
    """Seconds that the event time may be ahead of the clock, likewise."""
    time_header: str = "event_time"
    """Name of the header with the event time (ms since 1970) of records that carry the send time as their time stamp; '' for
    none."""
    dead_letters: Annotated[
        DeadLetters | None, BeforeValidator(_dead_letters, json_schema_input_type=DeadLetters | str | None)
    ] = None
    """``{topic: NAME}``: messages that are refused for good go there, and into the outbox only if that topic refuses them too."""
    max_in_flight_bytes: int = Field(default=64 << 20, ge=1 << 20)
    """Most bytes, counted with overhead, that are sent or wait in memory to be, and are not acknowledged; the rest waits in the
    outbox."""
    options: Annotated[dict[str, bool | int | float | str | SecretStr], BeforeValidator(_hide)] = {}
    """Any option of librdkafka by its own name, e.g. {socket.keepalive.enable: true}; goes before what countline sets itself.
    Unknown names and impossible values are errors."""

    @model_validator(mode="after")
    def _two_topics(self) -> Config:
        if self.dead_letters is not None and self.dead_letters.topic == self.topic:
            raise ConfigFault(
                f"dead letters would go to the topic that refused them, '{self.topic}'",
                fix=f"give them a topic of their own, e.g. {self.topic}-dead-letters",
                loc=("dead_letters",),
            )
        return self

    @property
    def schema_topic(self) -> str | None:
        """Its own topic."""
        return self.topic
