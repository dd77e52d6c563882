"""What a producer has in hand."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from confluent_kafka import KafkaError

__all__ = ["EPOCHS", "Flight", "Progress", "Report", "size_of"]

EPOCHS = 5
"""A broker that has forgotten our producer id makes librdkafka try one epoch after the other, for ever, and say nothing:
after so many without an acknowledgement the producer is renewed."""


def size_of(headers: Iterable[tuple[str, bytes]]) -> int:
    """Bytes that headers take of a record."""
    return sum(len(name) + len(content) + 4 for name, content in headers)


class Report(int):
    """The position of a record, which librdkafka calls when it knows what became of that record.

    It only notes it. Whoever has called ``poll`` looks at many together: librdkafka's client takes Python's lock anew for each call,
    and what is done in it is done while other threads wait in line. And a number is nothing that the garbage collector has to
    follow, of which there are as many as records in flight. :class:`Flight` makes a class of its own of it.
    """

    __slots__ = ()


def _report(noted: list[int], failed: dict[int, KafkaError]) -> type[Report]:
    note = noted.append

    class Noting(Report):
        __slots__ = ()

        def __call__(self, error: KafkaError | None, _: Any) -> None:
            position = self.real  # a plain number again
            if error is not None:
                failed[position] = error
            note(position)

    return Noting


class Flight:
    """What one producer has in hand. A producer that died leaves its late reports here, where nobody looks."""

    __slots__ = ("_failed", "_noted", "alive", "bytes", "elsewhere", "report", "sizes", "topics")

    def __init__(self) -> None:
        self.alive = True
        self.bytes = 0
        self.sizes: dict[int, int] = {}
        """Position -> memory."""
        self.topics: defaultdict[str, int] = defaultdict(int)
        self.elsewhere: dict[int, str] = {}
        """Position -> topic, of those whose topic is not the output's."""
        self._noted: list[int] = []
        self._failed: dict[int, KafkaError] = {}
        self.report = _report(self._noted, self._failed)
        """Makes of a position what takes the report of its record."""

    def reported(self) -> tuple[list[int], dict[int, KafkaError]]:
        """Positions of what was reported since the last time, in order; and the errors of those that failed."""
        noted, failed = self._noted.copy(), self._failed.copy()
        self._noted.clear()
        self._failed.clear()
        return noted, failed

    def landed(self, positions: list[int], topic: str) -> list[int]:
        """These were acknowledged; returns those that were in hand. ``topic``: the output's own."""
        sizes = [self.sizes.pop(position, 0) for position in positions]
        if 0 in sizes:
            positions = [position for position, size in zip(positions, sizes) if size]
        self.bytes -= sum(sizes)
        if self.elsewhere:
            for position in positions:
                self.topics[self.elsewhere.pop(position, topic)] -= 1
        else:
            self.topics[topic] -= len(positions)
        return positions


class Progress:
    """Whether a producer that takes one epoch after the other gets anywhere with it."""

    def __init__(self, acknowledged: int = 0) -> None:
        self._acknowledged, self._epoch = acknowledged, -1
        """As they were when there was progress last."""

    def vain(self, acknowledged: int, epoch: int, *, waiting: bool) -> int:
        """New epochs since something was acknowledged (of ``acknowledged`` in all) or nothing was ``waiting`` for that."""
        if acknowledged != self._acknowledged or not waiting:
            self._acknowledged, self._epoch = acknowledged, epoch
            return 0
        return epoch - self._epoch
