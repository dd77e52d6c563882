"""What tests of outputs deliver with: entries, and the smallest loop that keeps the promise of delivery."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from countline.protocols import Entry, Output, Receipt
from countline.types import Message

__all__ = ["Deadline", "Received", "Sender", "Server", "entries", "from_envelope"]

WAIT = 60.0
"""Seconds for which a test pumps an output before it says that it hangs."""


@dataclass(frozen=True)
class Received:
    """One message as a consumer sees it. None: the protocol does not carry it."""

    value: bytes
    id: str | None = None
    key: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] | None = None


def from_envelope(line: bytes) -> Received:
    """What stands in a line that ``countline.outputs.base.envelope`` has made; the value byte for byte."""
    data = json.loads(line)
    headers = tuple((name, value.encode()) for name, value in data.get("headers", {}).items())
    if "value" in data:
        value = line[line.index(b'"value":') + 8 : -1]
    else:
        value = base64.b64decode(data["value_base64"]) if "value_base64" in data else data["value_text"].encode()
    key = data.get("key")
    return Received(value, data["id"], key.encode() if key is not None else None, headers)


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


class Sender:
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

    def run(self, acknowledged: int | None = None) -> Sender:
        """Pump until all is settled, or until so many are acknowledged."""
        pumped = Deadline(self.output)
        while not self.done and (acknowledged is None or len(self.acknowledged) < acknowledged):
            pumped.tick(self)
            self.step()
        return self


class Deadline:
    """Ends a test that would pump for ever, with what the output says of itself."""

    def __init__(self, output: Output) -> None:
        self.output = output
        self.expired = threading.Event()
        self.timer = threading.Timer(WAIT, self.expired.set)
        self.timer.daemon = True
        self.timer.start()

    def tick(self, who: Any = None) -> None:
        if self.expired.is_set():
            raise AssertionError(f"nothing more happens: {self.output.status} {getattr(who, 'acknowledged', [])[-3:]}")

    def __del__(self) -> None:
        self.timer.cancel()
