"""The tracker of one source: times, class votes and public ids around a library's engine."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from countline.track.engines import BEGIN, FIRST, Engine
from countline.track.hidden import Height, complete
from countline.types import Detections, Tracks

__all__ = ["EngineTracker"]

_HISTORY = 6
"""Frames from which the velocity for :meth:`EngineTracker.predict` is taken."""
_SURE = 0.75
"""Part of the threshold from which a detection is matched together with the believed ones, so that it may also find a
track that was out of sight; weaker ones only continue tracks seen in the frame before, with what the believed ones leave.
Beside a stronger detection only believed ones are matched so: what else detectors leave there are mostly second boxes, on
half of somebody or around two people, which take tracks that go elsewhere. Lower, also in the open the weak second box
on somebody who comes out from behind a post takes the track, as it lies nearer to where the half-hidden person was going,
and the strong box on the whole person begins another."""
_PLACES = (0.0, _SURE - 1e-6, _SURE, 1 - 1e-6, 1.0, 2.0)
_SCALE = (0.0, FIRST - 1e-6, FIRST + 1e-6, BEGIN - 1e-6, BEGIN + 1e-6, 1.0)
_DOUBT = 1.2
"""What a detection needs, as a multiple of the threshold, to begin a track where it overlaps somebody: there detectors
leave weak second boxes, which nothing beside them explains in the open."""
_BESIDE = 0.1
"""Overlap (IoU) from which a detection is beside another."""
_SAME = 0.45
"""Overlap (IoU) from which a new track is taken for a second box on an object that has one."""
_WIDEST = 1e7
"""No picture has so many pixels in a row."""
_RATE_AFTER = 8
"""Intervals that are measured where the frame rate is not known."""


class _Known:
    """What is remembered of one track."""

    __slots__ = ("best", "height", "public", "seen", "votes")

    def __init__(self, public: int, class_id: int) -> None:
        self.public = public
        self.height = Height()
        self.seen = 0
        """pts of the last frame it was seen in."""
        self.best = class_id
        """Class with the most votes."""
        self.votes: dict[int, float] = {class_id: 0.0}

    def __repr__(self) -> str:
        return f"{self.public}: {self.votes}"


class EngineTracker:
    """Implements :class:`countline.protocols.Tracker`; make it with :func:`countline.track.make`.

    Parameters
    ----------
    engine: makes an engine for a number of steps for which lost tracks are kept.
    thresholds: confidence by class id from which a detection may begin a track; None: all detections may.
    low: confidence from which a detection is looked at; None: all that come.
    lost: seconds for which a track that is not seen keeps its id.
    fps: updates per second where known; measured on the first frames otherwise.
    """

    def __init__(
        self,
        engine: Callable[[int], Engine],
        *,
        thresholds: NDArray[np.float32] | float | None = None,
        low: float | None = None,
        lost: float = 1.5,
        fps: float | None = None,
        labels: Sequence[str] = (),
    ) -> None:
        self._make = engine
        limits = np.atleast_1d(np.asarray(0 if thresholds is None else thresholds, np.float32)).astype(np.float64)
        doubt = np.minimum(limits * _DOUBT, (1 + limits) / 2)
        self._limits = np.stack([limits, np.maximum(limits, 1e-9), np.maximum(1 - limits, 1e-9), doubt])
        """(4, classes) threshold, the lengths of the scale below and above it, and the threshold beside somebody."""
        self._low = low
        self._lost = round(lost * 1e9)
        self._step = round(1e9 / fps) if fps else 0
        self.labels = tuple(labels)
        self._intervals: list[int] = []
        self._engine = engine(self._steps_kept())
        self._pts: int | None = None
        self._known: dict[int, _Known] = {}
        """By the engine's id."""
        self._full = 256
        """Number of known tracks at which those that are gone are forgotten."""
        self._last_id = 0
        self._past: deque[tuple[int, Tracks]] = deque(maxlen=_HISTORY)

    def _steps_kept(self) -> int:
        return max(1, -(-self._lost // (self._step or 1_000_000_000 // 30)))

    def update(self, detections: Detections | None, pts: int) -> Tracks:
        """Tracks for a frame: the detections that belong to a track, with their own boxes and confidences, and for
        class the one that the track was most often seen as, weighted by confidence. Where another track hides the
        lower part of one, its box is completed downward (:mod:`countline.track.hidden`).

        ``pts`` in ns on the source's clock. ``None`` for ``detections`` (a frame without inference) gives
        :meth:`predict`. Ids count from 1 and are never used again; the same frames give the same ids.
        """
        if detections is None:
            return self.predict(pts)
        steps = self._clock(pts)
        boxes, confidence, classes = self._usable(detections)
        scores = self._scaled(boxes, confidence, classes)
        chosen, numbers = self._engine.step(boxes.astype(np.float64), scores, steps)
        if not self._known.keys() >= set(numbers.tolist()):
            single = self._single(boxes[chosen], numbers)
            chosen, numbers = chosen[single], numbers[single]
        confidence = confidence[chosen]
        ids, best = self._remember(numbers.tolist(), classes[chosen].tolist(), confidence.tolist(), pts)
        heights = [self._known[number].height for number in numbers.tolist()]
        tracks = Tracks(complete(boxes[chosen], heights, pts, self._lost), confidence, best, ids)
        self._past.append((pts, tracks))
        self._forget(pts)
        return tracks

    def predict(self, pts: int) -> Tracks:
        """Where the tracks of the last frame with detections are at ``pts``, if they go on as they went: for frames
        without inference. Nothing is learned from it."""
        if not self._past:
            return Tracks.empty()
        then, last = self._past[-1]
        if not len(last) or pts - then > self._lost:
            return Tracks.empty()
        boxes = last.xyxy + self._velocity(last) * np.float32((pts - then) / 1e9)
        return Tracks(boxes, last.confidence, last.class_id, last.track_id)

    def _velocity(self, last: Tracks) -> NDArray[np.float32]:
        """(N, 4) pixels a second of the box: its centre's motion over the last frames, size unchanged."""
        result = np.zeros_like(last.xyxy)
        then = self._past[-1][0]
        open_rows = np.ones(len(last), bool)
        for pts, tracks in self._past:  # oldest first: the longest view back wins
            if pts >= then or not len(tracks):
                continue
            same = last.track_id[:, None] == tracks.track_id[None, :]
            rows = np.flatnonzero(same.any(axis=1) & open_rows)
            moved = last.xyxy[rows] - tracks.xyxy[same[rows].argmax(axis=1)]
            centre = (moved[:, :2] + moved[:, 2:]) / 2
            result[rows] = np.tile(centre, 2) / np.float32((then - pts) / 1e9)
            open_rows[rows] = False
        return result

    def _clock(self, pts: int) -> int:
        """Step lengths since the last frame, at least 1. Learns the step length where no frame rate was given."""
        previous, self._pts = self._pts, pts
        if previous is None or pts <= previous:
            return 1
        gap = pts - previous
        if gap > self._lost:
            self._begin_anew()
            return 1
        if len(self._intervals) < _RATE_AFTER and not self._step:
            self._intervals.append(gap)
            if len(self._intervals) == _RATE_AFTER:
                self._step = int(np.median(self._intervals))
                self._engine.keep(self._steps_kept())
            return 1
        return max(1, round(gap / self._step)) if self._step else 1

    def _begin_anew(self) -> None:
        """After a gap longer than ``lost`` nothing of before is to be found again."""
        self._engine = self._make(self._steps_kept())
        self._known.clear()

    def _usable(self, detections: Detections) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int32]]:
        """Boxes, confidences and classes of the detections that can be followed."""
        box, confidence, classes = detections.xyxy, detections.confidence, detections.class_id
        low = self._low or 0.0
        # Comparisons are false for what is not a number; and no picture is as wide as infinity.
        if (
            len(box)
            and (box[:, 2:] > box[:, :2]).all()
            and -_WIDEST < box.min() <= box.max() < _WIDEST
            and confidence.min() >= low
            and confidence.min() > 0
        ):
            return box, confidence, classes  # mostly all of them
        sound = (
            (box[:, 2:] > box[:, :2]).all(axis=1)
            & (confidence > 0)
            & (confidence >= low)
            & (np.abs(box).max(axis=1, initial=0) < _WIDEST)
        )
        return box[sound], confidence[sound], classes[sound]

    def _scaled(
        self, boxes: NDArray[np.float32], confidence: NDArray[np.float32], classes: NDArray[np.int32]
    ) -> NDArray[np.float64]:
        """Confidence on the engine's scale: the threshold of each row's class becomes :data:`BEGIN`, the part
        :data:`_SURE` of it :data:`FIRST`. Beside somebody doubtful ones stay below :data:`BEGIN`, and those that are not
        believed below :data:`FIRST`."""
        limit = self._limits
        if limit.shape[1] > 1:
            limit = limit[:, np.minimum(classes, limit.shape[1] - 1)]
        value = confidence.astype(np.float64)
        # 0..1 below the threshold, 1..2 above it
        place = np.where(value < limit[0], value / limit[1], 1 + (value - limit[0]) / limit[2])
        scaled: NDArray[np.float64] = np.interp(place, _PLACES, _SCALE)
        doubtful = np.flatnonzero((place >= 1) & (value < limit[3]))
        if len(doubtful):
            scaled[doubtful[self._beside(boxes, confidence, doubtful)]] = BEGIN - 1e-6
        weak = np.flatnonzero((place >= _SURE) & (place < 1))
        if len(weak):
            scaled[weak[_beside_stronger(boxes, confidence, weak)]] = FIRST - 1e-6
        return scaled

    def _beside(
        self, boxes: NDArray[np.float32], confidence: NDArray[np.float32], rows: NDArray[np.intp]
    ) -> NDArray[np.bool_]:
        """Which of the rows overlap a stronger detection, or a track of the frame before."""
        result = _beside_stronger(boxes, confidence, rows)
        if self._past:
            near = (_overlap(boxes[rows], self._past[-1][1].xyxy) > _BESIDE).any(axis=1)
            np.logical_or(result, near, out=result)
        return result

    def _single(self, boxes: NDArray[np.float32], numbers: NDArray[np.int64]) -> NDArray[np.bool_]:
        """False for tracks without a public id yet that lie on one that has: a second box on the same object. They get
        their id when they part, so that nobody is counted twice."""
        fresh = np.array([number not in self._known for number in numbers.tolist()], bool)
        if not fresh.any() or fresh.all():
            return np.ones(len(numbers), bool)
        result = ~fresh
        result[fresh] = _overlap(boxes[fresh], boxes[~fresh]).max(axis=1) <= _SAME
        return result

    def _remember(
        self, numbers: list[int], classes: list[int], confidence: list[float], pts: int
    ) -> tuple[NDArray[np.uint64], NDArray[np.int32]]:
        """Public ids and voted classes of the engine's tracks; a new id for one that was out of sight for too long."""
        ids, best = [], []
        for number, class_id, weight in zip(numbers, classes, confidence):
            known = self._known.get(number)
            if known is None or pts - known.seen > self._lost:
                self._last_id += 1
                known = self._known[number] = _Known(self._last_id, class_id)
            known.seen = pts
            votes = known.votes
            votes[class_id] = total = votes.get(class_id, 0.0) + weight
            if class_id != known.best and total > votes[known.best]:
                known.best = class_id
            ids.append(known.public)
            best.append(known.best)
        return np.array(ids, np.uint64), np.array(best, np.int32)

    def _forget(self, pts: int) -> None:
        """Keep the memory to tracks that can still come back; now and then is enough."""
        if len(self._known) > self._full:
            self._known = {n: k for n, k in self._known.items() if pts - k.seen <= self._lost}
            self._full = 2 * len(self._known) + 256

    def describe(self) -> dict[str, Any]:
        """What is used, for ``countline check``."""
        return {"engine": type(self._engine).__name__, "lost_seconds": self._lost / 1e9}


def _beside_stronger(
    boxes: NDArray[np.float32], confidence: NDArray[np.float32], rows: NDArray[np.intp]
) -> NDArray[np.bool_]:
    """Which of the rows overlap a stronger detection."""
    stronger = confidence[None] > confidence[rows][:, None]
    return np.asarray(((_overlap(boxes[rows], boxes) > _BESIDE) & stronger).any(axis=1))


def _overlap(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """(len(a), len(b)) intersection over union of xyxy boxes that are not empty."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    common = np.maximum(high - low, 0).prod(axis=2)
    area_a, area_b = (a[:, 2:] - a[:, :2]).prod(axis=1), (b[:, 2:] - b[:, :2]).prod(axis=1)
    result: NDArray[np.float32] = common / (area_a[:, None] + area_b[None, :] - common)
    return result
