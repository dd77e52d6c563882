"""End-to-end rate of the main job over the demo clip, both sides of each ratio in one run.

    python benchmarks/end_to_end.py [--rounds 3] [--no-loop]

* the detector alone on the same decoded frames, against the whole of countline (decode, detect, track, rules, messages,
  durable outbox, Kafka);
* a straightforward loop of OpenCV, ONNX Runtime, supervision and kafka-python with the same model file and precision,
  against countline with that runtime and precision, and against what countline chooses for the machine by default.

Rounds of all sides alternate; the median of each side is printed. CPU time tells the truth on a machine that has other
work too: with all cores busy, the rate on the clock is the cores divided by the CPU time of a frame. Start-up (loading
models, connecting) is left out of every side's time: countline's clock runs from the first frame handed to the detector
to the last commit.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from machine import header
from straightforward import run as straightforward

from countline import detect, video
from countline.commands.demo import LINE, configuration
from countline.config import DetectorConfig, SourceConfig
from countline.demo import clip_path
from countline.demo.broker import EmbeddedBroker
from countline.detect.catalogue import weights
from countline.pipeline.run import Run

THRESHOLD = 0.45


class Stopwatch:
    """A consumer that notes when the first and the last frame went through."""

    def __init__(self) -> None:
        self.first = 0.0
        self.last = 0.0
        self.first_cpu = 0.0
        self.last_cpu = 0.0
        self.frames = 0

    def __call__(self, frame, analytics) -> None:
        self.last, self.last_cpu = time.perf_counter(), time.process_time()
        if not self.frames:
            self.first, self.first_cpu = self.last, self.last_cpu
        self.frames += 1

    @property
    def rate(self) -> float:
        return (self.frames - 1) / (self.last - self.first)

    @property
    def cpu(self) -> float:
        """ms of CPU time a frame, all threads of the process."""
        return (self.last_cpu - self.first_cpu) / (self.frames - 1) * 1e3


def detector_alone(settings: dict) -> tuple[float, float]:
    """Frames/s and ms of CPU time a frame of the detector on frames that are decoded already: the same object as in
    the whole, called from as many threads at once as it allows, one frame at a time, as the whole does."""
    source = video.open_source(SourceConfig(name="street", uri=str(clip_path())), 0)
    frames = list(source)
    detector = detect.make(DetectorConfig(classes=["person"], **settings))
    with ThreadPoolExecutor(detector.parallel) as pool:
        list(pool.map(detector.detect, [[frame] for frame in frames[:8]]))
        begin, cpu = time.perf_counter(), time.process_time()
        list(pool.map(detector.detect, [[frame] for frame in frames]))
        seconds, cpu = time.perf_counter() - begin, time.process_time() - cpu
    detector.close()
    return len(frames) / seconds, cpu / len(frames) * 1e3


def whole(settings: dict, bootstrap: str, topic: str) -> tuple[float, float, dict]:
    """Frames/s and ms of CPU time a frame of countline from video to acknowledged messages, and its counts."""
    with tempfile.TemporaryDirectory() as folder:
        data = configuration(clip_path(), bootstrap, topic, Path(folder) / "outbox")
        data["detector"].update(settings)
        watch = Stopwatch()
        run = Run(data, consumers=[watch])
        summary = run.execute()
        assert summary.exit_code == 0, summary.error
        assert summary.pending == 0
        return watch.rate, watch.cpu, summary.sources["street"].lines["straight"]


def loop(bootstrap: str, topic: str) -> tuple[float, float, tuple[int, int]]:
    """Frames/s and ms of CPU time a frame of the straightforward loop, and its counts."""
    begin, cpu = time.perf_counter(), time.process_time()
    frames, crossed_in, crossed_out = straightforward(
        clip_path(), weights("nanodet", "fp32").path, bootstrap, topic, LINE, THRESHOLD
    )
    seconds, cpu = time.perf_counter() - begin, time.process_time() - cpu
    return frames / seconds, cpu / frames * 1e3, (crossed_in, crossed_out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--no-loop", action="store_true", help="leave out the straightforward loop")
    given = parser.parse_args()
    same = {"runtime": "onnxruntime", "precision": "fp32"}
    print(header("onnxruntime", "opencv-python-headless", "supervision", "kafka-python"))
    rates: dict[str, list[float]] = {}
    costs: dict[str, list[float]] = {}
    counts: dict[str, object] = {}
    with EmbeddedBroker() as broker:
        for n in range(given.rounds):
            for name, measure in (
                ("straightforward loop, ONNX Runtime fp32", lambda n=n: loop(broker.bootstrap, f"loop-{n}")),
                ("countline, ONNX Runtime fp32", lambda n=n: whole(same, broker.bootstrap, f"same-{n}")),
                ("countline, its own choice", lambda n=n: whole({}, broker.bootstrap, f"own-{n}")),
                ("detector alone, ONNX Runtime fp32", lambda: (*detector_alone(same), None)),
                ("detector alone, countline's choice", lambda: (*detector_alone({}), None)),
            ):
                if given.no_loop and name.startswith("straightforward"):
                    continue
                rate, cpu, counted = measure()
                rates.setdefault(name, []).append(rate)
                costs.setdefault(name, []).append(cpu)
                if counted is not None:
                    counts[name] = counted
    median = {name: statistics.median(values) for name, values in rates.items()}
    cost = {name: statistics.median(values) for name, values in costs.items()}
    for name, value in median.items():
        spread = ", ".join(f"{v:.1f}" for v in rates[name])
        print(
            f"{name:42} {value:6.1f} frames/s  {cost[name]:6.2f} ms CPU   (rounds: {spread})   {counts.get(name, '')}"
        )
    for label, name, alone in (
        ("ONNX Runtime fp32", "countline, ONNX Runtime fp32", "detector alone, ONNX Runtime fp32"),
        ("countline's choice", "countline, its own choice", "detector alone, countline's choice"),
    ):
        by_cpu = cost[alone] / cost[name]
        print(
            f"end to end / detector alone, {label}: {median[name] / median[alone]:.2f} on the clock, {by_cpu:.2f} by CPU time"
            "  (goal 0.9)"
        )
    if given.no_loop:
        return
    base = median["straightforward loop, ONNX Runtime fp32"]
    print(
        f"countline / straightforward loop, same precision: {median['countline, ONNX Runtime fp32'] / base:.2f}  (goal 1.25)"
    )
    print(
        f"countline's choice / straightforward loop:        {median['countline, its own choice'] / base:.2f}  (goal 2)"
    )


if __name__ == "__main__":
    main()
