"""What the models of the package find of the people on vtest.avi: average precision, and precision and recall at their threshold.

    python benchmarks/detector_quality.py [--video vtest.avi] [--models nanodet yolox-nano]

data/vtest-feet.csv tells where the feet of everybody were on every fifth frame, by eye (random_lines.py). A detection stands for
the nearest person who is not taken by a stronger one, if those feet are below its middle half: within a quarter of its width beside its
bottom centre and a quarter of its height above or below. So this is no AP50 of COCO: boxes are not compared, but the point that
lines and regions see. Detections with feet outside the part of the picture that was read off are left aside.

Frames 0, 15, 30 ... calibrated the 8-bit files; all frames that have truth are used all the same, for every file.
"""

from __future__ import annotations

import argparse
import csv
import importlib.util
from pathlib import Path

import av
import numpy as np
from machine import header

from accuracy import ROOT, RUNTIMES
from countline.config import DetectorConfig
from countline.detect import make
from countline.detect.catalogue import CATALOGUE
from countline.types import Frame, FrameInfo, SourceInfo
from countline.video.picture import AvPicture

FEET = Path(__file__).parent / "data" / "vtest-feet.csv"
WITHIN = (190, 140, 758, 470)
"""Left, top, right, bottom of the part that was read off, less a margin."""
EVERY = 5


def truth() -> dict[int, np.ndarray]:
    """(people, 2) feet in pixels by frame."""
    found: dict[int, list[tuple[int, int]]] = {}
    with FEET.open() as file:
        for row in csv.DictReader(file):
            found.setdefault(int(row["frame"]), []).append((int(row["x"]), int(row["y"])))
    return {frame: np.array(points) for frame, points in found.items()}


def within(points: np.ndarray) -> np.ndarray:
    left, top, right, bottom = WITHIN
    x, y = points.reshape(-1, 2).T
    return (x >= left) & (x <= right) & (y >= top) & (y <= bottom)


def hits(boxes: np.ndarray, people: np.ndarray) -> np.ndarray:
    """For each box, strongest first: does it stand for somebody not yet taken? 1 yes, 0 no, -1 for one outside."""
    free = np.ones(len(people), bool)
    inside = within(people)
    result = np.zeros(len(boxes), int)
    for i, (left, top, right, bottom) in enumerate(boxes):
        foot = np.array([(left + right) / 2, bottom])
        apart = np.abs(people - foot) / [(right - left) / 4, (bottom - top) / 4]
        near = np.where(free & (apart <= 1).all(axis=1), np.hypot(*apart.T), np.inf)
        if len(near) and np.isfinite(near).any():
            free[near.argmin()] = False
            result[i] = 1 if inside[near.argmin()] else -1
        elif not within(foot)[0]:
            result[i] = -1
    return result


def average_precision(confidence: np.ndarray, right: np.ndarray, people: int) -> float:
    """Area under precision over recall, precision made monotonic (all points)."""
    order = np.argsort(-confidence, kind="stable")
    found = np.cumsum(right[order])
    precision = np.maximum.accumulate((found / np.arange(1, len(found) + 1))[::-1])[::-1]
    return float(np.sum(precision * np.diff(found / people, prepend=0)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--video", type=Path, default=ROOT / ".cache" / "vtest.avi")
    parser.add_argument("--models", nargs="*", default=sorted(CATALOGUE))
    args = parser.parse_args()
    precisions = [p for p, r in RUNTIMES.items() if importlib.util.find_spec(r)]
    people = truth()
    detectors = {
        (m, p): make(DetectorConfig(model=m, precision=p, runtime=RUNTIMES[p], classes=["person"]), low=0.02)
        for m in args.models
        for p in precisions
    }
    said: dict[tuple[str, str], list[np.ndarray]] = {key: [] for key in detectors}
    with av.open(str(args.video)) as container:
        for number, picture in enumerate(container.decode(video=0)):
            if number % EVERY or number not in people:
                continue
            info = FrameInfo(SourceInfo("vtest"), number, 0, 0, picture.width, picture.height)
            for key, detector in detectors.items():
                (found,) = detector.detect([Frame(info, AvPicture(picture))])
                said[key].append(np.stack([found.confidence, hits(found.xyxy, people[number])]))
    total = sum(int(within(points).sum()) for frame, points in people.items() if frame % EVERY == 0)
    print(f"{header('onnxruntime')}\n{args.video.name}: {total} feet of people")
    print(
        f"{'model':14s}{'precision':11s}{'AP':>7s}{'threshold':>11s}{'precision':>11s}{'recall':>8s}{'best F1':>9s}{'at':>6s}"
    )
    for (name, precision), parts in said.items():
        confidence, hit = np.concatenate(parts, axis=1)
        confidence, hit = confidence[hit >= 0], hit[hit >= 0]
        limit = float(detectors[name, precision].thresholds[0])
        sure = confidence >= limit
        grid = np.arange(0.1, 0.8, 0.05)
        scores = [2 * hit[confidence >= g].sum() / ((confidence >= g).sum() + total) for g in grid]
        print(
            f"{name:14s}{precision:11s}{average_precision(confidence, hit, total):7.3f}{limit:11.2f}"
            f"{hit[sure].mean():11.3f}{hit[sure].sum() / total:8.3f}{max(scores):9.3f}{grid[int(np.argmax(scores))]:6.2f}"
        )


if __name__ == "__main__":
    main()
