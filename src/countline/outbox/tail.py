"""The newest entries, kept in memory so that an output that keeps up never reads the disk."""

from __future__ import annotations

from collections import deque

from countline.protocols import Entry

__all__ = ["Tail"]


class Tail:
    """The last groups of entries, contiguous, bounded by bytes. Not thread-safe by itself."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._bytes = 0
        self._groups: deque[tuple[int, list[Entry], int]] = deque()

    def append(self, entries: list[Entry], size: int) -> None:
        """Add a group; the oldest ones make room."""
        self._groups.append((entries[-1].position, entries, size))
        self._bytes += size
        while self._bytes > self._most and self._groups:
            self._bytes -= self._groups.popleft()[2]

    def after(self, position: int, limit: int, most: int) -> list[list[Entry]] | None:
        """Groups that begin right after ``position``, up to about ``limit`` entries and ``most`` bytes; None where that
        place is no longer (or not yet) here."""
        if not self._groups or position + 1 < self._groups[0][1][0].position:
            return None
        found: list[list[Entry]] = []
        # From the newest backward: an output that keeps up reads the end.
        start = len(self._groups)
        while start and self._groups[start - 1][0] > position:
            start -= 1
        for i in range(start, len(self._groups)):
            _, entries, size = self._groups[i]
            if entries[0].position <= position:
                entries = entries[position + 1 - entries[0].position :]
            found.append(entries)
            limit -= len(entries)
            most -= size
            if limit <= 0 or most <= 0:
                break
        return found

    def groups(self) -> list[list[Entry]]:
        """All that is kept, oldest first."""
        return [entries for _, entries, _ in self._groups]
