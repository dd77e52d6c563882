"""Compare compiled trackers on real tracks: identity quality first, then speed.

    python tools/compare_trackers.py [VIDEO ...] [--line 300,150,300,420 ...]

Two kinds of evidence:

* TUD-Campus and TUD-Stadtmitte (Andriluka, Roth, Schiele, CVPR 2008), whose true tracks come with the package motmetrics:
  IDF1, identity switches, fragmentations and MOTA, (a) on the boxes of a real detector that come with them and (b) on the
  true boxes made worse in a repeatable way: jitter, misses, low confidence where people hide each other, false alarms.
* videos given on the command line, on the detections of the default model: how many ids, how many of them live for a
  second, how many begin or end inside the picture (an unbroken track begins and ends at its edge), and crossings of
  ``--line`` by the bottom centre, + towards the side where (b - a) x (p - a) is positive, / -.

Every contender gets the same detections through the same tracker shell (:class:`countline.track.EngineTracker`); the time
is that of its update alone, median, with the number of boxes of these frames. Needs the extras ``bench``, and
``ioutrack-rs`` and ``edgefirst-tracker`` for all contenders.
"""

from __future__ import annotations

import argparse
import platform
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import av
import motmetrics
import numpy as np

from countline.config import DetectorConfig
from countline.detect import make
from countline.detect.geometry import pairwise_iou
from countline.track import EngineTracker
from countline.track.engines import ByteTrackEngine, EdgeFirstEngine, Rows
from countline.types import Detections, Frame, FrameInfo, SourceInfo, Tracks
from countline.video.picture import AvPicture

Sequence_ = list[Detections]

FIRST, BEGIN = 0.5, 0.6
"""Scores from which a detection takes part in the first association, and from which it may begin a track."""
SCORES = np.array([0.05, 0.3, 0.55, 0.9])
"""By grade, for libraries that are told so by a score."""


def by_overlap(boxes: np.ndarray, found: np.ndarray) -> Rows:
    """Rows of the boxes that filtered boxes with ids (x1, y1, x2, y2, id) came from, for libraries that do not say."""
    rows, ids = [], []
    iou = pairwise_iou(found[:, :4], boxes) if len(found) and len(boxes) else np.zeros((len(found), 0))
    for i in np.argsort(-iou.max(axis=1)) if iou.size else ():
        j = int(iou[i].argmax())
        if iou[i, j] > 0.3:
            rows.append(j)
            ids.append(int(found[i, 4]))
            iou[:, j] = 0
    order = np.argsort(rows, kind="stable").astype(int)
    return np.array(rows, np.intp)[order], np.array(ids, np.int64)[order]


class OcSort:
    """Observation-centric SORT (Cao et al., CVPR 2023) of pyxtrackers, with its second association."""

    def __init__(self, iou: float, lost: int) -> None:
        from pyxtrackers import OCSort

        self._tracker = OCSort(det_thresh=BEGIN, max_age=lost, min_hits=2, iou_threshold=iou, use_byte=True)

    def step(self, boxes: np.ndarray, grades: np.ndarray, steps: int) -> Rows:
        return by_overlap(boxes, self._tracker.update(np.column_stack([boxes, SCORES[grades]])))

    def keep(self, lost: int) -> None:
        pass  # the frame rate is known here


class IouTrack:
    """ByteTrack of ioutrack-rs."""

    def __init__(self, iou: float, lost: int) -> None:
        from ioutrack import ByteTrack

        self._tracker = ByteTrack(
            max_age=lost, min_hits=2, iou_threshold=iou, init_tracker_min_score=BEGIN, high_score_threshold=FIRST
        )

    def step(self, boxes: np.ndarray, grades: np.ndarray, steps: int) -> Rows:
        return by_overlap(
            boxes, self._tracker.update(np.column_stack([boxes, SCORES[grades]]).astype(np.float32), False)
        )

    def keep(self, lost: int) -> None:
        pass  # the frame rate is known here


ENGINES: dict[str, Callable[[float, int], Any]] = {
    "countline": partial(ByteTrackEngine, crowds=True),
    "pyxtrackers ByteTrack": ByteTrackEngine,
    "pyxtrackers OC-SORT": OcSort,
    "edgefirst ByteTrack": EdgeFirstEngine,
    "ioutrack ByteTrack": IouTrack,
}


