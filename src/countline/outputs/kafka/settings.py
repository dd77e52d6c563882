"""From countline's configuration to librdkafka's."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

import orjson
from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient
from pydantic import SecretStr

from countline.errors import ConfigError, OutputError
from countline.outputs.base.options import TlsConfig
from countline.outputs.kafka.config import OAUTH, Config, Sasl, Token
from countline.outputs.kafka.properties import names, nearest

__all__ = ["build", "build_admin", "build_producer", "client", "idempotent"]

_REFUSED = {
    "transactional.id": "countline does not use transactions",
    "delivery.report.only.error": "the outbox needs every acknowledgement",
    "dr_cb": "countline sets it itself",
    "dr_msg_cb": "countline sets it itself",
    "error_cb": "countline sets it itself",
    "stats_cb": "countline sets it itself",
    "log_cb": "countline sets it itself",
    "opaque": "countline sets it itself",
}


class _Log:
    """librdkafka's log lines as ours, at debug level: it repeats each failed connection, we say a state once."""

    def __init__(self, redact: Callable[[str], str]) -> None:
        self._log = logging.getLogger("countline.outputs.kafka")
        self._scrub = redact

    def log(self, level: int, text: str, *args: Any) -> None:
        if self._log.isEnabledFor(logging.DEBUG):
            self._log.debug("%s", self._scrub(text % args if args else text))


def client(config: Config) -> dict[str, Any]:
    """What every client of the broker needs: addresses, encryption, authentication, the user's own options."""
    sasl, tls = config.sasl, config.tls
    settings: dict[str, Any] = {
        "bootstrap.servers": ",".join(config.bootstrap),
        "client.id": config.client_id,
        "security.protocol": ("sasl_" if sasl else "") + ("ssl" if tls else "plaintext"),
        "socket.keepalive.enable": True,
        "reconnect.backoff.max.ms": 2000,
        "socket.connection.setup.timeout.ms": 10_000,
    }
    if tls is not None:
        settings.update(_tls(tls))
    if sasl is not None:
        settings.update(_sasl(sasl))
    return settings


def _tls(tls: TlsConfig) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "ssl.ca.location": tls.ca,
        "ssl.certificate.location": tls.cert,
        "ssl.key.location": tls.key or tls.cert,
        "ssl.key.password": tls.key_password.get_secret_value() if tls.key_password else None,
    }
    if not tls.verify:
        settings["enable.ssl.certificate.verification"] = False
        settings["ssl.endpoint.identification.algorithm"] = "none"
    return {name: value for name, value in settings.items() if value is not None}


def _sasl(sasl: Sasl) -> dict[str, Any]:
    settings: dict[str, Any] = {"sasl.mechanism": sasl.mechanism}
    if sasl.mechanism == OAUTH:
        assert sasl.token is not None
        return {**settings, **_token(sasl.token)}
    assert sasl.password is not None
    settings["sasl.username"] = sasl.username
    settings["sasl.password"] = sasl.password.get_secret_value()
    return settings


def _token(token: Token) -> dict[str, Any]:
    if token.file is not None:
        path = token.file
        return {"oauth_cb": lambda _: _from_file(path)}
    assert token.client_secret is not None
    settings = {
        "sasl.oauthbearer.method": "oidc",
        "sasl.oauthbearer.token.endpoint.url": token.url,
        "sasl.oauthbearer.client.id": token.client_id,
        "sasl.oauthbearer.client.secret": token.client_secret.get_secret_value(),
        "sasl.oauthbearer.scope": token.scope,
        "sasl.oauthbearer.extensions": ",".join(f"{k}={v}" for k, v in token.extensions.items()) or None,
    }
    return {name: value for name, value in settings.items() if value is not None}


def _from_file(path: str) -> tuple[str, float]:
    """The token in a file and when it expires (s since the Unix epoch): by its own 'exp' claim, else in 5 minutes."""
    import base64

    with open(path, encoding="ascii") as file:
        token = file.read().strip()
    expires = time.time() + 300
    parts = token.split(".")
    if len(parts) == 3:
        try:
            claims = orjson.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
            expires = float(claims.get("exp", expires))
        except (ValueError, AttributeError):
            pass  # not a JWT after all
    return token, expires


