"""Memory over minutes of looping video, and the time from start to the first message.

    python benchmarks/memory.py [--minutes 10]

The demo's clip is read again and again through detector, tracker, rules, messages, durable outbox and an embedded broker.
Resident memory (RSS) is read every ten seconds. The first minute is warm-up (pools, caches, the tracker's first objects).
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil
import yaml
from machine import header

import countline as cl
from countline.commands.demo import configuration
from countline.demo import clip_path
from countline.demo.broker import EmbeddedBroker
from countline.outputs.kafka.tail import tail


def first_message(broker: EmbeddedBroker, folder: Path, topic: str) -> float:
    """Seconds from starting the process to its first message read back from the broker. A message for every frame, so
    that the time is of starting and not of waiting for a pedestrian."""
    data = configuration(clip_path(), broker.bootstrap, topic, folder / f"{topic}.outbox")
    data["messages"][0]["on"] = "frame"
    config = folder / f"{topic}.yaml"
    config.write_text(yaml.safe_dump(data))
    begin = time.monotonic()
    process = subprocess.Popen([sys.executable, "-m", "countline", "run", str(config), "-q"])
    next(iter(tail({"bootstrap.servers": broker.bootstrap}, topic, wait_for_topic=30)))
    seconds = time.monotonic() - begin
    process.terminate()
    process.wait(60)
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    given = parser.parse_args()
    print(header("onnxruntime"))
    with EmbeddedBroker() as broker, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        starts = [first_message(broker, folder, f"start-{n}") for n in range(3)]
        print("start of the process to the first message read back: " + ", ".join(f"{s:.2f} s" for s in starts))
        data = configuration(clip_path(), broker.bootstrap, "memory", folder / "memory.outbox")
        data["sources"][0]["loop"] = True
        run = cl.Run(data)
        rows: list[tuple[float, float]] = []
        process = psutil.Process(os.getpid())

        def watch() -> None:
            end = time.monotonic() + given.minutes * 60
            while time.monotonic() < end:
                time.sleep(10)
                rows.append((time.monotonic() - run.started, process.memory_info().rss / 2**20))
            run.stop()

        threading.Thread(target=watch, daemon=True).start()
        summary = run.execute()
    warm = [r for r in rows if r[0] > 60] or rows
    print(f"{summary.frames} frames in {summary.seconds:.0f} s, {summary.messages} messages, {summary.pending} waiting")
    for seconds, mib in warm[:: max(1, len(warm) // 10)]:
        print(f"  after {seconds:5.0f} s: {mib:7.1f} MiB")
    mean = sum(r[0] for r in warm) / len(warm)
    level = sum(r[1] for r in warm) / len(warm)
    spread = sum((r[0] - mean) ** 2 for r in warm) or 1.0
    slope = sum((r[0] - mean) * (r[1] - level) for r in warm) / spread
    print(f"trend after the first minute: {slope * 60:+.3f} MiB a minute at {level:.0f} MiB")


if __name__ == "__main__":
    main()
