"""How far one or more GPUs carry: each stage alone with all before it, streams at their own speed, and a large detector.

    python benchmarks/gpu.py                          # all; prints a table, writes benchmarks/results/gpu.json
    python benchmarks/gpu.py --only stages --codecs hevc --seconds 10
    python benchmarks/gpu.py --gpus 0 1

Needs an NVIDIA GPU and `pip install 'countline[cuda,demo]'`. The sources are spread over processes, as `countline run --processes`
does: each decodes, detects, tracks, evaluates rules, and delivers to one Kafka broker on this machine.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from gpu_clips import clip
from machine import header

HERE = Path(__file__).parent
STAGES = ("bare", "decode", "preprocess", "inference", "rules", "delivery")
SMALL: dict[str, Any] = {"classes": ["person"]}


class Load:
    """Use of decoders and multiprocessors in percent, and memory, while a measurement runs, as the driver tells it; of several GPUs the
    mean, and the most memory."""

    def __init__(self, gpus: list[int]) -> None:
        import pynvml

        pynvml.nvmlInit()
        self._nvml = pynvml
        self._handles = [pynvml.nvmlDeviceGetHandleByIndex(gpu) for gpu in gpus]
        self.name = str(pynvml.nvmlDeviceGetName(self._handles[0]))
        self._seen: list[tuple[float, float, float]] = []
        self._done = threading.Event()

    def __enter__(self) -> Load:
        self._seen.clear()
        self._done.clear()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._done.wait(0.2):
            for handle in self._handles:
                decoder = float(self._nvml.nvmlDeviceGetDecoderUtilization(handle)[0])
                memory = float(self._nvml.nvmlDeviceGetMemoryInfo(handle).used) / 2**30
                self._seen.append((decoder, float(self._nvml.nvmlDeviceGetUtilizationRates(handle).gpu), memory))

    def means(self) -> dict[str, float]:
        """Of the last 60 % of what was seen: the start is left out."""
        late = self._seen[len(self._seen) * 2 // 5 :] or [(0.0, 0.0, 0.0)]
        return {
            "nvdec": round(statistics.mean(d for d, _, _ in late), 1),
            "sm": round(statistics.mean(s for _, s, _ in late), 1),
            "memory_gib": round(max(m for _, _, m in late), 1),
        }


def run(jobs: list[dict[str, Any]], limit: float, environment: dict[str, str]) -> list[dict[str, Any]]:
    """The workers side by side; what each measured."""
    started = []
    for job in jobs:
        process = subprocess.Popen(
            [sys.executable, str(HERE / "gpu_worker.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
        )
        process.stdin.write(json.dumps(job) + "\n")
        process.stdin.flush()
        started.append(process)
    answers = []
    until = time.monotonic() + limit
    for process in started:
        try:
            out, errors = process.communicate(timeout=max(1.0, until - time.monotonic()))
            answers.append(json.loads(out.strip().splitlines()[-1]))
        except (subprocess.TimeoutExpired, IndexError, ValueError):
            process.kill()
            answers.append(
                {
                    "fps": 0.0,
                    "cores": 0.0,
                    "dropped": 0,
                    "errors": [(errors if process.returncode else "no answer")[-800:]],
                }
            )
    return answers


def spread(args: argparse.Namespace, streams: int, processes: int, **more: Any) -> list[dict[str, Any]]:
    """Jobs for so many streams in all."""
    processes = min(processes, streams)
    jobs = []
    for number in range(processes):
        gpu = args.gpus[number % len(args.gpus)]
        own = streams // processes + (number < streams % processes)
        job = {"name": f"p{number}", "gpu": gpu, "streams": own, "seconds": args.seconds, **more}
        job["detector"] = {"device": f"cuda:{gpu}", **job.get("detector", SMALL)}
        if args.batch:
            job["detector"].setdefault("batch", args.batch)
        if job.get("paced"):
            job["detector"].setdefault("linger_ms", args.linger_ms)
        if args.trace:
            job["trace"] = str(args.trace / f"{job['stage']}-{streams}-{number}.txt")
        job["outbox"] = str(Path(args.scratch) / f"{time.monotonic_ns()}-{number}.outbox")
        jobs.append(job)
    return jobs


def total(answers: list[dict[str, Any]], load: Load) -> dict[str, Any]:
    """Of all workers."""
    fps = sum(a["fps"] for a in answers)
    errors = [e for a in answers for e in a.get("errors", [])]
    row = {
        "fps": round(fps, 1),
        "streams_at_30": int(fps // 30),
        "cores": round(sum(a["cores"] for a in answers), 2),
        **load.means(),
    }
    return row | ({"errors": errors[:3]} if errors else {})


def shown(words: str, row: dict[str, Any]) -> None:
    numbers = "  ".join(f"{key} {value}" for key, value in row.items())
    print(f"{words:34} {numbers}", flush=True)


def stages(args: argparse.Namespace, codec: str, kafka: str, load: Load) -> dict[str, Any]:
    path, found = str(clip(args.clips, codec, b_frames=args.b_frames)), {}
    for stage in args.stages:
        processes = args.processes * len(args.gpus)
        jobs = spread(
            args, processes * args.per_process, processes, stage=stage, clip=path, kafka=kafka, topic=f"stages-{codec}"
        )
        with load:
            answers = run(jobs, args.seconds + 90, args.environment)
        found[stage] = total(answers, load)
        shown(f"{codec} {stage}", found[stage])
    return found


def paced(args: argparse.Namespace, codec: str, streams: int, kafka: str, load: Load, **more: Any) -> dict[str, Any]:
    """Streams at 30 frames/s each, and how long from when a frame was due until its message was read back from the topic."""
    topic = f"paced-{codec}-{streams}-{time.monotonic_ns()}"
    offset = {"epoch": time.time_ns(), "ticks": time.monotonic_ns()}
    job = {
        "stage": "delivery",
        "paced": True,
        "warm": args.warm,
        "clip": str(clip(args.clips, codec, b_frames=args.b_frames)),
        "kafka": kafka,
        "topic": topic,
    }
    with load, Reader(kafka, topic) as reader:
        answers = run(
            spread(args, streams, args.processes * len(args.gpus), **{**job, **offset, **more}),
            args.seconds + args.warm + 120,
            args.environment,
        )
    row = total(answers, load)
    row |= {
        "streams": streams,
        "dropped": sum(a.get("dropped", 0) for a in answers),
        "share": round(row["fps"] / (30 * streams), 4),
    }
    row |= reader.percentiles()
    row["held"] = row["dropped"] == 0 and row["share"] >= 0.995 and not row.get("errors")
    shown(f"{codec} {streams} streams", row)
    return row


class Reader:
    """Reads a topic, and notes for each message how long ago its frame was due."""

    def __init__(self, kafka: str, topic: str) -> None:
        from confluent_kafka import Consumer, TopicPartition
        from confluent_kafka.admin import AdminClient, NewTopic

        admin = AdminClient({"bootstrap.servers": kafka})
        for made in admin.create_topics([NewTopic(topic, 4, 1)]).values():
            made.result(10)
        self._consumer = Consumer(
            {"bootstrap.servers": kafka, "group.id": topic, "auto.offset.reset": "earliest", "fetch.wait.max.ms": 20}
        )
        self._consumer.assign([TopicPartition(topic, part, 0) for part in range(4)])  # no group: nobody to wait for
        self._late: list[float] = []
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> Reader:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join(10)

    def _read(self) -> None:
        while not self._done.is_set():
            for message in self._consumer.consume(500, 0.05):
                if message.error() is None and b'"due"' in message.value():
                    self._late.append((time.time_ns() - json.loads(message.value())["due"]) / 1e6)
        self._consumer.close()

    def percentiles(self) -> dict[str, Any]:
        """Of the last two thirds: before, some are still starting."""
        late = sorted(self._late[len(self._late) // 3 :])
        if not late:
            return {"p50_ms": None, "p95_ms": None, "p99_ms": None, "samples": 0}
        at = {f"p{p}_ms": round(late[min(len(late) - 1, len(late) * p // 100)], 1) for p in (50, 95, 99)}
        return {**at, "samples": len(late)}


def real_time(args: argparse.Namespace, codec: str, kafka: str, load: Load) -> dict[str, Any]:
    rows = []
    for streams in args.streams[codec]:
        rows.append(paced(args, codec, streams * len(args.gpus), kafka, load))
        if not rows[-1]["held"] and len(rows) > 1:
            break
    held = [row for row in rows if row["held"]]
    return {"rows": rows, "best": max(held, key=lambda row: row["streams"]) if held else None}


def large(args: argparse.Namespace, kafka: str, load: Load) -> dict[str, Any]:
    from gpu_model import build

    path = Path(args.clips) / "random-rtdetr-size.onnx"
    found: dict[str, Any] = {"gflop": round(build(path), 1)}
    base = {"model": str(path), "layout": "rtdetr", "batch": 16}
    for interval, streams in ((0, 50), (2, 50), (2, 120)):
        detector = {**base, "interval": interval}
        found[f"{streams} streams, interval {interval}"] = paced(args, "h264", streams, kafka, load, detector=detector)
    return found


def result(args: argparse.Namespace, codec: str, found: dict[str, Any]) -> dict[str, Any]:
    best = (found.get("real_time") or {}).get("best") or {}
    measured = found.get("stages", {})
    return {
        "decode_fps": measured.get("bare", {}).get("fps"),
        "pipeline_fps": measured.get("delivery", {}).get("fps"),
        "realtime_streams": best.get("streams"),
        "p95_ms": best.get("p95_ms"),
        **found,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--only", nargs="+", default=["stages", "realtime", "large"], choices=["stages", "realtime", "large"]
    )
    parser.add_argument("--codecs", nargs="+", default=["h264", "hevc"])
    parser.add_argument("--stages", nargs="+", default=list(STAGES), choices=STAGES)
    parser.add_argument("--gpus", nargs="+", type=int, default=[0])
    parser.add_argument("--processes", type=int, default=8, help="for each GPU")
    parser.add_argument("--per-process", type=int, default=2, help="streams of each process, for the stages")
    parser.add_argument("--batch", type=int, help="as in the configuration; less needs less memory")
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--realtime-seconds", type=float, default=60.0)
    parser.add_argument(
        "--warm", type=float, default=15.0, help="seconds before streams at their own speed are measured"
    )
    parser.add_argument("--h264-streams", nargs="+", type=int, default=[120, 160, 168])
    parser.add_argument("--hevc-streams", nargs="+", type=int, default=[200, 255, 270])
    parser.add_argument(
        "--linger-ms", type=float, default=150.0, help="of streams at their own speed: batches get full"
    )
    parser.add_argument("--b-frames", type=int, default=0, help="in the clips; cameras send none")
    parser.add_argument("--clips", type=Path, default=Path(tempfile.gettempdir()) / "countline-gpu-clips")
    parser.add_argument(
        "--trace", type=Path, help="a folder in which each process writes what it did, second by second"
    )
    parser.add_argument("--output", type=Path, default=HERE / "results" / "gpu.json")
    args = parser.parse_args()
    args.streams = {"h264": args.h264_streams, "hevc": args.hevc_streams}
    from countline.demo.broker import EmbeddedBroker
    from countline.gpu.mps import shared

    print(header("av", "onnxruntime-gpu" if _has_gpu_build() else "onnxruntime", "cupy-cuda13x"))
    load = Load(args.gpus)
    made: dict[str, Any] = {
        "machine": header().splitlines()[0].removeprefix("machine: "),
        "card": f"{len(args.gpus)} x {load.name}",
        "model": "nanodet (default), 416x416, fp16",
        "b_frames": args.b_frames,
        "command": header().splitlines()[1].removeprefix("command: "),
    }
    with ExitStack() as stack:
        args.scratch = stack.enter_context(tempfile.TemporaryDirectory())
        kafka = stack.enter_context(EmbeddedBroker()).bootstrap
        args.environment = dict(stack.enter_context(shared()))
        made["mps"] = bool(args.environment)
        short = args.seconds
        for codec in args.codecs:
            found: dict[str, Any] = {}
            if "stages" in args.only:
                found["stages"] = stages(args, codec, kafka, load)
            if "realtime" in args.only:
                args.seconds = args.realtime_seconds
                found["real_time"] = real_time(args, codec, kafka, load)
                args.seconds = short
            made[codec] = result(args, codec, found)
            _write(args.output, made)
        if "large" in args.only:
            args.seconds = min(args.realtime_seconds, 30.0)
            made["large_detector"] = large(args, kafka, load)
    _write(args.output, made)


def _has_gpu_build() -> bool:
    from importlib.metadata import PackageNotFoundError, version

    try:
        version("onnxruntime-gpu")
    except PackageNotFoundError:
        return False
    return True


def _write(path: Path, made: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
