"""What was counted minute by minute, for charts: in memory, a day of it."""

from __future__ import annotations

from typing import Any

from countline.messages.time import rfc3339
from countline.observe.notes import direction_of
from countline.types import Event

__all__ = ["History"]

STEP = 60
"""Seconds of one step."""
DAY = 24 * 60
"""Steps that are kept."""
MOST = 2000
"""Series that are kept; of rules that are drawn and drawn again the oldest go."""


class History:
    """Events by source, rule and direction in steps of a minute of event time. An event without a direction is filed under its kind."""

    def __init__(self) -> None:
        self._series: dict[tuple[str, str, str], dict[int, int]] = {}
        self._newest: dict[str, int] = {}
        """By source: its newest minute."""

    def see(self, event: Event) -> None:
        """Add one event."""
        name = event.source.name
        minute = event.time_ns // (STEP * 10**9)
        key = (name, event.rule, direction_of(event) or event.kind)
        series = self._series.pop(key, None)
        if series is None:
            series = {}
            if len(self._series) >= MOST:
                del self._series[next(iter(self._series))]
        self._series[key] = series
        series[minute] = series.get(minute, 0) + 1
        self._newest[name] = max(minute, self._newest.get(name, 0))
        if len(series) > DAY:
            for old in [m for m in series if m <= minute - DAY]:
                del series[old]

    def seen(self, source: str, time: int) -> None:
        """Note the time up to which a source has been processed, ns since the Unix epoch."""
        self._newest[source] = max(time // (STEP * 10**9), self._newest.get(source, 0))

    def read(self, source: str | None, rule: str | None, minutes: int, now: int) -> dict[str, Any]:
        """Series of the last ``minutes``, up to the newest minute of these sources (that of ``now``, ns since the Unix epoch, where
        nothing was added)."""
        minutes = max(1, min(minutes, DAY))
        chosen = {
            key: series for key, series in self._series.items() if source in (None, key[0]) and rule in (None, key[1])
        }
        newest = [minute for name, minute in self._newest.items() if source in (None, name)]
        start = max(newest, default=now // (STEP * 10**9)) - minutes + 1
        series = [
            {
                "source": key[0],
                "rule": key[1],
                "direction": key[2],
                "values": [values.get(start + i, 0) for i in range(minutes)],
            }
            for key, values in sorted(chosen.items())
        ]
        return {"step": STEP, "start": rfc3339(max(0, start) * STEP * 10**9), "series": series}
