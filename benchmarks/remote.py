"""The detector here against the same one on an inference server: frames a second of a file, and the age of a camera's frames.

    python benchmarks/remote.py [--rounds 3] [--seconds 15] [--cameras 1 4] [--url grpc://host:8001/model ...]

Without ``--url`` a server is started on this machine with the same ONNX Runtime and the same number of threads
(tests/remote/inference_server.py), and asked by gRPC and by HTTP. It shares the processors with countline then: the difference
is what the way costs, not what a larger machine gains. All sides of a round take turns; the median of each side is printed.

Age: from when a frame was decoded until what it gave was handed on.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from machine import header

from countline.demo import clip_path
from countline.detect.catalogue import weights
from countline.detect.coco import COCO
from countline.pipeline.run import Run
from countline.testing.ports import free_port

SERVER = Path(__file__).resolve().parents[1] / "tests" / "remote" / "inference_server.py"


class Ages:
    """A consumer that notes when frames went through, and how old they were."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.ages: list[float] = []

    def __call__(self, frame: Any, analytics: Any) -> None:
        now = time.monotonic()
        self.times.append(now)
        self.ages.append(now - frame.arrived)

    @property
    def rate(self) -> float:
        return (len(self.times) - 1) / (self.times[-1] - self.times[0])

    def age(self, part: float) -> float:
        """ms up to which this part of the frames were old; the first second is left out."""
        ages = [age for at, age in zip(self.times, self.ages) if at - self.times[0] > 1] or self.ages
        return sorted(ages)[min(len(ages) - 1, int(len(ages) * part))] * 1e3


def run(detector: dict[str, Any], sources: list[dict[str, Any]], seconds: float | None = None) -> tuple[Ages, Any]:
    """One run, stopped after so many seconds unless its files end first."""
    noted = Ages()
    config = {
        "sources": sources,
        "detector": {"classes": ["person"], "layout": "nanodet", "labels": list(COCO), **detector},
        "rules": {"lines": [{"name": "straight", "points": [[0.39, 0.26], [0.39, 0.62]]}]},
        "outbox": "memory",
    }
    this = Run(config)

    def consumer(frame: Any, analytics: Any) -> None:
        noted(frame, analytics)
        if seconds is not None and noted.times[-1] - noted.times[0] > seconds:
            this.stop()

    this.add_consumer(consumer)
    return noted, this.execute()


@contextmanager
def server(onnx: Path, threads: int) -> Iterator[dict[str, str]]:
    """Its addresses by what they are called here."""
    ports = {"grpc": free_port(), "http": free_port()}
    command = [sys.executable, str(SERVER), str(onnx), "--name", "street", "--max-batch", "8"]
    command += ["--threads", str(threads), "--grpc", str(ports["grpc"]), "--http", str(ports["http"])]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield {scheme: f"{scheme}://127.0.0.1:{port}/street" for scheme, port in ports.items()}
    finally:
        process.kill()
        process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=15, help="of a live run")
    parser.add_argument("--cameras", type=int, nargs="*", default=[1, 4], help="live sources of 10 frames/s")
    parser.add_argument("--threads", type=int, default=2, help="of one inference, here and on the server")
    parser.add_argument("--url", nargs="*", default=[], help="of NanoDet-g on servers that run already")
    args = parser.parse_args()
    onnx = weights("nanodet", "fp32").path
    print(header("onnxruntime", "grpcio", "httpx"), flush=True)
    with server(onnx, args.threads) as urls:
        sides: dict[str, dict[str, Any]] = {
            "here": {"model": str(onnx), "runtime": "onnxruntime", "threads": args.threads}
        }
        sides |= {name: {"triton": url} for name, url in (urls if not args.url else {u: u for u in args.url}).items()}
        measure(sides, args)


def measure(sides: dict[str, dict[str, Any]], args: argparse.Namespace) -> None:
    rates: dict[str, list[float]] = {name: [] for name in sides}
    counts: dict[str, Any] = {}
    live: dict[tuple[str, int], list[tuple[float, float, float]]] = {}
    for _ in range(args.rounds):
        for name, detector in sides.items():
            noted, summary = run(detector, [{"name": "street", "uri": str(clip_path())}])
            rates[name].append(noted.rate)
            counts[name] = summary.sources["street"].lines["straight"]
        for cameras in args.cameras:
            sources = [
                {"name": f"camera-{i}", "uri": str(clip_path()), "live": True, "loop": True} for i in range(cameras)
            ]
            for name, detector in sides.items():
                noted, _ = run(detector, sources, args.seconds)
                live.setdefault((name, cameras), []).append((noted.rate, noted.age(0.5), noted.age(0.95)))
    print(f"{'file':24s}{'frames/s':>12s}{'of here':>9s}  counts")
    base = statistics.median(rates["here"])
    for name, found in rates.items():
        rate = statistics.median(found)
        print(f"{name:24s}{rate:12.1f}{rate / base:9.2f}  {counts[name]}")
    print(f"{'cameras':24s}{'number':>7s}{'frames/s':>12s}{'age, ms: median':>17s}{'95 %':>8s}")
    for (name, cameras), rows in live.items():
        rate, middle, late = (statistics.median(column) for column in zip(*rows))
        print(f"{name:24s}{cameras:7d}{rate:12.1f}{middle:17.0f}{late:8.0f}")


if __name__ == "__main__":
    main()
