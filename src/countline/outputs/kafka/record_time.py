"""Which event times may become the time stamp of a Kafka record. Pure: the current time is an argument."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["GuardWindow", "record_timestamp"]

_SECOND = 1_000_000_000


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
