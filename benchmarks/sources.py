"""Many cameras in one process: what is done, what is lost, how old frames get, and what it costs, as cameras are added.

    python benchmarks/sources.py [--sources 1 2 4 8 16 32 64 128] [--rate 5] [--seconds 35] [--size 384x288] [--nice 0 5]

RTSP cameras (``benchmarks/cameras.py``) in a process of their own send the demo's clip in a loop, each from its beginning; a
process of countline's reads them with the default detector, a line, and an outbox on disk. The first seconds, in which all
connect, are not measured. The age of a frame is counted from when the camera sent it. Counts are compared with those of the
same clip as a file, up to where each camera had come. ``done`` at 3, say, of cameras that give 5 is right where the machine
cannot do more; what is asked is that the sum does not fall as cameras are added. ``--nice`` compares what comes of it when
decoders' threads stand back (Linux), one after the other for each number of cameras; 0 is what countline does.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from cameras import Cameras, camera_clip
from machine import header

import countline as cl
from countline import detect
from countline.commands.demo import LINE
from countline.config import DetectorConfig
from countline.demo import clip_path
from countline.pipeline.turns import take_short_turns
from countline.video import reader_thread

WARM = 10.0
"""Seconds that are not measured, and one more for each twenty cameras."""
STAGES = ("decoded", "taken", "detected", "counted")


def configuration(uris: Sequence[str], folder: Path, **source: Any) -> dict[str, Any]:
    """Cameras, a line across the road for all of them, and a message for each crossing."""
    return {
        "sources": [{"name": f"c{n}", "uri": uri, **source} for n, uri in enumerate(uris)],
        "detector": {"classes": ["person"]},
        "rules": {"lines": [{"name": "straight", "points": LINE, "direction": "both"}]},
        "messages": [
            {
                "name": "crossing",
                "on": "crossing",
                "value": {"source": "{source}", "total": "{lines.straight.cumulative}"},
            }
        ],
        "outputs": [{"file": {"path": str(folder / "out.jsonl")}}],
        "outbox": {"path": str(folder / "o.outbox")},
    }


def thread_costs() -> dict[str, float]:
    """CPU seconds so far by what threads are for; those of libraries are ``other``."""
    names = {t.native_id: t.name for t in threading.enumerate()}
    tick = os.sysconf("SC_CLK_TCK")
    costs: dict[str, float] = defaultdict(float)
    for task in Path("/proc/self/task").iterdir():
        try:
            fields = (task / "stat").read_text().rpartition(")")[2].split()
        except OSError:  # it has just ended
            continue
        name = names.get(int(task.name), "")
        kind = name.split("-")[1].partition("_")[0] if name.startswith("countline-") else "other"
        costs[kind] += (int(fields[11]) + int(fields[12])) / tick
    return costs


def stand_back(nice: int) -> None:
    """Have the threads that decode go behind all others by so much."""
    run = reader_thread._ReaderThread.run

    def behind(thread: reader_thread._ReaderThread) -> None:
        if nice:
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), nice)
        run(thread)

    reader_thread._ReaderThread.run = behind  # type: ignore[method-assign]


class TimedDetector:
    """The default detector; notes how old frames are when it takes them, and when it is done."""

    def __init__(self, ages: dict[str, list[float]]) -> None:
        self._inner = detect.make(DetectorConfig(classes=["person"]))
        self._ages = ages
        self.labels, self.parallel = self._inner.labels, self._inner.parallel
        self.thresholds = self._inner.thresholds

    def detect(self, frames: Sequence[cl.Frame]) -> list[cl.Detections]:
        begun = time.time_ns()
        found = self._inner.detect(frames)
        done = time.time_ns()
        for frame in frames:
            self._ages["taken"].append((begun - frame.info.time) / 1e6)
            self._ages["detected"].append((done - frame.info.time) / 1e6)
        return found

    def close(self) -> None:
        self._inner.close()


class Watcher:
    """Sees every frame at the end of the way."""

    def __init__(self) -> None:
        self.ages: dict[str, list[float]] = defaultdict(list)
        self.frames = 0
        self.crossings: dict[str, list[int]] = defaultdict(list)
        self.last: dict[str, int] = {}
        self.qualities: set[str] = set()

    def __call__(self, frame: cl.Frame, analytics: Any) -> None:
        info, now = frame.info, time.time_ns()
        arrived = now - (time.monotonic() - frame.arrived) * 1e9
        self.ages["decoded"].append((arrived - info.time) / 1e6)
        self.ages["counted"].append((now - info.time) / 1e6)
        self.frames += 1
        self.last[info.source.name] = info.pts
        self.qualities.add(info.time_quality.value)
        self.crossings[info.source.name] += [info.pts] * len(analytics.events)


def truth(clip: Path, rate: float, folder: Path) -> tuple[list[float], float]:
    """Seconds of the crossings in three turns of the clip as a file, and the seconds of a turn."""
    file = folder / "turns.h264"
    file.write_bytes(clip.read_bytes() * 3)
    seen = Watcher()
    length = cl.run(configuration([str(file)], folder, fps=rate), consumers=[seen]).frames / 3 / rate
    for left in folder.glob("o.outbox*"):
        left.unlink()
    return [pts / 1e9 for pts in seen.crossings["c0"]], length


def expected(crossings: Sequence[float], length: float, until: float) -> int:
    """Crossings up to a moment of an endless loop: the turns after the first two are as the second."""
    turns, rest = divmod(until, length)
    second = [t - length for t in crossings if length <= t < 2 * length]
    if turns < 1:
        return sum(t < until for t in crossings)
    return sum(t < length for t in crossings) + int(turns - 1) * len(second) + sum(t < rest for t in second)


def child(uris: Sequence[str], seconds: float) -> dict[str, Any]:
    """One run in this process: what it did and what it cost."""
    seen = Watcher()
    warm = WARM + len(uris) / 20
    measured: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        logging.disable()  # what it says of each camera is for others to read
        take_short_turns(len(uris))  # as `countline run` does
        run = cl.Run(configuration(uris, Path(name)), detector=TimedDetector(seen.ages), consumers=[seen])
        me = psutil.Process(os.getpid())

        def watch() -> None:
            time.sleep(warm)
            seen.ages.clear()
            frames, cpu, at = seen.frames, me.cpu_times(), time.monotonic()
            threads = thread_costs()
            before = [s.stats.dropped for s in run.sources], [s.stats.thinned for s in run.sources]
            time.sleep(seconds)
            took = time.monotonic() - at
            now = me.cpu_times()
            measured["by"] = {k: (v - threads.get(k, 0.0)) / took * 100 for k, v in thread_costs().items()}
            measured.update(
                done=(seen.frames - frames) / took,
                dropped=(sum(s.stats.dropped for s in run.sources) - sum(before[0])) / took,
                thinned=(sum(s.stats.thinned for s in run.sources) - sum(before[1])) / took,
                cpu=(now.user + now.system - cpu.user - cpu.system) / took * 100,
                memory=me.memory_info().rss / 2**20,
                threads=len(os.listdir("/proc/self/task")),
                files=me.num_fds(),
                least=min(s.stats.rates()["frames"] - s.stats.rates()["dropped"] for s in run.sources),
                modes=dict(Counter(s._shed.mode for s in run.sources)),
                overload=run.snapshot()["overload"],
                states=dict(sorted((s.info.name, s.stats.state) for s in run.sources if s.stats.state != "live")),
            )
            measured["ages"] = {
                k: np.percentile(v or [0], (50, 95, 99)).round(1).tolist() for k, v in seen.ages.items()
            }
            run.stop()

        threading.Thread(target=watch, daemon=True).start()
        run.execute()
        clock = {k: v for k, v in run.engine.clock.seconds.items() if not k.startswith("decode")}
    measured.update(crossings=seen.crossings, last=seen.last, qualities=sorted(seen.qualities), stages=clock)
    return measured


def measure(cameras: Cameras, number: int, seconds: float, nice: int) -> dict[str, Any]:
    """One row: a process of countline's with so many cameras."""
    uris = [cameras.uri(n) for n in range(number)]
    command = [sys.executable, __file__, "--nice", str(nice), "--child", str(seconds), *uris]
    before, at = cameras.ask(do="cost")["cpu"], time.monotonic()
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=seconds * 2 + 120)
    cost = (cameras.ask(do="cost")["cpu"] - before) / (time.monotonic() - at) * 100
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return {**found, "cameras_cpu": cost}


