"""Authentication and request checks of a page's server: middleware around every request and every socket; sets security headers."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import math
import time
from collections.abc import Callable
from concurrent.futures import Executor
from http.cookies import CookieError, SimpleCookie
from typing import Any, NamedTuple

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketDisconnect

from countline.observe.repeated import DueCounts
from countline.view.web.access import Attempts, Names, Sessions
from countline.view.web.answers import Refusal
from countline.view.web.password import Password

__all__ = ["Gate", "Requester"]

log = logging.getLogger("countline.web")

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; font-src 'self'; "
    "connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
}
_OPEN = ("/api/v1/session", "/api/v1/login", "/api/v1/openapi.json")
"""Paths under /api/ that are answered without signing in; all paths outside /api/ are."""
_HEAD = 16 * 1024
"""Bytes of a request's head, at most."""
_SAFE = ("GET", "HEAD", "OPTIONS")


class Requester(NamedTuple):
    """The identity of a client."""

    signed_in: bool = False
    token: str = ""
    """Token of the cookie's session; empty: there is none, or a program sends the password itself."""
    csrf: str = ""
    bearer: bool = False


class Gate:
    """Middleware: refuses requests for another server and those that are not allowed, and identifies the client
    (``scope["state"]["who"]``).

    Parameters
    ----------
    names: host names under which it answers.
    openly: whether reading needs no sign-in.
    proxied: whether a proxy names the client's address.
    encrypted: whether browsers reach it by https.
    """

    def __init__(
        self, names: Names, password: Password, executor: Executor,
        *, openly: bool, proxied: bool, encrypted: bool, cookie: str, clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self.names, self.password, self.openly = names, password, openly
        self.sessions, self.attempts = Sessions(clock), Attempts(clock)
        self._executor, self._proxied, self._encrypted = executor, proxied, encrypted
        self.cookie = f"__Host-{cookie}" if encrypted else cookie
        self.app: ASGIApp | None = None
        self._due = DueCounts()
        """Limits how often a line is logged."""

    # -- clients ------------------------------------------------------------------------------------------------------

    def address(self, scope: Scope) -> str:
        """The client's address by which attempts are limited: of IPv6 the /64 network."""
        client = scope.get("client") or ("", 0)
        text = str(client[0])
        if self._proxied:  # the last entry is the proxy's own observation; the client may have sent the others
            text = Headers(scope=scope).get("x-forwarded-for", "").rpartition(",")[2].strip() or text
        try:
            found = ipaddress.ip_address(text.partition("%")[0])
        except ValueError:
            return text[:64]
        if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is None:
            return str(ipaddress.ip_network((found, 64), strict=False))
        return str(found)

    async def check(self, password: str, address: str) -> int:
        """Verify a password; returns its generation. Raises Refusal where it is wrong, or was tried too often."""
        wait = self.attempts.take(address)
        if wait:
            if count := self._due.add("attempts", 1):
                log.warning("page: too many attempts to sign in (%d), the last from %s", count, address)
            after = str(math.ceil(wait))
            raise Refusal(
                429, "too many attempts to sign in", fix=f"wait {after} seconds", headers={"Retry-After": after}
            )
        loop = asyncio.get_running_loop()
        generation = await loop.run_in_executor(self._executor, self.password.check, password)
        if generation is None:
            log.warning("page: a wrong password, from %s", address)
            raise Refusal(401, "the password is not right", fix="`countline web-password` makes a new one")
        self.attempts.give_back(address)
        return generation

    async def _who(self, scope: Scope, headers: Headers) -> Requester:
        scheme, _, secret = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and secret:
            if not self.sessions.knows(secret, self.password.look()):
                self.sessions.remember(secret, await self.check(secret, self.address(scope)))
            return Requester(True, bearer=True)
        token = self._token(headers)
        return self.of_token(token) if token else Requester()

    def of_token(self, token: str) -> Requester:
        """The client of a session's token."""
        session = self.sessions.find(token, self.password.look())
        return Requester() if session is None else Requester(True, token, session.csrf)

    def _token(self, headers: Headers) -> str:
        for line in headers.getlist("cookie"):
            try:
                found = SimpleCookie(line).get(self.cookie)
            except CookieError:
                continue
            if found is not None and found.value:
                return found.value[:256]
        return ""

    def may_read(self, who: Requester) -> bool:
        """Whether a client may still read; streams ask before each message."""
        return self.openly or who.bearer or (who.signed_in and self.of_token(who.token).signed_in)

    def set_cookie(self, token: str) -> str:
        """The header that gives, or takes away, a token."""
        life = "" if token else "; Max-Age=0"
        secure = "; Secure" if self._encrypted else ""
        return f"{self.cookie}={token}; Path=/; HttpOnly; SameSite=Strict{secure}{life}"

    # -- every request --------------------------------------------------------------------------------------------

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert self.app is not None
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        answered = False

        async def guarded(message: Message) -> None:
            nonlocal answered
            if message["type"] == "http.response.start":
                answered = True
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
            elif message["type"] == "websocket.accept":
                answered = True
            await send(message)

        try:
            await self._authorise(scope)
            await self.app(scope, receive, guarded)
        except Refusal as refusal:
            await _refuse(refusal, scope, receive, guarded)
        except (ClientDisconnect, WebSocketDisconnect):
            return  # the client has gone
        except Exception:
            if count := self._due.add("fault", 1):
                log.exception("unforeseen error while the page was served (%d since the last line)", count)
            if not answered:
                await _refuse(Refusal(500, "unforeseen error; see the log"), scope, receive, guarded)

    async def _authorise(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        size = sum(len(name) + len(value) for name, value in scope["headers"])
        if size + len(scope.get("raw_path") or b"") + len(scope["query_string"]) > _HEAD:
            raise Refusal(431, f"the head of the request has more than {_HEAD} bytes")
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self.names.answers(hosts[0]):
            raise Refusal(403, "this server has another name", where="Host", fix="see `web: {hosts: [...]}`")
        path, method = str(scope["path"]), str(scope.get("method", "GET"))
        origins = headers.getlist("origin")
        if any(not self.names.own(origin) for origin in origins):
            raise Refusal(403, "the request comes from a page of another server", where="Origin")
        inner = path.startswith("/api/")
        if inner and headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
            raise Refusal(403, "the request comes from a page of another server", where="Sec-Fetch-Site")
        who = await self._who(scope, headers) if inner else Requester()
        scope.setdefault("state", {})["who"] = who
        if inner and not (self.openly or who.signed_in or path in _OPEN):
            raise Refusal(401, "not signed in", fix="sign in, or send `Authorization: Bearer PASSWORD`")
        if scope["type"] == "http" and method not in _SAFE and inner and path != "/api/v1/login":
            self._authorise_change(who, headers)

    def _authorise_change(self, who: Requester, headers: Headers) -> None:
        if not who.signed_in:
            raise Refusal(401, "not signed in", fix="sign in, or send `Authorization: Bearer PASSWORD`")
        if not who.bearer and not _equal(headers.get("x-csrf-token", ""), who.csrf):
            raise Refusal(
                403, "the change was not asked for by the page", where="X-CSRF-Token", fix="load the page anew"
            )


def _equal(token: str, wanted: str) -> bool:
    import hmac

    return bool(wanted) and hmac.compare_digest(token.encode(), wanted.encode())


async def _refuse(refusal: Refusal, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await receive()
        extension: Any = scope.get("extensions", {}).get("websocket.http.response")
        if extension is None:
            await send({"type": "websocket.close", "code": 1008})
            return
        answer = refusal.answer()
        for name, value in HEADERS.items():
            answer.headers[name] = value
        await send(
            {"type": "websocket.http.response.start", "status": answer.status_code, "headers": answer.raw_headers}
        )
        await send({"type": "websocket.http.response.body", "body": answer.body})
        return
    await refusal.answer()(scope, receive, send)
