"""How long to wait before a camera is tried again, by what went wrong."""

from __future__ import annotations

from typing import Literal

__all__ = ["FIRST_WAIT", "LOCKED_WAIT", "LONGEST_WAIT", "Cause", "backoff"]

Cause = Literal["auth", "refused", "silent", "unreachable", "ended"]
"""``auth``: user or password is refused (401, 403); ``refused``: the other side says no (connection refused, 404, 5xx, TLS);
``silent``: no answer, or no packet; ``unreachable``: name or route is not known; ``ended``: it was there and ended."""

FIRST_WAIT = 0.5
"""Seconds before the first new attempt."""
LONGEST_WAIT = 10.0
"""Seconds that the wait grows to."""
LOCKED_WAIT = 300.0
"""Seconds between attempts with a refused password, from the second on: cameras lock an account after five to seven."""


def backoff(attempt: int, jitter: float, cause: Cause = "ended") -> float:
    """Seconds to wait before attempt ``attempt`` (from 1): doubling, at most ten seconds, times 0.5 to 1 by ``jitter`` in
    0..1, so that many cameras behind one switch do not all come back in the same instant. A refused password is tried
    once more, and then every five minutes.

    >>> backoff(1, 1.0), backoff(3, 1.0), backoff(99, 0.0)
    (0.5, 2.0, 5.0)
    >>> backoff(1, 1.0, "auth"), backoff(2, 0.0, "auth")
    (0.5, 300.0)
    """
    if cause == "auth" and attempt > 1:
        return LOCKED_WAIT * (1 + jitter / 10)
    return float(min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(attempt - 1, 16)) * (0.5 + jitter / 2))
