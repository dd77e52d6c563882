"""Book-keeping of an output: every accepted entry gets exactly one receipt."""

from __future__ import annotations

from collections.abc import Iterable

from countline.protocols import Entry, OutputStatus, Receipt

__all__ = ["InFlight"]


class InFlight:
    """Which entries are in flight, and the receipts that nobody has taken yet. Not thread-safe."""

    def __init__(self, status: OutputStatus) -> None:
        self.status = status
        self.bytes = 0
        """Size of all values in flight."""
        self._in_flight: dict[int, int] = {}
        self._published: dict[int, int] = {}
        """Tick at which each was published, oldest first."""
        self._receipts: list[Receipt] = []
        self.retry_pending = False
        """A receipt with ``retry`` has not been taken: what comes now would overtake it."""

    def __len__(self) -> int:
        return len(self._in_flight)

    def __contains__(self, position: int) -> bool:
        return position in self._in_flight

    @property
    def has_receipts(self) -> bool:
        """There are receipts to take."""
        return bool(self._receipts)

    def has_room(self, entry: Entry, most: int, most_bytes: int) -> bool:
        """Whether the entry may be in flight, too, within these bounds. One that is larger than all bytes goes alone."""
        if not self._in_flight:
            return True
        return len(self._in_flight) < most and self.bytes + len(entry.message.value) <= most_bytes

    def accept(self, entry: Entry) -> None:
        """An entry is in flight from now on."""
        size = len(entry.message.value)
        self._in_flight[entry.position] = size
        self.bytes += size
        self.status.sent += 1
        self.status.in_flight = len(self._in_flight)

    def acknowledge(self, positions: Iterable[int]) -> None:
        """The server has them. Positions that are not in flight are left out."""
        for position in positions:
            if self._remove(position):
                self.status.acknowledged += 1
                self._receipts.append(Receipt(position))

    def fail(self, position: int, error: str, *, retry: bool) -> None:
        """The server does not have it; ignored for positions that are not in flight."""
        if self._remove(position):
            self.status.failed += 1
            self.retry_pending = self.retry_pending or retry
            self._receipts.append(Receipt(position, error, retry))

    def fail_all(self, error: str) -> None:
        """Nothing that is in flight will be confirmed; all of it may be sent again."""
        for position in list(self._in_flight):
            self.fail(position, error, retry=True)

    def published(self, positions: Iterable[int], tick: int) -> None:
        """The server has been given these now, and owes an answer; ``tick`` is the owner's idea of time."""
        for position in positions:
            self._published.pop(position, None)  # so that the newest stands last
            if position in self._in_flight:
                self._published[position] = tick

    def oldest(self) -> int | None:
        """Tick at which the one was published that has waited longest for its answer."""
        return next(iter(self._published.values()), None)

    def take(self) -> list[Receipt]:
        """All receipts so far, once."""
        receipts, self._receipts = self._receipts, []
        self.retry_pending = False
        return receipts

    def _remove(self, position: int) -> bool:
        size = self._in_flight.pop(position, None)
        if size is None:
            return False
        self._published.pop(position, None)
        self.bytes -= size
        self.status.in_flight = len(self._in_flight)
        return True
