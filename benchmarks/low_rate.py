"""Counts at low frame rates: the truth clips of accuracy.py with frames left out, to 10, 5, 3 and 2 frames a second.

    python benchmarks/low_rate.py [--video vtest.avi] [--clips FOLDER] [--cache FILE.npz] [--rates 10 5 3 2] [--lines 250]

The default model (float) sees every frame of a clip once (``--cache`` keeps what it saw); tracker and rules then get every n-th
frame's detections, from each first frame on that gives another selection (at most six of them), as they would from a camera
of that rate. Truth is that of the whole clip. 'off' is the sum of what lines are off by, both directions, as a part of all
crossings; 'net' the same with signs, so that too few and too many cancel. On vtest.avi random lines stand beside those of
accuracy.py, with the truth of random_lines.py and its allowance for the eye's doubt.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from machine import header
from random_lines import SIZE, by_eye, draw

from accuracy import CLIPS, VTEST, Clip, arguments, given_video
from countline import track
from countline.analytics.native import NativeRules
from countline.config import DetectorConfig, TrackerConfig
from countline.config.rules import RulesConfig
from countline.types import Detections, FrameInfo, FrameTracks, SourceInfo

MOST_PHASES = 6


@dataclass
class Seen:
    """What a detector saw of a clip."""

    frames: Sequence[Detections]
    fps: float
    thresholds: np.ndarray
    labels: tuple[str, ...]


def see(video: Path, clip: Clip, cache: dict[str, Any]) -> Seen:
    """All detections of a clip, from the cache or the model."""
    key = video.stem
    if f"{key}:count" not in cache:
        from compare_trackers import detections_of

        from countline.detect import make

        frames, fps, _, thresholds = detections_of(video, 1)
        detector = make(DetectorConfig())
        cache.update(
            {
                f"{key}:count": np.array([len(f) for f in frames]),
                f"{key}:xyxy": np.concatenate([f.xyxy for f in frames]),
                f"{key}:confidence": np.concatenate([f.confidence for f in frames]),
                f"{key}:class": np.concatenate([f.class_id for f in frames]),
                f"{key}:fps": np.array(fps),
                f"{key}:thresholds": thresholds,
                f"{key}:labels": np.array(detector.labels),
            }
        )
        detector.close()
    labels = tuple(cache[f"{key}:labels"].tolist())
    ends = np.cumsum(cache[f"{key}:count"])[:-1]
    columns = (np.split(cache[f"{key}:{part}"], ends) for part in ("xyxy", "confidence", "class"))
    frames = [Detections(*each) for each in zip(*columns)]
    if clip.classes is not None:
        wanted = [labels.index(name) for name in clip.classes]
        frames = [f[np.isin(f.class_id, wanted)] for f in frames]
    return Seen(frames, float(cache[f"{key}:fps"]), cache[f"{key}:thresholds"], labels)


def chosen(frames: int, fps: float, rate: float) -> list[list[int]]:
    """Numbers of the frames that a camera of ``rate`` frames a second would have given, for each first frame."""
    step = fps / rate
    phases = max(1, min(MOST_PHASES, int(step)))
    firsts = [int(i * step / phases) for i in range(phases)]
    return [[int(first + k * step) for k in range(int((frames - 1 - first) / step) + 1)] for first in firsts]


def count(seen: Seen, clip: Clip, numbers: list[int], rate: float, config: dict[str, Any]) -> np.ndarray:
    """(lines, 2) crossings to '+' and '-' with only these frames."""
    tracker = track.make(TrackerConfig.model_validate(config), fps=rate, labels=seen.labels, thresholds=seen.thresholds)
    source = SourceInfo("clip")
    lines = [{"name": n, "points": [list(p) for p in line.points]} for n, line in clip.lines.items()]
    rules = NativeRules(
        RulesConfig.model_validate({"coordinates": "pixels", "resolution": list(clip.size), "lines": lines}),
        [source],
        seen.labels,
    )
    for number in numbers:
        pts = round(number * 1e9 / seen.fps)
        tracks = tracker.update(seen.frames[number], pts)
        state = rules.update([FrameTracks(FrameInfo(source, number, pts, pts, *clip.size), tracks)])[0].lines
    return np.array([[state[n].directions[way].cumulative for way in ("out", "in")] for n in clip.lines])


def report(name: str, counts: list[np.ndarray], truth: np.ndarray) -> str:
    """One row. ``truth``: (lines, readings, 2), the first reading being the count itself."""
    off = np.array([found - truth[:, 0] for found in counts])
    beyond = np.array([found - np.clip(found, truth.min(axis=1), truth.max(axis=1)) for found in counts])
    total = truth[:, 0].sum()
    exact = np.mean(beyond == 0)
    return (
        f"  {name:16s}{total:7d}{np.abs(off).sum() / len(off) / total:8.1%}{off.sum() / len(off) / total:+8.1%}"
        f"{np.abs(beyond).sum() / len(off) / total:9.1%}{exact:9.1%}{(np.abs(beyond) >= 2).mean():9.1%}"
    )


def measure(seen: Seen, clip: Clip, truths: dict[str, tuple[Clip, np.ndarray]], rates: Sequence[float]) -> None:
    """Print all rates of a clip."""
    print(f"\n{clip.file}: {len(seen.frames)} frames at {seen.fps:g}/s")
    print(f"  {'':16s}{'truth':>7s}{'off':>8s}{'net':>8s}{'beyond':>9s}{'exact':>9s}{'by 2':>9s}")
    for rate in [seen.fps, *(rate for rate in rates if rate < seen.fps)]:
        for name, (lines, truth) in truths.items():
            runs = chosen(len(seen.frames), seen.fps, rate)
            print(report(f"{rate:g}/s {name}", [count(seen, lines, numbers, rate, {}) for numbers in runs], truth))


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--clips", type=Path, help="folder with Intel's sample videos")
    parser.add_argument("--cache", type=Path, help="file that keeps what the model saw")
    parser.add_argument("--rates", type=float, nargs="+", default=[10, 5, 3, 2])
    parser.add_argument("--lines", type=int, default=250, help="random lines on vtest.avi")
    parser.add_argument("--seed", type=int, default=77)
    given = given_video(parser)
    print(header("onnxruntime"))
    cache = dict(np.load(given.cache)) if given.cache and given.cache.exists() else {}
    jobs = [(given.video, VTEST)]
    if given.clips:
        jobs += [(given.clips / c.file, c) for c in CLIPS if (given.clips / c.file).exists()]
    seen = [see(video, clip, cache) for video, clip in jobs]
    if given.cache:
        np.savez_compressed(given.cache, **cache)
    for what, (_, clip) in zip(seen, jobs):
        exact = np.array([[[line.plus, line.minus]] for line in clip.lines.values()])
        truths = {"lines": (clip, exact)}
        if clip is VTEST and given.lines:
            drawn = draw(given.lines, given.seed)
            more = {f"{i}": type(next(iter(clip.lines.values())))((p[:2], p[2:]), 0, 0) for i, p in enumerate(drawn)}  # type: ignore[arg-type]
            truths["random"] = Clip(clip.file, SIZE, clip.classes, more), by_eye(drawn)
        measure(what, clip, truths, given.rates)
    return 0


if __name__ == "__main__":
    sys.exit(main())
