"""Which frames of a source are looked at, where not all are wanted or can be. Pure: no clock is read here.

By time, not by counting: frames are due every 1 / rate seconds of the source's own time, so that what was lost on the way is
not lost twice. And as early as possible: a decoder can pass over frames that no other refers to (those between, of streams that
have them), or over all but key frames, where these alone are as many as are wanted, or over what is left before the next key
frame, once no frame before that is due.
"""

from __future__ import annotations

import math
from collections import deque
from itertools import pairwise
from typing import Literal

__all__ = ["DecoderShed", "KeyTimes", "Shed", "Thinner"]

SECOND = 1_000_000_000
_TRIAL = 3 * SECOND
"""How long it is tried whether a decoder that passes over frames still gives enough."""
_KEYS = 5
"""Key frames by which it is known how many come."""
_HOLD = 10 * SECOND
"""How long a decoder that came too late passes over more."""
_EARLY = 4
"""A key frame is taken earlier or later than a frame is due by up to so manieth a part of a step: it needs no other to be decoded."""
_REGULAR = 4
"""Key frames from whose times the next one's is known."""
_JITTER = 0.1
"""Part of the time between key frames by which it may vary."""
Shed = Literal["DEFAULT", "NONREF", "NONKEY"]
"""What the decoder passes over: nothing, what no other frame refers to, all but key frames (names of FFmpeg's ``skip_frame``)."""


