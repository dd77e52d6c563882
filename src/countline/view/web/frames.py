"""Pictures over a WebSocket: of the sources that a client asks for, at most one of each in flight, always the newest."""

from __future__ import annotations

import asyncio
import struct
import time
from contextlib import suppress
from typing import Any

import orjson
from starlette.websockets import WebSocket, WebSocketDisconnect

from countline.view.web.gate import Gate
from countline.view.web.hub import Hub, encode
from countline.view.web.pictures import Pictures, Shot

__all__ = ["Frames"]

MOST = 32
"""Sockets at a time."""
SOURCES = 64
"""Sources that one of them may watch."""
LOOK = 0.02
"""Seconds between two looks for new frames, at least."""
IDLE = 0.5
"""Seconds between two looks where nothing is due."""
LOST = 30.0
"""Seconds after which a picture that was not acknowledged no longer holds up the next: it is taken as lost."""
WIDTHS = (160, 320, 480, 640, 960, 1280, 1920)
"""Widths that are encoded: few, so that one picture serves many clients."""


class _Wish:
    """One source that a client watches."""

    def __init__(self, width: int, pause: float) -> None:
        self.width, self.pause = width, pause
        self.sent_at = 0.0
        self.acknowledged = True
        self.last: tuple[str, int] | None = None

    def due_in(self) -> float:
        """Seconds until the next picture may go."""
        return self.sent_at + (self.pause if self.acknowledged else LOST) - time.monotonic()


class Frames:
    """The endpoint.

    Parameters
    ----------
    fps, width: most of what a client may ask for.
    """

    def __init__(self, hub: Hub, gate: Gate, pictures: Pictures, *, fps: float, width: int) -> None:
        self._hub, self._gate, self._pictures = hub, gate, pictures
        self._pause, self._width = 1 / fps, width
        self.open = 0
        self.sent = 0
        """Pictures."""
        self.skipped = 0
        """Frames that came while a picture was in flight, and were never sent."""

    async def serve(self, socket: WebSocket) -> None:
        """One client, until it or the server goes."""
        if self.open >= MOST:
            await socket.close(1013, f"{MOST} sockets are open already")
            return
        self.open += 1
        await socket.accept()
        wishes: dict[str, _Wish] = {}
        received = asyncio.Event()
        tasks = [
            asyncio.ensure_future(self._listen(socket, wishes, received)),
            asyncio.ensure_future(self._show(socket, wishes, received)),
            asyncio.ensure_future(self._hub.closing.wait()),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._pictures.watch(socket, frozenset())
            try:
                with suppress(WebSocketDisconnect, RuntimeError, OSError, asyncio.TimeoutError, TimeoutError):
                    code = 1001 if self._hub.closing.is_set() else 1008
                    await asyncio.wait_for(socket.close(code), 1.0)
            finally:
                self.open -= 1

    # -- messages of the client -------------------------------------------------------------------------------------

    async def _listen(self, socket: WebSocket, wishes: dict[str, _Wish], received: asyncio.Event) -> None:
        while True:
            message = await socket.receive()
            if message["type"] != "websocket.receive":
                return
            try:
                text = message.get("text")
                if text is None:
                    raise ValueError("a text message is wanted")
                self._take(orjson.loads(text), wishes)
            except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
                what = f"there is no source {error}" if isinstance(error, KeyError) else f"not understood: {error}"
                fix = 'send {"watch": [{"source": "NAME", "width": 640, "fps": 5}]} or {"ack": "NAME"}'
                await socket.send_text(encode({"error": {"what": what, "where": "", "fix": fix}}).decode())
            self._pictures.watch(socket, frozenset((name, wish.width) for name, wish in wishes.items()))
            received.set()

    def _take(self, received: Any, wishes: dict[str, _Wish]) -> None:
        """Raises KeyError for a source that is not there, TypeError and ValueError for what is not understood."""
        if not isinstance(received, dict):
            raise ValueError("a JSON object is wanted")
        if "ack" in received:
            wish = wishes.get(received["ack"]) if isinstance(received["ack"], str) else None
            if wish is not None:
                wish.acknowledged = True
            return
        watch = received.get("watch")
        if not isinstance(watch, list) or len(watch) > SOURCES:
            raise ValueError(f"`watch` is a list of at most {SOURCES} sources")
        names = set(self._hub.site.names())
        made: dict[str, _Wish] = {}
        for item in watch:
            name = item["source"] if isinstance(item, dict) and "source" in item else None
            if not isinstance(name, str):
                raise ValueError("each item of `watch` names a `source`")
            if name not in names:
                raise KeyError(name)
            made[name] = self._wish(item, wishes.get(name))
        wishes.clear()
        wishes.update(made)

    def _wish(self, item: dict[str, Any], before: _Wish | None) -> _Wish:
        width, fps = item.get("width", 640), item.get("fps", 5)
        if isinstance(width, bool) or not isinstance(width, (int, float)) or not 1 <= width <= 10_000:
            raise ValueError("`width` is a number of pixels")
        if isinstance(fps, bool) or not isinstance(fps, (int, float)) or not 0 < fps <= 1000:
            raise ValueError("`fps` is a number of pictures a second")
        known = [w for w in WIDTHS if w <= self._width] or [self._width]
        made = _Wish(next((w for w in known if w >= width), known[-1]), max(1 / fps, self._pause))
        if before is not None:
            made.acknowledged, made.sent_at = before.acknowledged, before.sent_at
            made.last = before.last if before.width == made.width else None
        return made

    # -- what it gets ---------------------------------------------------------------------------------------------

    async def _show(self, socket: WebSocket, wishes: dict[str, _Wish], received: asyncio.Event) -> None:
        who = socket.state.who
        while self._gate.may_read(who):
            received.clear()
            for name, wish in list(wishes.items()):
                if wish.due_in() > 0:
                    continue
                shot = await self._pictures.newest(name, wish.width, wish.last)
                if shot is not None and wishes.get(name) is wish:
                    self._note(wish, shot)
                    await socket.send_bytes(_packed(shot))
            pause = min([IDLE, *(wish.due_in() for wish in wishes.values())])
            with suppress(asyncio.TimeoutError, TimeoutError):
                await asyncio.wait_for(received.wait(), max(LOOK, pause))

    def _note(self, wish: _Wish, shot: Shot) -> None:
        if wish.last is not None and wish.last[0] == shot.key[0]:
            self.skipped += max(0, shot.key[1] - wish.last[1] - 1)
        wish.last, wish.sent_at, wish.acknowledged = shot.key, time.monotonic(), False
        self.sent += 1


def _packed(shot: Shot) -> bytes:
    facts = encode(shot.facts)
    return struct.pack(">I", len(facts)) + facts + shot.jpeg
