"""The last seconds of a stream as they came, encoded: what clips are cut from."""

from __future__ import annotations

import io
import threading
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import av
import av.error

from countline.types import ClipForm, CutPackets
from countline.video.clip import CutFile, form_of
from countline.video.clock import JUMP, SECOND, to_ns

__all__ = ["Mark", "Recall", "Ring"]

Done = Callable[[CutPackets], None]


@dataclass(frozen=True)
class Recall:
    """How much of a source is remembered."""

    seconds: float
    """Before each frame that somebody looks at still."""
    max_bytes: int


@dataclass(slots=True)
class _Entry:
    packet: Any
    time: int
    """When it is shown: ns by the stream's own time stamps."""
    order: int
    """When it is decoded, likewise; never later than it is shown."""
    key: bool


@dataclass(slots=True, eq=False)
class _Pending:
    start: int
    """Number of the first packet."""
    end: int
    """ns by the stream's time stamps."""
    short: str
    done: Done


class Mark:
    """See :class:`countline.types.FrameMark`."""

    __slots__ = ("__weakref__", "at", "ring")

    def __init__(self, ring: Ring, at: int) -> None:
        self.ring, self.at = ring, at

    def form(self) -> ClipForm | None:
        return self.ring.form if self.ring.reaches(self.at) else None

    def cut(self, before: float, after: float, done: Done) -> Callable[[], None]:
        return self.ring.cut(self, int(before * SECOND), int(after * SECOND), done)


