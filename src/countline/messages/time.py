"""Time in messages. Pure: no function here reads a clock; the current time is an argument."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

__all__ = ["GuardWindow", "record_timestamp", "rfc3339", "strftime"]

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


@dataclass(frozen=True)
class GuardWindow:
    """Which event times may become the time stamp of a record."""

    past: int = 7 * 24 * 3600 * _SECOND
    """Oldest age in ns; Kafka's default retention is 7 days, and it deletes by record time."""
    future: int = 3600 * _SECOND
    """Furthest lead over the clock in ns; brokers refuse or keep for ever what lies ahead (KIP-937: 1 h)."""


def record_timestamp(event_ns: int, now_ns: int, window: GuardWindow = GuardWindow()) -> int | None:
    """Time stamp for a broker's record, in ms since the Unix epoch: the event time if it lies within the window around
    the send time, else None, which means that the client stamps the record with the send time.

    A record far in the past is deleted by retention before anyone reads it, and one in the future holds back
    deletion of its whole segment, both without a word: so a file from last year, or a camera whose clock is
    not set, must not put its times there. The event time always stays in the value.

    >>> record_timestamp(1_700_000_000_000_000_000, 1_700_000_005_000_000_000)
    1700000000000
    >>> record_timestamp(0, 1_700_000_005_000_000_000) is None
    True
    """
    if now_ns - window.past <= event_ns <= now_ns + window.future:
        return event_ns // 1_000_000
    return None
