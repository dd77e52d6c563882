"""Recordings that follow each other as one stream, also while they are being written, and from where an earlier run ended."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import av.error

from countline.config.models import SourceConfig
from countline.errors import SourceError
from countline.types import Frame, Seam, TimeQuality
from countline.video.base import BaseSource, Stop
from countline.video.clock import SECOND, FileClock, PtsNormaliser, creation_time, parse_start
from countline.video.container import Opened
from countline.video.decode import UNREADABLE, Decoded
from countline.video.files import rate_of
from countline.video.length import measure
from countline.video.picture import AvPicture
from countline.video.place import Place, file_digest, visible
from countline.video.reader_thread import Connect, direct
from countline.video.segments import Segment, Segments
from countline.video.trouble import explain
from countline.video.upcoming import Upcoming

__all__ = ["SequenceSource"]

log = logging.getLogger("countline.video")

TOLERANCE = 3 * SECOND // 2
"""ns by which what names tell (whole seconds) may differ from where the recording before ended."""
MOST_PLACES = 200
"""Recordings that may be gone through again after a restart."""


@dataclass(slots=True)
class _Begun:
    """A recording that was begun: all that is needed to begin it again in the same way."""

    name: str
    mtime: int
    number: int
    """Of its first frame."""
    pts: int
    gap: bool


class SequenceSource(BaseSource):
    """All recordings of a folder or a glob, in their order, as one stream: numbers, PTS and times go on over the seams.

    ``connect`` gives what opens a recording.
    """

    def __init__(
        self,
        config: SourceConfig,
        index: int,
        place: Place,
        connect: Callable[[Path], Connect],
        stop: Stop | None,
    ) -> None:
        super().__init__(config, index, live=bool(config.live), stop=stop)
        self.place = place
        self.endless = bool(config.watch)
        self._gap = int(config.segments.gap * SECOND)
        self._connect = connect
        self._segments = Segments(place, config, self.where)
        self._upcoming = Upcoming(self, self._segments)
        self._stream = ""
        self._clock: FileClock | None = None
        self._begun: list[_Begun] = []
        self._end = self._last = -1
        self._broken = False
        self._committed = -1
        if config.watch and (config.loop or config.live):
            raise SourceError(
                f"{place.shown}: what is watched has no end, and all of it is counted: `loop` and `live` do not go with it",
                where=self.where,
                fix="leave them out",
            )

    def close(self) -> None:
        """See the base."""
        super().close()
        self._upcoming.close()

    # -- where an earlier run ended --------------------------------------------------------------------------------

    def resume(self, stream: str, frame: int, finished: bool, place: str) -> None:
        """See :class:`countline.protocols.ResumableSource`."""
        if self.info.live or self.config.loop or (finished and not self.endless):
            return
        known = json.loads(place)
        if known["as"] != self._how():
            return
        self._stream, self._committed = stream, frame
        self._clock = FileClock(known["start"], TimeQuality(known["quality"]))
        self._begun = [_Begun(**begun) for begun in known["begun"]]
        self._trim()

    def _how(self) -> list[Any]:
        """What decides which recordings these are, and how they are numbered."""
        config = self.config
        return [config.uri, config.start, config.fps, config.segments.order, config.options, config.deinterlace]

    def _seam(self, begun: _Begun) -> Seam | None:
        if self.info.live or self.config.loop or self._clock is None:
            return None
        place = {
            "as": self._how(),
            "start": self._clock.start,
            "quality": self._clock.quality.value,
            "begun": [asdict(b) for b in self._begun],
        }
        return Seam(json.dumps(place), begun.number, self._begun[0].number, begun.gap)

    def _again(self) -> list[tuple[Segment, _Begun]]:
        """The recordings that are to be gone through again: the last of those that were begun, as far as they are there."""
        there = {segment.name: segment for segment in self._segments.look()}
        again: list[tuple[Segment, _Begun]] = []
        for begun in reversed(self._begun):
            if begun.name not in there:
                break
            again.insert(0, (there[begun.name], begun))
        last = self._begun[-1]
        self._upcoming.passed(self._segments.key_of(last.name, last.mtime))
        if not again:
            self._number, self._end, self._broken = self._committed + 1, last.pts, True
            log.warning(
                "%s: %s, which an earlier run had begun, is not there any more: what it had not counted of it is lost",
                self.where, visible(last.name),
            )  # fmt: skip
        self._begun = []
        return again

    # -- frames ----------------------------------------------------------------------------------------------------

    def _frames(self) -> Iterator[Frame]:
        before = self.stats.frames
        for segment, begun in self._again() if self._begun else ():
            if self.ended():
                return
            self._number = begun.number
            yield from self._read(segment, begun)
        while not self.ended():
            for segment in self._upcoming:
                yield from self._read(segment, None)
                self._upcoming.read(segment)
            if not self.config.loop or self.stats.frames == before:
                break
            self._upcoming.passed(None)
        if self.stats.frames == before and not self.endless and not self.ended() and self._committed < 0:
            raise SourceError(
                f"{self.place.shown}: not one frame of {self._upcoming.count} recordings could be decoded",
                where=self.where,
                fix="check them with `ffprobe`; the log says what is wrong with each",
            )

    def _read(self, segment: Segment, known: _Begun | None) -> Iterator[Frame]:
        """All frames of one recording. One that cannot be read is logged and counted; the others go on."""
        earlier, number = dict(self.stats.lost), self._number
        connect = self._connect(segment.path)
        items = direct(self.remembering(connect))
        self._thinner.rate = None  # evenly from the first frame of each, wherever a run began
        try:
            opened = next(items)
            assert isinstance(opened, Opened)
            self.ask(stamped=not opened.raw)
            yield from self._pass(segment, opened, items, earlier, known, connect)
        except (av.error.FFmpegError, OSError, SourceError) as error:
            self.count_lost(self.stats.lost, {UNREADABLE: 1})
            words = (
                explain(error, visible(segment.path), self.where, "file")
                if not isinstance(error, SourceError)
                else error
            )
            outcome = (
                f"broke off: {error}" if self._number > number else f"cannot be read and is left out: {words.what}"
            )
            self.left_out.say(f"{self.where}: {visible(segment.path)} {outcome}")
        finally:
            items.close()  # type: ignore[attr-defined]
            self.tell_lost(earlier)
        self._broken = self._broken or self._number == number

    def _pass(
        self,
        segment: Segment,
        opened: Opened,
        items: Iterator[Any],
        earlier: dict[str, int],
        known: _Begun | None,
        connect: Connect,
    ) -> Iterator[Frame]:
        rate = rate_of(opened, self.config)
        step = int(SECOND / rate)
        normaliser, repaired = PtsNormaliser(step), self.stats.repaired
        begun: _Begun | None = None
        count = 0
        for item in items:
            if self.ended():
                return
            assert isinstance(item, Decoded)
            fresh = begun is None
            if begun is None:
                begun = known or self._begin(segment, opened, item, step, connect)
                self._note(begun, segment, opened)
            pts = begun.pts + normaliser.normalise(int(count * SECOND / rate) if opened.raw else item.pts)
            count += 1
            self.stats.repaired = repaired + normaliser.repaired
            self.count_lost(earlier, opened.lost)
            self._last, self._end = pts, pts + step
            if not self.takes(pts):
                continue
            if (self.info.live or self.config.realtime) and self._number > self._committed:
                self.pace(pts)
                if self.ended():
                    return
            yield self._made(item, pts, begun if fresh else None)
        self.count_lost(earlier, opened.lost)
        if begun is None and not self.ended():
            raise SourceError(f"{visible(segment.path)}: not one frame could be decoded", where=self.where)

    def _made(self, item: Decoded, pts: int, begun: _Begun | None) -> Frame:
        assert self._clock is not None
        picture = AvPicture(item.frame, item.orientation)
        size = picture.width, picture.height
        frame = self.frame(picture, size, pts, *self._clock.time(pts), self._stream, item.mark)
        if begun is not None:
            frame.seam = self._seam(begun)
        return frame

    def _note(self, begun: _Begun, segment: Segment, opened: Opened) -> None:
        """A recording begins with its first frame."""
        if not self._stream:
            self._stream = self.stream(file_digest(segment.path))
        if begun.gap:
            self._begun, self._paced = [], None
        self._broken = False
        self._begun.append(begun)
        self._trim()

    def _trim(self) -> None:
        """Keep what is to be gone through again: the last, the one before it, and as many as the warm-up needs."""
        warm_up = int(self.config.segments.warm_up * SECOND)
        places = self._begun
        while (len(places) > 2 and places[-1].pts - places[1].pts >= warm_up) or len(places) > MOST_PLACES:
            places.pop(0)

    def _begin(self, segment: Segment, opened: Opened, first: Decoded, step: int, connect: Connect) -> _Begun:
        """Where it stands in the stream: right behind the one before, unless it is known to be later."""
        start, quality = self._start_of(segment, opened, first, connect)
        if self._clock is None:
            if start is None:
                start = time.time_ns()
            self._clock = FileClock(start, quality)
            return _Begun(segment.name, segment.mtime, self._number, 0, False)
        late = 0 if start is None else start - (self._clock.start + self._end)
        sure = quality is TimeQuality.FILE_START
        limit = self._gap if sure else max(self._gap, TOLERANCE)
        if late > limit or (self._broken and late > 0):
            return _Begun(segment.name, segment.mtime, self._number, self._end + late, True)
        if late > TOLERANCE and sure:
            return _Begun(segment.name, segment.mtime, self._number, self._end + late, False)
        if segment.time is not None and late < -TOLERANCE:
            self.left_out.say(
                f"{self.where}: {visible(segment.path)} begins {-late / 1e9:.1f} s before the end of the one before it, by their "
                "names: it is put behind that, and who is seen in both may be counted twice"
            )
        # Within what names can tell they adjoin; a clock that drifts is followed by less than a frame at a time.
        pts = max(self._last + 1, self._end + max(-step // 2, min(step, late)))
        return _Begun(segment.name, segment.mtime, self._number, pts, self._broken)

    def _start_of(
        self, segment: Segment, opened: Opened, first: Decoded, connect: Connect
    ) -> tuple[int | None, TimeQuality]:
        """When it begins, ns since the Unix epoch, as well as that is known."""
        if segment.time is not None:
            return segment.time, TimeQuality.FILE_START
        if self.config.start:
            start = parse_start(self.config.start, self.where) if self._clock is None else None
            return start, TimeQuality.FILE_START
        created = creation_time(opened.metadata())
        if created is not None:
            return created, TimeQuality.FILE_START
        span = measure(connect, segment.size)
        if span is None:
            length = opened.duration or 0
        elif opened.raw:
            length = int(span.frames * SECOND / rate_of(opened, self.config))
        else:
            length = max(0, span.end - (first.pts if first.pts is not None else span.start or 0))
        return segment.mtime - length, TimeQuality.FILE_MTIME
