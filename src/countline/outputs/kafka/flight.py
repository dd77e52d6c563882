"""What a producer has in hand."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

__all__ = ["EPOCHS", "Flight", "Progress", "size_of"]

EPOCHS = 5
"""A broker that has forgotten our producer id makes librdkafka try one epoch after the other, for ever, and say nothing:
after so many without an acknowledgement the producer is renewed."""


def size_of(headers: Iterable[tuple[str, bytes]]) -> int:
    """Bytes that headers take of a record."""
    return sum(len(name) + len(content) + 4 for name, content in headers)


class Flight:
    """What one producer has in hand. A producer that died leaves its late callbacks here, where nobody looks."""

    __slots__ = ("alive", "bytes", "sizes", "topics")

    def __init__(self) -> None:
        self.alive = True
        self.bytes = 0
        self.sizes: dict[int, int] = {}
        """Position -> memory."""
        self.topics: defaultdict[str, int] = defaultdict(int)


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
