"""Cameras that misbehave at random, for long: does anything grow, and are the counts right?

    python benchmarks/soak.py [--seconds 1200] [--cameras 8] [--seed 1] [--json soak.json]

An RTSP server in a process of its own (``benchmarks/cameras.py``) sends the demo's clip. The cameras with odd numbers freeze,
are cut off, go silent, lose their key frames, vanish (404), jump in time and come back, by chance; those with even numbers
are left alone. Memory, threads, sockets and open files of the process that reads them all are noted every few seconds.

Right is: of cameras that are left alone every crossing is counted, as often as in the same clip as a file; of every camera
there are as many messages as were counted, each with the next number and an id of its own. Flat is: from the second quarter
of the time to the last the mean grows by no more than a twentieth (memory), or by nothing that is worth a thread, socket or
file.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import random
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil
from cameras import Cameras, camera_clip
from machine import header
from sources import Watcher, configuration, expected, truth

import countline as cl
from countline.demo import clip_path

RATE = 5
FAULTS: dict[str, dict[str, Any]] = {
    "frozen": {"frozen": True},
    "silent": {"silent": True},
    "no key frame": {"no_key": True},
    "gone": {"gone": True},
    "refused": {"status": 503},
    "no sender reports": {"no_rtcp": True},
    "clock off": {"ntp_offset": 30.0},
    "time jumps": {"ts_offset": 90_000 * 500},
    "narrow link": {"rate": 20_000.0},
}
WELL = {"frozen": False, "silent": False, "no_key": False, "gone": False, "status": 0, "no_rtcp": False}
WELL |= {"ntp_offset": 0.0, "ts_offset": 0, "rate": 0.0}


class Trouble(threading.Thread):
    """Breaks cameras and mends them until ``stop`` is set."""

    def __init__(self, cameras: Cameras, names: Sequence[str], seed: int, stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self.done: Counter[str] = Counter()
        self._cameras, self._names, self._stop_at = cameras, names, stop
        self._chance = random.Random(seed)

    def run(self) -> None:
        broken: dict[str, float] = {}
        while not self._stop_at.wait(0.5):
            now = time.monotonic()
            for name in [n for n, until in broken.items() if until < now]:
                del broken[name]
                self._cameras.ask(do="set", camera=name, values=WELL)
            well = [n for n in self._names if n not in broken]
            if not well or self._chance.random() > 0.25:
                continue
            name = self._chance.choice(well)
            fault = self._chance.choice([*FAULTS, "cut off"])
            self.done[fault] += 1
            if fault == "cut off":
                self._cameras.ask(do="kick", camera=name)
                continue
            self._cameras.ask(do="set", camera=name, values=FAULTS[fault])
            if fault in ("gone", "refused"):
                self._cameras.ask(do="kick", camera=name)
            broken[name] = now + self._chance.uniform(2, 12)


class Gauge(threading.Thread):
    """Notes what the process holds, every so many seconds."""

    def __init__(self, every: float, stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self.rows: list[dict[str, float]] = []
        self._every, self._stop_at = every, stop

    def run(self) -> None:
        me, began = psutil.Process(os.getpid()), time.monotonic()
        while not self._stop_at.wait(self._every):
            self.rows.append(
                {
                    "second": round(time.monotonic() - began, 1),
                    "memory": me.memory_info().rss / 2**20,
                    "threads": len(os.listdir("/proc/self/task")),
                    "sockets": len(me.net_connections()),
                    "files": me.num_fds(),
                }
            )


def growth(rows: Sequence[dict[str, float]]) -> dict[str, dict[str, Any]]:
    """Means of the second and of the last quarter of each figure, and whether it is flat."""
    quarter = max(1, len(rows) // 4)
    early, late = rows[quarter : 2 * quarter] or rows, rows[-quarter:]
    found: dict[str, dict[str, Any]] = {}
    for name in ("memory", "threads", "sockets", "files"):
        a, b = (sum(row[name] for row in part) / len(part) for part in (early, late))
        allowed = a * 0.05 if name == "memory" else 3.0
        highest = max(row[name] for row in rows)
        found[name] = {
            "second": round(a, 1),
            "last": round(b, 1),
            "highest": round(highest, 1),
            "flat": b - a <= allowed,
        }
    return found


def faults_of_messages(lines: Sequence[str], counted: dict[str, int]) -> list[str]:
    """What is wrong with the messages of a run, by source; empty: as many as were counted, in order, each once."""
    totals: dict[str, list[int]] = defaultdict(list)
    ids: Counter[str] = Counter()
    for line in lines:
        message = json.loads(line)
        totals[message["source"]].append(message["total"])
        ids[message["id"]] += 1
    wrong = [f"the id {id_} came {times} times" for id_, times in ids.items() if times > 1]
    for source, count in counted.items():
        if sorted(totals[source]) != list(range(1, count + 1)):
            wrong.append(f"{source}: counted {count}, messages tell {totals[source]}")
    return wrong


def soak(cameras: Cameras, number: int, seconds: float, seed: int, folder: Path) -> dict[str, Any]:
    """One long run."""
    seen, stop = Watcher(), threading.Event()
    data = configuration([cameras.uri(n) for n in range(number)], folder, timeout=3)
    data["messages"][0]["per"] = "event"
    data["messages"][0]["value"] = {"source": "{source}", "id": "{id}", "total": "{lines.straight.cumulative}"}
    run = cl.Run(data, consumers=[seen])
    trouble = Trouble(cameras, [f"c{n}" for n in range(1, number, 2)], seed, stop)
    gauge = Gauge(min(5.0, seconds / 40), stop)
    timer = threading.Timer(seconds, run.stop)
    for thread in (trouble, gauge, timer):
        thread.daemon = True
        thread.start()
    summary = run.execute()
    stop.set()
    trouble.join(10)
    counted = {name: source.lines.get("straight", {}).get("total", 0) for name, source in summary.sources.items()}
    return {
        "seconds": summary.seconds,
        "exit_code": summary.exit_code,
        "error": summary.error,
        "frames": summary.frames,
        "faults": dict(trouble.done),
        "reconnects": sum(s.reconnects for s in summary.sources.values()),
        "dropped": {name: s.dropped for name, s in summary.sources.items()},
        "thinned": {name: s.thinned for name, s in summary.sources.items()},
        "counted": counted,
        "wrong": faults_of_messages((folder / "out.jsonl").read_text().splitlines(), counted),
        "crossings": dict(seen.crossings),
        "last": seen.last,
        "growth": growth(gauge.rows),
        "rows": gauge.rows,
    }


def report(found: dict[str, Any]) -> str:
    """As Markdown."""
    lines = ["| | mean of the second quarter | of the last | highest | flat |", "|---|---|---|---|---|"]
    lines += [
        f"| {name}{', MiB' if name == 'memory' else ''} | {g['second']} | {g['last']} | {g['highest']} | {'yes' if g['flat'] else 'NO'} |"
        for name, g in found["growth"].items()
    ]
    faults = ", ".join(f"{number} {fault}" for fault, number in sorted(found["faults"].items())) or "none"
    lines += [
        "",
        f"{found['seconds']:.0f} s, {found['frames']} frames, {found['reconnects']} reconnects, exit code {found['exit_code']}; "
        f"faults: {faults}.",
        f"Cameras that were left alone: {found['alone_counted']} crossings counted of {found['alone_true']}, "
        f"{found['alone_dropped']} frames dropped. Messages that are wrong: {len(found['wrong'])}.",
    ]
    return "\n".join([*lines, *found["wrong"][:10]])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=1200)
    parser.add_argument("--cameras", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--size", default="384x288")
    parser.add_argument("--json", type=Path, help="write all that was noted there")
    parser.add_argument("--log", action="store_true", help="show what countline says")
    given = parser.parse_args()
    if not given.log:
        logging.disable()
    print(header("onnxruntime", "av"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        width, height = map(int, given.size.split("x"))
        clip = camera_clip(clip_path(), folder / "camera.h264", RATE, (width, height))
        crossings, length = truth(clip, RATE, folder)
        (folder / "out.jsonl").unlink(missing_ok=True)
        with Cameras(clip, RATE, given.cameras) as cameras:
            found = soak(cameras, given.cameras, given.seconds, given.seed, folder)
    alone = [f"c{n}" for n in range(0, given.cameras, 2)]
    ends = {name: pts / 1e9 - 1.0 for name, pts in found.pop("last").items()}
    seen = found.pop("crossings")
    found["alone_true"] = sum(expected(crossings, length, ends[name]) for name in alone)
    found["alone_counted"] = sum(sum(pts / 1e9 < ends[name] for pts in seen.get(name, ())) for name in alone)
    found["alone_dropped"] = sum(found["dropped"][name] for name in alone)
    print(report(found))
    if given.json:
        given.json.write_text(json.dumps({**found, "load": os.getloadavg()[0]}, indent=1), encoding="utf-8")
    flat = all(g["flat"] for g in found["growth"].values())
    sys.exit(0 if flat and not found["wrong"] and not found["exit_code"] else 1)


if __name__ == "__main__":
    main()
