"""What recording costs a run, and how fast rules go over what was recorded.

    python benchmarks/record.py [--rounds 3] [--copies 4] [--minutes 10] [--sources 1 8] [--objects 5 20]

* run: the street clip, decoded, detected, tracked and counted by `countline run`, with and without `record:`, taking turns. CPU of
  the whole process, best of the rounds. Goal: no more than 5 % more with it.
* recorder: CPU of the recorder alone for a frame of so many objects, its own thread included: what it adds where tracks come from
  elsewhere, as in a DeepStream pipeline.
* analyze: a line and a region over recorded tracks of 30 frames a second, in one process: recorded seconds of all sources for each
  second of CPU. Goal: 100.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from machine import header

from countline.analysis import replay
from countline.config.record import RecordConfig
from countline.record.recorder import Recorder
from countline.types import Analytics, FrameInfo, FrameTracks, SourceInfo, TimeQuality, Tracks

FPS = 30
W, H = 1920, 1080
START = 1_795_330_800 * 10**9
LABELS = ("person", "car")
RULES: dict[str, Any] = {
    "lines": [{"name": "line", "points": [[0.1, 0.5], [0.9, 0.5]]}],
    "regions": [{"name": "region", "points": [[0.3, 0.3], [0.7, 0.3], [0.7, 0.8], [0.3, 0.8]]}],
}
CLIP = Path(__file__).parent.parent / "src" / "countline" / "demo" / "street.mp4"


def run_cost(rounds: int, copies: int, folder: Path) -> None:
    """With and without, taking turns."""
    costs: dict[bool, list[float]] = {False: [], True: []}
    frames = 0
    for turn in range(rounds):
        for recording in (False, True):
            config: dict[str, Any] = {
                "sources": [{"name": f"street-{n}", "uri": str(CLIP), "start": "2026-11-22T09:00:00Z"} for n in range(copies)],
                "rules": RULES, "outbox": "memory",
            }  # fmt: skip
            if recording:
                config["record"] = str(folder / f"turn-{turn}")
            path = folder / "run.yaml"
            path.write_text(json.dumps(config))
            before = os.times()
            done = subprocess.run(
                [sys.executable, "-m", "countline", "run", str(path), "--json"],
                capture_output=True,
                text=True,
                check=True,
            )
            after = os.times()
            spent = after.children_user + after.children_system - before.children_user - before.children_system
            costs[recording].append(spent)
            frames = json.loads(done.stdout.splitlines()[-1])["frames"]
    plain, with_it = min(costs[False]), min(costs[True])
    for name, recording in (("run", False), ("run with record", True)):
        shown = ", ".join(f"{c:.2f}" for c in costs[recording])
        print(f"{name:28s} {min(costs[recording]) / frames * 1e3:8.2f} ms CPU a frame   (rounds, s: {shown})")
    print(f"more CPU with record: {100 * (with_it / plain - 1):+.1f} %  (goal 5)")


def frames(objects: int, sources: int, seconds: float) -> Iterator[FrameTracks]:
    """Objects that wander over line and region, each for 20 s under one id."""
    rng = np.random.default_rng(3)
    infos = [SourceInfo(f"camera-{n}", n, live=True) for n in range(sources)]
    start = rng.uniform(0.1, 0.9, (objects, 2))
    way = rng.uniform(-0.02, 0.02, (objects, 2))
    for n in range(round(seconds * FPS)):
        lap, step = divmod(n, 20 * FPS)
        xy = np.abs((start + way * (step / FPS + lap) + 1) % 2 - 1) * (W, H) + rng.normal(0, 1, (objects, 2))
        boxes = np.concatenate([xy - np.array([20, 80]), xy + np.array([20, 0])], axis=1)
        ids = np.arange(objects, dtype=np.uint64) + np.uint64(lap * objects + 1)
        tracks = Tracks(boxes, np.full(objects, 0.8), np.zeros(objects), ids)
        pts = n * 10**9 // FPS
        for source in infos:
            yield FrameTracks(FrameInfo(source, n, pts, START + pts, W, H, TimeQuality.NTP, "s"), tracks)


def record(path: Path, given: list[FrameTracks]) -> float:
    """Seconds of CPU that it takes."""
    recorder = Recorder(RecordConfig(path=str(path), max_waiting=10**9))
    results = [Analytics(item.info, item.tracks, class_names=LABELS) for item in given]
    begun = time.process_time()
    for analytics in results:
        recorder(None, analytics)
    recorder.close()
    return time.process_time() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--copies", type=int, default=4, help="how often the clip is counted at the same time")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--sources", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--objects", type=int, nargs="+", default=[5, 20])
    options = parser.parse_args()
    print(header("numpy", "pyarrow"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run_cost(options.rounds, options.copies, folder)
        print(
            f"{'sources':>8s}{'objects':>8s}{'record, us a frame':>20s}{'bytes an hour':>15s}{'analyze, x real time':>22s}"
        )
        for sources in options.sources:
            for objects in options.objects:
                seconds = options.minutes * 60 / sources
                given = list(frames(objects, sources, seconds))
                path = folder / f"{sources}-{objects}"
                spent = record(path, given)
                size = sum(p.stat().st_size for p in path.rglob("*.parquet")) / seconds / sources * 3600
                speeds = []
                for _ in range(options.rounds):
                    found = replay(RULES, path)
                    speeds.append(found.seconds / found.cpu)
                print(
                    f"{sources:8d}{objects:8d}{spent / len(given) * 1e6:20.1f}{size:15,.0f}{max(speeds):22.0f}"
                    f"   ({found.frames} frames, {len(found.events)} events; goal 100)"
                )


if __name__ == "__main__":
    main()
