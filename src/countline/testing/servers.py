"""Unkind servers, for tests of what an output does then."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress

__all__ = ["ClearTextProxy", "SilentServer"]


class ClearTextProxy:
    """Somebody in between: carries connections to a port of this machine until ``turn``. From then on it breaks them all, speaks
    in clear itself, and writes down what it hears from each that connects."""

    def __init__(self, port: int, greeting: bytes) -> None:
        self.heard: list[bytes] = []
        self._to, self._greeting = port, greeting
        self._turned = threading.Event()
        self._pairs: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])

    def __enter__(self) -> ClearTextProxy:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.turn()
        self._listener.close()

    def turn(self) -> None:
        self._turned.set()
        for one in self._pairs:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if self._turned.is_set():
                    threading.Thread(target=self._listen, args=(client,), daemon=True).start()
                    continue
                server = socket.create_connection(("127.0.0.1", self._to))
                self._pairs += [client, server]
                for one, other in ((client, server), (server, client)):
                    threading.Thread(target=self._carry, args=(one, other), daemon=True).start()

    @staticmethod
    def _carry(one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while data := one.recv(65536):
                other.sendall(data)
        with suppress(OSError):
            other.shutdown(socket.SHUT_RDWR)

    def _listen(self, client: socket.socket) -> None:
        heard = b""
        with suppress(OSError), client:
            client.settimeout(1.0)
            client.sendall(self._greeting)
            while data := client.recv(65536):
                heard += data
        self.heard.append(heard)


class SilentServer:
    """A port that takes connections and never says a word."""

    def __enter__(self) -> int:
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self._socket.listen(64)
        return int(self._socket.getsockname()[1])

    def __exit__(self, *_: object) -> None:
        self._socket.close()
