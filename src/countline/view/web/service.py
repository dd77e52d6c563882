"""The part of a page's server that needs the packages of the extra `web`: the application, and the loop that serves it."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute

from countline.view.web.answers import Refusal, problem
from countline.view.web.api import PREFIX, Api
from countline.view.web.connections import Bounds, bounded
from countline.view.web.feed import Feed
from countline.view.web.frames import Frames
from countline.view.web.gate import Gate
from countline.view.web.hub import Hub
from countline.view.web.pictures import Pictures
from countline.view.web.site import Data, Site
from countline.view.web.static import Files
from countline.view.web.stream import Streams
from countline.view.web.terms import Terms

__all__ = ["Service"]

log = logging.getLogger("countline.web")

GREETING = 10.0
"""Seconds for which the greeting of TLS may take."""


class Service:
    """One application and its loop. Made by :class:`countline.view.web.server.Server`."""

    def __init__(self, terms: Terms, site: Site, feed: Feed) -> None:
        self._terms, self._site, self._feed = terms, site, feed
        self._pools = {
            name: ThreadPoolExecutor(1, thread_name_prefix=f"countline-web-{name}")
            for name in ("reads", "questions", "changes", "pictures", "passwords")
        }
        self.bounds = Bounds()
        self._uvicorn: _Uvicorn | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._hub: Hub | None = None
        self._frames: Frames | None = None
        self._streams: Streams | None = None
        self._pictures: Pictures | None = None

    # -- on its thread --------------------------------------------------------------------------------------------

    def run(self, listener: socket.socket, started: threading.Event) -> None:
        """Serve until :meth:`stop`."""
        try:
            asyncio.run(self._run(listener, started))
        except Exception:
            log.exception("unforeseen error: the page is no longer served")
        finally:
            started.set()
            for pool in self._pools.values():
                pool.shutdown(wait=False, cancel_futures=True)

    async def _run(self, listener: socket.socket, started: threading.Event) -> None:
        app = self._application()
        config = uvicorn.Config(
            app, http=bounded(self.bounds), ws="websockets-sansio", loop="asyncio", lifespan="off", interface="asgi3",
            log_config=None, log_level=logging.ERROR, access_log=False, proxy_headers=False, server_header=False,
            date_header=True, h11_max_incomplete_event_size=16 * 1024, timeout_keep_alive=60,
            timeout_graceful_shutdown=1, ws_max_size=64 * 1024, ws_max_queue=8, ws_per_message_deflate=False,
        )  # fmt: skip
        self._uvicorn = _Uvicorn(config, self._terms.tls, started, self._parted)
        self._loop = asyncio.get_running_loop()
        assert self._hub is not None
        work = asyncio.ensure_future(self._hub.work())
        try:
            await self._uvicorn.serve([listener])
        finally:
            self._hub.closing.set()
            await asyncio.wait([work], timeout=1.0)

    async def _parted(self) -> None:
        """Streams and sockets were told that the run ends, or a second has passed."""
        assert self._hub is not None
        assert self._frames is not None
        assert self._streams is not None
        self._hub.closing.set()
        self._hub.wake()
        until = time.monotonic() + 1.0
        while self._frames.open + self._streams.open and time.monotonic() < until:  # noqa: ASYNC110 - two plain counts
            await asyncio.sleep(0.01)

    def _application(self) -> Gate:
        terms, config = self._terms, self._terms.config
        gate = Gate(
            terms.names, terms.password, self._pools["passwords"], openly=config.read_openly,
            proxied=config.behind_proxy, encrypted=terms.encrypted, cookie=f"countline-{terms.port}",
        )  # fmt: skip
        self._hub = hub = Hub(self._site, self._feed, self._pools["reads"], self._extra)
        self._pictures = Pictures(self._feed, self._pools["pictures"], config.fps, hub.counted)
        self._frames = Frames(hub, gate, self._pictures, fps=config.fps, width=config.width)
        self._streams = Streams(hub, gate)
        files = Files()
        gate.app = Starlette(
            routes=[
                Route("/", files.page),
                Route("/static/{name:path}", files.file),
                *Api(hub, gate, self._pools["questions"], self._pools["changes"]).routes(),
                Route(PREFIX + "/stream", self._streams, methods=["GET"]),
                WebSocketRoute(PREFIX + "/frames", self._frames.serve),
            ],
            exception_handlers={404: _not_there, 405: _not_so, Refusal: _refused},
        )
        return gate

    def _extra(self) -> Data:
        """The part of the state that describes the page: watchers, streams, pictures."""
        frames, streams, pictures = self._frames, self._streams, self._pictures
        assert frames is not None
        assert streams is not None
        assert pictures is not None
        return {
            "page": {
                "watchers": pictures.watchers,
                "streams": streams.open,
                "frames_sent": frames.sent,
                "frames_skipped": frames.skipped,
                "jpeg_ms": round(1000 * pictures.seconds / pictures.made, 2) if pictures.made else 0.0,
                "connections_refused": self.bounds.refused,
                "frames_forgotten": self._feed.forgotten,
                "clients_too_slow": self.bounds.slow,
            }
        }

    # -- from any thread ------------------------------------------------------------------------------------------

    def stop(self) -> None:
        """Stop serving: streams and sockets get a closing message, other connections are cut off."""
        loop, server, hub = self._loop, self._uvicorn, self._hub
        if loop is None or server is None or hub is None:
            return
        server.should_exit = True
        try:
            loop.call_soon_threadsafe(hub.closing.set)
            loop.call_soon_threadsafe(hub.wake)
        except RuntimeError:  # it has ended by itself
            return


class _Uvicorn(uvicorn.Server):
    """Uvicorn's server on a socket that listens already, with TLS as we do it, and without signals."""

    def __init__(
        self,
        config: uvicorn.Config,
        tls: ssl.SSLContext | None,
        started: threading.Event,
        parted: Callable[[], Awaitable[None]],
    ) -> None:
        super().__init__(config)
        self._tls, self._started, self._parted = tls, started, parted

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close; what is open says why first, since uvicorn would close a socket as of a server that restarts."""
        await self._parted()
        await super().shutdown(sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept connections."""
        config = self.config

        def protocol(_loop: asyncio.AbstractEventLoop | None = None) -> asyncio.Protocol:
            made: Any = config.http_protocol_class
            connection: asyncio.Protocol = made(
                config=config, server_state=self.server_state, app_state=self.lifespan.state, _loop=_loop
            )
            return connection

        loop = asyncio.get_running_loop()
        greeting = GREETING if self._tls is not None else None
        self.servers = [
            await loop.create_server(
                protocol, sock=listener, ssl=self._tls, backlog=128, ssl_handshake_timeout=greeting
            )
            for listener in sockets or ()
        ]
        self.started = True
        self._started.set()


async def _not_there(request: Request, error: Exception) -> Response:
    return problem(404, "there is no such path", where=request.url.path[:200], fix="see /api/v1/openapi.json")


async def _not_so(request: Request, error: Exception) -> Response:
    headers = getattr(error, "headers", None)
    return problem(405, f"{request.method} cannot be done here", where=request.url.path[:200], headers=headers)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    return error.answer()
