"""Keeps the tracks of all sources beside a run, on a thread of its own: no frame waits for a disk."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from countline.config.record import RecordConfig
from countline.errors import OutputError
from countline.observe.repeated import Repeated
from countline.private_files import make_folder
from countline.record.folder import SourceFolder, hour_name
from countline.record.quota import Quota
from countline.record.rows import ROWS, arrow_and_parquet
from countline.types import Analytics, Frame, FrameTracks

__all__ = ["Recorder"]

log = logging.getLogger("countline.record")

LOOK = 0.25
"""Seconds between two looks of the thread at what waits."""


class _Waiting(NamedTuple):
    frame: FrameTracks
    anew: bool


@dataclass
class _Source:
    """What the thread knows of a source."""

    folder: SourceFolder | None
    labels: Sequence[str]
    hour: str = ""
    rows: int = 0
    since: float = 0.0
    frames: list[FrameTracks] = field(default_factory=list)
    anew: list[bool] = field(default_factory=list)
    recorded: dict[str, int] = field(default_factory=dict)
    """By stream of a file: the number of the last frame that an earlier run recorded."""
    dropped: int = 0
    """Since the last piece."""
    merged: set[str] = field(default_factory=set)
    """Hours that are over and wait to be merged."""


class Recorder:
    """A consumer of frames. What cannot be recorded is counted by its reason and told in the log; the run goes on without.

    Reasons: ``queue`` (of a live source, more waited than may), ``disk`` (a piece could not be written), ``in-use`` (another
    process records this source into this folder), ``recorded-before`` (of a file: an earlier run over it has
    recorded this frame).

    Parameters
    ----------
    config: ``record:`` of the configuration.
    clock: monotonic seconds.

    Raises
    ------
    OutputError: the folder cannot be made. MissingExtra: pyarrow is not installed.
    """

    def __init__(self, config: RecordConfig, *, clock: Callable[[], float] = time.monotonic) -> None:
        arrow_and_parquet()
        self.root = Path(config.path)
        try:
            make_folder(self.root)
        except OSError as error:
            raise OutputError(
                f"the folder cannot be made: {error.strerror}",
                where=f"record.path ({config.path})",
                fix="give a folder that you may write to",
            ) from None
        self._config, self._clock = config, clock
        self._waiting: deque[tuple[_Waiting, Sequence[str]]] = deque()
        self._room = threading.Condition()
        self._wake, self._closing = threading.Event(), threading.Event()
        self._sources: dict[str, _Source] = {}
        self._lost: Counter[tuple[str, str]] = Counter()
        """(source, reason) of frames that the run's thread could not hand over."""
        self._dropped: Counter[str] = Counter()
        self._frames = self._bytes = 0
        self._quota = Quota(self.root, config.keep)
        self._trouble = Repeated(log)
        self._thread = threading.Thread(target=self._work, name="countline-record", daemon=True)

    # -- the run's thread ------------------------------------------------------------------------------------------

    def __call__(self, frame: Frame | None, analytics: Analytics) -> None:
        """One frame's tracks, as the rules saw them."""
        info = analytics.frame
        tracks = analytics.tracks if analytics.placed is None else analytics.placed
        if len(self._waiting) >= self._config.max_waiting and not self._has_room(info.source.live):
            self._lost[info.source.name, "queue"] += 1
            return
        if self._thread.ident is None:  # not before: a run may be made and never executed
            self._thread.start()
        self._waiting.append((_Waiting(FrameTracks(info, tracks), analytics.anew), analytics.class_names))

    def _has_room(self, live: bool) -> bool:
        self._wake.set()
        if live:
            return False
        with self._room:
            self._room.wait_for(
                lambda: len(self._waiting) < self._config.max_waiting or not self._thread.is_alive(), timeout=None
            )
        return self._thread.is_alive()

    def close(self) -> None:
        """Write what waits, and make one file of the pieces of each hour."""
        self._closing.set()
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join()
        self._trouble.close()

    def stats(self) -> dict[str, Any]:
        """What was recorded in this run: frames, bytes written, frames that were not by reason, and files removed by the bounds.
        From any thread."""
        lost = Counter(dict(self._dropped))
        for (_, reason), count in list(self._lost.items()):
            lost[reason] += count
        return {
            "frames": self._frames,
            "bytes": self._bytes,
            "dropped_by": dict(lost),
            "removed": self._quota.removed,
        }

    # -- its own thread --------------------------------------------------------------------------------------------

    def _work(self) -> None:
        try:
            while not self._closing.is_set():
                self._wake.wait(LOOK)
                self._wake.clear()
                self._take()
                self._write_due()
                self._merge_one()
            self._take()
            for source in self._sources.values():
                self._write(source)
                if source.folder is not None:
                    for hour in source.folder.hours():
                        self._merge(source, hour)
                    source.folder.close()
        except Exception:
            log.exception("recording has ended")
            self._closing.set()
        finally:
            with self._room:
                self._room.notify_all()

    def _take(self) -> None:
        """Take in what waits now."""
        for _ in range(len(self._waiting)):
            item, labels = self._waiting.popleft()
            source = self._sources.get(item.frame.info.source.name) or self._open(item.frame, labels)
            self._add(source, item)
        with self._room:
            self._room.notify_all()

    def _open(self, frame: FrameTracks, labels: Sequence[str]) -> _Source:
        info = frame.info.source
        made = self._sources[info.name] = _Source(None, labels)
        try:
            made.folder = SourceFolder(self.root, info.name)
            made.merged.update(made.folder.hours())
            if not info.live:
                made.recorded = made.folder.recorded()
        except BlockingIOError:
            log.error(
                "source '%s' is not recorded: another process records it into %s; give each a folder of its own",
                info.name, self.root,
            )  # fmt: skip
        except OSError as error:
            self._trouble.say(f"source '{info.name}' is not recorded: {error}")
        return made

    def _add(self, source: _Source, item: _Waiting) -> None:
        info = item.frame.info
        if source.folder is None:
            self._dropped["in-use"] += 1
            return
        if info.number <= source.recorded.get(info.stream, -1):
            self._dropped["recorded-before"] += 1
            return
        hour = hour_name(info.time)
        if hour != source.hour:
            self._write(source)
            if source.hour:
                source.merged.add(source.hour)
            source.hour = hour
        if not source.frames:
            source.since = self._clock()
        source.frames.append(item.frame)
        source.anew.append(item.anew)
        source.rows += max(len(item.frame.tracks), 1)
        if source.rows >= ROWS:
            self._write(source)

    def _write_due(self) -> None:
        now = self._clock()
        for source in self._sources.values():
            if source.frames and now - source.since >= self._config.flush:
                self._write(source)

    def _write(self, source: _Source) -> None:
        """A piece of what there is of a source."""
        if not source.frames or source.folder is None:
            return
        frames, anew = source.frames, source.anew
        source.frames, source.anew, source.rows = [], [], 0
        name = frames[0].info.source.name
        lost = self._lost[name, "queue"] - source.dropped
        try:
            written = source.folder.write(frames, anew, source.labels, lost)
        except OSError as error:
            self._dropped["disk"] += len(frames)
            self._trouble.say(
                f"{len(frames)} frames of source '{name}' are not recorded: {error.strerror or error} "
                f"({source.folder.path}); free space or lower `record: {{keep: ...}}`"
            )
            self._quota.grown(0)
            return
        source.dropped += lost
        self._frames += len(frames)
        self._bytes += written
        self._quota.grown(written)

    def _merge_one(self) -> None:
        """One hour that is over, of one source: between two the queue is looked at."""
        for source in self._sources.values():
            over = source.merged - {source.hour}
            if over:
                hour = min(over)
                source.merged.discard(hour)
                self._merge(source, hour)
                return

    def _merge(self, source: _Source, hour: str) -> None:
        assert source.folder is not None
        try:
            self._quota.grown(source.folder.merge(hour))
        except OSError as error:
            self._trouble.say(f"the pieces of {hour} in {source.folder.path} stay apart: {error.strerror or error}")
