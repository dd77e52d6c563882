"""A small HTTP server for :class:`countline.observe.endpoints.Endpoints`: bounded in all that a stranger can send, and read-only."""

from __future__ import annotations

import ipaddress
import logging
import socket
import threading
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

from countline.addresses import is_loopback, split_address
from countline.errors import ConfigError
from countline.observe.endpoints import Answer, Endpoints

__all__ = ["Server"]

log = logging.getLogger("countline.metrics")

MOST = 16
"""Connections at a time."""
PATIENCE = 5.0
"""Seconds for which a connection may last once others want in, and for which it may be silent."""


class _Handler(BaseHTTPRequestHandler):
    """One request for each connection. Headers are bounded by the library: 100 lines of 64 KiB."""

    server: _Http
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "countline", ""
    timeout = PATIENCE

    def do_GET(self) -> None:
        self._answer(self._found())

    do_HEAD = do_GET

    def _found(self) -> Answer:
        if not self.server.knows(self.headers.get("Host", "")):
            text = b"this address is for programs of this machine, by its name localhost or its number\n"
            return Answer(403, "text/plain; charset=utf-8", text)
        try:
            return self.server.endpoints.answer(self.path, self.headers.get("Accept", ""))
        except Exception:
            log.exception("unforeseen error while metrics were read")
            return Answer(500, "text/plain; charset=utf-8", b"unforeseen error; see the log\n")

    def _answer(self, answer: Answer) -> None:
        self.send_response(answer.status)
        headers: Mapping[str, str] = {
            "Content-Type": answer.content_type,
            "Content-Length": str(len(answer.body)),
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
            "Connection": "close",
        }
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)
        self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: a line for each scrape would be the most of the log."""


class _Http(HTTPServer):
    allow_reuse_address = True
    request_queue_size = 2 * MOST

    def __init__(self, address: tuple[str, int], endpoints: Endpoints) -> None:
        self.endpoints = endpoints
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self._loopback = is_loopback(address[0])
        self._open: dict[socket.socket, float] = {}
        self._lock = threading.Lock()
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        """Without the look-up of this machine's name that the library does, which can take long."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def knows(self, host: str) -> bool:
        """Whether a request for a host is meant for here: a page in a browser on this machine, to which some name of the internet
        resolves, is not."""
        if not self._loopback or not host:
            return True
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
        if name.lower() == "localhost":
            return True
        try:
            ipaddress.ip_address(name.strip("[]"))
        except ValueError:
            return False
        return True

    def process_request(self, request: Any, client_address: Any) -> None:
        """On a thread of its own. Where there are too many, those that have had their time are closed, then this one is."""
        now = time.monotonic()
        with self._lock:
            if len(self._open) >= MOST:
                for connection, since in self._open.items():
                    if now - since > PATIENCE:
                        _shut(connection)
            full = len(self._open) >= MOST
            if not full:
                self._open[request] = now
        if full:
            self.shutdown_request(request)
            return
        threading.Thread(target=self._serve, args=(request, client_address), daemon=True).start()

    def _serve(self, request: Any, client_address: Any) -> None:
        try:
            self.finish_request(request, client_address)
        except OSError:
            pass  # who asked has gone, or is too slow
        except Exception:
            log.debug("a request could not be answered", exc_info=True)
        finally:
            self.shutdown_request(request)
            with self._lock:
                self._open.pop(request, None)

    def close_all(self) -> None:
        """Whoever is still connected is not."""
        with self._lock:
            for connection in self._open:
                _shut(connection)


def _shut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass


class Server:
    """Serves until it is closed.

    Parameters
    ----------
    listen: HOST:PORT.

    Raises ConfigError where that cannot be listened at.
    """

    def __init__(self, listen: str, endpoints: Endpoints) -> None:
        try:
            host, port = split_address(listen)
            self._http = _Http((host, port), endpoints)
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"cannot listen at {listen} for metrics: {getattr(error, 'strerror', None) or error}",
                where="metrics.listen",
                fix="choose another port, or an address of this machine; another run may have this one",
            ) from error
        shown = f"[{host}]" if ":" in host else host
        self.address = f"{shown}:{self._http.server_port}"
        """Where it listens: HOST:PORT."""
        log.info(
            "metrics and health at http://%s/metrics%s",
            self.address,
            "" if is_loopback(host) else ", for everybody who reaches this address",
        )
        self._thread = threading.Thread(
            target=self._http.serve_forever, kwargs={"poll_interval": 0.1}, name="countline-metrics", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Listen no more. Harmless the second time."""
        self._http.shutdown()
        self._thread.join()
        self._http.close_all()
        self._http.server_close()
