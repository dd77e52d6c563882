"""The queue between the streaming thread and countline's own."""

from __future__ import annotations

import queue
import threading
from collections import deque
from typing import Generic, TypeVar

__all__ = ["BoundedQueue"]

T = TypeVar("T")


class BoundedQueue(Generic[T]):
    """A bounded queue with one giver and one taker.

    Parameters
    ----------
    depth: batches that may wait.
    lossless: a giver waits for room (files); otherwise the oldest batch goes, and the giver never waits (live pipelines).
    """

    def __init__(self, depth: int, *, lossless: bool) -> None:
        self._depth = depth
        self._lossless = lossless
        self._items: deque[T] = deque()
        # A token per item given: its get() waits outside the interpreter, its put() never waits.
        self._tokens: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._room = threading.Event()
        self._closed = False

    def put(self, item: T) -> T | None:
        """Give a batch; returns the one that was dropped for it, which is ``item`` itself after :meth:`close`."""
        dropped: T | None = None
        while len(self._items) >= self._depth and not self._closed:
            if self._lossless:
                self._room.clear()
                if len(self._items) >= self._depth and not self._closed:
                    self._room.wait(0.5)
                continue
            try:
                dropped = self._items.popleft()
            except IndexError:
                break
        if self._closed:
            return item
        self._items.append(item)
        self._tokens.put(True)
        return dropped

    def nudge(self, item: T) -> None:
        """Give an item only to wake the taker: where none waits already. From any thread."""
        if not self._items and not self._closed:
            self._items.append(item)
            self._tokens.put(True)

    def take(self) -> T | None:
        """The oldest batch; waits for it. None when closed and empty."""
        while True:
            try:
                item = self._items.popleft()
            except IndexError:
                if self._closed:
                    return None
                self._tokens.get()
                continue
            if self._lossless:
                self._room.set()
            return item

    def close(self) -> None:
        """No more batches are taken in; what waits is still handed out. From any thread."""
        self._closed = True
        self._room.set()
        self._tokens.put(False)

    def __len__(self) -> int:
        return len(self._items)
