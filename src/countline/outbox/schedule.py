"""When counts begin anew by schedule. Pure: time is an argument.

Grammar: ``daily HH:MM[:SS] [ZONE]``, ``weekly DAY HH:MM[:SS] [ZONE]``, ``monthly N HH:MM[:SS] [ZONE]``, ``hourly [:MM] [ZONE]``; ZONE is an
IANA name, UTC unless given.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

from countline.errors import ConfigError

__all__ = ["Schedule", "parse"]

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_FORM = re.compile(
    r"(?i)(?:(?P<daily>daily)|weekly\s+(?P<day>[a-z]+)|monthly\s+(?P<date>\d{1,2})|(?P<hourly>hourly))"
    r"(?:\s+(?P<h>\d{1,2})?:(?P<m>\d{2})(?::(?P<s>\d{2}))?)?(?:\s+(?P<zone>[A-Za-z][\w+\-/]*))?"
)
_FIX = "write e.g. 'daily 00:00 Europe/Berlin', 'weekly monday 06:00', 'monthly 1 00:00' or 'hourly'"


@dataclass(frozen=True)
class Schedule:
    """Times of day at which counts begin anew, in a time zone; right on the days the clocks change.

    A local time that does not exist (clocks go forward) stands for the moment they jump; one that exists twice, for the
    first. So every day has exactly one.
    """

    at: time
    zone: tzinfo
    weekday: int | None = None
    """0 = Monday; None: every day."""
    day: int | None = None
    """Day of the month; in shorter months their last day."""
    hourly: bool = False

    def next_after(self, after: int) -> int:
        """The first moment later than ``after`` (both ns since the Unix epoch).

        >>> s = parse("daily 00:00 Europe/Berlin")
        >>> s.next_after(1_700_000_000_000_000_000) // 10**9  # 2023-11-14 22:13:20 UTC -> 23:00 UTC
        1700002800
        """
        now = _EPOCH + timedelta(microseconds=after // 1000)
        if self.hourly:
            moments = (self._of_hour(now + timedelta(hours=h)) for h in range(-1, 4))
        else:
            # Two days back, because local midnight may lie on another UTC date.
            first = now.astimezone(self.zone).date() - timedelta(days=2)
            days = (first + timedelta(days=n) for n in range(70))
            moments = (self._moment(day) for day in days if self._on(day))
        for moment in moments:
            ns = int((moment - _EPOCH) / timedelta(microseconds=1)) * 1000
            if ns > after:
                return ns
        raise AssertionError("a schedule has a moment within 70 days")

    def due(self, last: int, now: int) -> int | None:
        """The latest scheduled moment in (last, now], None if there is none: also when the clock has jumped back."""
        found = None
        moment = self.next_after(last)
        while moment <= now:
            found, moment = moment, self.next_after(moment)
        return found

    def _of_hour(self, now: datetime) -> datetime:
        """The moment within the local hour that ``now`` lies in; local hours need not begin with those of UTC."""
        local = now.astimezone(self.zone)
        into = timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
        return now - into + timedelta(minutes=self.at.minute, seconds=self.at.second)

    def _on(self, day: date) -> bool:
        if self.weekday is not None:
            return day.weekday() == self.weekday
        if self.day is not None:
            last = (day.replace(day=1) + timedelta(days=32)).replace(day=1) - timedelta(days=1)
            return day.day == min(self.day, last.day)
        return True

    def _moment(self, day: date) -> datetime:
        local = datetime.combine(day, self.at, self.zone)  # fold=0: the first of two
        moment = local.astimezone(timezone.utc)
        if moment.astimezone(self.zone).replace(tzinfo=None) == local.replace(tzinfo=None):
            return moment
        # In the gap: both folds are wrong by the length of the gap; the jump is where the offset changes between them.
        low = local.replace(fold=1).astimezone(timezone.utc)
        high = moment
        low, high = min(low, high), max(low, high)
        before = low.astimezone(self.zone).utcoffset()
        while high - low > timedelta(seconds=1):
            middle = (low + (high - low) / 2).replace(microsecond=0)
            if middle.astimezone(self.zone).utcoffset() == before:
                low = middle
            else:
                high = middle
        return high


def parse(text: str) -> Schedule:
    """A schedule from words. Raises ConfigError with the grammar and, for an unknown zone, its name."""
    match = _FORM.fullmatch(text.strip())
    if not match:
        raise ConfigError(f"'{text}' is not a schedule", where="outbox.reset", fix=_FIX)
    if match["h"] is None and not match["hourly"]:
        raise ConfigError(f"the schedule '{text}' has no time of day", where="outbox.reset", fix=_FIX)
    try:
        at = time(int(match["h"] or 0), int(match["m"] or 0), int(match["s"] or 0))
    except ValueError:
        raise ConfigError(f"the schedule '{text}' has no such time of day", where="outbox.reset", fix=_FIX) from None
    zone: tzinfo = timezone.utc
    name = match["zone"] or "UTC"
    if name.upper() != "UTC":
        try:
            zone = ZoneInfo(name)
        except (KeyError, ValueError, OSError):
            raise ConfigError(
                f"there is no time zone '{name}'", where="outbox.reset", fix="use an IANA name such as Europe/Berlin"
            ) from None
    weekday = None
    if match["day"]:
        weekday = next((i for i, d in enumerate(_DAYS) if d.startswith(match["day"].lower())), None)
        if weekday is None or len(match["day"]) < 3:
            raise ConfigError(f"'{match['day']}' is not a day of the week", where="outbox.reset", fix=_FIX)
    day = int(match["date"]) if match["date"] else None
    if day is not None and not 1 <= day <= 31:
        raise ConfigError(f"no month has a day {day}", where="outbox.reset", fix=_FIX)
    return Schedule(at, zone, weekday, day, bool(match["hourly"]))