def build(config: Config, callbacks: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of the producer. Raises ConfigError for options that librdkafka does not know or countline must set."""
    settings = client(config)
    acks = str(config.acks)
    settings |= {
        "acks": acks,
        "enable.idempotence": acks == "all",
        # The outbox keeps what is not acknowledged; with a time limit an outage would time out everything queued.
        "message.timeout.ms": 0,
        "compression.type": config.compression,
        "linger.ms": config.linger_ms,
        "partitioner": config.partitioner,
        "queue.buffering.max.kbytes": max(1024, config.max_in_flight_bytes // 1024),
        "queue.buffering.max.messages": 100_000,
        "statistics.interval.ms": 2000,
    }
    for name, value in config.options.items():
        _known(config, name)
        settings[_canonical(name)] = value.get_secret_value() if isinstance(value, SecretStr) else value
    if idempotent(config):
        # When a batch is refused, librdkafka would go on with the next one before we can call that back: a later message of a key
        # would overtake an earlier one. So it stops instead, and we begin anew behind what was acknowledged.
        settings.setdefault("enable.gapless.guarantee", True)
    return {**settings, **callbacks}


_ALIASES = {
    "request.required.acks": "acks",
    "compression.codec": "compression.type",
    "queue.buffering.max.ms": "linger.ms",
    "delivery.timeout.ms": "message.timeout.ms",
    "metadata.broker.list": "bootstrap.servers",
    "sasl.mechanisms": "sasl.mechanism",
}


def _canonical(name: str) -> str:
    """One name of an option that has two, so that the user's value replaces ours instead of standing beside it."""
    return _ALIASES.get(name, name)


def _place(config: Config, name: str) -> str:
    return f"output '{config.name or 'kafka'}', option '{name}'"


def _known(config: Config, name: str) -> None:
    if name in _REFUSED:
        raise ConfigError("cannot be set: " + _REFUSED[name], where=_place(config, name), fix="remove it")
    if names() and name not in names():
        near = nearest(name)
        raise ConfigError(
            "librdkafka has no such producer option",
            where=_place(config, name),
            fix=f"did you mean '{near}'?" if near else "see librdkafka's CONFIGURATION.md for the names",
        )


def _token_readable(config: Config) -> None:
    # librdkafka asks for the first token while the producer is made, and would wait 10 s for one.
    sasl = config.sasl
    if sasl is not None and sasl.token is not None and sasl.token.file is not None:
        try:
            _from_file(sasl.token.file)
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not ASCII text"
            raise OutputError(
                f"the token file {sasl.token.file} cannot be read: {reason}",
                where=f"output '{config.name or 'kafka'}'",
                fix="correct sasl.token.file",
            ) from None


def idempotent(config: Config) -> bool:
    """Whether its producer has an id by which the broker knows repetitions."""
    value = config.options.get("enable.idempotence", str(config.acks) == "all")
    return str(value.get_secret_value() if isinstance(value, SecretStr) else value).lower() == "true"


def build_producer(
    config: Config, callbacks: Mapping[str, Any], redact: Callable[[str], str], *, gaps: bool = False
) -> Producer:
    """A producer; does not need the broker. ``gaps``: it may go on after a refusal, for records that go one by one. Raises
    ConfigError (impossible value) and OutputError (unreadable certificate)."""
    settings = build(config, callbacks)
    if gaps:
        settings["enable.gapless.guarantee"] = False
    _token_readable(config)
    try:
        return Producer(settings, logger=_Log(redact))
    except KafkaException as error:
        text = redact(error.args[0].str().strip())
    except (TypeError, ValueError) as error:
        text = redact(str(error))
    name = next((n for n in sorted(settings, key=len, reverse=True) if f'"{n}"' in text), "")
    name = name or next((n for n, canonical in _ALIASES.items() if f'"{n}"' in text and canonical in settings), "")
    where = _place(config, _ALIASES.get(name, name)) if name else f"output '{config.name or 'kafka'}'"
    if text.startswith("Failed to create producer:"):
        text = text.removeprefix("Failed to create producer:").strip()
        if "ssl." in text:
            raise OutputError(
                f"TLS cannot be set up: {text}",
                where=where,
                fix="check the files under tls (PEM, readable) and the key password",
            )
    raise ConfigError(text, where=where, fix="correct it; librdkafka's CONFIGURATION.md lists the values it takes")


class _Silent:
    """Who asks says in own words what went wrong."""

    def log(self, *_: Any) -> None: ...


_PRODUCER_ONLY = frozenset(
    {
        "acks", "enable.gapless.guarantee", "enable.idempotence", "message.timeout.ms", "compression.type", "linger.ms", "partitioner",
        "queue.buffering.max.kbytes", "queue.buffering.max.messages", "statistics.interval.ms",
    }
)  # fmt: skip


def build_admin(config: Config, on_error: Callable[[KafkaError], None] = lambda _: None) -> AdminClient:
    """A client that asks the brokers of a configuration; does not need them yet. Raises ConfigError and KafkaException."""
    settings = {k: v for k, v in build(config, {}).items() if k not in _PRODUCER_ONLY}
    return AdminClient({**settings, "error_cb": on_error}, logger=_Silent())
