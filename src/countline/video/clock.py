"""Time of frames: PTS that never goes backward, and capture time with its quality. Pure: no clock is read here."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from fractions import Fraction

from countline.config.moment import moment_of, name_time, no_start
from countline.errors import SourceError
from countline.types import TimeQuality
from countline.video.place import visible

__all__ = ["ArrivalClock", "FileClock", "PtsNormaliser", "creation_time", "parse_start", "to_ns"]

SECOND = 1_000_000_000
JUMP = SECOND
"""A step back of at least this is a new time line; a smaller one is one frame with a wrong stamp."""
DRIFT = 2 * SECOND
"""How far arrival may be from what PTS says before the clock is set anew."""
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def to_ns(pts: int | None, time_base: Fraction | None) -> int | None:
    """A time stamp in units of ``time_base`` seconds as whole nanoseconds (rounded down); None stays None."""
    if pts is None or not time_base:
        return None
    return pts * time_base.numerator * SECOND // time_base.denominator


def _ns(moment: datetime) -> int:
    delta = moment - _EPOCH
    return ((delta.days * 86400 + delta.seconds) * 1_000_000 + delta.microseconds) * 1000


def parse_start(text: str, where: str, name: str = "") -> int:
    """RFC 3339 time with its offset, or where in ``name`` it stands -> ns since the Unix epoch. Raises SourceError."""
    wrong = no_start(text)
    if wrong is not None:
        raise SourceError(f"start {wrong[0]}", where=where, fix=wrong[1])
    if text.lstrip().startswith("{"):
        found = name_time(text).of(name)
        if found is None:
            raise SourceError(
                f"no time as {text.strip()} in the name of '{visible(name)}'",
                where=where,
                fix="make `start` fit the names, or leave it out: then the container or the file's age tells the time",
            )
        return found
    moment = moment_of(text)
    assert moment is not None
    return _ns(moment)


def creation_time(metadata: Mapping[str, str]) -> int | None:
    """Creation time that a container declares, ns since the Unix epoch; None if there is none or it is a zero date."""
    for key in ("com.apple.quicktime.creationdate", "creation_time"):
        moment = moment_of(metadata.get(key, ""))
        if moment is None:
            continue
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=timezone.utc)  # containers mean UTC
        # Recorders without a clock write the zero of QuickTime (1904) or of Unix (1970).
        if moment.year > 1971:
            return _ns(moment)
    return None


class PtsNormaliser:
    """Makes a monotone PTS, beginning with 0, out of what a stream says.

    ``step``: ns from frame to frame where the stream does not say. ``repaired`` counts the frames that got a stamp other
    than their own.
    """

    def __init__(self, step: int) -> None:
        self.step = step
        self.repaired = 0
        self.last: int | None = None
        self._offset: int | None = None
        self._next = 0

    def begin(self, gap: int | None = None) -> None:
        """The next stamp belongs to a new time line (looped, connected again) and comes ``gap`` ns (or one step) after
        the last frame."""
        self._offset = None
        self._next = 0 if self.last is None else self.last + (self.step if gap is None else max(gap, 1))

    def normalise(self, raw: int | None) -> int:
        """PTS in ns for a frame whose own stamp is ``raw`` ns, or None."""
        if raw is None:
            value = self._next if self.last is None or self._offset is None else self.last + self.step
            self.repaired += 1
        elif self._offset is None:
            self._offset = self._next - raw
            value = self._next
        else:
            value = raw + self._offset
            if self.last is not None and value < self.last:
                self.repaired += 1
                if self.last - value >= JUMP:
                    value = self.last + self.step
                    self._offset = value - raw
                else:
                    value = self.last + 1
        if self._offset is None:
            self._next = value + self.step
        self.last = value
        return value


class FileClock:
    """Capture time of a file's frames: its start plus PTS."""

    def __init__(self, start: int, quality: TimeQuality) -> None:
        self.start = start
        self.quality = quality

    def time(self, pts: int) -> tuple[int, TimeQuality]:
        """Capture time (ns since the Unix epoch) of the frame at ``pts``, and how it is known."""
        return self.start + pts, self.quality


class ArrivalClock:
    """Capture time of a live stream's frames.

    Where the sender tells its wall clock (``sent``: RTCP sender reports), that is the time, unless it is more than
    ``trust`` ns away from this machine's clock: then it is a camera that was never set. Else it is this machine's clock at
    the first frame plus PTS. Frames that come earlier than that pull the clock back to them, because the first frames of a
    connection are often late; where arrival and PTS are more than two seconds apart, the clock is set anew. Time goes
    back only when the clock is set anew, and once when the sender's first report shows by how much arrival was late.
    """

    def __init__(self, trust: int = 3600 * SECOND) -> None:
        self.trust = trust
        self.resets = 0
        self.distrusted = 0
        self._anchor: int | None = None
        self._last = 0

    def begin(self) -> None:
        """A new connection: the next frame sets the clock."""
        self._anchor = None

    def time(self, pts: int, now: int, sent: int | None = None) -> tuple[int, TimeQuality]:
        """Capture time of the frame at ``pts`` that arrived at ``now`` (both ns; ``now`` since the Unix epoch)."""
        if sent is not None:
            if abs(sent - now) <= self.trust:
                self._anchor = None
                self._last = sent
                return sent, TimeQuality.NTP
            self.distrusted += 1
        if self._anchor is None:
            self._anchor = now - pts
            self._last = max(self._last, now) if abs(now - self._last) <= DRIFT else now
            return self._last, TimeQuality.ARRIVAL
        late = now - (self._anchor + pts)
        if abs(late) > DRIFT:
            self._anchor = now - pts
            self._last = now
            self.resets += 1
        elif late < 0:
            self._anchor += late
        self._last = max(self._last, self._anchor + pts)
        return self._last, TimeQuality.ARRIVAL
