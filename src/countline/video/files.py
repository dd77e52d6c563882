"""Video files, local, on a web server or through a pipe: every frame, the same each time."""

from __future__ import annotations

import hashlib
import logging
import os
import time
from collections.abc import Callable, Iterator

import av.error

from countline.config.models import SourceConfig
from countline.errors import SourceError
from countline.observe.repeated import Repeated
from countline.types import Frame, TimeQuality
from countline.video.base import DEFAULT_FPS, BaseSource, Stop
from countline.video.clock import SECOND, FileClock, PtsNormaliser, creation_time, parse_start
from countline.video.container import Opened
from countline.video.decode import UNREADABLE, Decoded
from countline.video.growing import head_digest
from countline.video.length import measure
from countline.video.picture import AvPicture
from countline.video.place import Place, file_digest
from countline.video.reader_thread import Connect, Item
from countline.video.trouble import explain

__all__ = ["FileSource", "known_clock", "quality_of", "rate_of", "stream_of"]

log = logging.getLogger("countline.video")


def rate_of(opened: Opened, config: SourceConfig) -> float:
    """Frames per second where frames carry no time: what the user says, else the stream, else 30."""
    return (config.fps if opened.raw else None) or float(opened.rate or config.fps or DEFAULT_FPS)


def known_clock(opened: Opened, config: SourceConfig, where: str, name: str = "") -> FileClock | None:
    """Capture time of the first frame by what the user or the container says; None if neither does. ``name``: of the file."""
    if config.start:
        return FileClock(parse_start(config.start, where, name), TimeQuality.FILE_START)
    created = creation_time(opened.metadata())
    return None if created is None else FileClock(created, TimeQuality.FILE_START)


def quality_of(place: Place, opened: Opened, config: SourceConfig, where: str) -> TimeQuality:
    """How well capture times of a file will be known."""
    known = known_clock(opened, config, where, place.path)
    return known.quality if known is not None else _ESTIMATES.get(place.kind, TimeQuality.NONE)


_ESTIMATES = {"file": TimeQuality.FILE_MTIME, "pipe": TimeQuality.ARRIVAL}


def stream_of(place: Place, opened: Opened, grows: bool = False) -> str:
    """Identity of the content: of a file its digest (of a list that of its files, too), of a file on a server what its
    headers say, of what can be read only once the time of its first frame."""
    if place.kind == "file" and grows:
        return head_digest(place.path)
    if place.kind == "file":
        own = file_digest(place.path)
        if not opened.entries:
            return own
        parts = [own, *(file_digest(path) for path in opened.entries)]
        return hashlib.blake2b("".join(parts).encode(), digest_size=16).hexdigest()
    if place.kind == "pipe":
        return str(time.time_ns())
    return hashlib.blake2b(repr(opened.identity).encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()


class FileSource(BaseSource):
    """A video with an end. ``read`` opens it and gives the open input and its frames; ``connect`` opens it anew beside
    that."""

    def __init__(
        self,
        config: SourceConfig,
        index: int,
        place: Place,
        read: Callable[[BaseSource], Iterator[Item]],
        connect: Connect,
        stop: Stop | None,
    ) -> None:
        super().__init__(config, index, live=bool(config.live), stop=stop)
        self.place = place
        self._read = read
        self._connect = connect
        self._clock: FileClock | None = None
        self._stream = ""
        self._broke_off = Repeated(log)
        if config.start:
            parse_start(config.start, self.where, place.path)

    def close(self) -> None:
        """See the base."""
        super().close()
        self._broke_off.close()

    def _frames(self) -> Iterator[Frame]:
        normaliser = PtsNormaliser(int(SECOND / (self.config.fps or DEFAULT_FPS)))
        self._clock = None
        while not self.ended():
            before = self.stats.frames
            earlier = dict(self.stats.lost)
            items = self._read(self)
            try:
                opened = next(items, None)
                if not isinstance(opened, Opened):
                    return  # closed while it was being opened
                normaliser.step = int(SECOND / rate_of(opened, self.config))
                normaliser.begin()
                self.ask(stamped=not opened.raw)
                yield from self._pass(opened, items, normaliser, earlier)
            except (av.error.FFmpegError, OSError) as error:
                if self.stats.frames == before:
                    raise explain(error, self.place.shown, self.where, self.place.kind) from None
                self.count_lost(self.stats.lost, {UNREADABLE: 1})
                self._broke_off.say(f"{self.where}: {self.place.shown} broke off: {error}")
            finally:
                items.close()  # type: ignore[attr-defined]
                self.tell_lost(earlier)
            if not self.config.loop:
                return

    def _pass(
        self, opened: Opened, items: Iterator[Item], normaliser: PtsNormaliser, earlier: dict[str, int]
    ) -> Iterator[Frame]:
        """All frames once. Raises SourceError if there is none."""
        rate = rate_of(opened, self.config)
        count, repaired = 0, self.stats.repaired - normaliser.repaired
        for item in items:
            if self.ended():
                return
            assert isinstance(item, Decoded)
            clock = self._clock or self._begin(opened, item)
            pts = normaliser.normalise(int(count * SECOND / rate) if opened.raw else item.pts)
            count += 1
            self.count_lost(earlier, opened.lost)
            self.tell_decoder(opened)
            self.stats.repaired = repaired + normaliser.repaired
            if not self.takes(pts):
                continue
            picture = AvPicture(item.frame, item.orientation)
            if (self.info.live or self.config.realtime) and self.place.kind != "pipe":
                self.pace(pts)
                if self.ended():
                    return
            yield self.frame(picture, (picture.width, picture.height), pts, *clock.time(pts), self._stream, item.mark)
        self.count_lost(earlier, opened.lost)
        if count == 0 and not self.ended():
            raise SourceError(
                f"{self.place.shown}: not one frame could be decoded",
                where=self.where,
                fix="check the file with `ffprobe`; it is probably damaged or cut off",
            )

    def _begin(self, opened: Opened, first: Decoded) -> FileClock:
        """At the first frame of all: its time, and the identity of the stream."""
        self._stream = self.stream(stream_of(self.place, opened, bool(self.config.watch)))
        self._clock = known_clock(opened, self.config, self.where, self.place.path)
        if self._clock is None:
            quality = quality_of(self.place, opened, self.config, self.where)
            start = {
                TimeQuality.FILE_MTIME: lambda: self._before_mtime(opened, first),
                TimeQuality.ARRIVAL: time.time_ns,
            }
            self._clock = FileClock(start.get(quality, int)(), quality)
        return self._clock

    def _before_mtime(self, opened: Opened, first: Decoded) -> int:
        """The file was last written when its last frame had ended: from there back to the first frame, by time stamps.
        Also of a file that is still being written, and of one whose container states no length or a wrong one."""
        before = os.stat(self.place.path)
        for _ in range(3):
            span = measure(self._connect, before.st_size)
            after = os.stat(self.place.path)
            if (after.st_size, after.st_mtime_ns) == (before.st_size, before.st_mtime_ns):
                break
            before = after
        if span is None:
            return before.st_mtime_ns - (opened.duration or 0)
        if opened.raw:  # stamps of these are made up; as for frames, the rate counts
            return before.st_mtime_ns - int(span.frames * SECOND / rate_of(opened, self.config))
        begins = first.pts if first.pts is not None else span.start or 0
        return before.st_mtime_ns - max(0, span.end - begins)