def follow(
    engine: Callable[[float, int], Any], frames: Sequence_, fps: float, limits: np.ndarray, iou: float, lost: float
) -> tuple[list[Tracks], float]:
    """Tracks for each frame, and the median time of an update in microseconds."""
    tracker = EngineTracker(partial(engine, iou), thresholds=limits, fps=fps, lost=lost)
    times, result = [], []
    for i, detections in enumerate(frames):
        start = time.perf_counter()
        result.append(tracker.update(detections, round(i * 1e9 / fps)))
        times.append(time.perf_counter() - start)
    return result, float(np.median(times) * 1e6)


def table(path: Path) -> dict[int, np.ndarray]:
    """MOT text: frame -> (n, 5) id, x1, y1, x2, y2."""
    data = np.loadtxt(path, delimiter=",")
    data[:, 4:6] += data[:, 2:4]
    return {int(f): data[data[:, 0] == f, 1:6] for f in np.unique(data[:, 0])}


def worsened(truth: dict[int, np.ndarray], last: int, seed: int) -> Sequence_:
    """The true boxes as a middling detector would see them; the same for the same seed."""
    rng = np.random.default_rng(seed)
    frames = []
    for f in range(1, last + 1):
        box = truth.get(f, np.zeros((0, 5)))[:, 1:].copy()
        size = box[:, 2:] - box[:, :2]
        iou = pairwise_iou(box, box)
        np.fill_diagonal(iou, 0)
        behind = (iou * (box[:, None, 3] < box[None, :, 3])).max(axis=1, initial=0)  # the one further down is in front
        confidence = np.clip(0.8 - 0.9 * behind + rng.normal(0, 0.12, len(box)), 0.05, 0.98)
        box += rng.normal(0, 0.03, box.shape) * np.tile(size, 2)
        false = rng.uniform([0, 100], [600, 400], (rng.poisson(0.5), 2))
        box = np.vstack([box, np.hstack([false, false + np.array([40, 100])])])
        confidence = np.append(confidence, rng.uniform(0.1, 0.55, len(false)))
        keep = (confidence > 0.22) & (rng.random(len(box)) > 0.06)
        frames.append(Detections(box[keep], confidence[keep], np.zeros(keep.sum())))
    return frames


def scored(truth: dict[int, np.ndarray], tracks: list[Tracks]) -> motmetrics.MOTAccumulator:
    accumulator = motmetrics.MOTAccumulator(auto_id=True)
    for f, found in enumerate(tracks, 1):
        true = truth.get(f, np.zeros((0, 5)))
        apart = 1 - pairwise_iou(true[:, 1:], found.xyxy.astype(float))
        apart[apart > 0.5] = np.nan
        accumulator.update(true[:, 0].astype(int), found.track_id.astype(int), apart)
    return accumulator


def with_truth(iou: float, lost: float) -> None:
    folder = Path(motmetrics.__file__).parent / "data"
    limits = np.full(1, 0.45, np.float32)
    metrics = motmetrics.metrics.create()
    wanted = ["idf1", "num_switches", "num_fragmentations", "mota"]
    print(f"\n{'sequence':38s}{'tracker':24s}{'IDF1':>7s}{'switches':>10s}{'fragments':>11s}{'MOTA':>7s}")
    for name in ("TUD-Campus", "TUD-Stadtmitte"):
        truth, found = table(folder / name / "gt.txt"), table(folder / name / "test.txt")
        last = max(truth)
        cases = {
            "detector": [
                [
                    Detections(b[:, 1:], np.ones(len(b)), np.zeros(len(b)))
                    for b in (found.get(f, np.zeros((0, 5))) for f in range(1, last + 1))
                ]
            ],
            "worsened, 10 seeds": [worsened(truth, last, seed) for seed in range(10)],
        }
        for case, runs in cases.items():
            for title, engine in ENGINES.items():
                scores = [scored(truth, follow(engine, run, 25, limits, iou, lost)[0]) for run in runs]
                values = np.mean([metrics.compute(s, metrics=wanted).to_numpy()[0] for s in scores], axis=0)
                print(
                    f"{name + ', ' + case:38s}{title:24s}{values[0]:7.3f}{values[1]:10.1f}{values[2]:11.1f}{values[3]:7.3f}"
                )


def detections_of(video: Path, step: int) -> tuple[Sequence_, float, tuple[int, int], np.ndarray]:
    detector = make(DetectorConfig())
    frames, source = [], SourceInfo(video.name)
    with av.open(str(video)) as container:
        fps = float(container.streams.video[0].average_rate or 30) / step
        for i, frame in enumerate(container.decode(video=0)):
            if i % step == 0:
                info = FrameInfo(source, i, 0, 0, frame.width, frame.height)
                frames.append(detector.detect([Frame(info, AvPicture(frame))])[0])
                size = (frame.width, frame.height)
    limits = detector.thresholds
    detector.close()
    return frames, fps, size, limits


