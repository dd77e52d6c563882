"""On what terms a page is served; made once, before it is."""

from __future__ import annotations

import ssl
from dataclasses import dataclass

from countline.config.web import WebConfig
from countline.view.web.access import Names
from countline.view.web.password import Password

__all__ = ["Terms"]


@dataclass(frozen=True)
class Terms:
    """What a server was made with."""

    config: WebConfig
    names: Names
    password: Password
    tls: ssl.SSLContext | None
    """None: it speaks plain HTTP."""
    port: int
    """At which it listens, whatever was asked for."""

    @property
    def encrypted(self) -> bool:
        """Whether browsers reach it by https."""
        return self.tls is not None or self.config.behind_proxy
