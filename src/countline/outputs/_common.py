"""Options that several outputs have in common, and the TLS context they lead to. Pydantic and the standard library."""

from __future__ import annotations

import json
import ssl
import string
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

from pydantic import BeforeValidator, Field, PlainSerializer, SecretStr, model_validator

from countline.config.base import Model, OutputConfig
from countline.config.loader import CountlineFault
from countline.errors import OutputError

__all__ = [
    "Host",
    "HttpsTls",
    "NetworkConfig",
    "OrderedConfig",
    "Port",
    "Secret",
    "Tls",
    "TlsConfig",
    "header_safe",
    "headers_json",
    "in_braces",
    "make_ssl_context",
    "readable",
    "reveal",
]


def in_braces(value: str, known: Sequence[str]) -> list[str]:
    """What stands in braces in a path that a user wrote. Raises CountlineFault where it is not ``known``."""
    try:
        names = [name for _, name, *_ in string.Formatter().parse(value) if name is not None]
    except ValueError:
        raise CountlineFault(f"'{value}' has a brace too many or too few", fix="write {{ for a brace itself") from None
    for name in names:
        if name not in known:
            fix = "known are " + ", ".join(f"{{{field}}}" for field in known)
            raise CountlineFault(f"{{{name}}} is not known in a path", fix=fix)
    return names


def _secret(value: Any) -> Any:
    # Not left to pydantic: its error would show the value.
    if isinstance(value, (str, SecretStr)) or value is None:
        return value
    raise CountlineFault(
        "must be text", fix="put the secret in quotes, or write ${NAME} to take it from the environment"
    )


Secret = Annotated[
    SecretStr,
    BeforeValidator(_secret),
    PlainSerializer(lambda value: "**********" if value is not None else None, return_type=str, when_used="json"),
]
"""A password or token. Never shown by repr, str or JSON; give it as ``${NAME}`` or ``${file:PATH}``."""

Port = Annotated[int, Field(ge=1, le=65535)]


def _host(value: Any) -> Any:
    if isinstance(value, str) and ("://" in value or "/" in value or not value.strip()):
        raise CountlineFault(
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
            raise CountlineFault(
                "key without cert", fix="give the client's certificate as cert, or leave key out", loc=("key",)
            )
        return self


def _tls(value: Any) -> Any:
    return {} if value is True else None if value is False else value


Tls = Annotated[TlsConfig | None, BeforeValidator(_tls, json_schema_input_type=TlsConfig | bool | None)]
"""``true``, ``false`` or a mapping."""


def _https(value: Any) -> Any:
    if value is False:
        raise CountlineFault("an https:// address is never without TLS", fix="leave tls out, or write http:// there")
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


def make_ssl_context(tls: TlsConfig, *, where: str) -> ssl.SSLContext:
    """A client context. Raises OutputError naming the file that cannot be used; ``where`` as in ``output 'mqtt'``."""
    try:
        context = ssl.create_default_context(cafile=tls.ca)
    except (OSError, ssl.SSLError) as error:
        raise _unusable("tls.ca", tls.ca, error, where, "a PEM file with the certificate authority") from None
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if tls.cert:
        for option, path in (("tls.cert", tls.cert), ("tls.key", tls.key)):
            if path and not Path(path).is_file():
                raise OutputError(f"{option}: no such file: {path}", where=where, fix="check the path")
        # Without a callback OpenSSL would ask for the password on the terminal.
        password = reveal(tls.key_password) or ""
        try:
            context.load_cert_chain(tls.cert, tls.key, password=lambda: password)
        except (OSError, ssl.SSLError, ValueError) as error:
            raise _unusable(
                "tls.cert", tls.cert, error, where, "matching PEM files, and tls.key_password if the key has one"
            ) from None
    return context


def _unusable(option: str, path: str | None, error: Exception, where: str, wanted: str) -> OutputError:
    if isinstance(error, FileNotFoundError):
        return OutputError(f"{option}: no such file: {path}", where=where, fix="check the path")
    reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or type(error).__name__
    return OutputError(f"{option}: {path} cannot be used: {reason}", where=where, fix=f"give {wanted}")


def reveal(secret: SecretStr | None) -> str | None:
    """The secret itself, for the client library only."""
    return secret.get_secret_value() if secret is not None else None


def readable(value: bytes) -> str:
    """Bytes as text: UTF-8, with ``\\xNN`` for what is not, and ``\\x00`` for NUL."""
    return value.decode("utf-8", "backslashreplace").replace("\x00", "\\x00")


def headers_json(headers: Iterable[tuple[str, bytes]]) -> str:
    """Headers as a JSON object of text; a name that stands twice becomes a list."""
    found: dict[str, Any] = {}
    for name, value in headers:
        text = readable(value)
        if name in found:
            known = found[name]
            found[name] = [*known, text] if isinstance(known, list) else [known, text]
        else:
            found[name] = text
    return json.dumps(found, ensure_ascii=False, separators=(",", ":"))


_HEADER_SAFE = "".join(chr(c) for c in range(0x20, 0x7F) if chr(c) != "%")


def header_safe(value: bytes) -> str:
    """A header value for protocols that know printable ASCII only (HTTP, NATS): everything else, and ``%``, is
    percent-encoded as in RFC 3986, section 2.1."""
    text = quote(value, safe=_HEADER_SAFE)
    # Blanks at the ends are not part of a header's value.
    if text[:1] == " ":
        text = "%20" + text[1:]
    return text[:-1] + "%20" if text[-1:] == " " else text
