"""The server of a page: listens from the start, serves a run on a thread of its own, and ends with it."""

from __future__ import annotations

import logging
import socket
import ssl
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from countline.addresses import is_loopback, split_address
from countline.config.web import WebConfig
from countline.errors import ConfigError, MissingExtra
from countline.redaction import keep
from countline.view.web.access import Names
from countline.view.web.feed import Feed
from countline.view.web.password import Password
from countline.view.web.site import Site
from countline.view.web.terms import Terms

if TYPE_CHECKING:
    from countline.view.web.service import Service

__all__ = ["Server", "certificate", "listening"]

log = logging.getLogger("countline.web")

PATIENCE = 2.0
"""Longest wait, in seconds, of the end of a run for its page."""


def listening(listen: str) -> socket.socket:
    """A socket that listens. Raises ConfigError."""
    host, port = split_address(listen)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = sorted(found, key=lambda item: item[0] != socket.AF_INET)[0]
        made = socket.socket(family, kind, protocol)
    except OSError as error:
        raise _unusable(listen, error) from None
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
        made.listen(128)
        made.setblocking(False)
    except OSError as error:
        made.close()
        raise _unusable(listen, error) from None
    return made


def _unusable(listen: str, error: OSError) -> ConfigError:
    return ConfigError(
        f"cannot listen at {listen} for the page: {error.strerror or error}",
        where="web.listen",
        fix="choose another port (0 takes a free one), or an address of this machine; another run may have this one",
    )


def certificate(config: WebConfig) -> ssl.SSLContext | None:
    """The TLS context of the configuration; None: plain HTTP. Raises ConfigError."""
    if config.tls is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    for name, path in (("cert", config.tls.cert), ("key", config.tls.key)):
        try:
            Path(path).read_bytes()
        except OSError as error:
            raise ConfigError(
                f"cannot be read: {error.strerror}", where=f"web.tls.{name}: {path}", fix="name a PEM file"
            ) from None
    try:
        context.load_cert_chain(config.tls.cert, config.tls.key, password="")
    except (ssl.SSLError, ValueError, OSError) as error:
        raise ConfigError(
            f"certificate and key cannot be used: {getattr(error, 'reason', None) or error}",
            where=f"web.tls: {config.tls.cert}, {config.tls.key}",
            fix="give a PEM certificate and the private key that belongs to it, without a passphrase",
        ) from None
    return context


def needed() -> None:
    """Raise MissingExtra where a package is not installed."""
    for name in ("starlette", "uvicorn", "websockets", "h11"):
        try:
            __import__(name)
        except ImportError:
            raise MissingExtra(name, "web", what_for="the page (`web:`)") from None


class Server:
    """Listens as soon as it is created; serves from :meth:`show` to :meth:`close`.

    Parameters
    ----------
    password_file: where the hash of a password that is made is kept; None: nowhere.

    Raises ConfigError, MissingExtra: nothing is left open then.
    """

    def __init__(self, config: WebConfig, password_file: Path | None) -> None:
        needed()
        self.config = config
        tls = certificate(config)
        self._socket = listening(config.listen)
        try:
            configured = None if config.password is None else config.password.get_secret_value()
            password = Password(configured, password_file)
        except BaseException:
            self._socket.close()
            raise
        host, port = split_address(config.listen)
        port = int(self._socket.getsockname()[1])
        shown = f"[{host}]" if ":" in host else host
        self.address = f"{shown}:{port}"
        """Where it listens: HOST:PORT."""
        encrypted = tls is not None or config.behind_proxy
        names = Names(host, port, config.hosts, encrypted=encrypted, proxied=config.behind_proxy)
        self.terms = Terms(config, names, password, tls, port)
        self.service: Service | None = None
        self._thread: threading.Thread | None = None
        self._closed = False
        self._log_address(host, password)

    @property
    def url(self) -> str:
        """The URL of the page."""
        scheme = "https" if self.terms.encrypted else "http"
        if not self.config.hosts:
            return f"{scheme}://{self.address}/"
        host = self.config.hosts[0]
        usual = self.config.behind_proxy or ":" in host or self.terms.port == 443
        return f"{scheme}://{host}{'' if usual else f':{self.terms.port}'}/"

    def _log_address(self, host: str, password: Password) -> None:
        everybody = "" if is_loopback(host) else ", for everybody who reaches this address and signs in"
        log.info("page at %s%s", self.url, everybody)
        if password.fresh:
            kept = f"its hash is in {password.file}" if password.file is not None else "for this run alone"
            log.warning(
                "sign in at %s with the password %s (told this once; %s; `countline web-password` makes another)",
                self.url,
                password.fresh,
                kept,
            )
            keep(password.fresh)

    def show(self, site: Site, feed: Feed) -> None:
        """Serve a run."""
        from countline.view.web.service import Service

        started = threading.Event()
        self.service = service = Service(self.terms, site, feed)
        self._thread = threading.Thread(
            target=service.run, args=(self._socket, started), name="countline-web", daemon=True
        )
        self._thread.start()
        started.wait(10)

    def close(self) -> None:
        """Stop listening and close all connections. May be called twice."""
        if self._closed:
            return
        self._closed = True
        if self.service is not None:
            self.service.stop()
        if self._thread is not None:
            self._thread.join(PATIENCE)
        self._socket.close()
