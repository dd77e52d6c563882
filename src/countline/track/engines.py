"""Multi-object trackers behind one interface: ByteTrack (Zhang et al., ECCV 2022, arXiv 2110.06864) as compiled libraries have it,
in Cython (pyxtrackers) and in Rust (edgefirst-tracker), and countline's own for crowds.

An engine works on steps of equal length and on association tiers (:data:`BEGINS` and below) in place of confidences; what belongs to
countline (times, thresholds, class votes, public ids) is in :mod:`countline.track.tracker`.
"""

from __future__ import annotations

from collections import deque
from functools import cache
from types import ModuleType
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from countline.errors import ConfigError
from countline.track.bytetrack import tracker_class
from countline.track.timed_bytetrack import TimedByteTrack, pace_of

__all__ = ["BEGINS", "CONTINUES", "FINDS", "NOISE", "ByteTrackEngine", "EdgeFirstEngine", "Engine", "TimedEngine"]

NOISE, CONTINUES, FINDS, BEGINS = range(4)
"""Grades of a detection: not worth a look; only continues a track that was seen in the step before, with what the others
leave; may also find one that was out of sight; may begin one, too."""

Rows = tuple[NDArray[np.intp], NDArray[np.int64]]


class Engine(Protocol):
    """Associates the boxes of each step with tracks."""

    def step(self, boxes: NDArray[np.float32], tiers: NDArray[np.intp], steps: int) -> Rows:
        """(n, 4) xyxy in pixels and (n,) tiers, ``steps`` (at least 1) step lengths after the last call -> (rows of
        ``boxes`` that belong to a track, the engine's id of that track), in the order of the rows. Those that are nobody's, as they
        show two tracks at once, are :data:`NOISE` among the ``tiers`` from then on."""
        ...

    def keep(self, lost: int) -> None:
        """From now on keep tracks that are not seen for ``lost`` steps."""
        ...


@runtime_checkable
class TimedEngine(Protocol):
    """An engine that asks how long a step is."""

    def lasts(self, step: int) -> None:
        """From now on a step is ``step`` ns long, and so were those before."""
        ...


def _absent(kind: str, package: str) -> ConfigError:
    return ConfigError(
        f"the tracker '{kind}' needs the package {package}, which is not installed",
        where="tracker.kind",
        fix=f"pip install {package}, or leave `kind` out to take what is installed",
    )