def save(path: Path, frames: Sequence_) -> None:
    """Detections of a clip as numbers, for tests: tenths of pixels, ten-thousandths of confidence."""
    np.savez_compressed(
        path,
        count=np.array([len(f) for f in frames], np.uint8),
        xyxy=np.round(np.concatenate([f.xyxy for f in frames]) * 10).astype(np.int16),
        confidence=np.round(np.concatenate([f.confidence for f in frames]) * 1e4).astype(np.uint16),
        class_id=np.concatenate([f.class_id for f in frames]).astype(np.uint8),
    )


def crossings(tracks: list[Tracks], line: Sequence[float]) -> tuple[int, int]:
    """A plain rule: a track's bottom centre changes sides, and the way between cuts the line."""
    a, b = np.array(line[:2]), np.array(line[2:])
    along, length = b - a, float(np.hypot(*(b - a)))
    last: dict[int, tuple[np.ndarray, float]] = {}
    plus = minus = 0
    for frame in tracks:
        for number, box in zip(frame.track_id.tolist(), frame.xyxy.astype(float)):
            at = np.array([(box[0] + box[2]) / 2, box[3]])
            side = float(along[0] * (at - a)[1] - along[1] * (at - a)[0]) / length
            if abs(side) < 3:  # within 3 pixels of the line: wait
                continue
            before = last.get(number)
            if before and before[1] * side < 0:
                cut = before[0] + before[1] / (before[1] - side) * (at - before[0])
                if 0 <= np.dot(cut - a, along) <= length**2:
                    plus, minus = plus + (side > 0), minus + (side < 0)
            last[number] = (at, side)
    return plus, minus


def on_video(video: Path, lines: list[list[float]], iou: float, lost: float, step: int) -> Sequence_:
    frames, fps, (width, height), limits = detections_of(video, step)
    boxes = np.mean([len(f) for f in frames])
    print(f"\n{video.name}: {len(frames)} frames at {fps:g}/s, {boxes:.1f} boxes a frame from the floor on")
    print(f"{'tracker':24s}{'us':>6s}{'rows':>7s}{'ids':>6s}{'>= 1 s':>8s}{'begin in':>10s}{'end in':>8s}   crossings")
    for title, engine in ENGINES.items():
        tracks, micros = follow(engine, frames, fps, limits, iou, lost)
        lives: Counter[int] = Counter()
        ends: dict[int, list[tuple[int, np.ndarray]]] = {}
        for i, frame in enumerate(tracks):
            for number, box in zip(frame.track_id.tolist(), frame.xyxy):
                lives[number] += 1
                ends.setdefault(number, [(i, box), (i, box)])[1] = (i, box)
        long = [n for n, count in lives.items() if count >= fps]

        def inside(box: np.ndarray) -> bool:
            margin = 0.08
            return bool(
                box[0] > margin * width
                and box[2] < (1 - margin) * width
                and box[1] > margin * height
                and box[3] < (1 - margin) * height
            )

        begun = sum(inside(ends[n][0][1]) for n in long if ends[n][0][0])
        ended = sum(inside(ends[n][1][1]) for n in long if ends[n][1][0] < len(frames) - 1)
        counts = "  ".join("{}/{}".format(*crossings(tracks, line)) for line in lines)
        print(
            f"{title:24s}{micros:6.0f}{sum(lives.values()):7d}{len(lives):6d}{len(long):8d}{begun:10d}{ended:8d}   {counts}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("videos", type=Path, nargs="*")
    parser.add_argument("--line", action="append", default=[], help="x1,y1,x2,y2 in pixels; may be repeated")
    parser.add_argument("--iou", type=float, default=0.2)
    parser.add_argument("--lost", type=float, default=1.5)
    parser.add_argument("--save", type=Path, help="write the detections of the last video to this .npz file")
    parser.add_argument("--step", type=int, default=1, help="use every n-th frame of the videos")
    args = parser.parse_args()
    print(f"{platform.machine()}, Python {platform.python_version()}; iou {args.iou}, lost {args.lost} s")
    with_truth(args.iou, args.lost)
    for video in args.videos:
        frames = on_video(video, [[float(v) for v in n.split(",")] for n in args.line], args.iou, args.lost, args.step)
        if args.save:
            save(args.save, frames)


if __name__ == "__main__":
    main()
