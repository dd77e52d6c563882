"""Failures of requests to an inference server, and the back-off before the next attempt."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from typing import Literal

from countline.errors import DetectorAway

__all__ = ["Circuit", "Kind", "RemoteFault", "wait_before"]

Kind = Literal["unreachable", "silent", "busy", "failed", "missing", "auth", "refused"]
"""``unreachable``: no connection; ``silent``: no answer in time; ``busy``: too much to do; ``failed``: an error of its own;
``missing``: no such model, or it is not loaded; ``auth``: credentials are missing or refused; ``refused``: the request
itself is invalid."""

_WAITS: dict[Kind, tuple[float, float]] = {
    "unreachable": (0.25, 5.0),
    "silent": (0.5, 10.0),
    "busy": (0.1, 5.0),
    "failed": (0.5, 10.0),
    "missing": (1.0, 10.0),
    "auth": (5.0, 60.0),
    "refused": (5.0, 60.0),
}
"""Seconds before the first new attempt, and that the wait grows to."""


class RemoteFault(Exception):
    """A request to an inference server failed.

    Parameters
    ----------
    kind: the kind of failure.
    text: the failure in words.
    after: seconds after which the server asks to be tried again; 0: it names no time.
    """

    def __init__(self, kind: Kind, text: str, after: float = 0.0) -> None:
        super().__init__(text)
        self.kind: Kind = kind
        self.text = " ".join(text.split())[:300]
        self.after = after


def wait_before(attempt: int, kind: Kind, jitter: float) -> float:
    """Seconds before attempt ``attempt`` (from 1): doubling, up to a bound that goes by what went wrong, times 0.5 to 1 by ``jitter``
    in 0..1.

    >>> wait_before(1, "unreachable", 1.0), wait_before(3, "unreachable", 1.0), wait_before(99, "unreachable", 1.0)
    (0.25, 1.0, 5.0)
    """
    first, longest = _WAITS[kind]
    return min(longest, first * 2.0 ** min(attempt - 1, 16)) * (0.5 + jitter / 2)


class Circuit:
    """A circuit breaker: whether a server is away, and when it is tried again. For any thread.

    While the server is away, one caller at a time tries it when an attempt is due; the others get DetectorAway at once.
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, jitter: Callable[[], float] = random.random
    ) -> None:
        self._clock, self._jitter = clock, jitter
        self._lock = threading.Lock()
        self._text = ""
        self._attempts = 0
        self._due = 0.0
        self._failed = 0.0
        """Time of the last failure."""

    @property
    def away(self) -> bool:
        """Whether the last request failed."""
        return bool(self._text)

    def begin(self, patience: float) -> float:
        """Called before a request; returns the time at which it begins. ``patience``: seconds that an attempt may take.
        Raises DetectorAway while no attempt is due."""
        with self._lock:
            now = self._clock()
            if self._text and now < self._due:
                raise DetectorAway(self._text, retry=self._due - now)
            if self._text:
                self._due = now + patience  # others wait for the result of this one
            return now

    def failed(self, fault: RemoteFault, begun: float, where: str) -> DetectorAway:
        """A request that began at ``begun`` failed; returns the error to raise."""
        with self._lock:
            now = self._clock()
            if (
                not self._attempts or begun >= self._failed
            ):  # else it is the failure that another request reported already
                self._attempts += 1
                self._failed = now
                self._due = now + max(fault.after, wait_before(self._attempts, fault.kind, self._jitter()))
            self._text = f"{where}: {fault.text}"
            return DetectorAway(self._text, retry=max(self._due - now, 0.0))

    def succeeded(self) -> None:
        """A request succeeded: the server is not away."""
        if self._text:
            with self._lock:
                self._text, self._attempts, self._due = "", 0, 0.0
