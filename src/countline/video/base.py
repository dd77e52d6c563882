"""What all sources have in common."""

from __future__ import annotations

import logging
import threading
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

from countline.config.models import SourceConfig
from countline.observe.repeated import Repeated
from countline.protocols import SourceStats
from countline.secret_forms import hide_uri
from countline.source_status import AWAY
from countline.types import Frame, FrameInfo, FrameMark, Picture, SourceInfo, TimeQuality
from countline.video.container import Opened
from countline.video.place import visible
from countline.video.ring import Recall
from countline.video.shed import Thinner

__all__ = ["BaseSource", "Stop"]

log = logging.getLogger("countline.video")

DEFAULT_FPS = 30.0


class Stop(Protocol):
    """Tells whether to end: ``threading.Event`` is one."""

    def is_set(self) -> bool: ...


class BaseSource(ABC):
    """Frame numbers, sizes and the end. Subclasses give frames in ``_frames``."""

    def __init__(self, config: SourceConfig, index: int, *, live: bool, stop: Stop | None = None) -> None:
        self.config = config
        self.where = f"source '{config.name}'"
        self.info = SourceInfo(config.name, index, config.device_id or config.name, visible(hide_uri(config.uri)), live)
        self.stats = SourceStats()
        self.waits = bool(config.watch)
        """Whether it may have to wait for what is still to be recorded, or for a camera."""
        self._closing = threading.Event()
        self._stop = stop
        self._number = 0
        self._size: tuple[int, int] | None = None
        self._blind = ""
        """Why frames before the next one were dropped: the detector is away, or was until now."""
        self._paced: tuple[int, int] | None = None
        self.left_out = Repeated(log)
        """Tells what could not be read and was left out."""
        self._thinner = Thinner(None)
        self._asked: float | None = None
        self._limit: float | None = None
        self._recall: Recall | None = None

    def remember(self, seconds: float, max_bytes: int) -> None:
        """See :class:`countline.protocols.RememberingSource`."""
        self._recall = Recall(seconds, max_bytes) if max_bytes else None

    def remembering(self, connect: Callable[[], Opened]) -> Callable[[], Opened]:
        """``connect``, and what it opens keeps the packets that :meth:`remember` asks for."""

        def opened() -> Opened:
            made = connect()
            made.remember(lambda: self._recall)
            return made

        return opened

    def limit(self, rate: float | None) -> None:
        """At most so many frames a second from now on, evenly; None: as many as the configuration says. From any thread."""
        self._limit = rate
        self._set_rate()

    def ask(self, stamped: bool) -> None:
        """An input is opened: ``fps`` is the rate that is asked of it, or, without time stamps, the one that it has."""
        self._asked = self.config.fps if stamped else None
        self._set_rate()

    def _set_rate(self) -> None:
        self._thinner.rate = min((r for r in (self._asked, self._limit) if r is not None), default=None)

    def takes(self, pts: int, key: bool = False) -> bool:
        """Whether the frame at this time is looked at; it has its number all the same. ``key``: see :class:`Thinner`."""
        if self._thinner.takes(pts, key):
            return True
        self._number += 1
        self.stats.thinned += 1
        return False

    def __iter__(self) -> Iterator[Frame]:
        """Frames from the first on. Raises SourceError when the input cannot be opened or broke for good."""
        self._number = 0
        self._size = None
        self._paced = None
        return self._until_ended()

    def _until_ended(self) -> Iterator[Frame]:
        try:
            yield from self._frames()
        finally:
            self.stats.enter("ended")

    @abstractmethod
    def _frames(self) -> Iterator[Frame]:
        """Frames from the first on."""

    def close(self) -> None:
        """End the iteration, from whichever thread, also while it waits for the network."""
        self._closing.set()
        self.left_out.close()

    def ended(self) -> bool:
        """``close`` was called, or whoever made the source wants it to stop."""
        return self._closing.is_set() or (self._stop is not None and self._stop.is_set())

    def watch(self, quiet: float, dark: float) -> None:  # noqa: B027 - files have nothing to say of it
        """Called while nothing comes from the network: seconds since the last packet, and since the last picture."""

    def wait(self, seconds: float) -> None:
        """Wait, but no longer than to the end."""
        until = time.monotonic() + seconds
        while not self.ended() and (left := until - time.monotonic()) > 0:
            self._closing.wait(min(left, 0.1))

    def pace(self, pts: int) -> None:
        """Files that stand for a camera are read at their own speed, not at the decoder's."""
        now = time.monotonic_ns()
        if self._paced is None:
            self._paced = (now, pts)
        began, first = self._paced
        self.wait((began + pts - first - now) / 1e9)

    def stream(self, content: str) -> str:
        """Identity of the stream for content of this identity. Without an end, each run is a stream of its own: what it gives
        will not come again."""
        if self._asked is not None:  # other frames of the same content: events of their own
            content += f"@{self._asked:g}"
        return f"{content}-{time.time_ns()}" if self.info.live or self.config.loop else content

    def count_lost(self, earlier: Mapping[str, int], lost: Mapping[str, int]) -> None:
        """What was left out, by reason: of ``earlier`` openings of the input, and of this one."""
        total = sum(earlier.values()) + sum(lost.values())
        if total != self.stats.corrupt:  # called for every frame
            self.stats.lost = dict(Counter(earlier) + Counter(lost))
            self.stats.corrupt = total

    def tell_decoder(self, opened: Opened) -> None:
        """Note what decodes an input, and say it where the GPU that was asked for cannot."""
        if opened.decoder == self.stats.decoder:
            return
        self.stats.decoder = opened.decoder
        if opened.decoder == "cpu":
            log.warning(
                "%s: the GPU cannot decode this %s; it is decoded on the CPU, and its pictures are copied to the GPU",
                self.where,
                opened.codec,
            )

    def tell_lost(self, before: Mapping[str, int]) -> None:
        """Say what was left out since ``before``."""
        more = {reason: number - before.get(reason, 0) for reason, number in self.stats.lost.items()}
        words = ", ".join(f"{number} {reason}" for reason, number in sorted(more.items()) if number)
        if words:
            self.left_out.say(f"{self.where}: packets and frames left out of {self.info.uri}: {words}")

    def frame(
        self,
        picture: Picture,
        size: tuple[int, int],
        pts: int,
        moment: int,
        quality: TimeQuality,
        stream: str,
        mark: FrameMark | None = None,
        number: int | None = None,
    ) -> Frame:
        """The next frame; ``size`` is width, height; ``number``: where it got one when it came."""
        if self._size is not None and size != self._size:
            self.stats.resolution_changes += 1
        self._size = size
        if number is None:
            number = self._number
            self._number += 1
        stats = self.stats
        stats.frames += 1
        if stats.state == "connecting":
            stats.connections += 1
            stats.enter("live")
        stats.last_frame = time.monotonic()
        stats.sample(stats.last_frame)
        self._see_detector()
        doubt = stats.reason if stats.state == "degraded" else ""
        if self._blind and not stats.blind:  # frames before this one were dropped
            doubt, self._blind = doubt or self._blind, ""
        return Frame(FrameInfo(self.info, number, pts, moment, *size, quality, stream, doubt), picture, mark=mark)

    def _see_detector(self) -> None:
        """Whether frames are dropped because the detector is away."""
        stats = self.stats
        if stats.blind:
            self._blind = stats.blind
            if stats.state in ("live", "degraded") and stats.reason != stats.blind:
                stats.enter("degraded", stats.blind)
        elif stats.state == "degraded" and stats.reason.startswith(AWAY):
            stats.enter("live")
