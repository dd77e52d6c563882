"""Cameras and streams: without an end, connected again whenever they are gone."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterator

import av.error

from countline.config.models import SourceConfig
from countline.observe.trouble import Trouble
from countline.types import Frame
from countline.video.base import DEFAULT_FPS, BaseSource, Stop
from countline.video.clock import SECOND, ArrivalClock, Stamper
from countline.video.container import PARTS, Opened
from countline.video.decode import Decoded
from countline.video.picture import AvPicture
from countline.video.place import Place
from countline.video.pump import Item
from countline.video.trouble import explain, fatal

__all__ = ["FIRST_WAIT", "LONGEST_WAIT", "LiveSource", "backoff"]

log = logging.getLogger("countline.video")

FIRST_WAIT = 0.5
"""Seconds before the first new attempt."""
LONGEST_WAIT = 30.0
"""Seconds that the wait grows to."""


def backoff(attempt: int, jitter: float) -> float:
    """Seconds to wait before attempt ``attempt`` (from 1): doubling, at most half a minute, times 0.5 to 1 by ``jitter``
    in 0..1, so that many cameras behind one switch do not all come back in the same instant.

    >>> backoff(1, 1.0), backoff(3, 1.0), backoff(99, 0.0)
    (0.5, 2.0, 15.0)
    """
    return float(min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(attempt - 1, 16)) * (0.5 + jitter / 2))


class LiveSource(BaseSource):
    """A stream. ``read`` connects once and gives the open input and its frames."""

    def __init__(
        self,
        config: SourceConfig,
        index: int,
        place: Place,
        read: Callable[[BaseSource], Iterator[Item]],
        stop: Stop | None,
    ) -> None:
        super().__init__(config, index, live=config.live is not False, stop=stop)
        self.place = place
        self._read = read
        self._stamper = Stamper(int(SECOND / (config.fps or DEFAULT_FPS)))
        self._clock = ArrivalClock()
        self._stream = ""
        self._last = 0  # monotonic ns of the last frame
        self._warned = False
        self._gone = Trouble(log, self.where, f"connected to {place.shown} again", level=logging.WARNING)

    def close(self) -> None:
        """See the base."""
        super().close()
        self._gone.close()

    def __iter__(self) -> Iterator[Frame]:
        """Frames from now on. Iterated again, it goes on with the same stream: numbers and times are never used twice."""
        return self._frames()

    def _frames(self) -> Iterator[Frame]:
        attempt = 0
        while not self.ended():
            before = self.stats.frames
            items = self._read(self)
            reason = "the stream ended"
            try:
                yield from self._connection(items)
            except Exception as error:
                known = isinstance(error, (av.error.FFmpegError, OSError))
                hopeless = fatal(error, self.place.kind)
                if not known and not hopeless:
                    raise
                told = explain(error, self.place.shown, self.where, self.place.kind)
                if hopeless:
                    raise told from None
                reason = told.what if not self.ended() else ""
            finally:
                items.close()  # type: ignore[attr-defined]
            if self.ended():
                return
            attempt = 1 if self.stats.frames > before else attempt + 1
            delay = backoff(attempt, random.random())
            self._gone.begin(self._gone.text or f"{reason}; trying to connect again, at growing intervals")
            log.debug("%s: %s; attempt %d in %.1f s", self.where, reason, attempt, delay)
            self.wait(delay)

    def _connection(self, items: Iterator[Item]) -> Iterator[Frame]:
        opened = next(items, None)
        if not isinstance(opened, Opened):
            return
        if opened.rate:
            self._stamper.step = int(SECOND / float(opened.rate))
        # Pictures without time stamps are timed by when they come.
        timed = not opened.raw and opened.format != PARTS
        first = True
        earlier = dict(self.stats.lost)
        try:
            for item in items:
                if self.ended():
                    return
                assert isinstance(item, Decoded)
                now, ticks = time.time_ns(), time.monotonic_ns()
                tried = bool(self._gone.text)
                self._gone.end()
                if first:
                    self._begin(now, ticks, tried)
                    first = False
                pts = self._stamper.stamp(item.pts if timed else ticks)
                self._last = ticks
                self.count_lost(earlier, opened.lost)
                self.stats.repaired = self._stamper.repaired
                when = self._clock.time(pts, now, item.sent)
                self._warn()
                picture = AvPicture(item.frame, item.orientation)
                yield self.frame(picture, (picture.width, picture.height), pts, *when, self._stream)
        finally:
            self.count_lost(earlier, opened.lost)
            self.tell_lost(earlier)

    def _begin(self, now: int, ticks: int, tried: bool) -> None:
        """The first frame of a connection; ``tried``: there were others before, even such that gave nothing."""
        if not self._stream:
            self._stream = str(now)
            if not tried:
                log.info("%s: connected to %s", self.where, self.place.shown)
            return
        self.stats.reconnects += 1
        self._stamper.begin(ticks - self._last)
        self._clock.begin()

    def _warn(self) -> None:
        if self._clock.distrusted and not self._warned:
            self._warned = True
            log.warning(
                "%s: the camera's clock is more than an hour from this machine's; time of arrival is used instead. "
                "Set the camera's clock, best by NTP",
                self.where,
            )
