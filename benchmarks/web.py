"""What the page costs a run: its rate, and how late its frames are, without a page, with one that nobody looks at, and with
watchers; all in one go, round by round.

python benchmarks/web.py [--watchers 4] [--frames 4000] [--rounds 3]

Pictures are arrays and objects are given, so that nothing but tracks, rules, messages and the page is at work. Watchers are
processes of their own on the same machine, each of which shows all cameras, five pictures a second each.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from machine import header

import countline as cl
from countline.pipeline.turns import take_short_turns
from countline.protocols import SourceStats
from countline.types import Detections, Frame, FrameInfo, SourceInfo
from countline.video import ArrayPicture

SOURCES, OBJECTS, WIDTH, HEIGHT = 4, 20, 1280, 720
WAYS = ("no page", "a page, nobody", "a page, watched")
WATCHER = """
import json, sys
from websockets.sync.client import connect
address, names = sys.argv[1], sys.argv[2].split(",")
got = 0
try:
    with connect(f"ws://{address}/api/v1/frames", max_size=1 << 24) as wire:
        wire.send(json.dumps({"watch": [{"source": name, "width": 640, "fps": 5} for name in names]}))
        for message in wire:
            length = int.from_bytes(message[:4], "big")
            got += 1
            wire.send(json.dumps({"ack": json.loads(message[4:4 + length])["source"]}))
except Exception:
    pass
print(got)
"""


class Camera:
    """So many frames, one after the other or at a rate."""

    def __init__(self, index: int, frames: int, fps: float | None) -> None:
        self.info = SourceInfo(f"camera-{index}", index)
        self.stats = SourceStats()
        self._frames, self._fps = frames, fps
        self._closed = threading.Event()
        picture = np.random.default_rng(index).integers(0, 255, (HEIGHT // 16, WIDTH // 16, 3), np.uint8)
        self._picture = ArrayPicture(np.repeat(np.repeat(picture, 16, 0), 16, 1))

    def __iter__(self) -> Iterator[Frame]:
        begin, stream = time.monotonic(), str(time.time_ns())
        for number in range(self._frames):
            if self._fps and self._closed.wait(max(0.0, begin + number / self._fps - time.monotonic())):
                break
            info = FrameInfo(self.info, number, number * 40_000_000, time.time_ns(), WIDTH, HEIGHT, stream=stream)
            self.stats.enter("live")
            yield Frame(info, self._picture)

    def close(self) -> None:
        self._closed.set()


class Crowd:
    """A detector that is given what it finds: twenty objects that walk up and down."""

    labels = ("person",)

    def detect(self, frames: Any) -> list[Detections]:
        found = []
        for frame in frames:
            x = np.arange(OBJECTS) * (WIDTH / OBJECTS)
            y = HEIGHT * (0.5 + 0.3 * np.sin(frame.info.number / 60 + np.arange(OBJECTS)))
            boxes = np.stack([x, y - 80, x + 40, y], 1)
            found.append(Detections(boxes, np.full(OBJECTS, 0.9), np.zeros(OBJECTS)))
        return found

    def close(self) -> None:
        pass


def configuration(folder: Path, page: bool) -> dict[str, Any]:
    return {
        "rules": {"lines": [{"name": "door", "points": [[0.0, 0.5], [1.0, 0.5]]}]},
        "messages": [{"name": "m", "on": "crossing", "value": {"id": "{id}"}}],
        "outputs": [{"file": {"path": str(folder / "out.jsonl")}}],
        "outbox": {"path": str(folder / "o.outbox"), "synchronous": "off"},
        **({"web": {"listen": "127.0.0.1:0", "password": "for this alone"}} if page else {}),
    }


def one(way: str, watchers: int, frames: int, fps: float | None) -> dict[str, float]:
    """One run: its rate, ages of its frames, and what watchers got."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        cameras = [Camera(i, frames // SOURCES, fps) for i in range(SOURCES)]
        run = stack.enter_context(cl.Run(configuration(Path(name), way != WAYS[0]), sources=cameras, detector=Crowd()))
        looking = []
        if way == WAYS[2]:
            assert run.page is not None
            names = ",".join(c.info.name for c in cameras)
            command = [sys.executable, "-c", WATCHER, run.page.server.address, names]
            looking = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(watchers)]
            service = run.page.server.service
            while service is None or service._pictures is None or service._pictures.watchers < watchers:
                time.sleep(0.01)
        ages: list[float] = []
        run.add_consumer(lambda frame, _: ages.append(time.monotonic() - frame.arrived))
        begin, cpu = time.perf_counter(), time.process_time()
        summary = run.execute()
        seconds, cpu = time.perf_counter() - begin, time.process_time() - cpu
        assert summary.exit_code == 0, summary.error
        got = sum(int(w.communicate()[0] or 0) for w in looking)
        p50, p99 = np.quantile(ages, (0.5, 0.99))
        return {
            "fps": summary.frames / seconds,
            "consumers": 1e6 * summary.stages["consumers"] / summary.frames,
            "cpu": 1e6 * cpu / summary.frames,
            "p50": 1e3 * p50,
            "p99": 1e3 * p99,
            "pictures": got / seconds,
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--watchers", type=int, default=4)
    parser.add_argument("--frames", type=int, default=4000, help="of all cameras together")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    print(header("starlette", "uvicorn"))
    take_short_turns()  # as `countline run` does
    found: dict[str, dict[str, list[dict[str, float]]]] = {"as fast as it goes": {}, "25 frames/s a camera": {}}
    for _ in range(given.rounds):
        for pace, fps in (("as fast as it goes", None), ("25 frames/s a camera", 25.0)):
            for way in WAYS:
                frames = given.frames if fps is None else min(given.frames, SOURCES * 25 * 8)
                found[pace].setdefault(way, []).append(one(way, given.watchers, frames, fps))
    if given.json:
        print(json.dumps(found))
        return
    print(
        f"{SOURCES} cameras, {WIDTH}x{HEIGHT}, {OBJECTS} objects each; {given.watchers} watchers; median of {given.rounds} rounds"
    )
    for pace, ways in found.items():
        print(f"\n{pace}")
        for way, runs in ways.items():
            middle = {key: statistics.median(r[key] for r in runs) for key in runs[0]}
            print(
                f"  {way:16} {middle['fps']:8.0f} frames/s   consumers {middle['consumers']:5.2f} µs, all threads "
                f"{middle['cpu']:5.0f} µs of processor a frame   age behind the outbox p50 "
                f"{middle['p50']:.1f} ms, p99 {middle['p99']:.1f} ms   pictures seen {middle['pictures']:.1f}/s"
            )


if __name__ == "__main__":
    main()
