"""Ways to make track and rules cheap, measured on the same frames of 20 objects: µs of CPU a frame.

    python benchmarks/kernels.py [--frames 600] [--rounds 5] [--objects 20]

* numpy: the specification, a library's tracker and NumPy.
* numpy, the gate alone: what NumPy needs for no more than finding out who left a safe region. Nothing built on NumPy can be quicker.
* processes: frames handed to another process and their analytics taken back (pickle, protocol 5, through a pipe). Two figures: what
  that costs the process that has the frames, and what both spend on the hand-over in all; the work itself comes on top.
* kernel: countline-kernels, alone and while another thread computes in Python and wants the interpreter's lock.

* track, street clip: the tracker alone, by both, on the default detector's boxes in the clip of `countline demo`.

The kernel gives up the interpreter's lock for large batches only. The last two figures show why: a lock that is given up is got back
when the other thread's time slice ends (``sys.setswitchinterval``, 5 ms). Time on the clock, not CPU time.
"""

from __future__ import annotations

import argparse
import pickle
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from frame import LABELS, SOURCE, SURE, each, scene
from machine import header
from rules import native
from street import Street

from countline import track
from countline.analytics.native.batch import stack
from countline.analytics.native.safe_region import left_safe_region
from countline.config import TrackerConfig
from countline.kernels import find
from countline.types import FrameTracks


def job(kernel: bool) -> Callable[[Any], Any]:
    """Track and rules for one frame."""
    tracker = track.make(TrackerConfig(), fps=30, labels=LABELS, thresholds=SURE, kernel=kernel)
    rules = native([SOURCE], 1, kernel=kernel)
    return lambda pair: rules([FrameTracks(pair[0], tracker.update(pair[1], pair[0].pts))])


def gate(frames: list[FrameTracks]) -> Callable[[int], Any]:
    """``safe_region.left_safe_region`` with the division that it needs."""
    rules: Any = native([SOURCE], 1, kernel=False)
    rules([frames[0]])
    engine = rules.__self__
    source = engine._sources[SOURCE.name]
    frame = source.shown

    def ask(_: int) -> Any:
        boxes, classes = stack([frame], source.scale)
        return left_safe_region(engine._tables, engine._table, source.present, boxes, classes)

    return ask


def handed_over(given: list[Any], results: list[Any]) -> tuple[float, float]:
    """µs a frame of the process that has the frames, and of both."""
    packed = [pickle.dumps(r, 5) for r in results]
    send, sent = each(lambda item: pickle.dumps(item, 5), given)
    take, _ = each(pickle.loads, packed)
    receive, _ = each(pickle.loads, sent)
    give, _ = each(lambda r: pickle.dumps(r, 5), results)
    return send + take, send + take + receive + give


def beside_a_busy_thread(work: Callable[[Any], Any], items: list[Any], every: int) -> float:
    """Median µs on the clock while another thread computes; the lock is given up by ``time.sleep(0)`` after each ``every``th."""
    stop = threading.Event()

    def compute() -> None:
        while not stop.is_set():
            sum(range(500))

    thread = threading.Thread(target=compute)
    thread.start()
    begin = time.perf_counter()
    for number, item in enumerate(items):
        work(item)
        if every and number % every == 0:
            time.sleep(0)
    took = time.perf_counter() - begin
    stop.set()
    thread.join()
    return took / len(items) * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--objects", type=int, default=20)
    options = parser.parse_args()
    infos, detections = scene(options.objects, options.frames)
    pairs = list(zip(infos, detections))
    print(header("numpy", "pyxtrackers"))
    print(f"kernel: {find().description}")
    street = Street.detect()
    clip = f"track, street clip, {street.boxes:.0f} boxes"
    best: dict[str, float] = {}

    def note(name: str, value: float) -> None:
        best[name] = min(value, best.get(name, np.inf))

    for _ in range(options.rounds):
        cost, results = each(job(False), pairs)
        note("numpy", cost)
        note("numpy, the gate alone", each(gate([FrameTracks(infos[0], results[-1][0].tracks)]), range(len(pairs)))[0])
        note(f"{clip}, numpy", street.track(kernel=False)[0])
        for analytics in results:
            analytics[0].objects = list(analytics[0].objects)
        mine, both = handed_over(pairs, results)
        note("processes, the hand-over, one side", mine)
        note("processes, the hand-over, both sides", both)
        if find().module is not None:
            note("kernel", each(job(True), pairs)[0])
            note(f"{clip}, kernel", street.track(kernel=True)[0])
            note("kernel, beside a busy thread (clock)", beside_a_busy_thread(job(True), pairs, 0))
            some = pairs[: len(pairs) // 4]
            note("the same, the lock given up each frame", beside_a_busy_thread(job(True), some, 1))
    for name, value in best.items():
        print(f"{name:40}{value:10.1f}")


if __name__ == "__main__":
    main()
