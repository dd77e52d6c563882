"""What a closer look round lines (detector.focus) finds, and what it costs: one line at a time, on clips with truth.

    python benchmarks/focus.py --clips FOLDER [--video vtest.avi] [--slices 1 2] [--lines x650 x600]

Clips and truth are those of accuracy.py. Each line runs alone, since slices around all of them would cover the whole picture.
After each row: counts by class, for each side.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from clips import CLIPS, VTEST, Clip, measure
from machine import header

LINES = {
    "vtest.avi": ("A", "far", "path"),
    "car-detection.mp4": ("y216", "y120"),
    "person-bicycle-car-detection.mp4": ("x650", "x600", "x110", "slant"),
    "one-by-one-person-detection.mp4": ("x550",),
}


def counted(
    video: Path, clip: Clip, name: str, detector: dict[str, Any]
) -> tuple[tuple[int, int], dict[str, int], float]:
    """Counts of one line (+, -), the same by class, and seconds of CPU a frame."""
    alone = replace(clip, lines={name: clip.lines[name]})
    begin = time.process_time()
    found = measure(video, alone, detector)
    seconds = (time.process_time() - begin) / max(1, found.frames)
    return (found.counts[name]["+"], found.counts[name]["-"]), found.classes[name], seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=Path, required=True)
    parser.add_argument("--video", type=Path, help="vtest.avi")
    parser.add_argument("--slices", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--lines", nargs="*", help="only lines of these names")
    options = parser.parse_args()
    print(header("countline"))
    jobs = [(options.clips / clip.file, clip) for clip in CLIPS] + ([(options.video, VTEST)] if options.video else [])
    sides = {"off": {}, **{f"{n} slices": {"focus": "lines", "slices": n} for n in options.slices}}
    print(f"{'clip':<34}{'line':<8}{'truth':>9}" + "".join(f"{side:>12}{'ms CPU':>8}" for side in sides))
    total = dict.fromkeys(sides, 0)
    for video, clip in jobs:
        for name in LINES[clip.file] if video.exists() else ():
            if options.lines and name not in options.lines:
                continue
            line, classes = clip.lines[name], []
            row = f"{clip.file:<34}{name:<8}{line.plus:>5}/{line.minus:<3}"
            for side, detector in sides.items():
                (plus, minus), by_class, seconds = counted(video, clip, name, detector)
                total[side] += abs(plus - line.plus) + abs(minus - line.minus)
                row += f"{plus:>8}/{minus:<3}{seconds * 1000:>8.1f}"
                classes.append(", ".join(f"{n} {kind}" for kind, n in sorted(by_class.items())) or "-")
            print(f"{row}  {' | '.join(classes)}", flush=True)
    print("off by, in all: " + ", ".join(f"{side}: {n}" for side, n in total.items()))


if __name__ == "__main__":
    main()