def table(rows: Sequence[dict[str, Any]], rate: float) -> str:
    """The rows as Markdown."""
    lines = [
        "| sources | nice | wanted | done | least of one | dropped | passed over | counts | "
        + " | ".join(f"{stage}, ms" for stage in STAGES)
        + " | CPU | MiB | threads | files | cameras' CPU | load |",
        "|" + "---|" * 17,
    ]
    for row in rows:
        ages = ["/".join(f"{v:.0f}" for v in row["ages"].get(stage, ())) for stage in STAGES]
        lines.append(
            f"| {row['sources']} | {row['nice']} | {row['sources'] * rate:g} | {row['done']:.1f} | {row['least']:.1f} "
            f"| {row['dropped']:.1f} | {row['thinned']:.1f} | {row['counted']}/{row['true']} | {' | '.join(ages)} "
            f"| {row['cpu']:.0f} % | {row['memory']:.0f} | {row['threads']} | {row['files']} | {row['cameras_cpu']:.0f} % "
            f"| {row['load']:.1f} |"
        )
    return "\n".join(lines)


def _tell(row: dict[str, Any]) -> None:
    print(f"{row['sources']}, nice {row['nice']}: {row['done']:.1f} frames/s done, {row['overload'] or 'no overload'}")
    print(f"  decoders pass over: {row['modes']}; states other than live: {dict(Counter(row['states'].values()))}")
    kinds = ", ".join(f"{kind} {cost:.0f} %" for kind, cost in sorted(row["by"].items()) if cost >= 0.5)
    print(f"  CPU by kind of thread: {kinds}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sources", type=int, nargs="+", default=[1, 2, 4, 8, 16, 32, 64, 128])
    parser.add_argument("--rate", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=35)
    parser.add_argument("--size", default="768x576")
    parser.add_argument("--nice", type=int, nargs="+", default=[0])
    parser.add_argument("--json", type=Path, help="write what was measured there")
    parser.add_argument("--child", nargs="+", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        stand_back(given.nice[0])
        print(json.dumps(child(given.child[1:], float(given.child[0]))))
        return
    width, height = map(int, given.size.split("x"))
    rows: list[dict[str, Any]] = []
    print(header("onnxruntime", "av"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clip = camera_clip(clip_path(), folder / "camera.h264", given.rate, (width, height))
        crossings, length = truth(clip, given.rate, folder)
        turn = expected(crossings, length, 2 * length) - expected(crossings, length, length)
        print(f"{given.size}, {given.rate} frames/s; a turn of {length:.1f} s has {turn} crossings")
        for number, nice in product(given.sources, given.nice):
            with Cameras(clip, given.rate, number) as cameras:
                row = measure(cameras, number, given.seconds, nice)
            row.update(sources=number, nice=nice, load=os.getloadavg()[0])
            ends = {name: pts / 1e9 - 1.0 for name, pts in row["last"].items()}
            row["true"] = sum(expected(crossings, length, end) for end in ends.values())
            row["counted"] = sum(
                sum(pts / 1e9 < ends[name] for pts in found) for name, found in row.pop("crossings").items()
            )
            rows.append(row)
            _tell(row)
    print()
    print(table(rows, given.rate))
    print("\nThree figures in a cell: p50/p95/p99. Rates in frames a second; 100 % is one core.")
    if given.json:
        given.json.write_text(json.dumps(rows, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
