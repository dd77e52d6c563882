"""Login and TLS for AMQP."""

from __future__ import annotations

from typing import Any

from countline.outputs.amqp.config import Config
from countline.outputs.base.options import get_secret
from countline.outputs.base.tls import make_ssl_context

__all__ = ["connection_parameters"]


def connection_parameters(config: Config) -> Any:
    """``pika.ConnectionParameters``. Raises OutputError for certificates that cannot be used."""
    import pika

    tls = None
    if config.tls is not None:
        context = make_ssl_context(config.tls, where=f"output '{config.name}'")
        tls = pika.SSLOptions(context, server_hostname=config.host)
    return pika.ConnectionParameters(
        host=config.host,
        port=port(config),
        virtual_host=config.vhost,
        credentials=pika.PlainCredentials(config.username, get_secret(config.password) or "", erase_on_connect=False),
        heartbeat=config.heartbeat,
        ssl_options=tls,
        connection_attempts=1,
        socket_timeout=config.connect_timeout,
        stack_timeout=config.connect_timeout,
        client_properties={"connection_name": "countline"},
    )


def port(config: Config) -> int:
    """The port, with AMQP's own as the default."""
    return config.port or (5671 if config.tls is not None else 5672)