class Ring:
    """Packets of one open stream, from a key frame on. One thread adds, any cuts.

    Packets are kept for as long as ``recall`` says before the newest, before each frame of which a :class:`Mark` lives, and for clips
    that are being waited for; never more than ``max_bytes``: then the oldest go, and clips that need them end where they are.
    """

    def __init__(self, stream: Any, recall: Callable[[], Recall | None]) -> None:
        self._recall, self._stream = recall, stream
        self._holder: Any = None
        self._template: Any = None
        self.form: ClipForm | None = None
        """What clips will be; None while nothing is kept, and where no container can hold them."""
        self._lock = threading.Lock()
        self._entries: deque[_Entry] = deque()
        self._first = 0
        """Number of the first entry."""
        self._keys: deque[int] = deque()
        """Numbers of the key frames."""
        self._marks: deque[weakref.ref[Mark]] = deque()
        self._pending: list[_Pending] = []
        self._bytes = 0
        self._ended = False
        self.overruns = 0
        """How often packets were let go because of their bytes."""

    @property
    def bytes(self) -> int:
        """Of the packets that are kept."""
        return self._bytes

    def add(self, packet: Any) -> None:
        """The next packet, in the order of decoding."""
        recall = self._recall()
        if recall is None and not self._entries and not self._pending:  # as for most streams
            return
        done: list[tuple[_Pending, CutPackets]] = []
        with self._lock:
            if recall is None or self._ended or not self._ready():
                self._clear(done, "end")
            else:
                self._add(packet, recall, done)
        _tell(done)

    def _ready(self) -> bool:
        """The input may be closed when a clip is written, so what it says of the stream is copied into a container of our own."""
        if self._holder is None:
            self._holder = av.open(io.BytesIO(), "w", format="matroska")
            try:
                self._template = self._holder.add_stream_from_template(self._stream)
                self.form = form_of(self._stream)
            except (av.error.FFmpegError, ValueError):
                self.form = None
        return self.form is not None

    def _add(self, packet: Any, recall: Recall, done: list[tuple[_Pending, CutPackets]]) -> None:
        last = self._entries[-1] if self._entries else None
        time, order = to_ns(packet.pts, packet.time_base), to_ns(packet.dts, packet.time_base)
        if order is None:
            order = time if time is not None else (last.order + 1 if last is not None else 0)
        time = order if time is None else time
        if last is not None and order < last.order - JUMP:  # a new time line
            self._clear(done, "end")
        key = bool(packet.is_keyframe)
        if key:
            self._evict(int(recall.seconds * SECOND))
        while self._entries and self._bytes + packet.size > recall.max_bytes:
            self.overruns += 1
            self._drop_first(done)
        if packet.size > recall.max_bytes or not (self._entries or key):
            return
        if key:
            self._keys.append(self._first + len(self._entries))
        self._entries.append(_Entry(packet, time, order, key))
        self._bytes += packet.size
        for pending in [p for p in self._pending if order > p.end]:
            self._finish(pending, "", done)

    def _evict(self, before: int) -> None:
        """Let go of what nobody can ask for any more: whole groups of pictures, from a key frame to the next."""
        self._marks = deque(mark for mark in self._marks if mark() is not None)
        oldest = self._marks[0]() if self._marks else None
        newest = self._entries[-1].time if self._entries else 0
        needed = min(newest, oldest.at if oldest is not None else newest) - before
        starts = min((p.start for p in self._pending), default=None)
        while len(self._keys) > 1:
            second = self._keys[1]
            if self._at(second).time > needed or (starts is not None and starts < second):
                return
            self._drop_to(second)

    def _at(self, number: int) -> _Entry:
        return self._entries[number - self._first]

    def _drop_to(self, number: int) -> None:
        while self._first < number:
            self._bytes -= self._entries.popleft().packet.size
            self._first += 1
        while self._keys and self._keys[0] < number:
            self._keys.popleft()

    def _drop_first(self, done: list[tuple[_Pending, CutPackets]]) -> None:
        """Let go of the first group of pictures."""
        end = self._keys[1] if len(self._keys) > 1 else self._first + len(self._entries)
        for pending in [p for p in self._pending if p.start < end]:
            self._finish(pending, "bytes", done)
        self._drop_to(end)

    def _clear(self, done: list[tuple[_Pending, CutPackets]], why: str) -> None:
        for pending in list(self._pending):
            self._finish(pending, why, done)
        self._drop_to(self._first + len(self._entries))

    def _finish(self, pending: _Pending, short: str, done: list[tuple[_Pending, CutPackets]]) -> None:
        self._pending.remove(pending)
        chosen = [e for e in self._part(pending.start) if e.order <= pending.end]
        while chosen and chosen[-1].time > pending.end:  # it was sent ahead for others that are later than the end, too
            chosen.pop()
        done.append((pending, self._file(chosen, short or pending.short)))

    def _part(self, start: int) -> Sequence[_Entry]:
        return list(self._entries)[max(0, start - self._first) :]

    def _file(self, chosen: Sequence[_Entry], short: str) -> CutPackets:
        assert self.form is not None  # else nothing was kept
        return CutFile([e.packet for e in chosen], self._template, self.form, short)

    # -- frames ----------------------------------------------------------------------------------------------------

    def mark(self, time: int | None) -> Mark | None:
        """Of a frame that was decoded just now and is shown at ``time`` (ns by the stream's own time stamps; None: not known). None
        while nothing is remembered."""
        with self._lock:
            if not self._entries:
                return None
            mark = Mark(self, self._entries[-1].time if time is None else time)
            self._marks.append(weakref.ref(mark))
            return mark

    def _start(self, at: int) -> int | None:
        """Number of the last key frame up to a time."""
        return next((number for number in reversed(self._keys) if self._at(number).time <= at), None)

    def reaches(self, at: int) -> bool:
        """Whether there is a key frame before a time."""
        with self._lock:
            return self._start(at) is not None

    def cut(self, mark: Mark, before: int, after: int, done: Done) -> Callable[[], None]:
        """See :meth:`countline.types.FrameMark.cut`; times in ns."""
        finished: list[tuple[_Pending, CutPackets]] = []
        with self._lock:
            start, short = self._start(mark.at - before), ""
            if start is None:
                start, short = self._keys[0] if self._keys else self._first + len(self._entries), "begin"
            pending = _Pending(start, mark.at + after, short, done)
            self._pending.append(pending)
            if self._ended or (self._entries and self._entries[-1].order > pending.end):
                over = bool(self._entries) and self._entries[-1].order > pending.end
                self._finish(pending, "" if over else "end", finished)
        _tell(finished)
        return lambda: self._end_one(pending)

    def _end_one(self, pending: _Pending) -> None:
        done: list[tuple[_Pending, CutPackets]] = []
        with self._lock:
            if pending in self._pending:
                self._finish(pending, "end", done)
        _tell(done)

    def end(self) -> None:
        """No more packets will come. What is there stays for the frames that are still looked at."""
        done: list[tuple[_Pending, CutPackets]] = []
        with self._lock:
            self._ended = True
            for pending in list(self._pending):
                self._finish(pending, "end", done)
        _tell(done)


def _tell(done: Sequence[tuple[_Pending, CutPackets]]) -> None:
    """Outside the lock: what is called may have to wait."""
    for pending, cut in done:
        pending.done(cut)
