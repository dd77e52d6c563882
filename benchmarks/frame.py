"""CPU time of what happens to a frame after the detector: microseconds a frame for 1, 5, 20 and 100 objects, stage by stage.

    python benchmarks/frame.py [--frames 600] [--rounds 5] [--objects 1 5 20 100]

Each stage runs on the output of the one before, frame after frame, as the worker's thread does it; the outbox is the
durable one, whose writer is a thread of its own. Figures are CPU time, not time on the clock, and the best of the rounds:
other work on the machine can only make a round slower. All stages of a frame take turns within a round.

* track: the default tracker on noisy detections of objects that wander about, by the compiled kernel (`make kernels`) and by the
  library and NumPy. They meet nobody; so below stands what it takes on real detections, of people who walk in groups and hide each other
  (the street clip of `countline demo`): the mean, and what 99 of 100 frames take at most.
* rules: one line and one region, by each engine, the native one by the kernel and by NumPy, and by supervision's LineZone and
  PolygonZone. Objects go over the line and in and out of the region all the time, so
  events are part of it.
* messages: the recipe's definition on frames without a crossing, and with one.
* outbox: handing a frame's counts and messages over, and the writer's share of it (SQLite, a group of commits at once).
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from machine import header
from rules import FRAME, H, W, as_supervision, exact, native, other, wander
from street import Street

from countline import messages, outbox, track
from countline.analytics.native import NativeRules
from countline.config import OutboxConfig, TrackerConfig
from countline.config.messages import MessageConfig
from countline.config.rules import RulesConfig
from countline.kernels import find
from countline.outbox import Commit, StreamStart
from countline.types import Analytics, Crossing, Detections, FrameInfo, FrameTracks, SourceInfo
from messages import RECIPE

SOURCE = SourceInfo("s0", 0, "device_test", "street.mp4")
LABELS = ("person",)
SURE = np.array([0.5], np.float32)
START = 1_700_000_000_000_000_000
PAIRS = (("kernel", "kernel"), ("numpy", "numpy"), ("numpy", "deepstream"))
STAGES = (
    "track, kernel",
    "track, numpy",
    "rules, kernel",
    "rules, numpy",
    "rules, deepstream",
    "rules, supervision",
    "messages, no event",
    "messages, a crossing",
    "outbox, put",
    "outbox, writer",
)


def scene(objects: int, frames: int) -> tuple[list[FrameInfo], list[Detections]]:
    """Frames with ``objects`` detections each, boxes off by a pixel or two, one in fifty missing."""
    rng = np.random.default_rng(3)
    path = wander(rng, objects, frames)
    infos, found = [], []
    for f in range(frames):
        x, y = (path[f] + rng.normal(0, 1, (objects, 2))).T
        boxes = np.stack([x - 20, y - 80, x + 20, y], axis=1)
        seen = rng.random(objects) > 0.02
        infos.append(FrameInfo(SOURCE, f, f * FRAME, START + f * FRAME, W, H, stream="5ca1ab1e"))
        found.append(Detections(boxes, rng.uniform(0.5, 0.95, objects), np.zeros(objects, np.int32))[seen])
    return infos, found


def rules_and_definition() -> tuple[NativeRules, Any]:
    line = {"name": "straight", "points": [(200, 400), (1700, 500)]}
    config = RulesConfig.model_validate({"coordinates": "pixels", "resolution": (W, H), "lines": [line]})
    rules = NativeRules(config, [SOURCE], LABELS)
    one = MessageConfig.model_validate({"name": "recipe", "on": "crossing", "key": "{device_id}", "value": RECIPE})
    return rules, messages.make([one], rules=rules.rules, sources=[SOURCE], labels=LABELS)[0]


def each(work: Callable[[Any], Any], items: Sequence[Any]) -> tuple[float, list[Any]]:
    """µs of this thread's CPU time an item, and what came of them."""
    begin = time.thread_time_ns()
    made = [work(item) for item in items]
    return (time.thread_time_ns() - begin) / max(1, len(items)) / 1e3, made


def of_messages(tracked: list[FrameTracks], found: dict[str, float]) -> tuple[Any, Any]:
    """Messages of frames without and with a crossing; one of each for the outbox."""
    rules, definition = rules_and_definition()
    results: list[Analytics] = [rules.update([item])[0] for item in tracked]
    quiet = [a for a in results if not a.events]
    # Every frame has a crossing here, whatever the number of objects.
    crossed = next((a for a in results if any(isinstance(e, Crossing) for e in a.events)), None)
    found["messages, no event"], _ = each(definition.make, quiet)
    if crossed is None:
        return None, definition
    event = crossed.events[0]
    loud = [Analytics(**{**{n: getattr(a, n) for n in a.__slots__}, "events": (event,)}) for a in quiet]
    found["messages, a crossing"], made = each(definition.make, loud)
    return made[0], crossed.deltas


