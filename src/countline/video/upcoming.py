"""Which recording comes next, and when it may be read."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from countline.errors import SourceError
from countline.observe.repeated import Repeated
from countline.video.base import BaseSource
from countline.video.place import visible
from countline.video.segments import Segment, Segments, Settling

__all__ = ["LATE", "REMOVED", "UNNAMED", "Upcoming"]

log = logging.getLogger("countline.video")

LOOK = 1.0
"""Seconds between two looks at a folder, at least."""
RESTS = 10
"""Times as long as a look takes until the next one."""
POLL = 0.2
"""Seconds between two looks at a file that is being written."""
REMOVED = "removed"
"""A recording that was taken away before it was read."""
LATE = "late"
"""A recording that came when a later one had been begun already."""
UNNAMED = "unnamed"
"""A recording whose name does not tell its time, though ``start`` says that it does."""


class Upcoming:
    """Gives each recording once, in order, when it is whole. Ends when there are no more, or, of a source that is watched, when
    none has come for as long as it waits."""

    def __init__(self, source: BaseSource, segments: Segments) -> None:
        self._source, self._segments = source, segments
        self._watch = source.config.watch
        self._settling = Settling(source.config.segments.settle)
        self._passed: tuple[Any, ...] | None = None
        self._ahead: list[Segment] = []
        self._looked: float | None = None
        self._pause = LOOK
        self._known: set[str] | None = None
        self._unnamed: set[str] = set()
        self._logs: dict[str, Repeated] = {}
        self.count = 0
        """Recordings that were given."""

    def passed(self, key: tuple[Any, ...] | None) -> None:
        """All up to this place in the order are done; None: none is."""
        self._passed, self._ahead, self._looked = key, [], None

    def read(self, segment: Segment) -> None:
        """A recording was read to its end."""
        self._settling.forget(segment)

    def __iter__(self) -> Iterator[Segment]:
        idle = time.monotonic()
        source = self._source
        seen: tuple[Any, ...] = ()
        while not source.ended():
            self._look()
            segment = self._fresh(self._ahead[0]) if self._ahead else None
            now = time.monotonic()
            if segment is None:
                if self._ahead:
                    self._ahead.pop(0)  # it was taken away
                    continue
                if not self._watch or (self._watch is not True and now - idle >= self._watch):
                    return
                if now - idle > 2 * LOOK:
                    source.stats.enter("connecting", "waiting for the next recording")
                source.wait(POLL)
                continue
            if (segment.name, segment.size, segment.mtime) != seen:
                seen, idle = (segment.name, segment.size, segment.mtime), now
            left = self._settling.left(segment, followed=len(self._ahead) > 1)
            if left > 0:
                source.wait(min(left, POLL))
                continue
            self._ahead.pop(0)
            self._passed = segment.key
            self.count += 1
            yield segment
            idle = time.monotonic()

    def _fresh(self, segment: Segment) -> Segment | None:
        try:
            facts = segment.path.stat()
        except OSError:
            self._lose(REMOVED, f"{visible(segment.path)} was removed before it was read")
            return None
        key = self._segments.key_of(segment.name, facts.st_mtime_ns)
        return replace(segment, key=key, size=facts.st_size, mtime=facts.st_mtime_ns)

    def _look(self) -> None:
        now = time.monotonic()
        if self._looked is not None and (now - self._looked < self._pause or (self._ahead and not self._watch)):
            return
        try:
            found = self._segments.look(self._passed)
        except SourceError as error:
            if not self._watch:
                raise
            self._say("away", str(error))
            return
        finally:
            self._looked = time.monotonic()
            self._pause = max(LOOK, RESTS * (self._looked - now))  # a folder that takes long to read is read less often
        self._tell_unnamed()
        passed = self._passed
        self._ahead = [segment for segment in found if passed is None or segment.key > passed]
        for segment in self._ahead:
            self._settling.see(segment)
        names = {segment.name for segment in found}
        if self._known is not None and passed is not None:
            for segment in found:
                if segment.name not in self._known and segment.key <= passed:
                    self._lose(
                        LATE, f"{visible(segment.path)} came when a later one had been begun already, and is left out"
                    )
        self._known = names

    def _tell_unnamed(self) -> None:
        for path in self._segments.unnamed:
            if str(path) not in self._unnamed:
                self._unnamed.add(str(path))
                self._lose(
                    UNNAMED, f"the name of {visible(path)} does not tell its time as `start` says; it is left out"
                )

    def _lose(self, reason: str, words: str) -> None:
        self._source.count_lost(self._source.stats.lost, {reason: 1})
        self._say(reason, f"{self._source.where}: {words}")

    def _say(self, reason: str, words: str) -> None:
        if reason not in self._logs:
            self._logs[reason] = Repeated(log)
        self._logs[reason].say(words)

    def close(self) -> None:
        """Log what was not logged yet."""
        for repeated in list(self._logs.values()):
            repeated.close()
