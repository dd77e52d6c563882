"""Options that several outputs have in common, and the TLS context they lead to. Pydantic and the standard library."""

from __future__ import annotations

import string
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer, SecretStr, model_validator

from countline.config.base import Model, OutputConfig
from countline.config.faults import ConfigFault

__all__ = [
    "Host",
    "HttpsTls",
    "NetworkConfig",
    "OrderedConfig",
    "Port",
    "Secret",
    "Tls",
    "TlsConfig",
    "get_secret",
    "names_in_braces",
]


def names_in_braces(value: str, known: Sequence[str]) -> list[str]:
    """What stands in braces in a path that a user wrote. Raises ConfigFault where it is not ``known``."""
    try:
        names = [name for _, name, *_ in string.Formatter().parse(value) if name is not None]
    except ValueError:
        raise ConfigFault(f"'{value}' has a brace too many or too few", fix="write {{ for a brace itself") from None
    for name in names:
        if name not in known:
            fix = "known are " + ", ".join(f"{{{field}}}" for field in known)
            raise ConfigFault(f"{{{name}}} is not known in a path", fix=fix)
    return names


def _secret(value: Any) -> Any:
    # Not left to pydantic: its error would show the value.
    if isinstance(value, (str, SecretStr)) or value is None:
        return value
    raise ConfigFault("must be text", fix="put the secret in quotes, or write ${NAME} to take it from the environment")


Secret = Annotated[
    SecretStr,
    BeforeValidator(_secret),
    PlainSerializer(lambda value: "**********" if value is not None else None, return_type=str, when_used="json"),
]
"""A password or token. Never shown by repr, str or JSON; give it as ``${NAME}`` or ``${file:PATH}``."""

Port = Annotated[int, Field(ge=1, le=65535)]


def _host(value: Any) -> Any:
    if isinstance(value, str) and ("://" in value or "/" in value or not value.strip()):
        raise ConfigFault(
            "must be a host name or address alone", fix="write `host: broker.example` and the port under `port`"
        )
    return value


Host = Annotated[str, BeforeValidator(_host)]


class TlsConfig(Model):
    """Encryption of a connection. ``tls: true`` is TLS with the certificate authorities that the system trusts."""

    ca: str | None = None
    """PEM file of the certificate authorities to trust; those of the system unless set."""
    cert: str | None = None
    """PEM file of the client's own certificate (mutual TLS), with intermediate certificates behind it."""
    key: str | None = None
    """PEM file of the client's private key; inside ``cert`` unless set."""
    key_password: Secret | None = None
    """Password of the private key."""
    verify: bool = True
    """Check the server's certificate and host name. False accepts anybody: for experiments only."""

    @model_validator(mode="after")
    def _pair(self) -> TlsConfig:
        if self.key is not None and self.cert is None:
            raise ConfigFault(
                "key without cert", fix="give the client's certificate as cert, or leave key out", loc=("key",)
            )
        return self


def _tls(value: Any) -> Any:
    return {} if value is True else None if value is False else value


Tls = Annotated[TlsConfig | None, BeforeValidator(_tls, json_schema_input_type=TlsConfig | bool | None)]
"""``true``, ``false`` or a mapping."""


def _https(value: Any) -> Any:
    if value is False:
        raise ConfigFault("an https:// address is never without TLS", fix="leave tls out, or write http:// there")
    return {} if value is True else value


HttpsTls = Annotated[TlsConfig, BeforeValidator(_https, json_schema_input_type=TlsConfig | bool)]
"""For outputs whose address says whether there is TLS: ``true`` or a mapping."""


class NetworkConfig(OutputConfig):
    """What all outputs that speak to a server share."""

    connect_timeout: float = Field(default=10.0, gt=0, le=300)
    """Seconds until an attempt to connect is given up (and made anew)."""
    timeout: float = Field(default=30.0, gt=0, le=3600)
    """Seconds without the server's confirmation of a message after which the connection counts as broken: it is closed,
    and all that was not confirmed is sent again."""
    max_in_flight: int = Field(default=1000, ge=1, le=100_000)
    """Most messages that wait for the server's confirmation at one time."""
    max_in_flight_bytes: int = Field(default=32 * 1024**2, ge=1)
    """Most bytes of values that wait for confirmation; a single message that is larger is still sent, alone."""


class OrderedConfig(NetworkConfig):
    """For servers that may refuse one message and take the next."""

    ordered: bool = True
    """A message waits until the earlier one of its key (and topic) is confirmed, so that one which is refused and sent again
    never comes after a later one. False: faster where few keys have many messages."""


def get_secret(secret: SecretStr | None) -> str | None:
    """The secret itself, for the client library only."""
    return secret.get_secret_value() if secret is not None else None
