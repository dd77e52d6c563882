"""The tracks of the last minutes, of all sources, in memory.

The worker appends a reference to a list, and packs every 256 frames into arrays: a frame of five objects takes about 200 bytes
then. Readers take no lock, and do not block the worker.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from countline.types import UNTRACKED, Analytics, FrameInfo, FrameTracks, SourceInfo, Tracks

__all__ = ["CountedEvent", "Remembered", "Rows", "TrackMemory", "direction_of"]

FRAMES = 256
"""Frames that are packed together."""
ROWS = 4096
"""Objects in them, at most."""
_OF_FRAME = 40
"""Bytes of a packed frame without objects."""


class CountedEvent(NamedTuple):
    """An event of an object as it was counted when it happened."""

    number: int
    """Of the frame."""
    time: int
    """ns since the Unix epoch."""
    track_id: int
    rule: str
    kind: str
    direction: str


class Remembered(NamedTuple):
    """A frame of the memory."""

    frame: FrameTracks
    anew: bool
    """The rules had dropped their state of earlier tracks before this frame."""


class Rows(NamedTuple):
    """Objects of many frames, one behind the other."""

    time: NDArray[np.int64]
    """Capture time of the frame, ns since the Unix epoch."""
    number: NDArray[np.int64]
    """Of the frame."""
    track_id: NDArray[np.uint64]
    class_id: NDArray[np.int32]
    box: NDArray[np.float64]
    """(n, 4) left, top, right, bottom as fractions of the picture."""
    aspect: NDArray[np.float64]
    """Width / height of the picture."""


_COLUMNS: tuple[tuple[tuple[int, ...], Any], ...] = (
    ((), np.int64), ((), np.int64), ((), np.uint64), ((), np.int32), ((4,), np.float64), ((), np.float64),
)  # fmt: skip


@dataclass(frozen=True)
class _Packed:
    """Consecutive frames of one stream in one size."""

    like: FrameInfo
    number: NDArray[np.int64]
    pts: NDArray[np.int64]
    time: NDArray[np.int64]
    anew: NDArray[np.bool_]
    starts: NDArray[np.intp]
    """(frames + 1,) first row of each frame."""
    xyxy: NDArray[np.float32]
    confidence: NDArray[np.float32]
    class_id: NDArray[np.int32]
    track_id: NDArray[np.uint64]
    ltwh: NDArray[np.float32] | None
    twin_of: NDArray[np.uint64] | None
    events: tuple[CountedEvent, ...]

    @property
    def size(self) -> int:
        """Bytes."""
        arrays = (self.xyxy, self.confidence, self.class_id, self.track_id, self.ltwh, self.twin_of)
        return len(self.number) * _OF_FRAME + sum(a.nbytes for a in arrays if a is not None) + 200 * len(self.events)

    def frames(self) -> Iterator[Remembered]:
        """The frames in order."""
        starts = self.starts.tolist()
        numbers, pts, times, anew = (a.tolist() for a in (self.number, self.pts, self.time, self.anew))
        for i, (a, b) in enumerate(pairwise(starts)):
            info = replace(self.like, number=numbers[i], pts=pts[i], time=times[i])
            tracks = Tracks(self.xyxy[a:b], self.confidence[a:b], self.class_id[a:b], self.track_id[a:b])
            if self.ltwh is not None:
                tracks.ltwh = self.ltwh[a:b]
            if self.twin_of is not None and (self.twin_of[a:b] != UNTRACKED).any():
                tracks.twin_of = self.twin_of[a:b]
            yield Remembered(FrameTracks(info, tracks), anew[i])


class _Source:
    """The memory of one source. ``state`` (packed frames, waiting frames) is replaced atomically, so that a reader sees each frame once."""

    def __init__(self) -> None:
        self.state: tuple[tuple[_Packed, ...], list[tuple[Remembered, Sequence[Any]]]] = ((), [])
        self.rows = 0
        self.like: tuple[SourceInfo, int, int, str, bool] | None = None
        self.cut = False
        """Whether earlier frames were dropped."""

    def first(self) -> int | None:
        """Capture time of the first frame."""
        packed, waiting = self.state
        return int(packed[0].time[0]) if packed else waiting[0][0].frame.info.time if waiting else None


class TrackMemory:
    """A consumer of frames that remembers their tracks for some time.

    Parameters
    ----------
    seconds: how far back, by the capture times of each source.
    max_bytes: of all sources together; the oldest are forgotten first.
    """

    def __init__(self, seconds: float = 600.0, max_bytes: int = 256 * 1024 * 1024) -> None:
        self.seconds, self.max_bytes = seconds, max_bytes
        self._sources: dict[str, _Source] = {}
        self._order: deque[tuple[str, _Packed]] = deque()
        """What is packed, the oldest first."""
        self._bytes = 0
        self._packing = threading.Lock()
        """Held while what is packed changes: by the worker every so many frames, and by :meth:`before`."""
        self.labels: Sequence[str] = ()
        """Class name for each class id, as the rules had it last."""

    # -- the worker's thread ---------------------------------------------------------------------------------------

    def __call__(self, frame: object, analytics: Analytics) -> None:
        """One frame's tracks, as the rules saw them, and what happened in it."""
        info = analytics.frame
        tracks = analytics.tracks if analytics.placed is None else analytics.placed
        source = self._sources.get(info.source.name) or self._sources.setdefault(info.source.name, _Source())
        like = (info.source, info.width, info.height, info.stream, tracks.ltwh is None)
        if len(source.state[1]) >= FRAMES or source.rows >= ROWS or like != source.like:
            self._pack(source)
            source.like = like
        source.rows += len(tracks)
        self.labels = analytics.class_names
        source.state[1].append((Remembered(FrameTracks(info, tracks), analytics.anew), analytics.events))

    def _pack(self, source: _Source) -> None:
        waiting = source.state[1]
        if not waiting:
            return
        made = _packed(waiting)
        with self._packing:
            self._append_packed(source, made)

    def _append_packed(self, source: _Source, made: _Packed) -> None:
        packed, _ = source.state
        self._order.append((made.like.source.name, made))
        self._bytes += made.size
        source.rows = 0
        now, most = int(made.time[-1]), self.seconds * 1e9
        kept = tuple(p for p in packed if abs(now - int(p.time[-1])) <= most)
        if len(kept) < len(packed):
            source.cut = True
            self._bytes -= sum(p.size for p in packed) - sum(p.size for p in kept)
        source.state = ((*kept, made), [])
        self._bound()

    def _bound(self) -> None:
        """Drop the oldest packed frames of all sources until ``max_bytes`` is kept."""
        while self._order:
            name, oldest = self._order[0]
            source = self._sources[name]
            packed, waiting = source.state
            known = any(p is oldest for p in packed)
            if known and self._bytes <= self.max_bytes:
                return
            self._order.popleft()
            if known:
                source.state = (tuple(p for p in packed if p is not oldest), waiting)
                source.cut = True
                self._bytes -= oldest.size

    # -- any thread ------------------------------------------------------------------------------------------------

    def before(self, source: str, frames: Sequence[Remembered]) -> None:
        """Prepend frames of a source that came before those in the memory, e.g. from a recording. Later ones are ignored."""
        known = self._sources.get(source) or self._sources.setdefault(source, _Source())
        first = known.first()
        earlier = [f for f in frames if first is None or f.frame.info.time < first]
        made = [_packed([(f, ()) for f in part]) for part in _alike(earlier)]
        with self._packing:
            packed, waiting = known.state
            first = known.first()
            kept = tuple(p for p in made if first is None or int(p.time.max()) < first)
            known.state, known.cut = ((*kept, *packed), waiting), True
            for part in reversed(kept):
                self._order.appendleft((source, part))
                self._bytes += part.size
            self._bound()

    @property
    def bytes(self) -> int:
        """Bytes of the packed frames."""
        return self._bytes

    def sources(self) -> list[str]:
        """Names of the sources of which something is remembered."""
        return list(self._sources)

    def frames(self, source: str, since: int | None = None) -> Iterator[Remembered]:
        """What is remembered of a source now, the oldest first; ``since``: capture time in ns, from which on."""
        known = self._sources.get(source)
        if known is None:
            return
        packed, waiting = known.state
        last = [remembered for remembered, _ in list(waiting)]
        for part in packed:
            if since is None or int(part.time.max()) >= since:
                yield from (r for r in part.frames() if since is None or r.frame.info.time >= since)
        yield from (r for r in last if since is None or r.frame.info.time >= since)

    def rows(self, source: str, since: int | None = None) -> Rows:
        """What is remembered of the objects of a source, as arrays; parameters as of :meth:`frames`."""
        known = self._sources.get(source)
        packed, waiting = known.state if known is not None else ((), [])
        last = list(waiting)
        parts = [*packed, _packed(last)] if last else list(packed)
        found = [_rows(p, since) for p in parts if since is None or int(p.time.max()) >= since]
        if not found:
            return Rows(*(np.empty((0, *shape), kind) for shape, kind in _COLUMNS))
        return Rows(*(np.concatenate(column) for column in zip(*found)))

    def count(self, source: str) -> int:
        """Frames of a source that are remembered."""
        known = self._sources.get(source)
        if known is None:
            return 0
        packed, waiting = known.state
        return sum(len(p.number) for p in packed) + len(waiting)

    def cut(self, source: str) -> bool:
        """Whether the source may have had frames before those in the memory."""
        known = self._sources.get(source)
        return known is not None and known.cut

    def happened(self, source: str) -> list[CountedEvent]:
        """Events of objects as they were counted, in their order."""
        known = self._sources.get(source)
        if known is None:
            return []
        packed, waiting = known.state
        found = [event for part in packed for event in part.events]
        return found + [event for _, events in list(waiting) for event in _counted(events)]

    def last(self, source: str) -> FrameTracks | None:
        """The newest frame."""
        known = self._sources.get(source)
        if known is None:
            return None
        packed, waiting = known.state
        newest = list(waiting)
        if newest:
            return newest[-1][0].frame
        return next((r.frame for r in reversed(list(packed[-1].frames()))), None) if packed else None

    def span(self) -> Mapping[str, tuple[int, int]]:
        """Capture times of the first and the last frame by source, ns since the Unix epoch."""
        found = {}
        for name in self.sources():
            packed, waiting = self._sources[name].state
            times = [int(p.time[i]) for p in packed for i in (0, -1)]
            waits = list(waiting)
            times += [waits[i][0].frame.info.time for i in (0, -1) if waits]
            if times:
                found[name] = (times[0], times[-1])
        return found


