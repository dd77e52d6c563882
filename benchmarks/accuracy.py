"""Counts of the whole main job over the full `vtest.avi`, beside truth counted by eye; and identity figures where ground
truth is at hand.

    python benchmarks/accuracy.py [--video vtest.avi] [--runtime openvino] [--precision int8]

The video comes from Debian's package opencv-doc (tools/fetch_vtest.py gets it). Truth: two lines, bottom centre of the box,
795 frames. '+' is the side with a positive cross product of (b - a) x (p - a); with y down on screen that is the
right-hand side when walking from a to b, where the direction `out` goes.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from machine import header

import countline as cl

ROOT = Path(__file__).resolve().parent.parent
SIZE = (768, 576)
TRUTH = {
    "A": {"points": ((300, 150), (300, 420)), "+": 15, "-": 12},
    "D": {"points": ((430, 560), (700, 180)), "+": 14, "-": 19},
}


def configuration(video: Path, detector: dict) -> dict:
    """Both lines, persons, no output but memory."""
    return {
        "sources": [{"name": "vtest", "uri": str(video)}],
        "detector": {"classes": ["person"], **detector},
        "rules": {
            "coordinates": "pixels",
            "resolution": list(SIZE),
            "lines": [
                {"name": name, "points": [list(p) for p in line["points"]], "names": {"in": "-", "out": "+"}}
                for name, line in TRUTH.items()
            ],
        },
        "outbox": "memory",
    }


def identities(tracks: list) -> None:
    """Fragmentation figures that need no ground truth."""
    lengths: dict[int, int] = {}
    for frame in tracks:
        for track in frame:
            lengths[int(track)] = lengths.get(int(track), 0) + 1
    short = sum(1 for n in lengths.values() if n < 10)
    print(f"tracks: {len(lengths)}, of them {short} shorter than 10 frames; longest {max(lengths.values(), default=0)} frames")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--video", type=Path, default=ROOT / ".cache" / "vtest.avi")
    parser.add_argument("--runtime", default="auto")
    parser.add_argument("--precision", default="auto")
    given = parser.parse_args()
    if not given.video.exists():
        print(f"{given.video} is absent: python tools/fetch_vtest.py --out {given.video.parent}", file=sys.stderr)
        return 2
    print(header("onnxruntime"))
    seen: list = []
    run = cl.Run(configuration(given.video, {"runtime": given.runtime, "precision": given.precision}))
    run.add_consumer(lambda frame, analytics: seen.append(analytics.tracks.track_id.tolist()))
    summary = run.execute()
    print(f"{summary.frames} frames, {summary.fps:.1f} frames/s")
    worst = 0
    for name, truth in TRUTH.items():
        counts = summary.sources["vtest"].lines[name]
        for sign in "+-":
            off = counts[sign] - truth[sign]
            worst = max(worst, abs(off))
            print(f"line {name} {sign}: counted {counts[sign]:3}, truth {truth[sign]:3}, off by {off:+d}")
    identities(seen)
    print("each direction within 1 of truth" if worst <= 1 else f"off by up to {worst}")
    return 0 if worst <= 1 else 1


if __name__ == "__main__":
    sys.exit(main())
