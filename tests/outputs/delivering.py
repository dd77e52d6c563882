"""What tests of outputs deliver with: entries, a small deliverer, a port that never answers."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

import pytest

from countline.protocols import Entry, Output, Receipt
from countline.types import Message
from ports import free_port

__all__ = ["BlackHole", "Deliverer", "Patience", "Received", "Server", "Turncoat", "entries", "free_port"]

WAIT = 60.0
"""Seconds for which a test pumps an output before it says that it hangs."""


@dataclass(frozen=True)
class Received:
    """One message as a consumer sees it. None: the protocol does not carry it."""

    value: bytes
    id: str | None = None
    key: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] | None = None


class Server(Protocol):
    """A real server, or the place (folder, database file) that stands for one."""

    def start(self) -> None:
        """Returns when it answers. After ``stop`` it comes back at the same address with what it had kept."""

    def stop(self) -> None:
        """Returns when the process has ended and nobody listens any more."""


def entries(count: int, first: int = 1, *, keys: int = 3, pad: int = 0) -> list[Entry]:
    """``count`` entries whose values tell their position, spread over a few keys."""
    return [
        Entry(
            n,
            Message(
                id=f"id-{n:06d}",
                value=f'{{"n":{n},"pad":"{"x" * pad}"}}'.encode(),
                key=f"key-{n % keys}".encode(),
                headers=(("kind", b"crossing"),),
                time=1_700_000_000_000_000_000 + n * 1_000_000,
                definition="crossings",
                source="entrance",
            ),
        )
        for n in range(first, first + count)
    ]


class Deliverer:
    """The smallest loop that keeps the promise of delivery: resends what has a receipt with ``retry``, in order.

    Checks on its way that every hand-over gets exactly one receipt.
    """

    def __init__(self, output: Output, todo: Sequence[Entry], batch: int = 50) -> None:
        self.output = output
        self.todo = {e.position: e for e in todo}
        self.queue = list(todo)
        self.batch = batch
        self.outstanding: set[int] = set()
        self.acknowledged: list[int] = []
        self.dead: dict[int, str] = {}
        self.retried: list[Receipt] = []
        self._rewind = False

    @property
    def done(self) -> bool:
        return len(self.acknowledged) + len(self.dead) == len(self.todo)

    def step(self, timeout: float = 0.05) -> None:
        """One send and one poll."""
        if self._rewind and not self.outstanding:
            settled = set(self.acknowledged) | set(self.dead)
            self.queue = [e for p, e in sorted(self.todo.items()) if p not in settled]
            self._rewind = False
        if self.queue and not self._rewind:
            part = self.queue[: self.batch]
            accepted = self.output.send(part)
            assert 0 <= accepted <= len(part)
            self.outstanding.update(e.position for e in part[:accepted])
            del self.queue[:accepted]
        self.take(self.output.poll(timeout))

    def take(self, receipts: Iterable[Receipt]) -> None:
        """Book receipts."""
        for receipt in receipts:
            assert receipt.position in self.outstanding, f"a receipt that nobody waits for: {receipt}"
            self.outstanding.remove(receipt.position)
            if not receipt.error:
                self.acknowledged.append(receipt.position)
            elif receipt.retry:
                self.retried.append(receipt)
                self._rewind = True
            else:
                self.dead[receipt.position] = receipt.error

    def run(self, acknowledged: int | None = None) -> Deliverer:
        """Pump until all is settled, or until so many are acknowledged."""
        pumped = Patience(self.output)
        while not self.done and (acknowledged is None or len(self.acknowledged) < acknowledged):
            pumped.tick(self)
            self.step()
        return self


class Patience:
    """Ends a test that would pump for ever, with what the output says of itself."""

    def __init__(self, output: Output) -> None:
        self.output = output
        self.expired = threading.Event()
        self.timer = threading.Timer(WAIT, self.expired.set)
        self.timer.daemon = True
        self.timer.start()

    def tick(self, who: Any = None) -> None:
        if self.expired.is_set():
            pytest.fail(f"nothing more happens: {self.output.status} {getattr(who, 'acknowledged', [])[-3:]}")

    def __del__(self) -> None:
        self.timer.cancel()


class Turncoat:
    """Somebody in between: carries connections to a port of this machine until ``turn``. From then on it breaks them all, speaks
    in clear itself, and writes down what it hears from each that connects."""

    def __init__(self, port: int, greeting: bytes) -> None:
        self.heard: list[bytes] = []
        self._to, self._greeting = port, greeting
        self._turned = threading.Event()
        self._pairs: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])

    def __enter__(self) -> Turncoat:
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


class BlackHole:
    """A port that takes connections and never says a word."""

    def __enter__(self) -> int:
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self._socket.listen(64)
        return int(self._socket.getsockname()[1])

    def __exit__(self, *_: object) -> None:
        self._socket.close()
