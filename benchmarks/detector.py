"""Milliseconds per frame of the package's detectors: model x runtime x precision x threads on this machine.

    python benchmarks/detector.py [VIDEO] [--rounds 15] [--threads 1 2] [--models nanodet yolox-nano]

Four figures each: inference alone, the whole of ``detect`` (letterbox, inference, decoding, suppression), what comes
after the network, and detections believed on the same frames, so that speed is never read without what it finds. The
combinations take turns frame by frame: load on the machine falls on all of them alike.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import platform
import shlex
import sys
import time
from pathlib import Path

import av
import numpy as np

from countline.config import DetectorConfig
from countline.detect import OnnxDetector, make
from countline.detect.catalogue import CATALOGUE
from countline.types import Frame, FrameInfo, SourceInfo
from countline.video.picture import AvPicture


def frames(video: Path, count: int) -> list[Frame]:
    """``count`` frames spread over the first 300."""
    found: list[Frame] = []
    step = max(1, 300 // count)
    with av.open(str(video)) as container:
        for i, frame in enumerate(container.decode(video=0)):
            if i % step == 0:
                info = FrameInfo(SourceInfo(video.name), i, 0, 0, frame.width, frame.height)
                found.append(Frame(info, AvPicture(frame)))
            if len(found) == count:
                break
    return found


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        name = platform.processor()
    return f"{name}, {len(os.sched_getaffinity(0))} usable processors, load {os.getloadavg()[0]:.1f}"


def timed(detector: OnnxDetector, frame: Frame) -> tuple[float, float, float, int]:
    """Seconds of inference, of all, of what comes after the network; objects believed."""
    start = time.perf_counter()
    (found,) = detector.detect([frame])
    whole = time.perf_counter() - start
    feeder, run = detector._requests[0]
    batch, scales = feeder.fill([frame], 1)
    start = time.perf_counter()
    outputs = run(batch)
    inference = time.perf_counter() - start
    start = time.perf_counter()
    detector._read(outputs, 0, scales[0], frame)
    after = time.perf_counter() - start
    return inference, whole, after, int((found.confidence >= detector.thresholds[found.class_id]).sum())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", type=Path, nargs="?", help="the clip of the demo unless given")
    parser.add_argument("--rounds", type=int, default=15, help="frames")
    parser.add_argument("--threads", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--models", nargs="*", default=sorted(CATALOGUE), help="models of the package")
    args = parser.parse_args()
    if args.video is None:
        from countline.demo import clip_path

        args.video = clip_path()
    runtimes = ["onnxruntime", *(["openvino"] if importlib.util.find_spec("openvino") else [])]
    detectors = {
        (name, runtime, precision, threads): make(
            DetectorConfig(model=name, runtime=runtime, precision=precision, threads=threads)
        )
        for name in args.models
        for runtime in runtimes
        for precision in ("fp32", "int8")
        for threads in args.threads
    }
    rows: dict[tuple[str, str, str, int], list[tuple[float, float, float, int]]] = {key: [] for key in detectors}
    pictures = frames(args.video, args.rounds)
    for detector in detectors.values():
        timed(detector, pictures[0])
    for frame in pictures:
        for key, detector in detectors.items():
            rows[key].append(timed(detector, frame))
    print(f"{shlex.join(['python', *sys.argv])}\n{processor()}, Python {platform.python_version()}")
    print(f"{args.video.name}, {len(pictures)} frames; ms, median (least)")
    print(
        f"{'model':12s}{'runtime':14s}{'precision':11s}{'threads':>7s}{'inference':>16s}{'detect':>16s}{'after':>8s}{'objects':>9s}"
    )
    for (name, runtime, precision, threads), values in rows.items():
        table = np.array(values)
        middle, least = np.median(table, axis=0) * 1e3, table.min(axis=0) * 1e3
        print(
            f"{name:12s}{runtime:14s}{precision:11s}{threads:7d}{middle[0]:9.1f} ({least[0]:.1f}){middle[1]:9.1f} ({least[1]:.1f})"
            f"{middle[2]:8.2f}{int(table[:, 3].sum()):9d}"
        )


if __name__ == "__main__":
    main()
