"""A folder of images, or a single one, as a video."""

from __future__ import annotations

import hashlib
import io
import logging
import time
from collections.abc import Iterator
from pathlib import Path

import av
import av.error

from countline.config.models import SourceConfig
from countline.errors import SourceError
from countline.types import Frame, TimeQuality
from countline.video.access import demuxers
from countline.video.base import DEFAULT_FPS, BaseSource, Stop
from countline.video.clock import SECOND, FileClock, parse_start
from countline.video.decode import UNREADABLE, jpeg_is_complete
from countline.video.orientation import orientation_of
from countline.video.picture import AvPicture
from countline.video.place import Place, visible

__all__ = ["ImageSource", "read_image"]

log = logging.getLogger("countline.video")

WRITTEN = 1.0
"""Seconds without a change after which an image is as it will be."""
_LOOK = 0.1
"""Seconds between two looks at one that is not complete."""


def read_image(path: Path) -> AvPicture:
    """Decode one image and put it upright. Raises av.FFmpegError or OSError, also for one that is not complete."""
    data = path.read_bytes()
    # Through memory, so that FFmpeg goes by the content and takes no '%03d' in a name for a pattern. What names other
    # files (a playlist with the wrong suffix) is no image.
    with av.open(io.BytesIO(data), options={"protocol_whitelist": "none", "format_whitelist": demuxers()}) as container:
        if container.streams.video:
            for frame in container.decode(video=0):
                if not frame.is_corrupt and jpeg_is_complete(data):
                    return AvPicture(frame, orientation_of(frame, data))
                raise av.error.InvalidDataError(0, "only a part of the picture is there", visible(path))
    raise av.error.InvalidDataError(0, "no picture in it", visible(path))


def _unfinished(path: Path) -> bool:
    """It has no end, so that its end may still be to come."""
    data = path.read_bytes()
    return not data or not jpeg_is_complete(data) or (data.startswith(b"\x89PNG") and b"IEND" not in data[-16:])


def _version(path: Path) -> tuple[int, int]:
    """Changes whenever the file is written."""
    facts = path.stat()
    return facts.st_mtime_ns, facts.st_size


class ImageSource(BaseSource):
    """Images in the natural order of their names, ``config.fps`` (30) of them a second. Images that cannot be read are
    counted in ``stats.corrupt``; they leave a gap in time."""

    def __init__(self, config: SourceConfig, index: int, place: Place, stop: Stop | None) -> None:
        super().__init__(config, index, live=bool(config.live), stop=stop)
        self.place = place
        self._start = parse_start(config.start, self.where, str(place.files[0])) if config.start else None
        self._rate = config.fps or DEFAULT_FPS

    def _frames(self) -> Iterator[Frame]:
        clock, content = self._facts()
        stream = self.stream(content)
        shown, turn = 0, 0
        while not self.ended():
            for position, path in enumerate(self.place.files):
                if self.ended():
                    return
                try:
                    picture = self._complete_image(path)
                except (av.error.FFmpegError, OSError, ValueError) as error:
                    self.count_lost(self.stats.lost, {UNREADABLE: 1})
                    reason = getattr(error, "strerror", None) or error
                    self.left_out.say(f"{self.where}: {visible(path)} cannot be read and is left out: {reason}")
                    continue
                shown += 1
                pts = int((turn * len(self.place.files) + position) * SECOND / self._rate)
                if self.info.live or self.config.realtime:
                    self.pace(pts)
                yield self.frame(picture, (picture.width, picture.height), pts, *clock.time(pts), stream)
            if shown == 0:
                raise SourceError(
                    f"{self.place.shown}: not one of {len(self.place.files)} images can be read",
                    where=self.where,
                    fix="check that they are whole images (JPEG, PNG, BMP, TIFF, WebP)",
                )
            if not self.config.loop:
                return
            turn += 1

    def _complete_image(self, path: Path) -> AvPicture:
        """The image; one that is just being written is waited for. Raises as :func:`read_image`."""
        while True:
            before = _version(path)
            try:
                return read_image(path)
            except (av.error.FFmpegError, OSError, ValueError):
                if _version(path) != before and not self.ended():
                    continue  # what was read is no longer what is there
                age = time.time() - path.stat().st_mtime
                if not 0 <= age < WRITTEN or not _unfinished(path) or self.ended():
                    raise
                self.wait(min(_LOOK, WRITTEN - age))

    def _facts(self) -> tuple[FileClock, str]:
        """Clock, and identity: names and sizes of the images."""
        digest = hashlib.blake2b(digest_size=16)
        newest = 0
        try:
            for path in self.place.files:
                facts = path.stat()
                newest = max(newest, facts.st_mtime_ns)
                digest.update(f"{path.name}\0{facts.st_size}\n".encode("utf-8", "surrogateescape"))
        except OSError as error:
            raise SourceError(f"{visible(path)}: {error.strerror}", where=self.where, fix="check the folder") from None
        if self._start is not None:
            return FileClock(self._start, TimeQuality.FILE_START), digest.hexdigest()
        start = newest - int(len(self.place.files) * SECOND / self._rate)
        return FileClock(start, TimeQuality.FILE_MTIME), digest.hexdigest()
