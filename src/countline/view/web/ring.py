"""The newest events and configuration changes, for clients that reconnect."""

from __future__ import annotations

import secrets
from collections import deque
from typing import Any, NamedTuple

__all__ = ["Item", "Ring"]

MOST = 2000
"""Items that are kept."""


class Item(NamedTuple):
    """An event, or a change of the configuration."""

    number: int
    kind: str
    """'event' or 'config'."""
    data: dict[str, Any]


class Ring:
    """The newest items, by growing numbers. Ids contain a random name of the ring, so that those of another run are recognised."""

    def __init__(self, most: int = MOST) -> None:
        self._name = secrets.token_hex(4)
        self._items: deque[Item] = deque(maxlen=most)
        self.last = 0
        """Number of the newest item; 0: there was none."""

    def ident(self, number: int) -> str:
        """The id of an item.

        >>> ring = Ring()
        >>> ring.number(ring.ident(7)), ring.number("another-7"), ring.number("")
        (7, None, None)
        """
        return f"{self._name}-{number}"

    def number(self, ident: str) -> int | None:
        """The number behind an id; None for one that is not of this ring."""
        name, _, number = ident.rpartition("-")
        if name != self._name or not (number.isascii() and number.isdigit()) or len(number) > 15:
            return None
        return int(number)

    def add(self, kind: str, data: dict[str, Any]) -> None:
        """The next item."""
        self.last += 1
        self._items.append(Item(self.last, kind, data))

    def skip(self, count: int) -> None:
        """Skip as many numbers: items that were dropped earlier; :meth:`after` counts them as missed."""
        self.last += count

    def after(self, number: int) -> tuple[list[Item], int]:
        """Items after a number, in order; and how many after it were dropped."""
        found = [item for item in self._items if item.number > number]
        return found, max(0, self.last - number) - len(found)

    def newest(self, kind: str, limit: int) -> list[dict[str, Any]]:
        """The newest of a kind, newest first."""
        found: list[dict[str, Any]] = []
        for item in reversed(self._items):
            if len(found) >= limit:
                break
            if item.kind == kind:
                found.append(item.data)
        return found
