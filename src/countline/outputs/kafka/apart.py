"""Records that go one by one, to find the one that its topic refuses."""

from __future__ import annotations

from collections.abc import Callable

from confluent_kafka import Producer

from countline.outputs.kafka.record import Suspects
from countline.types import Message

__all__ = ["Apart"]


class Apart:
    """Which records go apart: with nothing else of their topic on its way, through a producer that survives a refusal.

    That the ordinary producer stops at a refusal keeps the order; here there is no order to lose.
    """

    def __init__(self, make: Callable[[], Producer]) -> None:
        self.positions: set[int] = set()
        """Those that came back with their batch, which was too large or invalid for one of them."""
        self.topics: set[str] = set()
        """Topics that take nothing for now: what is sent there is a probe."""
        self._suspects = Suspects()
        self._make = make
        self._producer: Producer | None = None
        self._flying: dict[int, tuple[str, bool, int]] = {}
        """Position -> topic, without a key, bytes of key and value."""

    def __bool__(self) -> bool:
        return bool(self.positions or self.topics or self._flying or self._suspects)

    @property
    def in_flight(self) -> bool:
        """Whether any is on its way."""
        return bool(self._flying)

    def wants(self, position: int, topic: str, message: Message) -> bool:
        """Whether this record should go apart."""
        size = len(message.value) + len(message.key or b"")
        return position in self.positions or topic in self.topics or self._suspects.suspect(topic, message.key, size)

    def blocks(self, topic: str) -> bool:
        """Whether a record of this topic is on its way here, which nothing may overtake."""
        return any(flown[0] == topic for flown in self._flying.values())

    def producer(self) -> Producer:
        """That of what goes apart."""
        if self._producer is None:
            self._producer = self._make()
        return self._producer

    def went(self, position: int, topic: str, message: Message) -> None:
        """A record was given to :meth:`producer`."""
        self._flying[position] = (topic, not message.key, len(message.value) + len(message.key or b""))

    def taken(self, position: int, topic: str) -> None:
        """A record was acknowledged, apart or not."""
        self.positions.discard(position)
        self.topics.discard(topic)
        flown = self._flying.pop(position, None)
        if flown is not None:
            self._suspects.taken(topic, keyless=flown[1], size=flown[2])

    def back(self, position: int) -> tuple[bool, int] | None:
        """A record was not acknowledged. If it went apart: whether it had no key, and the bytes of its key and value."""
        flown = self._flying.pop(position, None)
        return None if flown is None else (flown[1], flown[2])

    def refused(self, position: int, topic: str, flown: tuple[bool, int], *, too_large: bool) -> None:
        """A record that went apart (``flown`` as :meth:`back` gave it) was refused for good."""
        self.positions.discard(position)
        self._suspects.refused(topic, keyless=flown[0], size=flown[1], too_large=too_large)

    def poll(self, timeout: float) -> None:
        """Reports, waiting for at most ``timeout`` s. What goes apart has no company to linger for. Raises KafkaException."""
        if self._producer is None:
            return
        if self._flying:
            self._producer.flush(timeout)
        elif not self:
            self._producer = None

    def abandon(self) -> Producer | None:
        """Nothing is on its way any more; the producer that had it."""
        producer, self._producer = self._producer, None
        self._flying.clear()
        return producer
