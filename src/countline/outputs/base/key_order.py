"""One message of each key at a time, for servers that may refuse one message and take the next. Pure."""

from __future__ import annotations

from collections import deque

from countline.protocols import Entry

__all__ = ["KeyOrder"]


class KeyOrder:
    """Which entries may be published, and which wait for an earlier one of their topic and key.

    A message without a key has no order to keep and never waits. Not thread-safe.
    """

    def __init__(self) -> None:
        self._waiting: dict[tuple[str | None, bytes], deque[Entry]] = {}
        """By topic and key, for each that has one on its way: those behind it."""
        self._published: dict[int, tuple[str | None, bytes]] = {}

    def enter(self, entry: Entry) -> bool:
        """Whether it may be published now. If not, :meth:`leave` or :meth:`stop` of an earlier one gives it back."""
        key = entry.message.key
        if key is None:
            return True
        name = (entry.message.topic, key)
        waiting = self._waiting.get(name)
        if waiting is not None:
            waiting.append(entry)
            return False
        self._waiting[name] = deque()
        self._published[entry.position] = name
        return True

    def leave(self, position: int) -> Entry | None:
        """One is settled for good, by an acknowledgement or as a dead letter. Returns the next of its key: publish it."""
        name = self._published.pop(position, None)
        if name is None:
            return None
        waiting = self._waiting[name]
        if not waiting:
            del self._waiting[name]
            return None
        entry = waiting.popleft()
        self._published[entry.position] = name
        return entry

    def stop(self, position: int) -> list[Entry]:
        """One has to be sent again. Returns all that waited for it: they must be sent again behind it."""
        name = self._published.pop(position, None)
        return [] if name is None else list(self._waiting.pop(name))

    def clear(self) -> None:
        """Nothing is on its way any more."""
        self._waiting.clear()
        self._published.clear()
