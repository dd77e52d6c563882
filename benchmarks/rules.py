"""Microseconds per object for rules: our engines against supervision's LineZone + PolygonZone, on the same tracks.

The native engine runs twice, by the compiled kernel (`make kernels`) and by NumPy alone.

Each stream has as many lines as regions, all its own; objects wander about a 1920 x 1080 picture at 30 fps. A batch holds
one frame of every stream. The figures are medians over the batches. The contenders take turns every ``--turn`` batches, so that
other load on the machine meets all of them alike. With 1 each begins with whatever the others left in the processor's caches, and
all are slower; a pipeline that is busy is nearer to 10.

    python benchmarks/rules.py [--frames 300] [--objects 1 10 100 1000] [--streams 1 16 256] [--rules 1 8] [--turn 10]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import product
from math import ceil
from typing import Any

import numpy as np
import supervision as sv
from machine import header

from countline.analytics.native import NativeRules
from countline.compat.deepstream.files.nvdsanalytics import parse
from countline.compat.deepstream.rules import DeepStreamRules
from countline.config.rules import RulesConfig
from countline.kernels import find
from countline.types import FrameInfo, FrameTracks, SourceInfo, Tracks

W, H, FRAME = 1920, 1080, 33_333_333
Batch = list[FrameTracks]


def wander(rng: np.random.Generator, objects: int, frames: int) -> np.ndarray:
    """(frames, objects, 2) feet of objects that keep their way and turn back at the picture's edges."""
    start, speed = rng.uniform((0, 0), (W, H), (objects, 2)), rng.normal(0, 4, (objects, 2))
    path = start + speed * np.arange(frames)[:, None, None] + rng.normal(0, 1, (frames, objects, 2))
    return np.stack([W - abs(path[..., 0] % (2 * W) - W), H - abs(path[..., 1] % (2 * H) - H)], axis=-1)


