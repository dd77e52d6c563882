"""Login and TLS for Redis."""

from __future__ import annotations

from typing import Any

from countline.outputs.base.options import get_secret
from countline.outputs.base.tls import make_ssl_context
from countline.outputs.redis.config import Config

__all__ = ["connection_options"]


def connection_options(config: Config) -> dict[str, Any]:
    """Arguments of ``redis.asyncio.Redis``. Raises OutputError for certificates that cannot be used."""
    options: dict[str, Any] = {
        "host": config.host,
        "port": config.port,
        "db": config.db,
        "username": config.username,
        "password": get_secret(config.password),
        "socket_timeout": config.timeout,
        "socket_connect_timeout": config.connect_timeout,
        "client_name": "countline",
    }
    if config.tls is None:
        return options
    make_ssl_context(
        config.tls, where=f"output '{config.name}'"
    )  # says which file cannot be used, before redis-py does
    return options | {
        "ssl": True,
        "ssl_ca_certs": config.tls.ca,
        "ssl_certfile": config.tls.cert,
        "ssl_keyfile": config.tls.key or config.tls.cert,
        "ssl_password": get_secret(config.tls.key_password),
        "ssl_cert_reqs": "required" if config.tls.verify else "none",
        "ssl_check_hostname": config.tls.verify,
    }