class ByteTrackEngine:
    """``pyxtrackers.BYTETracker``, with four things put right.

    * It gives filtered boxes without saying which detection they came from. The number of the row is written into the
      low bits of its score and read back from the track, so class and confidence stay with their box.
    * It keeps every track it ever removed, and looks through all of them in each step. After :attr:`RENEW` of them a new
      instance takes over: the last steps are run through it again, and its tracks get the ids they had.
    * A step always is one frame long for it. Where frames were left out, its filters are advanced by as many steps.
    * Its filter counts in frames. Where more than thirteen come in a second, :class:`TimedByteTrack` takes its place.

    With ``crowds`` it is not asked at all, and need not be installed: :class:`TimedByteTrack` pairs detections as
    :mod:`countline.track.crowds` tells, at any frame rate.
    """

    RENEW = 256
    REMEMBERED = 60
    """Steps that are run again."""
    THRESHOLD = 0.5
    """Scores above it take part in the first association; from 0.1 more on they begin tracks; up to 0.1 they are ignored.
    The library asks nothing else of a score (overlap alone decides, see :meth:`_new`), so one for each grade will do."""
    SCORES = np.array([1 / 32, 1 / 4, 9 / 16, 7 / 8]).view(np.int64)
    """By grade, as the bits of a float64; the lower 40 are zeros, and take the number of the row."""
    ROW = 2**40 - 1
    """The bits of the row."""

    def __init__(self, iou: float, lost: int, kernel: ModuleType | None = None, *, crowds: bool = False) -> None:
        self._crowds = crowds
        if not crowds:
            try:
                self._class = tracker_class()
            except ImportError:
                raise _absent("bytetrack", "pyxtrackers") from None
        self._kernel = kernel if kernel is not None and (crowds or agrees(kernel)) else None
        """``countline_kernels``, which does in one call what the library and :meth:`_advance` do."""
        self._own = TimedByteTrack if kernel is None else kernel.ByteTrack
        """What does it where steps are short, or for crowds."""
        self._pace = 1.0
        """Length of a step in tenths of a second, at most 1."""
        self._iou = iou
        self._lost = max(1, lost)
        self._past: deque[tuple[NDArray[np.float64], NDArray[np.int64], int]] = deque(maxlen=self.REMEMBERED)
        """Table, rows that followed a track and length of the last steps."""
        self._tracker = self._new()
        self._ids: dict[int, int] = {}
        """Id of this instance -> id that was given out, for those taken over from the instance before."""
        self._base = 0
        """What is added to the ids of this instance that are not taken over."""
        self._first = 0
        """Ids that this instance had used up when it took over."""
        self._last: Rows = np.empty(0, np.int64), np.empty(0, np.int64)
        """What the last step returned."""

    def _new(self) -> Any:
        if self._pace < 1 or self._crowds:
            return self._own(self.THRESHOLD, 1 - self._iou, self._lost, self._pace, self._crowds)
        if self._kernel is not None:
            return self._kernel.ByteTrack(self.THRESHOLD, 1 - self._iou, self._lost)
        return self._library()

    def _library(self) -> Any:
        # mot20 leaves the confidence out of the association: overlap alone decides, whatever the detector's scale.
        # At 30 frames/s the library's buffer counts in frames.
        return self._class(
            frame_rate=30,
            track_thresh=self.THRESHOLD,
            match_thresh=1 - self._iou,
            track_buffer=self._lost,
            mot20=True,
        )

    def step(self, boxes: NDArray[np.float32], tiers: NDArray[np.intp], steps: int) -> Rows:
        if self._tracker.track_id_counter - self._first > self.RENEW:
            self._renew()
        if self._kernel is not None:
            table, (rows, numbers) = self._tracker.follow(boxes, tiers, steps)
        else:
            table = self.table(boxes, tiers)
            rows, numbers = self._advance(self._tracker, table, steps)
        if self._crowds and (of_two := self._tracker.of_two):
            tiers[of_two] = NOISE
        self._past.append((table, rows, steps))
        if self._base:
            ids, base = self._ids, self._base  # as _stable_number
            numbers = np.array([ids.get(number, base + number) for number in numbers.tolist()], np.int64)
        self._last = rows, numbers
        return rows, numbers

    @classmethod
    def table(cls, boxes: NDArray[np.float32], tiers: NDArray[np.intp]) -> NDArray[np.float64]:
        """(n, 5) what the library is given."""
        table = np.empty((len(boxes), 5))
        table[:, :4] = boxes
        np.add(cls.SCORES.take(tiers), np.arange(len(boxes)), out=table.view(np.int64)[:, 4])
        return table

    def keep(self, lost: int) -> None:
        self._lost = max(1, lost)
        self._renew()

    def lasts(self, step: int) -> None:
        """See :class:`TimedEngine`."""
        pace = pace_of(step)
        if pace != self._pace:
            self._pace = pace
            self._renew()

    @property
    def _by_library(self) -> bool:
        return self._kernel is None and self._pace == 1 and not self._crowds

    def _stable_number(self, number: int) -> int:
        return self._ids.get(number, self._base + number)

    def _advance(self, tracker: Any, table: NDArray[np.float64], steps: int) -> Rows:
        """Rows of the table that tracks took, in ascending order, and the library's numbers of these tracks."""
        if self._by_library:
            return self.advance_library(tracker, table, steps)
        rows: Rows = tracker.advance(table, steps)
        return rows

    @classmethod
    def advance_library(cls, tracker: Any, table: NDArray[np.float64], steps: int) -> Rows:
        """The same by the library alone."""
        if steps > 1:
            for view in (*(v for v in tracker.tracked_stracks if v.is_activated), *tracker.lost_stracks):
                for _ in range(steps - 1):
                    view.predict()
        numbers = tracker.update(table)[:, 4].astype(np.int64)
        views = tracker.tracked_stracks
        if len(views) > len(numbers):  # it returns those that are confirmed
            views = [view for view in views if view.is_activated]
        scores = np.array([view.score for view in views], np.float64)
        rows = scores.view(np.int64) & cls.ROW
        order = rows.argsort()
        return rows.take(order), numbers.take(order)

    def _renew(self) -> None:
        """Run the remembered steps through a new instance and find the old tracks among the new ones: those that are
        seen by the row they took last, those that are lost by their place."""
        fresh = self._new()
        rows = numbers = np.empty(0, np.int64)
        for table, followed, steps in self._past:
            # What follows a track must be able to begin one when the step is run again.
            again = table.copy()
            again.view(np.int64)[followed, 4] = self.SCORES[BEGINS] + followed
            rows, numbers = self._advance(fresh, again, steps)
        seen = dict(zip(*(part.tolist() for part in self._last)))
        names = {n: seen[row] for row, n in zip(rows.tolist(), numbers.tolist()) if row in seen}
        left = [(v.tlbr, self._stable_number(v.track_id)) for v in self._tracker.lost_stracks]
        for view in fresh.lost_stracks:
            apart = [float(np.abs(box - view.tlbr).max()) for box, _ in left]
            if apart and min(apart) < 0.5 * min(view.tlwh[2:]):
                names[view.track_id] = left.pop(apart.index(min(apart)))[1]
        self._base += self._tracker.track_id_counter
        self._tracker, self._ids, self._first = fresh, names, fresh.track_id_counter


