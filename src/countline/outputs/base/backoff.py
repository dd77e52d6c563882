"""Pauses between attempts to reach a server."""

from __future__ import annotations

import random

__all__ = ["Backoff"]


class Backoff:
    """Pauses between attempts: they double from ``first`` to ``most`` seconds, each shortened by up to half at random
    so that many clients do not come back at one moment."""

    def __init__(self, first: float = 0.1, most: float = 10.0) -> None:
        self.first = first
        self.most = most
        self._next = first

    def next(self) -> float:
        """Seconds to wait now."""
        pause, self._next = self._next, min(self._next * 2, self.most)
        return pause * random.uniform(0.5, 1.0)

    def reset(self) -> None:
        """It works again."""
        self._next = self.first
