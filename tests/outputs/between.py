"""Small servers in between: they carry what passes to a real server, and refuse some of it themselves."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

__all__ = ["busy_store", "mqtt_quota", "toggled"]


@contextmanager
def mqtt_quota(port: int) -> Iterator[int]:
    """A port that leads to the MQTT 5 broker at ``port``, where every third message is refused: 'quota exceeded'. Gives the port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def work() -> None:
            with suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    server = socket.create_connection(("127.0.0.1", port))
                    door = threading.Lock()
                    threading.Thread(target=_answers, args=(server, client, door), daemon=True).start()
                    threading.Thread(target=_messages, args=(client, server, door), daemon=True).start()

        threading.Thread(target=work, daemon=True).start()
        yield int(listener.getsockname()[1])


def _packet(stream: Any) -> bytes:
    """The next MQTT packet, whole (MQTT 5, section 2.1). Raises EOFError at the end."""
    head = stream.read(1)
    size = shift = 0
    while head:
        head += stream.read(1)
        size |= (head[-1] & 127) << shift
        shift += 7
        if head[-1] < 128:
            return bytes(head + stream.read(size))
    raise EOFError


def _answers(server: socket.socket, client: socket.socket, door: threading.Lock) -> None:
    with suppress(OSError, EOFError, IndexError), client, server.makefile("rb") as stream:
        while True:
            packet = _packet(stream)
            with door:
                client.sendall(packet)


def _messages(client: socket.socket, server: socket.socket, door: threading.Lock) -> None:
    count = 0
    with suppress(OSError, EOFError, IndexError), server, client.makefile("rb") as stream:
        while True:
            packet = _packet(stream)
            kind, qos = packet[0] >> 4, packet[0] >> 1 & 3
            count += kind == 3
            if kind != 3 or count % 3:
                server.sendall(packet)
                continue
            body = packet[2:] if packet[1] < 128 else packet[3:]
            topic = int.from_bytes(body[:2], "big")
            number = body[2 + topic : 4 + topic]
            with door:
                client.sendall(bytes([0x40 if qos == 1 else 0x50, 3]) + number + b"\x97")


class _Busy(ThreadingHTTPServer):
    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", 0), _Carrier)
        self.to = port
        self.count = 0
        self.stored: list[tuple[str, bytes]] = []
        self.lock = threading.Lock()


class _Carrier(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Busy

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        with self.server.lock:
            self.server.count += 1
            busy = self.server.count % 3 == 0
        if busy:
            self._answer(503, b"<Error><Code>SlowDown</Code></Error>")
            return
        link = http.client.HTTPConnection("127.0.0.1", self.server.to, timeout=20)
        link.request("PUT", self.path, body, dict(self.headers))
        answer = link.getresponse()
        said = answer.read()
        link.close()
        if answer.status == 200:
            with self.server.lock:
                self.server.stored.append((self.path, body))
        self._answer(answer.status, said)

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("ETag", '"x"')
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


@contextmanager
def busy_store(port: int) -> Iterator[_Busy]:
    """In front of the S3 server at ``port``: answers 503 to every third object, and notes in ``stored`` in which order the server
    has taken the others."""
    with _Busy(port) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def toggled(*turns: Callable[[], None]) -> Iterator[None]:
    """Runs the turns in a thread of its own, one after another, for as long as the test goes on."""
    over = threading.Event()

    def work() -> None:
        while not over.is_set():
            for turn in turns:
                turn()
                time.sleep(0.002)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(20)