@cache
def agrees(kernel: ModuleType) -> bool:
    """Whether the kernel's ByteTrack gives what the installed library does, to the bit, on a trial of some milliseconds. The
    library's wheels are compiled in several ways, and some round otherwise; beside those the kernel leaves it the work."""
    engine = ByteTrackEngine(0.2, 12)
    library, mine = engine._new(), kernel.ByteTrack(engine.THRESHOLD, 1 - 0.2, 12)
    rng = np.random.default_rng(20)
    start, speed, size = rng.uniform(0, 400, (12, 2)), rng.normal(0, 5, (12, 2)), rng.uniform(20, 120, (12, 2))
    for frame in range(40):
        corner = start + speed * frame + rng.normal(0, 1, (12, 2))
        seen = rng.random(12) > 0.15
        boxes = np.concatenate([corner, corner + size], axis=1)[seen].astype(np.float32)
        table = engine.table(boxes, rng.choice(4, len(boxes), p=[0.05, 0.15, 0.2, 0.6]))
        steps = 1 + int(frame % 10 == 9)
        expected = (*engine.advance_library(library, table, steps), *(v.tlbr for v in library.lost_stracks))
        made = (*mine.advance(table, steps), *(v.tlbr for v in mine.lost_stracks))
        if len(expected) != len(made) or not all(map(np.array_equal, expected, made)):
            return False
    return True


class _Sighted:
    """What is remembered of one of edgefirst's tracks."""

    __slots__ = ("begun", "number", "seen")

    def __init__(self, number: int) -> None:
        self.number = number
        """Our id for it."""
        self.seen = 0
        """Step in which it was seen last."""
        self.begun = False
        """Whether a detection that may begin a track was among its sightings."""


class EdgeFirstEngine:
    """``edgefirst.tracker.ByteTrack``: exact rows and no growing memory, but it changes ids more often."""

    def __init__(self, iou: float, lost: int) -> None:
        try:
            from edgefirst.tracker import ByteTrack
        except ImportError:
            raise _absent("edgefirst", "edgefirst-tracker") from None
        # Time is counted in steps of one second, so that the life span is a number of steps.
        self._tracker = ByteTrack(0.5, iou, 0.35, max(1, lost) * 1_000_000_000)
        self._now = 0
        self._tracks: dict[str, _Sighted] = {}
        """By the library's id."""
        self._count = 0
        self._lost = max(1, lost)

    def step(self, boxes: NDArray[np.float32], tiers: NDArray[np.intp], steps: int) -> Rows:
        self._now += steps
        # Its cost adds the score to the overlap; equal scores leave the overlap alone to decide.
        level = np.where(tiers >= FINDS, np.float32(0.9), np.float32(0.3))
        found = self._tracker.update(boxes, level, np.zeros(len(boxes), np.uintp), self._now * 1_000_000_000)
        rows: list[int] = []
        ids: list[int] = []
        for row, (info, tier) in enumerate(zip(found, tiers.tolist())):
            if info is None:
                continue
            track = self._tracks.get(info.uuid)
            known = track is not None
            if track is None:
                self._count += 1
                track = self._tracks[info.uuid] = _Sighted(self._count)
            track.seen = self._now
            # As in ByteTrack: a track counts from its second sighting, and only if one of them could begin it.
            if tier == BEGINS:
                track.begun = True
            if track.begun and (known or self._now == steps):
                rows.append(row)
                ids.append(track.number)
        self._forget()
        return np.array(rows, np.intp), np.array(ids, np.int64)

    def keep(self, lost: int) -> None:
        self._lost = max(1, lost)  # the library's own life span is fixed; the public id ends in time all the same

    def _forget(self) -> None:
        if len(self._tracks) > 1000:
            self._tracks = {key: t for key, t in self._tracks.items() if self._now - t.seen <= self._lost}
