"""Clips with truth counted by eye, and counts of the whole main job on them.

vtest.avi comes from Debian's package opencv-doc (tools/fetch_vtest.py gets it): 795 frames, 10/s, people. Truth is for the
bottom centre of the box (where feet touch the ground) over the whole clip. '+' is the side with a positive cross product of
(b - a) x (p - a); with y down on screen that is the right-hand side when walking from a to b, where the direction `out` goes.

Lines 'tuned on' were looked at while thresholds and tracker were chosen; their truth comes from others. The rest were drawn
and counted by eye by us (contact sheets of every fifth frame) before anything was counted there. Those 'looked at' then showed
faults of which some were mended; the others only confirmed it ('untouched'). r1 to r7 were drawn by chance (seeded; one to
each 22.5 degrees of direction, where the picture moves; r0 and r6 are left out, along and on which people walk and stand,
so that the eye cannot tell), h300, v620 and v220 as a user would. docs/tracking.md tells the story, and random_lines.py
counts on hundreds of lines.

car-detection.mp4, person-bicycle-car-detection.mp4 and one-by-one-person-detection.mp4 are Intel's
(github.com/intel-iot-devkit/sample-videos, CC BY 4.0).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import countline as cl

__all__ = ["CLIPS", "RUNTIMES", "VTEST", "Clip", "Line", "Result", "compare", "measure", "together"]

RUNTIMES = {"int8": "openvino", "fp32": "onnxruntime"}


@dataclass(frozen=True)
class Line:
    """Two or more points in pixels of the clip, and how many crossed."""

    points: tuple[tuple[int, int], ...]
    plus: int
    minus: int
    seen: str = "untouched"
    """Whether it was looked at while things were tuned."""


@dataclass(frozen=True)
class Clip:
    """A video with lines."""

    file: str
    size: tuple[int, int]
    classes: tuple[str, ...] | None
    lines: dict[str, Line]


VTEST = Clip(
    "vtest.avi",
    (768, 576),
    ("person",),
    {
        "A": Line(((300, 150), (300, 420)), 15, 12, "tuned on"),
        "D": Line(((430, 560), (700, 180)), 14, 19, "tuned on"),
        "path": Line(((120, 150), (120, 260)), 4, 1),
        "middle": Line(((520, 180), (520, 385)), 19, 15, "looked at"),
        "lawn": Line(((316, 608), (414, 338)), 3, 3),
        "road": Line(((520, 360), (735, 360)), 5, 9),
        "far": Line(((545, 190), (725, 190)), 4, 3, "looked at"),
        "r1": Line(((547, 338), (465, 274)), 6, 4, "looked at"),
        "r2": Line(((432, 331), (338, 207)), 11, 14, "looked at"),
        "r3": Line(((527, 443), (525, 245)), 11, 15, "looked at"),
        "r4": Line(((702, 250), (618, 466)), 15, 10, "looked at"),
        "r5": Line(((497, 194), (377, 350)), 16, 11, "looked at"),
        "r7": Line(((268, 307), (388, 287)), 3, 4, "looked at"),
        "h300": Line(((440, 300), (740, 300)), 10, 14, "looked at"),
        "v620": Line(((620, 150), (620, 420)), 19, 16, "looked at"),
        "v220": Line(((220, 150), (220, 300)), 8, 6, "looked at"),
    },
)
CLIPS = (
    Clip(
        "car-detection.mp4",
        (768, 432),
        None,
        {
            "y216": Line(((0, 216), (768, 216)), 2, 2, "tuned on"),
            "y120": Line(((0, 120), (768, 120)), 2, 2),
            "y300": Line(((0, 300), (768, 300)), 2, 2),
            "y150": Line(((0, 150), (768, 150)), 2, 2),
            "y280": Line(((0, 280), (768, 280)), 2, 2),
            "slant": Line(((100, 330), (700, 120)), 2, 2),
        },
    ),
    # Two cars and a person on foot at x110; at x650 two people on bicycles, as one object each.
    Clip(
        "person-bicycle-car-detection.mp4",
        (768, 432),
        None,
        {
            "x110": Line(((110, 0), (110, 431)), 2, 1),
            "x650": Line(((650, 0), (650, 431)), 0, 2, "looked at"),
            "x60": Line(((60, 20), (60, 300)), 2, 1),
            "y200": Line(((60, 200), (330, 200)), 0, 1),
            "slant": Line(((90, 400), (300, 330)), 0, 2),
            "x500": Line(((500, 40), (500, 431)), 0, 0),
            "x600": Line(((600, 0), (600, 431)), 0, 2),
        },
    ),
    Clip(
        "one-by-one-person-detection.mp4",
        (768, 432),
        ("person",),
        {
            "x550": Line(((550, 100), (550, 431)), 0, 6),
            "x620": Line(((620, 120), (620, 431)), 0, 6),
            "slant": Line(((650, 431), (560, 230)), 6, 0),
            "y330": Line(((380, 330), (760, 330)), 0, 0),
        },
    ),
)


def configuration(video: Path, clip: Clip, detector: dict[str, Any]) -> dict[str, Any]:
    """All lines of a clip, no output but memory."""
    return {
        "sources": [{"name": "clip", "uri": str(video)}],
        "detector": {**({"classes": list(clip.classes)} if clip.classes else {}), **detector},
        "rules": {
            "coordinates": "pixels",
            "resolution": list(clip.size),
            "lines": [
                {"name": name, "points": [list(p) for p in line.points], "names": {"in": "-", "out": "+"}}
                for name, line in clip.lines.items()
            ],
        },
        "outbox": "memory",
    }


@dataclass
class Result:
    """What one run found."""

    counts: dict[str, dict[str, int]]
    classes: dict[str, dict[str, int]]
    """Crossings by line and class, both directions."""
    lives: dict[int, int]
    """Frames by track."""
    events: list[tuple[int, str, str, int, str]]
    """Frame, line, direction, track, class."""
    frames: int
    fps: float


def measure(video: Path, clip: Clip, detector: dict[str, Any]) -> Result:
    """The whole main job over a clip."""
    lives: dict[int, int] = {}
    events: list[tuple[int, str, str, int, str]] = []
    classes: dict[str, dict[str, int]] = {name: {} for name in clip.lines}

    def consume(frame: Any, analytics: Any) -> None:
        for track in analytics.tracks.track_id.tolist():
            lives[track] = lives.get(track, 0) + 1
        for event in analytics.events:
            if event.kind == "crossing":
                events.append((event.frame.number, event.rule, event.direction, event.track_id, event.class_name))
                of_line = classes[event.rule]
                of_line[event.class_name] = of_line.get(event.class_name, 0) + 1

    run = cl.Run(configuration(video, clip, detector))
    run.add_consumer(consume)
    summary = run.execute()
    lines = summary.sources["clip"].lines
    counts = {name: {sign: int(lines[name][sign]) for sign in "+-"} for name in clip.lines}
    return Result(counts, classes, lives, events, summary.frames, summary.fps)


def compare(clip: Clip, results: dict[str, Result]) -> int:
    """Print counts beside truth; the greatest difference."""
    worst = 0
    print(f"\n{clip.file}")
    for precision, result in results.items():
        short = sum(1 for n in result.lives.values() if n < 10)
        print(
            f"  {precision} ({RUNTIMES[precision]}): {result.frames} frames, {result.fps:.1f} frames/s; {len(result.lives)} tracks, "
            f"{short} shorter than 10 frames, longest {max(result.lives.values(), default=0)}"
        )
    print(f"  {'line':8s}{'':11s}{'truth':>8s}" + "".join(f"{p:>10s}{'off by':>9s}  " for p in results) + "classes")
    for name, line in clip.lines.items():
        row = f"  {name:8s}{line.seen:11s}{f'{line.plus}/{line.minus}':>8s}"
        for result in results.values():
            counts = result.counts[name]
            off = counts["+"] - line.plus, counts["-"] - line.minus
            worst = max(worst, abs(off[0]), abs(off[1]))
            row += f"{'{}/{}'.format(counts['+'], counts['-']):>10s}{f'{off[0]:+d}/{off[1]:+d}':>9s}  "
        kinds = [", ".join(f"{n} {k}" for k, n in sorted(r.classes[name].items())) or "-" for r in results.values()]
        print(row + " | ".join(dict.fromkeys(kinds)))
    return worst


def together(clip: Clip, results: dict[str, Result]) -> None:
    """How far the two precisions agree."""
    if len(results) < 2:
        return
    first, second = results.values()
    pairs = [(first.counts[n][s], second.counts[n][s]) for n in clip.lines for s in "+-"]
    differing = sum(a != b for a, b in pairs)
    print(f"  {' and '.join(results)} differ in {differing} of {len(pairs)} counts")
