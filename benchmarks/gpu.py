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
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from gpu_clips import clip
from gpu_measuring import Load, Reader, measure
from machine import header, need_gpus

HERE = Path(__file__).parent
STAGES = ("bare", "decode", "preprocess", "inference", "rules", "delivery")
SMALL: dict[str, Any] = {"classes": ["person"]}


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
    failed = sum(bool(a.get("errors")) for a in answers)
    row = {
        "fps": round(fps, 1),
        "streams_at_30": int(fps // 30),
        "cores": round(sum(a["cores"] for a in answers), 2),
        **load.means(),
    }
    return row | ({"processes_that_failed": failed, "errors": errors[:3]} if errors else {})


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
        answers = measure(jobs, load, args.settle, args.seconds, args.environment)
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
        "clip": str(clip(args.clips, codec, b_frames=args.b_frames)),
        "kafka": kafka,
        "topic": topic,
    }
    jobs = spread(args, streams, args.processes * len(args.gpus), **{**job, **offset, **more})
    with Reader(kafka, topic) as reader:
        answers = measure(jobs, load, args.warm, args.seconds, args.environment)
    row = total(answers, load)
    row |= {
        "streams": streams,
        "dropped": sum(a.get("dropped", 0) for a in answers),
        "share": round(row["fps"] / (30 * streams), 4),
    }
    row |= reader.percentiles(load.began)
    row["held"] = row["dropped"] == 0 and row["share"] >= 0.995 and not row.get("errors")
    shown(f"{codec} {streams} streams", row)
    return row


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
    for interval, streams in (map(int, pair.split(":")) for pair in args.large):
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
        "--settle", type=float, default=3.0, help="seconds between every stream's first frame and the measurement"
    )
    parser.add_argument("--warm", type=float, default=15.0, help="the same for streams at their own speed")
    parser.add_argument(
        "--large",
        nargs="+",
        default=["0:50", "2:50", "2:120"],
        metavar="INTERVAL:STREAMS",
        help="for the large detector",
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

    need_gpus(args.gpus)
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
