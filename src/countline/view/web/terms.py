"""The settings of a page's server; made once, before it serves."""

from __future__ import annotations

import ssl
from dataclasses import dataclass

from countline.config.web import WebConfig
from countline.view.web.access import Names
from countline.view.web.password import Password

__all__ = ["Terms"]


@dataclass(frozen=True)
class Terms:
    """Configuration, host names, password and TLS of a server."""

    config: WebConfig
    names: Names
    password: Password
    tls: ssl.SSLContext | None
    """None: it speaks plain HTTP."""
    port: int
    """The port at which it listens; the system's choice where 0 was asked for."""

    @property
    def encrypted(self) -> bool:
        """Whether browsers reach it by https."""
        return self.tls is not None or self.config.behind_proxy
