#!/usr/bin/env python3
"""Decoding and scaling: countline's sources against OpenCV's, on the same file, in one run.

    python benchmarks/video.py [VIDEO] [--size 416] [--rounds 5]

Prints, for each side, frames/s of decoding alone and of decoding + scaling to what a detector takes, and the milliseconds
of one scaling from a decoded frame. OpenCV's way is `read()` (which converts each frame to BGR in full size) and `resize`
into a padded picture. The better of several rounds counts, so that other work on the machine matters less.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from collections.abc import Callable

import av
import cv2
import numpy as np

from countline.config.models import SourceConfig
from countline.demo import clip_path
from countline.types import Frame
from countline.video import open_source


def opencv(path: str, size: int | None) -> int:
    """Frames read, each scaled to ``size`` if given."""
    capture, count = cv2.VideoCapture(path), 0
    while True:
        ok, image = capture.read()
        if not ok:
            break
        if size:
            height, width = image.shape[:2]
            scale = min(size / width, size / height)
            box = np.zeros((size, size, 3), np.uint8)
            small = cv2.resize(image, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_LINEAR)
            box[: small.shape[0], : small.shape[1]] = small
        count += 1
    capture.release()
    return count


def countline(path: str, size: int | None) -> int:
    """The same through a source."""
    count = 0
    for frame in open_source(SourceConfig(name="bench", uri=path), 0):
        if size:
            frame.picture.letterbox(size, size)
        count += 1
    return count


def best(rounds: int, work: Callable[[], int]) -> float:
    """Highest rate per second of several rounds."""
    rate = 0.0
    for _ in range(rounds):
        began = time.perf_counter()
        count = work()
        rate = max(rate, count / (time.perf_counter() - began))
    return rate


def scaling(frames: list[Frame], size: int, rounds: int) -> float:
    """Milliseconds of one letterbox, from frames decoded before."""

    def work() -> int:
        for frame in frames:
            frame.picture.letterbox(size, size)
        return len(frames)

    return 1000 / best(rounds, work)


def main() -> int:
    parser = argparse.ArgumentParser(description="Decoding and scaling, countline against OpenCV.")
    parser.add_argument("video", nargs="?", default=str(clip_path()))
    parser.add_argument("--size", type=int, default=416)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    path, size, rounds = arguments.video, arguments.size, arguments.rounds
    frames = [f for _, f in zip(range(100), open_source(SourceConfig(name="bench", uri=path), 0), strict=False)]
    print("command:", " ".join(sys.argv))
    print(f"machine: {platform.machine()}, {os.cpu_count()} cores; PyAV {av.__version__}, OpenCV {cv2.__version__}")
    print(f"video: {path}, {frames[0].info.width}x{frames[0].info.height}, scaled to {size}")
    print(f"decode           countline {best(rounds, lambda: countline(path, None)):8.0f} frames/s")
    print(
        f"decode           opencv    {best(rounds, lambda: opencv(path, None)):8.0f} frames/s (with BGR in full size)"
    )
    print(f"decode + scale   countline {best(rounds, lambda: countline(path, size)):8.0f} frames/s")
    print(f"decode + scale   opencv    {best(rounds, lambda: opencv(path, size)):8.0f} frames/s")
    print(f"one letterbox    countline {scaling(frames, size, rounds):8.3f} ms")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