def of_outbox(infos: list[FrameInfo], made: Any, deltas: Any, found: dict[str, float]) -> None:
    """A crossing in every tenth frame, counts and messages together, into a file; groups of what 5 ms bring."""
    with tempfile.TemporaryDirectory() as folder:
        box = outbox.open(OutboxConfig(), Path(folder) / "frame.outbox", ["kafka"], live=False)
        from countline.pipeline.delivery.commit_writer import Writer

        writer = Writer(box, commit_ms=5, block=True, on_written=lambda: None, on_dropped=lambda _: None)
        box.begin(StreamStart(SOURCE.name, infos[0].stream, live=False, time=START))
        commits = [
            Commit(
                SOURCE.name,
                i.stream,
                i.number,
                made if i.number % 10 == 0 else [],
                deltas if i.number % 10 == 0 else [],
            )
            for i in infos
        ]
        found["outbox, put"], _ = each(writer.put, commits)
        box.close()
    with tempfile.TemporaryDirectory() as folder:
        box = outbox.open(OutboxConfig(), Path(folder) / "frame.outbox", ["kafka"], live=False)
        box.begin(StreamStart(SOURCE.name, infos[0].stream, live=False, time=START))
        groups = [commits[i : i + 10] for i in range(0, len(commits), 10)]
        share, _ = each(box.write, groups)
        found["outbox, writer"] = share / 10
        box.close()


def measure(objects: int, frames: int, rounds: int) -> dict[str, float]:
    """µs a frame of every stage, best of the rounds."""
    infos, detections = scene(objects, frames)
    best: dict[str, float] = {}
    ways = ("kernel", "numpy") if find().module is not None else ("numpy",)
    for _ in range(rounds):
        found: dict[str, float] = {}
        for name in ways:
            tracker = track.make(TrackerConfig(), fps=30, labels=LABELS, thresholds=SURE, kernel=name == "kernel")
            found[f"track, {name}"], tracks = each(
                lambda pair, tracker=tracker: tracker.update(pair[1], pair[0].pts), list(zip(infos, detections))
            )
        tracked = [FrameTracks(i, t) for i, t in zip(infos, tracks)]
        engines = {name: native([SOURCE], 1, kernel=name == "kernel") for name in ways}
        for name, update in {**engines, "deepstream": exact([SOURCE], 1)}.items():
            found[f"rules, {name}"], _ = each(lambda item, update=update: update([item]), tracked)
        theirs = [as_supervision([item]) for item in tracked]
        found["rules, supervision"], _ = each(other([SOURCE], 1), theirs)
        made, deltas = of_messages(tracked, found)
        of_outbox(infos, made or [], deltas if made else [], found)
        for stage, value in found.items():
            best[stage] = min(value, best.get(stage, value))
    return best


def on_the_street(rounds: int) -> None:
    """The tracker on real detections: best of the rounds, in which both ways take turns."""
    street = Street.detect()
    ways = ("kernel", "numpy") if find().module is not None else ("numpy",)
    best = dict.fromkeys(ways, (float("inf"), float("inf")))
    for _ in range(rounds):
        for name in ways:
            best[name] = min(best[name], street.track(kernel=name == "kernel"))
    for name, (mean, most) in best.items():
        row = f"track, street clip, {street.boxes:.0f} boxes, {name}"
        print(f"{row:41}{mean:13.1f}   (99 of 100 frames: {most:.0f})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--objects", type=int, nargs="+", default=[1, 5, 20, 100])
    given = parser.parse_args()
    print(header("numpy", "pyxtrackers", "supervision"))
    print(f"kernel: {find().description}")
    columns = {n: measure(n, given.frames, given.rounds) for n in given.objects}
    print(f"{'us of CPU a frame':28}" + "".join(f"{n:>9} obj" for n in columns))
    for stage in STAGES:
        print(f"{stage:28}" + "".join(f"{c.get(stage, float('nan')):13.1f}" for c in columns.values()))
    for tracker, engine in PAIRS:
        parts = [f"track, {tracker}", f"rules, {engine}"]
        rest = ["messages, a crossing", "outbox, put"]

        def sums(stages: Sequence[str]) -> str:
            return "".join(f"{sum(c.get(p, float('nan')) for p in stages):13.1f}" for c in columns.values())

        print(
            f"{'track + rules, ' + engine:28}{sums(parts)}"
            + ("   (goal at 20 objects: 40)" if engine == "kernel" else "")
        )
        print(
            f"{'all, ' + engine:28}{sums(parts + rest)}" + ("   (goal at 20 objects: 150)" if engine == "numpy" else "")
        )
        each_object = "".join(f"{c.get(f'rules, {engine}', float('nan')) / n:13.2f}" for n, c in columns.items())
        print(f"{engine + ' an object':28}{each_object}   (goal from 100 objects on: 2)")
    ratio = "".join(f"{c['rules, supervision'] / c.get('rules, kernel', float('nan')):13.1f}" for c in columns.values())
    print(f"{'supervision / kernel':28}{ratio}   (goal: 10)")
    on_the_street(given.rounds)


if __name__ == "__main__":
    main()
