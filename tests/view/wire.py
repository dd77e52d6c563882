"""A connection in between that can be cut."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from types import TracebackType


class Wire:
    """A port of loopback that leads to another one, until it is cut."""

    def __init__(self, port: int, to: int) -> None:
        self._to = to
        self._listener = socket.create_server(("127.0.0.1", port))
        self._open: set[socket.socket] = set()
        self._whole = True

    def __enter__(self) -> Wire:
        threading.Thread(target=self._work, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.close()
        self.cut()

    def cut(self) -> None:
        """End all connections, and take no more."""
        self._whole = False
        for end in list(self._open):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        """Carry again."""
        self._whole = True

    def _work(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if not self._whole:
                    client.close()
                    continue
                server = socket.create_connection(("127.0.0.1", self._to))
                self._open |= {client, server}
                for a, b in ((client, server), (server, client)):
                    threading.Thread(target=self._carry, args=(a, b), daemon=True).start()

    def _carry(self, a: socket.socket, b: socket.socket) -> None:
        with suppress(OSError):
            while data := a.recv(65536):
                b.sendall(data)
        for end in (a, b):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            self._open.discard(end)
