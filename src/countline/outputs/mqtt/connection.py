"""Login and TLS for MQTT."""

from __future__ import annotations

import ssl
from typing import Any

from countline.outputs.base.options import get_secret
from countline.outputs.base.tls import make_ssl_context
from countline.outputs.mqtt.config import Config

__all__ = ["port", "secure", "tls_context"]


def port(config: Config) -> int:
    """The port, with MQTT's own as the default."""
    return config.port or (8883 if config.tls is not None else 1883)


def tls_context(config: Config) -> ssl.SSLContext | None:
    """None without TLS. Raises OutputError for certificates that cannot be used."""
    return make_ssl_context(config.tls, where=f"output '{config.name}'") if config.tls is not None else None


def secure(client: Any, config: Config, context: ssl.SSLContext | None) -> None:
    """Gives a paho client its login and TLS."""
    if config.username is not None or config.password is not None:
        client.username_pw_set(config.username or "", get_secret(config.password))
    if context is not None:
        client.tls_set_context(context)
