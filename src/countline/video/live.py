"""Cameras and streams: without an end, connected again whenever they are gone."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from functools import partial
from typing import NamedTuple

import av.error

from countline.config.models import SourceConfig
from countline.observe.repeated import EVERY
from countline.source_status import OVERLOAD, SourceState
from countline.types import Frame, TimeQuality
from countline.video.backoff import backoff
from countline.video.base import DEFAULT_FPS, BaseSource, Stop
from countline.video.clock import SECOND, ArrivalClock, PtsNormaliser
from countline.video.container import PARTS, Opened
from countline.video.decode import Decoded
from countline.video.health import CLOCK_OFF, LOSS, SLOW, Lag, lossy
from countline.video.picture import AvPicture
from countline.video.place import Place
from countline.video.reader_thread import Item, Sift
from countline.video.ring import Mark
from countline.video.shed import DecoderShed, KeyTimes
from countline.video.transport import Transport
from countline.video.trouble import cause_of, explain, fatal

__all__ = ["LiveSource"]

log = logging.getLogger("countline.video")

_QUIET = 2.0
"""Seconds without a packet, or without a picture, from which a source is called stalled, or waiting for a key frame."""
_USUAL = 4
"""The same in frame intervals, of cameras that give less than two frames a second."""
_LINES = 10
"""Lines of the log a minute about changes of state, at most."""
_DAMAGED = "damaged on the way"
_RELIEF = 4.0
"""Seconds after which it passes over still more, if that was not enough."""
_LOOK = 1.0
"""Seconds between two looks at what the stream is worth."""


class _Due(NamedTuple):
    """A picture that is to be looked at, on its way to whoever iterates."""

    picture: AvPicture
    pts: int
    when: tuple[int, TimeQuality]
    mark: Mark | None
    number: int
    last: bool
    """No more are wanted of this connection."""


class LiveSource(BaseSource):
    """A stream. ``read`` connects once and gives the open input, and what is made of its pictures."""

    def __init__(
        self,
        config: SourceConfig,
        index: int,
        place: Place,
        read: Callable[[LiveSource, Sift], Iterator[object]],
        stop: Stop | None,
        transport: Transport | None = None,
    ) -> None:
        super().__init__(config, index, live=config.live is not False, stop=stop)
        self.waits = True
        self.place = place
        self._read = read
        self._transport = transport or Transport({})
        self._normaliser = PtsNormaliser(int(SECOND / (config.fps or DEFAULT_FPS)))
        self._clock = ArrivalClock()
        self._lag = Lag()
        self._shed = DecoderShed()
        self._key_times = KeyTimes()
        self._stream = ""
        self._last = 0  # monotonic ns of the last frame
        self._opened: Opened | None = None
        self._earlier = (0, 0)
        """Packets and vanished pictures of earlier connections."""
        self._skipped = 0
        """Pictures that the decoder has passed over in this connection, as far as they are counted."""
        self._looked = 0.0
        self._slow = 0
        """When the decoder was set to pass over more, because it is too slow (monotonic ns)."""
        self._logged_at = 0.0
        self._lines: deque[float] = deque(maxlen=_LINES)
        self._untold = 0
        self._warned: set[str] = set()
        self._seeing = threading.Lock()
        """Pictures are judged on the thread of their connection, what does not come on that of whoever iterates."""
        self._connections = 0
        """Connections that are over: pictures of the next one count."""
        self._first = self._leaving = False
        """No picture of this connection has come; and no more are wanted of it."""
        self._lost_before: dict[str, int] = {}

    def __iter__(self) -> Iterator[Frame]:
        """Frames from now on. Iterated again, it goes on with the same stream: numbers and times are never used twice."""
        return self._frames()

    def _frames(self) -> Iterator[Frame]:
        attempt = 0
        self.stats.enter("connecting")
        try:
            while not self.ended():
                before = self.stats.frames
                self.stats.attempts += 1
                error = yield from self._attempt()
                if self.ended():
                    return
                attempt = 1 if self.stats.frames > before else attempt + 1
                self._again(attempt, error)
        finally:
            if self.stats.state != "failed":  # of a camera that was never seen, the reason is kept
                self.stats.enter("ended", "" if self.stats.connections else self.stats.reason)

    def _attempt(self) -> Generator[Frame, None, Exception | None]:
        """Connect once and give its frames. Returns the error that ended it, None where the stream ended by itself."""
        self._leaving = False
        self._lost_before = dict(self.stats.lost)
        items = self._read(self, partial(self._see, self._connections))
        try:
            yield from self._connection(items)
        except Exception as error:
            known = isinstance(error, (av.error.FFmpegError, OSError))
            hopeless = fatal(error, self.place.kind)
            if not known and not hopeless:
                raise
            if hopeless:
                explained = explain(error, self.place.shown, self.where, self.place.kind)
                self.stats.enter("failed", explained.what)
                raise explained from None
            return error
        finally:
            with self._seeing:
                self._connections += 1
                self._opened = None
            items.close()  # type: ignore[attr-defined]
        return None

    def _again(self, attempt: int, error: Exception | None) -> None:
        """Say why there is nothing, and wait."""
        cause = cause_of(error)
        reason = "the stream ended"
        if error is not None:
            explained = explain(error, self.place.shown, self.where, self.place.kind)
            reason = explained.what.removeprefix(f"{self.place.shown}: ")
        if self._transport.may_fall_back and cause == "silent":
            self._fall_back("nothing came over UDP")
        delay = backoff(attempt, random.random(), cause)
        state: SourceState = "refused" if cause in ("auth", "refused") else "connecting"
        hint = ""
        if cause == "auth":
            hint = ". Cameras lock an account after a few wrong passwords: set it right and start anew, or wait"
        words = f"{self.place.shown}: {reason}; attempt {attempt} in {delay:.1f} s{hint}"
        self._enter(state, reason, words, loud=cause == "auth" and attempt > 1)
        self.wait(delay)

    def _enter(self, state: SourceState, reason: str, words: str, *, loud: bool = False) -> None:
        """Be in a state; logged when it is a new one, or has another reason, and once a minute while it lasts."""
        other = state != self.stats.state or reason != self.stats.reason
        self.stats.enter(state, reason)
        now = time.monotonic()
        if other or loud or now - self._logged_at >= EVERY:
            self._logged_at = now
            self._say(words, logging.ERROR if loud else logging.WARNING)

    def _say(self, words: str, level: int = logging.INFO) -> None:
        """A line of the log; of a camera that comes and goes all the time, a few a minute, and how many were not told."""
        now = time.monotonic()
        if level < logging.ERROR and len(self._lines) == _LINES and now - self._lines[0] < EVERY:
            self._untold += 1
            return
        self._lines.append(now)
        if self._untold:
            words += f" ({self._untold} changes of state before it were not told)"
            self._untold = 0
        log.log(level, "%s: %s", self.where, words)

    def close(self) -> None:
        """See the base."""
        super().close()
        if self._untold:
            log.warning("%s: %d changes of state were not told", self.where, self._untold)
            self._untold = 0

    def _fall_back(self, why: str) -> None:
        self._transport.fall_back()
        log.warning("%s: %s; TCP is used from now on (rtsp_transport: auto)", self.where, why)

    def watch(self, quiet: float, dark: float) -> None:
        """Nothing came for a moment: is it the packets, or only the pictures?"""
        with self._seeing:
            self._watch(quiet, dark)

    def _watch(self, quiet: float, dark: float) -> None:
        self._note_packets()
        usual = max(_QUIET, min(_USUAL * self._normaliser.step / SECOND, self.config.timeout / 2))
        if quiet > usual:
            self._enter("stalled", "no packet comes", f"no packet for {quiet:.0f} s")
        elif dark > usual and quiet < usual / 2 and self._shed.mode != "NONKEY" and not self._resting():
            self._enter(
                "waiting-for-key-frame",
                "packets come, and no picture",
                f"packets come, and no picture for {dark:.0f} s; waiting for a key frame",
            )

    def _resting(self) -> bool:
        return self._opened is not None and self._opened.resting

    def _note_packets(self) -> None:
        """What this connection has brought so far."""
        opened, stats = self._opened, self.stats
        if opened is not None:
            stats.packets, stats.vanished = self._earlier[0] + opened.packets, self._earlier[1] + opened.vanished
            stats.last_packet = opened.heard

    def _note_skipped(self, opened: Opened) -> None:
        """What the decoder passed over has its numbers all the same."""
        more = opened.skipped - self._skipped
        self._skipped = opened.skipped
        self.stats.thinned += more
        self._number += more

    def _connection(self, items: Iterator[object]) -> Iterator[Frame]:
        if next(items, None) is None:
            return
        try:
            for item in items:
                if self.ended():
                    return
                assert isinstance(item, _Due)
                picture = item.picture
                with self._seeing:
                    frame = self.frame(
                        picture,
                        (picture.width, picture.height),
                        item.pts,
                        *item.when,
                        self._stream,
                        item.mark,
                        item.number,
                    )
                yield frame
                if item.last:
                    return
        finally:
            with self._seeing:
                if self._opened is not None:
                    self.count_lost(self._lost_before, self._opened.lost)
                    self._note_packets()
                self.tell_lost(self._lost_before)

    def _see(self, connection: int, item: Item) -> _Due | None:
        """On the connection's thread: the frame that is to be handed on, None where it is not looked at. A connection that was turned
        away from sees nothing more."""
        with self._seeing:
            if connection != self._connections or self._leaving:
                return None
            if isinstance(item, Opened):
                self._connected(item)
                return None
            assert self._opened is not None
            return self._seen(self._opened, item)

    def _connected(self, opened: Opened) -> None:
        """The input is open."""
        if opened.rate:
            self._normaliser.step = int(SECOND / float(opened.rate))
        self.ask(stamped=not opened.raw)
        self._earlier = (self.stats.packets, self.stats.vanished)
        self._opened, self._skipped, self._first = opened, 0, True

    def _seen(self, opened: Opened, item: Decoded) -> _Due | None:
        now, ticks = time.time_ns(), time.monotonic_ns()
        timed = not opened.raw and opened.format != PARTS  # others are timed by when they come
        self.count_lost(self._lost_before, opened.lost)
        self.tell_decoder(opened)
        self._note_packets()
        if self._first:
            self._begin(now, ticks)
            self._first = False
        elif self.stats.state in ("stalled", "waiting-for-key-frame"):
            self._shed.begin()
            self._say("pictures come again")
            self.stats.enter("live")
        pts = self._normaliser.normalise(item.pts if timed else ticks)
        self._last = ticks
        self.stats.repaired = self._normaliser.repaired
        when = self._clock.time(pts, now, None if self.config.time == "arrival" else item.sent)
        self._judge(opened, pts, ticks, now, item.sent)
        self._note_skipped(opened)
        opened.shed(self._shed.see(pts, self._thinner.rate, opened.keys))
        if item.key:
            self._key_times.see(pts, item.key)
        taken = self.takes(pts, bool(item.key))
        self._rest(opened, item.pts if timed else None, pts)
        if not taken:
            return None
        self._leaving = self._too_lossy()
        self._number += 1
        return _Due(AvPicture(item.frame, item.orientation), pts, when, item.mark, self._number - 1, self._leaving)

    def _rest(self, opened: Opened, stamp: int | None, pts: int) -> None:
        """Where no frame is wanted before the next key frame, none needs to be decoded until then. ``stamp``: the container's."""
        following = self._key_times.next() if stamp is not None and self._thinner.rate else None
        if following is None or stamp is None or pts >= following[0]:
            return
        wakes = self._thinner.wakes(*following)
        if wakes is not None:
            opened.rest(stamp + wakes - pts - int(min(self._thinner.interval, following[1]) / 2))

    def _begin(self, now: int, ticks: int) -> None:
        """The first frame of a connection."""
        stats = self.stats
        stats.connections += 1
        stats.attempts = 0
        stats.enter("live")
        self._lag.begin()
        self._shed.begin()
        self._key_times.begin()
        if not self._stream:
            self._stream = str(now)
            self._say(f"connected to {self.place.shown}")
            return
        stats.reconnects += 1
        self._normaliser.begin(ticks - self._last)
        self._clock.begin()
        self._say(f"connected to {self.place.shown} again")

    def _judge(self, opened: Opened, pts: int, ticks: int, now: int, sent: int | None) -> None:
        """Once a second: are counts of these pictures to be trusted?"""
        self._lag.see(pts, ticks, opened.waited)
        if ticks - self._looked < _LOOK * SECOND:
            return
        self._looked = ticks
        share = lossy(self.stats, ticks / SECOND)
        late = self._lag.why(ticks, opened.waited)
        if late.startswith(SLOW) and ticks - self._slow > _RELIEF * SECOND:
            self._slow = ticks
            self._shed.late(pts)
        late = late or self.stats.overload
        reason, words = late.partition(":")[0], late
        # Once degraded, better only when it is clearly so.
        if share > (LOSS / 2 if self.stats.state == "degraded" else LOSS):
            reason, words = _DAMAGED, f"{share:.0%} of the pictures are {_DAMAGED}"
        stats = self.stats
        if stats.blind:
            pass  # nothing of it is looked at, whatever it is worth
        elif reason and words == stats.overload:  # told of all sources at once, by who shares out
            stats.enter("degraded", words)
        elif reason:
            self._enter("degraded", reason, words)
        elif stats.state == "degraded":
            if not stats.reason.startswith(OVERLOAD):
                self._say("the stream is good again")
            stats.enter("live")
        if sent is not None:
            self.stats.clock_offset = (sent - now) / SECOND
            self._warn(self.stats.clock_offset)

    def _too_lossy(self) -> bool:
        if not self._transport.may_fall_back or self.stats.reason != _DAMAGED:
            return False
        self._fall_back("pictures are damaged on the way")
        return True

    def _warn(self, offset: float) -> None:
        """Of a clock that is off, once."""
        if self.config.time == "arrival":
            return
        if self._clock.distrusted:
            self._warn_once(
                "distrusted",
                "the camera's clock is more than an hour from this machine's; time of arrival is used instead. "
                "Set the camera's clock, best by NTP",
            )
        elif abs(offset) > CLOCK_OFF:
            way = "ahead of" if offset > 0 else "behind"
            self._warn_once(
                "off",
                f"the camera's clock is {abs(offset):.1f} s {way} this machine's, and events carry the camera's time. "
                "Set it by NTP, or write `time: arrival` for this source",
            )

    def _warn_once(self, about: str, words: str) -> None:
        if about not in self._warned:
            self._warned.add(about)
            log.warning("%s: %s", self.where, words)
