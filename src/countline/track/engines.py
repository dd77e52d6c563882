"""Compiled multi-object trackers from libraries behind one interface: ByteTrack (Zhang et al., ECCV 2022,
arXiv 2110.06864) in Cython (pyxtrackers) and in Rust (edgefirst-tracker).

An engine works on steps of equal length and on scores of a fixed scale (:data:`BEGIN`, :data:`FIRST`); what belongs to
countline (times, class votes, public ids) is in :mod:`countline.track.tracker`.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from countline.errors import ConfigError

__all__ = ["BEGIN", "FIRST", "ByteTrackEngine", "EdgeFirstEngine", "Engine"]

BEGIN = 0.6
"""Score from which a detection may begin a track."""
FIRST = 0.5
"""Score from which a detection takes part in the first association."""

Rows = tuple[NDArray[np.intp], NDArray[np.int64]]


class Engine(Protocol):
    """Associates the boxes of each step with tracks."""

    def step(self, boxes: NDArray[np.float64], scores: NDArray[np.float64], steps: int) -> Rows:
        """(n, 4) xyxy and (n,) scores, ``steps`` (at least 1) step lengths after the last call -> (rows of ``boxes``
        that belong to a track, the engine's id of that track), in the order of the rows."""
        ...

    def keep(self, lost: int) -> None:
        """From now on keep tracks that are not seen for ``lost`` steps."""
        ...


def _absent(kind: str, package: str) -> ConfigError:
    return ConfigError(
        f"the tracker '{kind}' needs the package {package}, which is not installed",
        where="tracker.kind",
        fix=f"pip install {package}, or leave `kind` out to take what is installed",
    )


class ByteTrackEngine:
    """``pyxtrackers.BYTETracker``, with three things put right.

    * It gives filtered boxes without saying which detection they came from. Each row's score is made unique by a
      trillionth and read back from the track, so class and confidence stay with their box.
    * It keeps every track it ever removed, and looks through all of them in each step. After :attr:`RENEW` of them a new
      instance takes over: the last steps are run through it again, and its tracks get the ids they had.
    * A step always is one frame long for it. Where frames were left out, its filters are advanced by as many steps.
    """

    RENEW = 256
    REMEMBERED = 60
    """Steps that are run again."""

    def __init__(self, iou: float, lost: int) -> None:
        try:
            import pyxtrackers
        except ImportError:
            raise _absent("bytetrack", "pyxtrackers") from None
        self._library = pyxtrackers
        self._iou = iou
        self._lost = max(1, lost)
        self._past: deque[tuple[NDArray[np.float64], list[int], int]] = deque(maxlen=self.REMEMBERED)
        self._tracker = self._new()
        self._ids: dict[int, int] = {}
        """Id of this instance -> id that was given out, for those taken over from the instance before."""
        self._base = 0
        """What is added to the ids of this instance that are not taken over."""
        self._first = 0
        """Ids that this instance had used up when it took over."""
        self._seen: dict[int, int] = {}
        """Row -> id that was given out, in the last step."""

    def _new(self) -> Any:
        # mot20 leaves the confidence out of the association: overlap alone decides, whatever the detector's scale.
        # At 30 frames/s the library's buffer counts in frames.
        return self._library.BYTETracker(
            frame_rate=30, track_thresh=FIRST, match_thresh=1 - self._iou, track_buffer=self._lost, mot20=True
        )

    def step(self, boxes: NDArray[np.float64], scores: NDArray[np.float64], steps: int) -> Rows:
        if self._tracker.track_id_counter - self._first > self.RENEW:
            self._renew()
        table = np.empty((len(boxes), 5))
        table[:, :4] = boxes
        table[:, 4] = np.minimum(scores, 0.999) + np.arange(len(boxes)) * 1e-12
        rows, numbers = self._advance(self._tracker, table, steps)
        self._past.append((table, rows, steps))
        taken, base = self._ids, self._base
        self._seen = seen = {row: taken.get(n, base + n) for row, n in sorted(zip(rows, numbers))}
        return np.fromiter(seen, np.intp, len(seen)), np.fromiter(seen.values(), np.int64, len(seen))

    def keep(self, lost: int) -> None:
        self._lost = max(1, lost)
        self._renew()

    def _given(self, number: int) -> int:
        return self._ids.get(number, self._base + number)

    @staticmethod
    def _advance(tracker: Any, table: NDArray[np.float64], steps: int) -> tuple[list[int], list[int]]:
        if steps > 1:
            for view in (*(v for v in tracker.tracked_stracks if v.is_activated), *tracker.lost_stracks):
                for _ in range(steps - 1):
                    view.predict()
        tracker.update(table)
        row_of = {score: i for i, score in enumerate(table[:, 4].tolist())}
        views = [view for view in tracker.tracked_stracks if view.is_activated]
        return [row_of[view.score] for view in views], [view.track_id for view in views]

    def _renew(self) -> None:
        """Run the remembered steps through a new instance and find the old tracks among the new ones: those that are
        seen by the row they took last, those that are lost by their place."""
        fresh = self._new()
        rows: list[int] = []
        numbers: list[int] = []
        for table, followed, steps in self._past:
            # What follows a track must be able to begin one when the step is run again.
            again = table.copy()
            again[followed, 4] = 0.95 + np.arange(len(table))[followed] * 1e-12
            rows, numbers = self._advance(fresh, again, steps)
        names = {number: self._seen[row] for row, number in zip(rows, numbers) if row in self._seen}
        left = [(v.tlbr, self._given(v.track_id)) for v in self._tracker.lost_stracks]
        for view in fresh.lost_stracks:
            apart = [float(np.abs(box - view.tlbr).max()) for box, _ in left]
            if apart and min(apart) < 0.5 * min(view.tlwh[2:]):
                names[view.track_id] = left.pop(apart.index(min(apart)))[1]
        self._base += self._tracker.track_id_counter
        self._tracker, self._ids, self._first = fresh, names, fresh.track_id_counter


class EdgeFirstEngine:
    """``edgefirst.tracker.ByteTrack``: exact rows and no growing memory, but it changes ids more often."""

    def __init__(self, iou: float, lost: int) -> None:
        try:
            from edgefirst.tracker import ByteTrack
        except ImportError:
            raise _absent("edgefirst", "edgefirst-tracker") from None
        # Time is counted in steps of one second, so that the life span is a number of steps.
        self._tracker = ByteTrack(FIRST, iou, 0.35, max(1, lost) * 1_000_000_000)
        self._now = 0
        self._ids: dict[str, tuple[int, int]] = {}
        """The library's id -> (ours, step when it was last seen)."""
        self._count = 0
        self._lost = max(1, lost)
        self._begun: dict[int, bool] = {}

    def step(self, boxes: NDArray[np.float64], scores: NDArray[np.float64], steps: int) -> Rows:
        self._now += steps
        # Its cost adds the score to the overlap; equal scores leave the overlap alone to decide.
        level = np.where(scores >= FIRST, 0.9, 0.3).astype(np.float32)
        found = self._tracker.update(
            boxes.astype(np.float32), level, np.zeros(len(boxes), np.uintp), self._now * 1_000_000_000
        )
        rows: list[int] = []
        ids: list[int] = []
        for row, info in enumerate(found):
            if info is None:
                continue
            number, _ = self._ids.get(info.uuid, (0, 0))
            seen_before = bool(number)
            if not number:
                self._count += 1
                number = self._count
            self._ids[info.uuid] = (number, self._now)
            # As in ByteTrack: a track counts from its second sighting, and only if one of them could begin it.
            self._begun[number] = self._begun.get(number, False) or bool(scores[row] >= BEGIN)
            if (seen_before or self._now == steps) and self._begun[number]:
                rows.append(row)
                ids.append(number)
        self._forget()
        return np.array(rows, np.intp), np.array(ids, np.int64)

    def keep(self, lost: int) -> None:
        self._lost = max(1, lost)  # the library's own life span is fixed; the public id ends in time all the same

    def _forget(self) -> None:
        if len(self._ids) > 1000:
            self._ids = {k: v for k, v in self._ids.items() if self._now - v[1] <= self._lost}
            alive = {number for number, _ in self._ids.values()}
            self._begun = {k: v for k, v in self._begun.items() if k in alive}
