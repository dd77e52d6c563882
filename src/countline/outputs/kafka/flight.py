"""What a producer has in hand."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

__all__ = ["Flight", "size_of"]


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