def _alike(frames: Sequence[Remembered]) -> Iterator[list[Remembered]]:
    """Split frames into lists that can be packed together: same size and stream."""
    part: list[Remembered] = []
    before: object = None
    for remembered in frames:
        info, tracks = remembered.frame
        like = (info.width, info.height, info.stream, tracks.ltwh is None)
        if part and (like != before or len(part) >= FRAMES):
            yield part
            part = []
        before = like
        part.append(remembered)
    if part:
        yield part


def _rows(part: _Packed, since: int | None) -> Rows:
    each = np.diff(part.starts)
    time, number = np.repeat(part.time, each), np.repeat(part.number, each)
    width, height = max(part.like.width, 1), max(part.like.height, 1)
    box = part.xyxy / np.array([width, height, width, height], np.float64)
    complete = Rows(time, number, part.track_id, part.class_id, box, np.full(len(time), width / height))
    if since is None or int(part.time.min()) >= since:
        return complete
    columns: tuple[Any, ...] = complete
    return Rows(*(column[time >= since] for column in columns))


def _packed(waiting: Sequence[tuple[Remembered, Sequence[Any]]]) -> _Packed:
    infos = [remembered.frame.info for remembered, _ in waiting]
    tracks = [remembered.frame.tracks for remembered, _ in waiting]
    twins = None
    if any(t.twin_of is not None for t in tracks):
        alone = [np.full(len(t), UNTRACKED, np.uint64) if t.twin_of is None else t.twin_of for t in tracks]
        twins = np.concatenate(alone)
    return _Packed(
        infos[0],
        np.array([i.number for i in infos], np.int64),
        np.array([i.pts for i in infos], np.int64),
        np.array([i.time for i in infos], np.int64),
        np.array([remembered.anew for remembered, _ in waiting], bool),
        np.cumsum([0, *map(len, tracks)]),
        np.concatenate([t.xyxy for t in tracks]),
        np.concatenate([t.confidence for t in tracks]),
        np.concatenate([t.class_id for t in tracks]),
        np.concatenate([t.track_id for t in tracks]),
        None if tracks[0].ltwh is None else np.concatenate([t.ltwh for t in tracks if t.ltwh is not None]),
        twins,
        tuple(event for _, events in waiting for event in _counted(events)),
    )


def _counted(events: Sequence[Any]) -> Iterator[CountedEvent]:
    for event in events:
        if event.track_id is not None:
            yield CountedEvent(
                event.frame.number, event.frame.time, event.track_id, event.rule, event.kind, direction_of(event)
            )


def direction_of(event: Any) -> str:
    """The direction of an event: 'in', a user's name, 'A>B' of a journey; '' where it has none."""
    origin = getattr(event, "origin", None)
    if origin is not None:
        return f"{origin}>{event.destination}"
    return str(getattr(event, "direction", "") or getattr(event, "phase", ""))
