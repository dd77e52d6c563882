"""Login, TLS and signatures for webhooks."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any
from urllib.parse import urlsplit

from countline.outputs.base.options import get_secret
from countline.outputs.base.tls import make_ssl_context
from countline.outputs.webhook.config import Config

__all__ = ["client_options", "secrets_of", "sign"]


def client_options(config: Config) -> dict[str, Any]:
    """Arguments of ``httpx.AsyncClient``. Raises OutputError for certificates that cannot be used."""
    headers = {name: secret.get_secret_value() for name, secret in config.headers.items()}
    options: dict[str, Any] = {
        "verify": make_ssl_context(config.tls, where=f"output '{config.name}'"),
        "headers": {"User-Agent": "countline", "Accept-Encoding": "identity", **headers},
        "follow_redirects": False,
    }
    if config.username is not None:
        options["auth"] = (config.username, get_secret(config.password) or "")
    if config.proxy is not None:
        options["proxy"] = get_secret(config.proxy)
    return options


def secrets_of(config: Config) -> tuple[str, ...]:
    """All that must not be shown."""
    url = config.url.get_secret_value()
    parts = urlsplit(url)
    found = [url, parts.password, parts.query, parts.path if len(parts.path) > 8 else None]
    found += [get_secret(s) for s in (config.password, config.secret, config.proxy, *config.headers.values())]
    return tuple(s for s in found if s)


def sign(secret: str, time: int, body: bytes) -> str:
    """Value of the header ``Countline-Signature``; ``time`` in seconds since the Unix epoch."""
    digest = hmac.new(secret.encode(), f"{time}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={time},v1={digest}"
