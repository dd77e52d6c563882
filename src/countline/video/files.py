"""Video files, local or on a web server: every frame, the same each time."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import av.error

from countline.config.models import SourceConfig
from countline.errors import SourceError
from countline.types import Frame, TimeQuality
from countline.video.base import DEFAULT_FPS, BaseSource, Stop, rotation_of
from countline.video.clock import SECOND, FileClock, Stamper, creation_time, parse_start
from countline.video.container import Decoded, Opened, explain
from countline.video.picture import AvPicture
from countline.video.place import Place, file_digest
from countline.video.pump import Item

__all__ = ["FileSource", "clock_of", "rate_of", "stream_of"]

log = logging.getLogger("countline.video")

_SCAN = 512 * 1024 * 1024
"""Largest raw file that is read through once to learn its length."""


def rate_of(opened: Opened, config: SourceConfig) -> float:
    """Frames per second where frames carry no time: what the user says, else the stream, else 30."""
    return config.fps or float(opened.rate or DEFAULT_FPS)


def clock_of(place: Place, opened: Opened, config: SourceConfig, where: str, length: Callable[[], int]) -> FileClock:
    """Best known capture time of the first frame; ``length()`` gives the duration in ns."""
    if config.start:
        return FileClock(parse_start(config.start, where), TimeQuality.FILE_START)
    created = creation_time(opened.metadata())
    if created is not None:
        return FileClock(created, TimeQuality.FILE_START)
    if place.kind == "file":
        modified = os.stat(place.shown).st_mtime_ns
        return FileClock(modified - length(), TimeQuality.FILE_MTIME)
    return FileClock(0, TimeQuality.NONE)


def stream_of(place: Place, opened: Opened) -> str:
    """Identity of the content: of a file its digest, of a file on a server what its headers say."""
    if place.kind == "file":
        return file_digest(place.shown)
    context = opened.stream.codec_context
    facts = (
        opened.container.size, opened.duration, opened.stream.frames, opened.codec,
        context.width, context.height, context.extradata, sorted(opened.metadata().items()),
    )  # fmt: skip
    return hashlib.blake2b(repr(facts).encode(), digest_size=16).hexdigest()


class FileSource(BaseSource):
    """A video with an end. ``read`` opens it and gives the open input and its frames."""

    def __init__(
        self,
        config: SourceConfig,
        index: int,
        place: Place,
        read: Callable[[BaseSource], Iterator[Item]],
        stop: Stop | None,
    ) -> None:
        super().__init__(config, index, live=bool(config.live), stop=stop)
        self.place = place
        self._read = read
        if config.start:
            parse_start(config.start, self.where)

    def _frames(self) -> Iterator[Frame]:
        stamper = Stamper(int(SECOND / (self.config.fps or DEFAULT_FPS)))
        facts: tuple[FileClock, str] | None = None
        while not self.ended():
            before = self.stats.frames
            items = self._read(self)
            try:
                opened = next(items, None)
                if not isinstance(opened, Opened):
                    return  # closed while it was being opened
                if facts is None:
                    facts = self._begin(opened)
                stamper.step = int(SECOND / rate_of(opened, self.config))
                stamper.begin()
                yield from self._pass(opened, items, stamper, *facts)
            except (av.error.FFmpegError, OSError) as error:
                if self.stats.frames == before:
                    raise explain(error, self.place.shown, self.where) from None
                self.stats.corrupt += 1
                log.warning("%s: %s broke off: %s", self.where, self.place.shown, error)
            finally:
                items.close()  # type: ignore[attr-defined]
            if not self.config.loop:
                return

    def _begin(self, opened: Opened) -> tuple[FileClock, str]:
        clock = clock_of(self.place, opened, self.config, self.where, lambda: self._length(opened))
        return clock, self.stream(stream_of(self.place, opened))

    def _pass(
        self, opened: Opened, items: Iterator[Item], stamper: Stamper, clock: FileClock, stream: str
    ) -> Iterator[Frame]:
        """All frames once. Raises SourceError if there is none."""
        rate = rate_of(opened, self.config)
        count, corrupt, repaired = 0, self.stats.corrupt, self.stats.repaired - stamper.repaired
        for item in items:
            if self.ended():
                return
            assert isinstance(item, Decoded)
            pts = stamper.stamp(int(count * SECOND / rate) if opened.raw else item.pts)
            count += 1
            self.stats.corrupt = corrupt + opened.corrupt
            self.stats.repaired = repaired + stamper.repaired
            picture = AvPicture(item.frame, rotation_of(item.frame))
            if self.info.live:
                self.pace(pts)
                if self.ended():
                    return
            yield self.frame(picture, (picture.width, picture.height), pts, *clock.time(pts), stream)
        self.stats.corrupt = corrupt + opened.corrupt
        if count == 0 and not self.ended():
            raise SourceError(
                f"{self.place.shown}: not one frame could be decoded",
                where=self.where,
                fix="check the file with `ffprobe`; it is probably damaged or cut off",
            )

    def _length(self, opened: Opened) -> int:
        if opened.duration is not None:
            return opened.duration
        path = Path(self.place.shown)
        if not opened.raw or path.stat().st_size > _SCAN:
            return 0
        with av.open(self.place.location, format=opened.format) as container:
            packets = sum(1 for packet in container.demux(video=0) if packet.size)
        return int(packets * SECOND / rate_of(opened, self.config))
