"""The tracker of one source: times, class votes and public ids around a library's engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from countline.track.engines import BEGINS, CONTINUES, FINDS, NOISE, Engine, TimedEngine
from countline.track.leaps import Leaps
from countline.track.memory import Memory, TrackMemory
from countline.track.motion import velocities
from countline.track.newcomers import Newcomers
from countline.track.overlap import BESIDE, beside_stronger, clearly_beside, overlap
from countline.track.pace import Pace
from countline.track.past import CompiledPast, Past
from countline.track.probation import Probation
from countline.track.refound import Refound
from countline.track.told import Told
from countline.track.twins import Twins
from countline.track.usable import usable
from countline.types import Detections, Tracks

__all__ = ["EngineTracker"]

_SURE = 0.75
"""Part of the threshold from which a detection is matched together with the believed ones, so that it may also find a
track that was out of sight; weaker ones only continue tracks seen in the frame before, with what the believed ones leave.
Beside a stronger detection only believed ones are matched so: what else detectors leave there are mostly second boxes, on
half of somebody or around two people, which take tracks that go elsewhere. Lower, also in the open the weak second box
on somebody who comes out from behind a post takes the track, as it lies nearer to where the half-hidden person was going,
and the strong box on the whole person begins another."""
_WORTH = 0.1500001
"""Part of the threshold from which a detection is worth a look."""
_ROUNDING = 0.5e-6
"""Part by which a confidence may be below a threshold and count as at it: they are of single precision."""
_DOUBT = 1.2
"""What a detection needs, as a multiple of the threshold, to begin a track where it overlaps somebody: there detectors
leave weak second boxes, which nothing beside them explains in the open."""
_TIERS = np.array([NOISE, CONTINUES, FINDS, BEGINS, BEGINS, BEGINS])
"""By the number of limits that a confidence passed."""
_BELIEVED = 3
"""Of the limits, the one from which a detection may begin a track; the next one is what it needs beside somebody."""
_WEAK = 2
"""Limits passed by a detection that may find one who was out of sight, but is not believed."""
_DOUBTFUL = 4
"""Limits passed by a detection that is at its threshold, but not at what it needs beside somebody."""
_FEW = 300
"""Pairs of boxes up to which a plain loop is faster than NumPy."""
_RATE_AFTER = 8
"""Intervals that are measured where the frame rate is not known."""


class EngineTracker:
    """Implements :class:`countline.protocols.Tracker`; make it with :func:`countline.track.make`.

    Parameters
    ----------
    engine: makes an engine for a number of steps for which lost tracks are kept.
    slow: the same, of the engine for less than six frames a second, whether that is known or seen; None: the same engine.
    thresholds: confidence by class id from which a detection may begin a track; None: all detections may.
    low: confidence from which a detection is looked at; None: all that come.
    lost: seconds for which a track that is not seen keeps its id.
    fps: updates per second where known; measured on the first frames otherwise.
    twins: whether tracks that show one object are marked (:mod:`countline.track.twins`).
    iou: least overlap with the place where it must be of one who is found again (:mod:`countline.track.refound`).
    kernel: ``countline_kernels``, which does the same in less time; None: NumPy does it.
    """

    def __init__(
        self,
        engine: Callable[[int], Engine],
        *,
        slow: Callable[[int], Engine] | None = None,
        thresholds: NDArray[np.float32] | float | None = None,
        low: float | None = None,
        lost: float = 1.5,
        fps: float | None = None,
        labels: Sequence[str] = (),
        twins: bool = True,
        iou: float = 0.2,
        kernel: ModuleType | None = None,
    ) -> None:
        self._makers = engine, slow or engine
        limits = np.atleast_1d(np.asarray(0 if thresholds is None else thresholds, np.float32)).astype(np.float64)
        doubt = np.minimum(limits * _DOUBT, (1 + limits) / 2)
        parts = np.array([_WORTH, _SURE - _ROUNDING, 1 - _ROUNDING, 1.0])
        self._limits = np.vstack([parts[:, None] * limits, doubt])
        """(5, classes) ascending: the confidences that make one more of :data:`_GRADES`."""
        self._limit = np.ascontiguousarray(self._limits[:, 0]) if (limits == limits[0]).all() else None
        """(5,) where they are those of all classes."""
        self._low = low
        self._kernel = kernel
        ascending = bool((np.diff(self._limits, axis=0) >= 0).all())
        self._compiled = kernel.Grades(self._limits.T.tolist(), low or 0.0) if kernel and ascending else None
        self._lost = round(lost * 1e9)
        self._step = round(1e9 / fps) if fps else 0
        self.labels = tuple(labels)
        self._intervals: list[int] = []
        self._pace = Pace(self._step) if slow else None
        self._engine = self._new()
        self._leaps = Leaps()
        self._first: dict[int, int] | None = None
        """Number with the engine by number with the leaps, of the tracks in the frame that was its first."""
        self._pts: int | None = None
        self._known: TrackMemory = Memory() if kernel is None else kernel.TrackMemory()
        """By the engine's number."""
        self._full = 256
        """Number of known tracks at which those that are gone are forgotten."""
        self._before = Past() if kernel is None else CompiledPast(kernel)
        self._past = self._before.frames
        self._twins: Twins | None = (Twins() if kernel is None else kernel.Twins()) if twins else None
        self._refound: Refound = (Refound if kernel is None else kernel.Refound)(self._lost, iou)
        self._newcomers = Newcomers()
        self._told = Told(self._lost, kernel)
        self._probation = Probation()

    def _new(self) -> Engine:
        engine = self._makers[self._pace is not None and self._pace.slow](self._steps_kept())
        self._tell_step(engine)
        return engine

    def _tell_step(self, engine: Engine) -> None:
        if self._step and isinstance(engine, TimedEngine):
            engine.lasts(self._step)

    def _steps_kept(self) -> int:
        return max(1, -(-self._lost // (self._step or 1_000_000_000 // 30)))

    def update(self, detections: Detections | None, pts: int) -> Tracks:
        """Tracks for a frame: the detections that belong to a track, with their own boxes and confidences, and for
        class the one that the track was most often seen as, weighted by confidence. Where another track hides the
        lower part of one, its box is completed downward (:mod:`countline.track.occlusion`).

        ``pts`` in ns on the source's clock. ``None`` for ``detections`` (a frame without inference) gives
        :meth:`predict`. Ids count from 1 and are never used again; the same frames give the same ids.
        """
        if detections is None:
            return self.predict(pts)
        steps = self._clock(pts)
        tiers = self._quickly_tiered(detections)
        if tiers is None:
            detections = usable(detections, self._low or 0.0)
            tiers = self._tiered(detections.xyxy, detections.confidence, detections.class_id)
        boxes, confidence, classes = detections.xyxy, detections.confidence, detections.class_id
        slow = self._pace is not None and self._pace.slow
        groups = self._before.groups(boxes, classes, pts, slow)
        if groups:
            tiers[groups] = NOISE
        matched = self._before.matched(boxes, self._known, pts, self._lost)
        found = self._engine.step(matched, tiers, steps)
        rows, numbers = self._told.emerged(self._known, boxes, classes, found, pts)
        left = self._left(boxes, tiers, rows)
        leapt = []
        if self._first is None:
            self._adopt(boxes, classes, rows, numbers, pts)
        elif len(self._leaps) or left is not None:
            leapt = self._leap(boxes, classes, left, rows, numbers, pts)
        times = pts, self._lost
        seen = None if leapt else self._known.remember(boxes, confidence, classes, rows, numbers, times, False)
        begun = seen is None
        if seen is None:  # a track without a public id, or one that leaps
            rows, numbers = self._public(detections, rows, numbers, leapt, pts)
            seen = self._known.remember(boxes, confidence, classes, rows, numbers, times, True)
            assert seen is not None
        shown, sure, best, ids, low = seen
        if low:
            shown = self._before.complete(shown, low, ids, pts, self._lost)
        tracks = Tracks(shown, sure, best, ids)
        if begun or len(self._newcomers):
            tracks.xyxy = self._newcomers.complete(tracks, self._past, pts)
        if detections.attributes is not None:
            tracks.attributes = {name: column[rows] for name, column in detections.attributes.items()}
        if self._twins is not None:
            tracks.twin_of = self._twins.update(tracks, pts)
        self._before.remember(tracks, pts)
        self._forget(pts)
        leaping = [rows.tolist().index(row) for row, _ in leapt]
        told, numbers = self._told.told(tracks, numbers, pts, self._known, leaping)
        self._refound.remember(told, numbers, pts)
        return told

    def _left(
        self, boxes: NDArray[np.float32], tiers: NDArray[np.intp], rows: NDArray[np.intp]
    ) -> NDArray[np.intp] | None:
        """Rows of the detections that may begin a track and that the engine left, but for those beside a track, which are
        second boxes; None: none."""
        found: NDArray[np.intp]
        if self._kernel is not None:
            found = self._kernel.left_alone(boxes, tiers, rows)
            return found
        left = tiers == BEGINS
        left[rows] = False
        found = left.nonzero()[0]
        if len(found) and len(rows):
            found = found[overlap(boxes.take(found, axis=0), boxes.take(rows, axis=0)).max(axis=1) <= BESIDE]
        return found if len(found) else None

    def _public(
        self,
        detections: Detections,
        rows: NDArray[np.intp],
        numbers: NDArray[np.int64],
        leapt: list[tuple[int, int]],
        pts: int,
    ) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
        """Rows and numbers of the tracks that have a public id or get one now, and of those that leapt, in the order of the rows.
        Those that are lost ones (:mod:`countline.track.refound`) go on under the id they had."""
        quick = self._pace is None or not self._pace.slow
        boxes, classes = detections.xyxy, detections.class_id
        rows, numbers = self._refound.admit(self._known, boxes, classes, rows, numbers, pts, quick)
        if quick:
            of = np.minimum(classes.take(rows), self._limits.shape[1] - 1)
            limits = self._limits[_BELIEVED:].take(of, axis=1)
            known, sure = self._known.known(numbers), detections.confidence.take(rows)
            believed = self._probation.believed(numbers, known, sure, limits)
            rows, numbers = rows[believed], numbers[believed]
        if leapt:
            more, leaping = np.array(leapt, np.int64).T
            rows, numbers = np.concatenate([rows, more]), np.concatenate([numbers, leaping])
            order = rows.argsort()
            rows, numbers = rows.take(order), numbers.take(order)
        return rows, numbers

    def _adopt(
        self,
        boxes: NDArray[np.float32],
        classes: NDArray[np.int32],
        rows: NDArray[np.intp],
        numbers: NDArray[np.int64],
        pts: int,
    ) -> None:
        """An engine's first frame: all it sees are tracks at once, of which it may find none again."""
        self._first = {
            self._leaps.adopt(boxes[row], int(classes[row]), pts): number
            for row, number in zip(rows.tolist(), numbers.tolist())
        }

    def _leap(
        self,
        boxes: NDArray[np.float32],
        classes: NDArray[np.int32],
        sure: NDArray[np.intp] | None,
        rows: NDArray[np.intp],
        numbers: NDArray[np.int64],
        pts: int,
    ) -> list[tuple[int, int]]:
        """(row, number) of objects that are followed without overlap (:mod:`countline.track.leaps`) among the ``sure``
        detections that the engine left (rows). Those that it has just found go on under the id they had."""
        left = np.empty(0, np.intp) if sure is None else sure
        tracks = boxes.take(rows, axis=0)
        begun = ~self._known.known(numbers)
        fresh = numbers[begun].tolist()
        asked = np.concatenate([rows[begun], left])
        found = self._leaps.step(boxes.take(asked, axis=0), classes.take(asked), pts, tracks[~begun], len(fresh))
        leapt = []
        for at, number in found:
            if self._first and number in self._first:
                self._known.rename(self._first[number], number)
            if at >= len(fresh):
                leapt.append((int(asked[at]), number))
            elif number in self._known:  # else not seen for so long that it is another
                self._known.rename(number, fresh[at])
        self._first = {}
        return leapt

    def predict(self, pts: int) -> Tracks:
        """Where the tracks of the last frame with detections are at ``pts``, if they go on as they went: for frames
        without inference. Nothing is learned from it."""
        if not self._past:
            return Tracks.empty()
        then, last = self._past[-1]
        if not len(last) or pts - then > self._lost:
            return Tracks.empty()
        boxes = last.xyxy + velocities(self._past) * np.float32((pts - then) / 1e9)
        return self._told.predicted(Tracks(boxes, last.confidence, last.class_id, last.track_id, twin_of=last.twin_of))

    def _clock(self, pts: int) -> int:
        """Step lengths since the last frame, at least 1. Learns the step length where no frame rate was given."""
        previous, self._pts = self._pts, pts
        self._probation.frame(pts)
        if previous is None or pts <= previous:
            return 1
        gap = pts - previous
        if gap > self._lost:
            self._begin_anew()
            return 1
        if self._pace is not None and self._pace.changes(gap):
            self._change_engine(self._pace.step)
        if len(self._intervals) < _RATE_AFTER and not self._step:
            self._intervals.append(gap)
            if len(self._intervals) == _RATE_AFTER:
                self._step = int(np.median(self._intervals))
                self._tell_step(self._engine)
                self._engine.keep(self._steps_kept())
            return 1
        return max(1, round(gap / self._step)) if self._step else 1

    def _change_engine(self, step: int) -> None:
        """The source has become slow, or quick again: another engine goes on with the tracks of the last frame."""
        self._step = step
        self._engine = self._new()
        self._leaps.begin_anew()
        self._refound.clear()
        self._newcomers.clear()
        self._told.renumbered()
        self._probation.clear()
        self._first = {}
        if not self._past:
            self._known.clear()
            return
        last = self._past[-1][1]
        rows, numbers = self._engine.step(last.xyxy, np.full(len(last), BEGINS, np.intp), 1)
        self._known.renumber(last.track_id[rows], numbers)

    def _begin_anew(self) -> None:
        """After a gap longer than ``lost`` nothing of before is to be found again."""
        self._engine = self._new()
        self._leaps.begin_anew()
        self._refound.clear()
        self._newcomers.clear()
        self._told.clear()
        self._probation.clear()
        self._first = None
        self._known.clear()

    def _quickly_tiered(self, detections: Detections) -> NDArray[np.intp] | None:
        """What :func:`usable` and :meth:`_graded` give, by the kernel; None where there is none, or it does not take them."""
        if self._compiled is None:
            return None
        before = self._past[-1][1].xyxy if self._past else None
        tiers: NDArray[np.intp] | None = self._compiled.of(
            detections.xyxy, detections.confidence, detections.class_id, before
        )
        return tiers

    def forget(self) -> None:
        """All tracks have ended: what comes is another scene."""
        self._begin_anew()
        self._before.clear()

    def _tiered(
        self, boxes: NDArray[np.float32], confidence: NDArray[np.float32], classes: NDArray[np.int32]
    ) -> NDArray[np.intp]:
        """(N,) the engine's association tiers, by the threshold of each row's class. Beside somebody doubtful ones begin nothing,
        and beside a stronger detection weak ones find nobody who was out of sight."""
        passed: NDArray[np.intp]
        if self._limit is not None:
            passed = self._limit.searchsorted(confidence, "right")
        else:
            limits = self._limits.take(np.minimum(classes, self._limits.shape[1] - 1), axis=1)
            passed = np.add.reduce(limits <= confidence, axis=0)
        tiers = _TIERS.take(passed)
        weak = (passed == _WEAK).nonzero()[0]
        if len(weak):
            tiers[weak[beside_stronger(boxes, confidence, weak)]] = CONTINUES
        doubtful = (passed == _DOUBTFUL).nonzero()[0]
        if len(doubtful):
            tiers[doubtful[self._beside(boxes, confidence, doubtful)]] = FINDS
        return tiers

    def _beside(
        self, boxes: NDArray[np.float32], confidence: NDArray[np.float32], rows: NDArray[np.intp]
    ) -> NDArray[np.bool_]:
        """Which of the rows overlap a track of the frame before, or a stronger detection."""
        doubtful = boxes.take(rows, axis=0)
        result: NDArray[np.bool_] = np.zeros(len(rows), bool)
        if self._past:
            before = self._past[-1][1].xyxy
            if len(rows) * len(before) <= _FEW and clearly_beside(doubtful, before):
                return ~result
            result[:] = (overlap(doubtful, before) > BESIDE).any(axis=1)
        if not result.all():
            left = (~result).nonzero()[0]
            result[left] = beside_stronger(boxes, confidence, rows[left])
        return result

    def _forget(self, pts: int) -> None:
        """Keep the memory to tracks that can still come back; now and then is enough."""
        if len(self._known) > self._full:
            self._known.forget(pts - self._lost)
            self._full = 2 * len(self._known) + 256

    @property
    def never_tracked(self) -> int:
        """Sure detections that became part of no track so far, second boxes beside a track left aside."""
        return self._leaps.never

    @property
    def doubtful(self) -> int:
        """Sightings that were left out so far (:mod:`countline.track.emerging`, :mod:`countline.track.jumps`)."""
        return self._told.doubtful

    def describe(self) -> dict[str, Any]:
        """What is used, for ``countline check``."""
        return {"engine": type(self._engine).__name__, "lost_seconds": self._lost / 1e9}
