"""A run without video: numbered messages through the real outbox and sender to a real broker."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from countline.config import OutboxConfig
from countline.config.outputs import config_class
from countline.outbox import StreamStart
from countline.outputs.kafka.output import KafkaOutput, make
from countline.pipeline.delivery.delivery import Delivery
from countline.protocols import Output
from countline.types import CounterDelta, CounterKey, FrameInfo, Message, SourceInfo

SOURCE = SourceInfo("gate", live=True)
KEYS = 5
WAITING = {"allow.auto.create.topics": False}
"""For a producer that meets a broker without its topic: it waits until somebody makes it, and does not so by asking."""


def message(n: int, *, topic: str | None = None, size: int = 200, outputs: tuple[str, ...] = ()) -> Message:
    return Message(
        id=f"id-{n:06d}", value=str(n).encode().ljust(size, b"."), key=b"k%d" % (n % KEYS), topic=topic,
        time=time.time_ns(), source="gate", definition="crossings", outputs=outputs,
    )  # fmt: skip


def mixed(first: int, end: int, bad: int = 10) -> list[Message]:
    """Every tenth has no key."""
    return [replace(message(n), key=None) if n % bad == 0 else message(n) for n in range(first, end)]


def kafka(bootstrap: str, topic: str, **options: Any) -> KafkaOutput:
    values = {"name": "kafka", "bootstrap": bootstrap, "topic": topic, "linger_ms": 2, **options}
    return make(config_class("kafka").model_validate(values))  # type: ignore[arg-type]


class Feed:
    """A delivery with a frame counter; every frame has one message and one count."""

    def __init__(self, path: Path | None, *outputs: Output, **config: Any) -> None:
        self.delivery = Delivery(OutboxConfig(**config), path, outputs, live=True)
        self.delivery.start()
        self.delivery.begin(StreamStart("gate", "s", live=True))
        self.sent = 0

    def put(self, count: int, *, rate: float = 0, **fields: Any) -> None:
        """``count`` messages, ``rate`` a second (0: at once)."""
        for _ in range(count):
            info = FrameInfo(SOURCE, self.sent, 0, 0, 1, 1, stream="s")
            delta = CounterDelta(CounterKey("gate", "line", "in", "car"), 1)
            self.delivery.put(info, [message(self.sent, **fields)], [delta])
            self.sent += 1
            if rate:
                time.sleep(1 / rate)

    def until(self, true: Callable[[], object], timeout: float = 60.0) -> None:
        """Wait for something; a hang fails the test with what the delivery says of itself."""
        deadline = time.monotonic() + timeout
        while not true():
            assert time.monotonic() < deadline, self.delivery.stats()
            time.sleep(0.02)

    def delivered(self, timeout: float = 60.0) -> None:
        """Wait until nothing is pending."""
        self.until(lambda: all(not s.pending for s in self.delivery.stats().values()), timeout)

    def stop(self, timeout: float = 20.0) -> None:
        self.delivery.stop(timeout)

    def __enter__(self) -> Feed:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop(0.0)


def in_order_per_key(ids: list[str]) -> bool:
    """Whether the first appearances of each key's messages ascend."""
    for key in range(KEYS):
        own = [n for n in (int(i.removeprefix("id-")) for i in dict.fromkeys(ids)) if n % KEYS == key]
        if own != sorted(own):
            return False
    return True


def numbers(count: int) -> set[str]:
    return {f"id-{n:06d}" for n in range(count)}


class Proxy:
    """TCP on loopback between client and broker, that can swallow the broker's answers, and cut."""

    def __init__(self, target: int, port: int) -> None:
        self.target = target
        self.swallow = False
        self.swallowed = 0
        self._listener = socket.create_server(("127.0.0.1", port))
        self._pairs: list[socket.socket] = []
        self._closing = False
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                if self._closing:
                    return
                continue
            self._pairs += [client, server]
            threading.Thread(target=self._pump, args=(client, server, False), daemon=True).start()
            threading.Thread(target=self._pump, args=(server, client, True), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, answers: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if answers and self.swallow:
                    self.swallowed += len(data)
                    continue
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def cut(self) -> None:
        """Break all connections."""
        pairs, self._pairs = self._pairs, []
        for end in pairs:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def close(self) -> None:
        self._closing = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # a thread that waits in accept() would keep the port
        self._listener.close()
        self._accepting.join(10)
        self.cut()


@contextlib.contextmanager
def running(proxy: Proxy) -> Iterator[Proxy]:
    try:
        yield proxy
    finally:
        proxy.close()
