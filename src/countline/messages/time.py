"""Time in messages. Pure: no function here reads a clock; the current time is an argument."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

__all__ = ["rfc3339", "strftime"]

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_SECOND = 1_000_000_000
_seconds: dict[int, str] = {}


def rfc3339(ns: int, digits: int = 3) -> str:
    """Nanoseconds since the Unix epoch as RFC 3339 text in UTC; the fraction is cut, not rounded, to ``digits`` (0-9).

    >>> rfc3339(1_700_000_000_123_456_789)
    '2023-11-14T22:13:20.123Z'
    """
    second, fraction = divmod(ns, _SECOND)
    head = _seconds.get(second)
    if head is None:
        if len(_seconds) > 1024:
            _seconds.clear()
        head = _seconds[second] = (_EPOCH + timedelta(seconds=second)).strftime("%Y-%m-%dT%H:%M:%S")
        if len(head) < 19:  # strftime does not pad years before 1000 everywhere
            head = _seconds[second] = head.rjust(19, "0")
    if digits == 3:
        return f"{head}.{fraction // 1_000_000:03d}Z"
    return f"{head}.{fraction:09d}"[: 20 + digits] + "Z" if digits else head + "Z"


def strftime(pattern: str, zone: str = "UTC") -> Callable[[int], str]:
    """A function that formats ns since the Unix epoch by ``datetime.strftime`` in an IANA time zone. ``%f`` is
    microseconds. Raises ``ZoneInfoNotFoundError`` (a KeyError) for a zone that does not exist."""
    tz = timezone.utc if zone == "UTC" else ZoneInfo(zone)

    def form(ns: int) -> str:
        return (_EPOCH + timedelta(microseconds=ns // 1000)).astimezone(tz).strftime(pattern)

    return form
