"""Options of the webhook output."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, model_validator

from countline.config.faults import ConfigFault
from countline.outputs.base.options import HttpsTls, NetworkConfig, Secret, TlsConfig

__all__ = ["Config"]

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def _url(value: SecretStr) -> SecretStr:
    try:
        parts = urlsplit(value.get_secret_value())
        fine = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        fine = False
    if not fine:
        raise ConfigFault("is not the address of a web server", fix="write it as https://host:port/path")
    if _UNFIT.search(value.get_secret_value()):
        raise ConfigFault("holds a line break, a blank or a control character", fix=_BREAK)
    return value


_UNFIT = re.compile(r"[\x00-\x20\x7f]")
_BREAK = "remove it; a secret of several lines, or with a line break before its end, is not what a server wants"


def _value(name: str, value: SecretStr) -> None:
    text = value.get_secret_value()
    if re.search(r"[\x00-\x08\x0a-\x1f\x7f]", text) or text != text.strip():
        raise ConfigFault(
            "holds a line break or another character that no HTTP header may have", fix=_BREAK, loc=(name,)
        )
    if not text.isascii():
        raise ConfigFault("holds a character that is not ASCII", fix="HTTP headers are ASCII; encode it", loc=(name,))


def _names(value: dict[str, Any]) -> dict[str, Any]:
    for name, content in value.items():
        if not _NAME.fullmatch(name):
            raise ConfigFault(
                f"'{name}' cannot be the name of an HTTP header", fix="letters, digits and hyphens", loc=(name,)
            )
        _value(name, content)
    return value


class Config(NetworkConfig):
    """Posts messages to a web server. The message id is in the header ``Idempotency-Key``, the key in ``Countline-Key``."""

    url: Annotated[Secret, AfterValidator(_url)]
    """Where to post. Never shown beyond host and port, since the path of a webhook is often its password. ``{topic}``
    in it is replaced by the topic."""
    topic: str = ""
    """Topic of messages that have none of their own."""
    headers: Annotated[dict[str, Secret], AfterValidator(_names)] = {}
    """Headers of each request, e.g. {Authorization: "Bearer ${TOKEN}"}. Never shown."""
    username: str | None = None
    """User for HTTP basic authentication."""
    password: Secret | None = None
    secret: Secret | None = None
    """Key for a signature: the header ``Countline-Signature`` is then ``t=<unix seconds>,v1=<hex>``, where hex is the
    HMAC-SHA256 of ``<unix seconds>.<body>``."""
    batch: int = Field(default=1, ge=1, le=10_000)
    """Most messages in one request."""
    format: Literal["json-lines", "json-array"] = "json-lines"
    """Body of a request when ``batch`` is more than 1."""
    content: Literal["value", "message"] = "value"
    """What is posted for a message: its value alone, or a JSON object with id, time, key, headers and value."""
    retry_status: list[Annotated[int, Field(ge=300, le=599)]] = [401, 403, 407, 408, 425, 429]
    """Answers after which a message is sent again, besides all from 500 to 599; every other answer that is not 2xx makes
    it a dead letter."""
    tls: HttpsTls = TlsConfig()
    """Certificates for https."""
    proxy: Secret | None = None
    """Proxy server, http://user:password@host:port; unless set, as HTTP_PROXY, HTTPS_PROXY and NO_PROXY say."""
    max_in_flight: int = Field(default=200, ge=1, le=100_000)

    @model_validator(mode="after")
    def _login(self) -> Config:
        if self.password is not None and self.username is None:
            raise ConfigFault("password without username", fix="add username", loc=("password",))
        if "tls" in self.model_fields_set and urlsplit(self.url.get_secret_value()).scheme != "https":
            raise ConfigFault(
                "tls with an http:// address", fix="write https:// under url, or leave tls out", loc=("tls",)
            )
        return self