class Thinner:
    """Takes at most ``rate`` frames a second, evenly.

    >>> thinner = Thinner(5.0)
    >>> [pts for pts in range(0, 1000, 100) if thinner.takes(pts * 1_000_000)]
    [0, 200, 400, 600, 800]
    """

    def __init__(self, rate: float | None) -> None:
        self._rate = rate
        self._due: int | None = None
        self._last: int | None = None
        self._interval = 0.0
        """Mean time between the frames that come, in ns."""
        self._rests = False

    @property
    def rate(self) -> float | None:
        """Frames a second; None: all. May be changed at any time, and often: the next frame is due one step of the new rate after the
        last one was."""
        return self._rate

    @rate.setter
    def rate(self, rate: float | None) -> None:
        if rate != self._rate:
            before, due = self._rate, self._due  # set from any thread
            self._rate = rate
            self._due = due + int(SECOND / rate) - int(SECOND / before) if before and rate and due is not None else None

    def takes(self, pts: int, key: bool = False) -> bool:
        """Whether the frame at this time (ns) is looked at; ``key``: it is a key frame, which may be somewhat early. Times do not
        fall, except where they begin anew."""
        if not self._rate:
            return True
        step = int(SECOND / self._rate)
        if self._due is None or pts < self._due - 2 * step:
            self._due, self._last, self._interval = pts + step, pts, 0.0
            return True
        passed = pts - (self._last or 0)
        if not self._rests:
            self._interval += (passed - self._interval) / 8 if self._interval else passed
        self._rests = False
        self._last = pts
        # The frame that is nearest to when one is due: cameras are not exact, and an early one is not to be missed.
        early = min(self._interval, step) / 2
        if pts < self._due - (max(early, step / _EARLY) if key else early):
            return False
        # Evenly: the next is due one step after this one was, not after it came; but nothing is made up for.
        self._due = self._due + step if pts - self._due < step else pts + step
        return True

    def wakes(self, key: int, gap: int) -> int | None:
        """Time (ns) of the key frame before which no frame is wanted, or none that it cannot stand for, of those that come from
        ``key`` on every ``gap`` ns; None where one is wanted before the first."""
        self._rests = False
        if not self._rate or self._due is None:
            return None
        near = SECOND / self._rate / _EARLY
        if self._due <= key - max(self._interval / 2, near):
            return None
        self._rests = True
        return key + max(int((self._due + near - key) // gap), 0) * gap

    @property
    def interval(self) -> float:
        """Mean time between the frames that come, in ns; 0: not known."""
        return self._interval


class KeyTimes:
    """When the next key frame comes, of a stream that has them at equal distances.

    >>> times = KeyTimes()
    >>> for number in (1, 2, 3): times.see(number * 2 * SECOND, number)
    >>> times.next() is None
    True
    >>> times.see(12 * SECOND, 6)  # two were passed over
    >>> times.next() == (14 * SECOND, 2 * SECOND)
    True
    """

    def __init__(self) -> None:
        self._seen: deque[tuple[int, int]] = deque(maxlen=_REGULAR)

    def begin(self) -> None:
        """The stream begins anew."""
        self._seen.clear()

    def see(self, pts: int, number: int) -> None:
        """The key frame of this number, counting all that came, is at this time (ns)."""
        if self._seen and (pts <= self._seen[-1][0] or number <= self._seen[-1][1]):
            self._seen.clear()
        self._seen.append((pts, number))

    def next(self) -> tuple[int, int] | None:
        """Time of the next one and from one to the next (ns); None where that is not known."""
        if len(self._seen) < _REGULAR:
            return None
        gaps = [(later - pts) / (more - number) for (pts, number), (later, more) in pairwise(self._seen)]
        gap = sum(gaps) / len(gaps)
        return (int(self._seen[-1][0] + gap), int(gap)) if max(gaps) - min(gaps) <= _JITTER * gap else None


class DecoderShed:
    """How much a decoder may pass over so that ``rate`` frames a second still come: it is tried, taken back where too few
    came, and not tried again as long as so many are wanted. Key frames are counted as they come, so that it is known without a trial
    whether they are enough."""

    def __init__(self) -> None:
        self.mode: Shed = "DEFAULT"
        self._gives: dict[Shed, float] = {}
        """Frames a second that were too few, by mode."""
        self._since: int | None = None
        self._frames = 0
        self._hold = 0
        self._keys: deque[tuple[int, int]] = deque(maxlen=_KEYS)
        """Times of the last key frames, and how many had come."""

    def late(self, pts: int) -> None:
        """Decoding is slower than the stream: more is passed over for a while, whatever is wanted."""
        self.mode, self._hold = ("NONREF" if self.mode == "DEFAULT" else "NONKEY"), pts + _HOLD

    def begin(self) -> None:
        """Frames come again after a time without: that is not what was passed over."""
        self._since = None
        self._keys.clear()

    def see(self, pts: int, wanted: float | None, keys: int = 0) -> Shed:
        """Called for each decoded frame with its time (ns), the frames a second that are wanted (None: all), and how many key
        frames have come. Returns what the decoder is to pass over from now on."""
        if self._since is None or pts < self._since:
            self._keys.clear()
        if not self._keys or keys != self._keys[-1][1]:
            self._keys.append((pts, keys))
        if self._since is None or pts < self._since or pts < self._hold <= pts + _HOLD:
            self._since, self._frames = pts, 0
        self._frames += 1
        if pts - self._since < _TRIAL:
            return self.mode
        key_rate = self._key_rate(pts)
        rate = key_rate if self.mode == "NONKEY" else self._frames * SECOND / (pts - self._since)
        self._since, self._frames = pts, 0
        if wanted is None:
            self.mode = "DEFAULT"
        elif self.mode != "DEFAULT" and rate < wanted * 0.9:
            self._gives[self.mode] = rate
            self.mode = "NONREF" if self.mode == "NONKEY" and self._may("NONREF", wanted) else "DEFAULT"
        elif rate > wanted * 1.3 and self.mode != "NONKEY":
            more: Shed = "NONKEY" if key_rate >= wanted and self._may("NONKEY", wanted) else "NONREF"
            if more == "NONKEY" or self._may(more, wanted):
                self.mode = more
        return self.mode

    def _key_rate(self, pts: int) -> float:
        """Key frames a second, by the last few; 0 while they are too few to say. Those that are overdue count, too."""
        number = len(self._keys) - 1
        if number < 1:
            return 0.0
        (first, before), (last, now) = self._keys[0], self._keys[-1]
        interval = (last - first) / number
        until = last if pts - last < 2 * interval else pts
        return (now - before) * SECOND / (until - first) if until > first else 0.0

    def _may(self, mode: Shed, wanted: float) -> bool:
        return self._gives.get(mode, math.inf) > wanted * 1.1