def batches(sources: Sequence[SourceInfo], objects: int, frames: int) -> list[Batch]:
    """Frames with ``objects`` objects in all, spread over the sources."""
    rng = np.random.default_rng(1)
    share = [objects // len(sources) + (i < objects % len(sources)) for i in range(len(sources))]
    paths = [wander(rng, n, frames) for n in share]
    result = []
    for f in range(frames):
        batch = []
        for source, path in zip(sources, paths):
            x, y = path[f].T
            boxes = np.stack([x - 20, y - 80, x + 20, y], axis=1)
            n = len(x)
            tracks = Tracks(boxes, np.full(n, 0.9), np.zeros(n), np.arange(n, dtype=np.uint64))
            batch.append(FrameTracks(FrameInfo(source, f, f * FRAME, f * FRAME, W, H), tracks))
        result.append(batch)
    return result


Points = list[tuple[float, float]]


def geometry(i: int, rules: int) -> list[tuple[Points, Points]]:
    """Lines and regions of stream i, in pixels: the picture is divided into a grid, and each cell has one of both."""
    columns = ceil(rules**0.5)
    rows = ceil(rules / columns)
    y = 400 + i % 200
    line, region = [(200, y), (1700, y + 100)], [(600, 300), (1300, 320), (1250, 800), (580, 760)]
    found = []
    for k in range(rules):
        left, top = k % columns * W, k // columns * H
        found.append(tuple([((left + x) / columns, (top + y) / rows) for x, y in part] for part in (line, region)))
    return found


def native(sources: Sequence[SourceInfo], rules: int, *, kernel: bool = True) -> Callable[[Batch], Any]:
    lines, regions = [], []
    for i, source in enumerate(sources):
        for k, (line, region) in enumerate(geometry(i, rules)):
            lines.append({"name": f"line {k}", "source": source.name, "points": line})
            regions.append({"name": f"region {k}", "source": source.name, "points": region})
    config = {"coordinates": "pixels", "resolution": (W, H), "lines": lines, "regions": regions}
    return NativeRules(RulesConfig.model_validate(config), sources, ["person"], kernel=kernel).update


def exact(sources: Sequence[SourceInfo], rules: int) -> Callable[[Batch], Any]:
    text = f"[property]\nenable=1\nconfig-width={W}\nconfig-height={H}\n"
    for i in range(len(sources)):
        pairs = list(enumerate(geometry(i, rules)))
        text += f"[line-crossing-stream-{i}]\nenable=1\nextended=0\n"
        for k, (line, _) in pairs:
            text += f"line-crossing-line{k}=900;300;900;700;{numbers(line)}\n"
        text += f"[roi-filtering-stream-{i}]\nenable=1\n"
        for k, (_, region) in pairs:
            text += f"roi-region{k}={numbers(region)}\n"
    return DeepStreamRules(parse(text, "benchmark.txt"), sources, ["person"]).update


def numbers(points: Points) -> str:
    return ";".join(f"{int(v)}" for p in points for v in p)


def other(sources: Sequence[SourceInfo], rules: int) -> Callable[[list[sv.Detections]], Any]:
    zones: list[list[Any]] = []
    for i in range(len(sources)):
        zones.append([])
        for (a, b), region in geometry(i, rules):
            zones[i].append(sv.LineZone(sv.Point(*a), sv.Point(*b), [sv.Position.BOTTOM_CENTER]))
            zones[i].append(sv.PolygonZone(np.array(region, int)))

    def update(batch: list[sv.Detections]) -> None:
        for mine, detections in zip(zones, batch):
            for zone in mine:
                zone.trigger(detections)

    return update


def as_supervision(batch: Batch) -> list[sv.Detections]:
    """The same tracks; made outside of what is timed."""
    return [
        sv.Detections(xyxy=t.xyxy, confidence=t.confidence, class_id=t.class_id, tracker_id=t.track_id.astype(np.int64))
        for _, t in batch
    ]


MAKERS: dict[str, Callable[[Sequence[SourceInfo], int], Callable[[Any], Any]]] = {
    "kernel": native,
    "numpy": partial(native, kernel=False),
    "deepstream": exact,
    "supervision": other,
}


def measure(streams: int, objects: int, frames: int, rules: int, turn: int) -> dict[str, float]:
    """Median seconds per batch of each contender."""
    sources = [SourceInfo(f"s{i}", i) for i in range(streams)]
    contenders = {name: make(sources, rules) for name, make in MAKERS.items()}
    times: dict[str, list[float]] = {name: [] for name in contenders}
    every = batches(sources, objects, frames)
    for start in range(0, frames, turn):
        ours = every[start : start + turn]
        theirs = [as_supervision(batch) for batch in ours]
        for name, update in contenders.items():
            given: Any = theirs if name == "supervision" else ours
            for batch in given:
                begin = time.perf_counter()
                update(batch)
                times[name].append(time.perf_counter() - begin)
    return {name: statistics.median(values[len(values) // 10 :]) for name, values in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--objects", type=int, nargs="+", default=[1, 10, 100, 1000])
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 16, 256])
    parser.add_argument("--rules", type=int, nargs="+", default=[1, 8], help="lines, and as many regions, of a stream")
    parser.add_argument("--turn", type=int, default=10, help="batches after which the next contender has its turn")
    options = parser.parse_args()
    print(header("numpy", "supervision"))
    found = find()
    print(f"kernel: {found.description}")
    if found.module is None:
        MAKERS.pop("kernel")
    best = next(iter(MAKERS))
    print("   lines +                     us per object" + " " * (13 * len(MAKERS) - 13) + f"   supervision /   {best}")
    print(" regions streams objects" + "".join(f"{name:>13}" for name in MAKERS) + f"  {best:>12}   a frame, us")
    for rules, streams, objects in product(options.rules, options.streams, options.objects):
        if objects < streams and streams > 1:
            continue
        found_here = measure(streams, objects, options.frames, rules, options.turn)
        each = "".join(f"{1e6 * seconds / objects:13.2f}" for seconds in found_here.values())
        ratio = found_here["supervision"] / found_here[best]
        print(
            f"   {rules} + {rules}  {streams:6}  {objects:6}{each}  {ratio:12.1f}   {1e6 * found_here[best] / streams:11.1f}"
        )


if __name__ == "__main__":
    main()
