"""Limits on the connections of a page's server: their number, and timeouts."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

__all__ = ["Bounds", "bounded"]

MOST = 160
"""Connections at a time."""
OF_ONE = 80
"""Of one address; behind a proxy all are of one."""
PATIENCE = 10.0
"""Seconds for which a request, or the greeting of TLS, may take until all of its head is there."""


KEPT = 30.0
"""Seconds for which a connection may wait for its next request."""
SLOW = 20.0
"""Seconds after which a client that does not read is disconnected."""


class Bounds:
    """The limits of one server, and its open connections. On the loop's thread."""

    def __init__(self, most: int = MOST, of_one: int = OF_ONE) -> None:
        self.most, self.of_one = most, of_one
        self.open: dict[_Connection, str] = {}
        """Connections, and the addresses of the other side; sockets that became WebSockets are bounded elsewhere."""
        self.refused = 0
        """Connections refused because the limit was reached."""
        self.slow = 0
        """Connections closed because the client did not read."""

    def register(self, connection: _Connection, address: str) -> bool:
        """Add a connection; False where the limit is reached and no idle connection can be closed for it."""
        full = len(self.open) >= self.most
        of_one = [known for known, other in self.open.items() if other == address]
        if full or len(of_one) >= self.of_one:
            idle = next((known for known in (self.open if full else of_one) if known.idle), None)
            if idle is None:
                self.refused += 1
                return False
            idle.let_go()
        self.open[connection] = address
        return True


class _Connection(H11Protocol):
    """Uvicorn's protocol, with bounds."""

    bounds: Bounds

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._waiting: asyncio.TimerHandle | None = None
        self._paused: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        peer = transport.get_extra_info("peername")
        if self.bounds.register(self, str(peer[0]) if peer else ""):
            self._expect(PATIENCE)
        else:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()
        self.resume_writing()
        self.bounds.open.pop(self, None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._forget()

    def handle_websocket_upgrade(self, event: Any) -> None:
        self._forget()
        self.bounds.open.pop(self, None)
        super().handle_websocket_upgrade(event)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self.transport.is_closing() and (self.cycle is None or self.cycle.response_complete):
            self._expect(KEPT)

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._paused is None:
            self._paused = self.loop.call_later(SLOW, self._too_slow)

    def resume_writing(self) -> None:
        if self._paused is not None:
            self._paused.cancel()
            self._paused = None
        super().resume_writing()

    def _too_slow(self) -> None:
        self.bounds.slow += 1
        self.transport.abort()

    def _expect(self, patience: float) -> None:
        self._forget()
        self._waiting = self.loop.call_later(patience, self.let_go)

    def _forget(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    @property
    def idle(self) -> bool:
        """Whether it waits for a request."""
        return self._waiting is not None

    def let_go(self) -> None:
        """Close the connection."""
        self._forget()
        self.bounds.open.pop(self, None)
        self.transport.abort()


def bounded(bounds: Bounds) -> type[H11Protocol]:
    """The protocol class whose connections these limits apply to."""
    return type("Bounded", (_Connection,), {"bounds": bounds})
