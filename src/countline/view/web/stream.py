"""Server-sent events: the state once a second, counts as they change, events and changes of the configuration as they happen."""

from __future__ import annotations

import asyncio
import time

from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from countline.view.web.answers import Refusal
from countline.view.web.gate import Gate, Requester
from countline.view.web.hub import Hub, encode
from countline.view.web.ring import Item

__all__ = ["Streams"]

MOST = 32
"""Streams at a time."""
STATE_EVERY = 1.0


class Streams:
    """The endpoint. A client that reads slowly misses states and counts, of which only the newest matters; events are kept for it in
    the ring; the number of those that the ring has dropped is sent as ``missed``."""

    def __init__(self, hub: Hub, gate: Gate) -> None:
        self._hub, self._gate = hub, gate
        self.open = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        if self.open >= MOST:
            raise Refusal(
                503, f"{MOST} streams are open already", fix="close other pages", headers={"Retry-After": "10"}
            )
        after = request.headers.get("last-event-id") or request.query_params.get("after", "")
        self.open += 1
        gone = asyncio.ensure_future(_gone(receive))
        try:
            await send({"type": "http.response.start", "status": 200, "headers": _HEAD})
            if request.method == "HEAD":
                await send({"type": "http.response.body", "body": b""})
                return
            client = _Client(self._hub, self._gate, request.state.who, send, after[:64])
            await client.serve(gone)
            await send({"type": "http.response.body", "body": b""})
        finally:
            gone.cancel()
            self.open -= 1


_HEAD = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # or nginx collects them
]


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class _Client:
    def __init__(self, hub: Hub, gate: Gate, who: Requester, send: Send, after: str) -> None:
        self._hub, self._gate, self._who, self._send = hub, gate, who, send
        self._new_items = asyncio.Event()
        self._number = hub.ring.number(after)
        self._anew = bool(after) and self._number is None
        if (
            self._number is None
        ):  # a new client asks for the past itself; one that followed another run gets all of this one
            self._number = 0 if after else hub.ring.last
        self._counts = b""
        self._rules = -1
        self._state_at = 0.0

    async def serve(self, gone: asyncio.Future[None]) -> None:
        """Until the client or the server goes."""
        hub = self._hub
        hub.listeners.add(self._new_items)
        try:
            if self._anew:
                await self._put("missed", b'{"missed":null}')
            while not gone.done() and not hub.closing.is_set() and self._gate.may_read(self._who):
                self._new_items.clear()
                await self._items()
                await self._newest()
                waiting = asyncio.ensure_future(self._new_items.wait())
                left = max(0.05, self._state_at + STATE_EVERY - time.monotonic())
                try:
                    await asyncio.wait((waiting, gone), timeout=left, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    waiting.cancel()
        finally:
            hub.listeners.discard(self._new_items)

    async def _items(self) -> None:
        assert self._number is not None
        items, missed = self._hub.ring.after(self._number)
        self._number = self._hub.ring.last
        if missed:
            await self._put("missed", encode({"missed": missed}))
        if items:
            await self._put_all(items)

    async def _put_all(self, items: list[Item]) -> None:
        ring = self._hub.ring
        text = b"".join(_event(item.kind, encode(item.data), ring.ident(item.number)) for item in items)
        await self._write(text)

    async def _newest(self) -> None:
        now = time.monotonic()
        if self._rules != self._hub.rules_changed:
            first, self._rules = self._rules < 0, self._hub.rules_changed
            if not first:
                await self._put("rules", await self._hub.rules())
        if now - self._state_at >= STATE_EVERY:
            self._state_at = now
            await self._put("state", await self._hub.state())
        counts = self._hub.counts()
        if counts != self._counts:
            self._counts = counts
            await self._put("counts", counts)

    async def _put(self, kind: str, data: bytes) -> None:
        await self._write(_event(kind, data))

    async def _write(self, text: bytes) -> None:
        """Waits for a client that is slow; one that does not read at all is cut off (:mod:`.connections`), and comes again."""
        await self._send({"type": "http.response.body", "body": text, "more_body": True})


def _event(kind: str, data: bytes, ident: str = "") -> bytes:
    head = f"id: {ident}\n" if ident else ""
    return head.encode() + b"event: " + kind.encode() + b"\ndata: " + data + b"\n\n"
