"""The interval trigger: a message for each window of event time, made when the window is over."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone, tzinfo

from countline.messages.trigger import Fired, Trigger
from countline.types import Analytics, CounterKey, Window

__all__ = ["Interval", "bounds"]

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_NAIVE = datetime(1970, 1, 1)
_HOUR = 3600 * 10**9


def bounds(time: int, length: int, zone: tzinfo | None) -> tuple[int, int]:
    """Start and end (ns since the Unix epoch) of the window of ``length`` ns that ``time`` lies in.

    Windows are aligned to the wall clock of ``zone`` (None: UTC): hours and what divides them begin with its hours, days at
    its midnight, also when its clocks change. A repeated hour is two windows, a day with 23 or 25 hours is one.
    """
    if zone is None:
        start = time // length * length
        return start, start + length
    offset = _offset(time, zone)
    start = (time + offset) // length * length
    if length <= _HOUR:
        return start - offset, start + length - offset
    first, last = _moment(start, zone), _moment(start + length, zone)
    # Within an hour that the clocks repeat, the wall clock may have passed the end already.
    return (first, last) if first <= time < last else (last, _moment(start + 2 * length, zone))


def _offset(time: int, zone: tzinfo) -> int:
    moment = _EPOCH + timedelta(microseconds=time // 1000)
    found = moment.astimezone(zone).utcoffset() or timedelta()
    return int(found / timedelta(microseconds=1)) * 1000


def _moment(wall: int, zone: tzinfo) -> int:
    """The moment at which clocks in ``zone`` show ``wall`` (ns since 1970 by the wall clock), for the first time; for a time
    that is left out, the moment they jump."""
    local = (_NAIVE + timedelta(microseconds=wall // 1000)).replace(tzinfo=zone)
    return int((local.astimezone(timezone.utc) - _EPOCH) / timedelta(microseconds=1)) * 1000


@dataclass
class _Open:
    """The window of one source that frames still come for."""

    start: int
    end: int
    complete: bool
    last: Analytics
    counts: dict[CounterKey, int] = field(default_factory=dict)


class Interval(Trigger):
    """Fires for each window at the first frame behind it, per source. It tells of the window's last frame, before any reset
    that comes with the next, and of what was counted in the window. Windows in which no frame came are not told. A clock that
    jitters around a boundary does not close a window twice; one that is set back by more than a window begins anew. A window
    that a gap reaches into is not complete.

    Parameters
    ----------
    ns: length.
    zone: whose hours and days the windows follow; None: UTC.
    """

    def __init__(self, ns: int, zone: tzinfo | None = None) -> None:
        self.ns = ns
        self.zone = zone
        self._open: dict[str, _Open] = {}

    def fire(self, analytics: Analytics) -> Fired | None:
        source, time = analytics.frame.source.name, analytics.frame.time
        gapless = analytics.gap is None
        window = self._open.get(source)
        fired = None
        if window is not None and not gapless:
            window.complete = False
        if window is None or time >= window.end or time < window.start - self.ns:
            start, end = bounds(time, self.ns, self.zone)
            if window is not None:
                fired = self._close(window, over=time >= window.end)
            seamless = window is not None and fired is not None and time >= window.end
            window = self._open[source] = _Open(start, end, gapless and (seamless or time <= start), analytics)
        window.last = analytics
        for key, amount in analytics.deltas:
            window.counts[key] = window.counts.get(key, 0) + amount
        return fired

    def finish(self, source: str) -> Fired | None:
        """No more frames will come: the window that was begun, if any."""
        window = self._open.pop(source, None)
        return None if window is None else self._close(window, over=False)

    def window(self, source: str) -> Window | None:
        found = self._open.get(source)
        return None if found is None else Window(found.start, found.end, dict(found.counts), found.complete)

    def restore(self, source: str, window: Window) -> None:
        """Take over a window that :meth:`window` gave behind the frame that was seen last, in an earlier run. What was seen stands where
        it is none of these windows, one from before that which is open, or there is no frame to tell of."""
        found = self._open.get(source)
        if found is None or window.start < found.start or not self._aligned(window):
            return
        found.start, found.end, found.complete = window.start, window.end, window.complete
        found.counts = dict(window.counts)

    def _aligned(self, window: Window) -> bool:
        # Clocks may change within it: then it is that of one of its ends only.
        moments = (window.start, window.end - 1)
        return any(bounds(moment, self.ns, self.zone) == (window.start, window.end) for moment in moments)

    @staticmethod
    def _close(window: _Open, *, over: bool) -> Fired:
        analytics = copy.copy(window.last)
        analytics.window = Window(window.start, window.end, window.counts, window.complete and over)
        return analytics, analytics.events
