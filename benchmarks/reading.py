"""What it costs to read many cameras, without a detector: CPU time a packet and a picture, context switches.

    python benchmarks/reading.py [--cameras 64] [--rate 5] [--size 768x576] [--wanted 0 1 0.1] [--seconds 10]

The cameras are those of ``benchmarks/sources.py``, in a process of their own. ``--wanted``: frames a second that are looked at of each,
as overload sets it; 0: all. A thread beside them computes for 2 ms every 12 ms, as tracking does of a busy process. CPU time is that of
the threads, so it means something beside other work, too.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from cameras import Cameras, camera_clip
from machine import header
from sources import thread_costs

from countline.config import SourceConfig
from countline.demo import clip_path
from countline.protocols import Source
from countline.video import open_source

PIECE, PAUSE = 0.002, 0.012


def switches() -> int:
    """Context switches of all threads so far."""
    total = 0
    for task in Path("/proc/self/task").iterdir():
        try:
            lines = (task / "status").read_text().splitlines()
        except OSError:  # it has just ended
            continue
        total += sum(int(line.split()[1]) for line in lines if "ctxt_switches" in line)
    return total


def follow(source: Source) -> None:
    for _ in source:
        pass


def compute() -> None:
    while True:
        time.sleep(PAUSE)
        until = time.thread_time() + PIECE
        while time.thread_time() < until:
            sum(range(50))


def counted(sources: list[Source]) -> Iterator[int]:
    """Packets that came and frames that were looked at."""
    yield sum(s.stats.packets for s in sources)
    yield sum(s.stats.frames for s in sources)


def measure(cameras: Cameras, number: int, wanted: float, seconds: float) -> None:
    sources = [open_source(SourceConfig(name=f"c{n}", uri=cameras.uri(n)), n) for n in range(number)]
    for source in sources:
        source.limit(wanted or None)  # type: ignore[attr-defined]
        name = f"countline-read-{source.info.name}"
        threading.Thread(target=follow, args=(source,), name=name, daemon=True).start()
    threading.Thread(target=compute, name="countline-beside", daemon=True).start()
    time.sleep(10 + number / 20)
    before, costs, switched, at = list(counted(sources)), thread_costs(), switches(), time.monotonic()
    time.sleep(seconds)
    took = time.monotonic() - at
    packets, frames = (now - was for now, was in zip(counted(sources), before))
    mine = sum(cost - costs.get(kind, 0.0) for kind, cost in thread_costs().items() if kind in ("connection", "read"))
    print(
        f"{number} cameras, {wanted or 'all'} wanted: {packets / took:.0f} packets/s, {frames / took:.0f} frames/s looked at; "
        f"{mine / took * 100:.0f} % of a core, {mine / packets * 1e6:.0f} µs a packet, "
        f"{(switches() - switched) / took:.0f} context switches/s, load {os.getloadavg()[0]:.1f}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cameras", type=int, default=64)
    parser.add_argument("--rate", type=int, default=5)
    parser.add_argument("--size", default="768x576")
    parser.add_argument("--wanted", type=float, nargs="+", default=[0, 1, 0.1])
    parser.add_argument("--seconds", type=float, default=10)
    given = parser.parse_args()
    logging.disable()
    sys.setswitchinterval(0.0005)  # the shortest turn that `countline run` takes
    print(header("av"))
    width, height = map(int, given.size.split("x"))
    with tempfile.TemporaryDirectory() as folder:
        clip = camera_clip(clip_path(), Path(folder) / "camera.h264", given.rate, (width, height))
        for wanted in given.wanted:
            with Cameras(clip, given.rate, given.cameras) as cameras:
                child = os.fork()
                if not child:
                    measure(cameras, given.cameras, wanted, given.seconds)
                    os._exit(0)
                os.waitpid(child, 0)


if __name__ == "__main__":
    main()
