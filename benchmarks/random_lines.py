"""Counts of the whole main job on many random lines beside counts made from people followed by eye.

    python benchmarks/random_lines.py [--video vtest.avi] [--lines 250] [--seed 77] [--int8 | --fp32] [--worst]

A few lines prove little: one exchange of two people is right for one line and wrong for the next. data/vtest-feet.csv
tells where the feet of everybody on vtest.avi were (person, frame, x, y in pixels), read off contact sheets of every fifth
frame by eye, with no detector, in the part of the picture where x is 180 ... 768 and y 130 ... 480; between two points
people are taken to walk straight. From these, any line within has a truth. Four lines that others and we had counted
by eye before (A, middle, road and far of accuracy.py) come out as they were counted, 19 and 15 included.

The eye is uncertain by some pixels: each line is also counted moved by 3 or 4 pixels to either side and with its ends moved
by 4 or 6, and 'beyond' is by how much a count lies outside what all of these give. Points stand for people within 1 % of
the picture's height. Lines end at x 735: beside the picture's edge nobody is seen on both sides.
"""

from __future__ import annotations

import csv
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from machine import header

from accuracy import RUNTIMES, Clip, Line, arguments, given_video, measure
from countline.analytics.native import NativeRules
from countline.config.rules import RulesConfig
from countline.types import FrameInfo, FrameTracks, SourceInfo, Tracks

FEET = Path(__file__).parent / "data" / "vtest-feet.csv"
SIZE, FRAMES, STEP = (768, 576), 795, 100_000_000
WITHIN = (200.0, 170.0, 735.0, 440.0)
"""Left, top, right, bottom of the part in which lines are drawn."""
LENGTH = (90.0, 320.0)
MOVES = ((0, 0, 0), (6, 6, 0), (-6, -6, 0), (6, -6, 0), (-6, 6, 0), (0, 0, 4), (0, 0, -4), (4, -4, 3), (-4, 4, -3))
"""Pixels by which a line's begin and end are moved along it, and the line to its side."""

Ends = tuple[float, float, float, float]


def draw(count: int, seed: int) -> list[Ends]:
    """Lines of any direction, begin uniform, length uniform, wholly within."""
    rng, found = np.random.default_rng(seed), list[Ends]()
    left, top, right, bottom = WITHIN
    while len(found) < count:
        x, y = rng.uniform(left, right), rng.uniform(top, bottom)
        angle, length = rng.uniform(0, 2 * np.pi), rng.uniform(*LENGTH)
        u, v = float(x + length * np.cos(angle)), float(y + length * np.sin(angle))
        if left <= u <= right and top <= v <= bottom:
            found.append((round(x, 1), round(y, 1), round(u, 1), round(v, 1)))
    return found


def moved(line: Ends) -> Iterator[Ends]:
    """The line itself, and as the eye may be mistaken."""
    a, b = np.array(line[:2]), np.array(line[2:])
    along = (b - a) / np.hypot(*(b - a))
    aside = np.array([-along[1], along[0]])
    for begin, end, side in MOVES:
        p, q = a + begin * along + side * aside, b + end * along + side * aside
        yield float(p[0]), float(p[1]), float(q[0]), float(q[1])


def walkers() -> list[Tracks]:
    """Everybody in every frame, as small boxes that stand on their feet."""
    people: dict[str, list[tuple[float, float, float]]] = {}
    with FEET.open() as file:
        for row in csv.DictReader(file):
            people.setdefault(row["person"], []).append((float(row["frame"]), float(row["x"]), float(row["y"])))
    frames: list[list[tuple[float, ...]]] = [[] for _ in range(FRAMES)]
    for number, points in enumerate(people.values(), 1):
        frame, x, y = np.array(points).T
        for f in range(int(frame[0]), min(FRAMES, int(frame[-1]) + 1)):
            u, v = np.interp(f, frame, x), np.interp(f, frame, y)
            frames[f].append((u - 15, v - 38, u + 15, v, number))
    tables = [np.array(rows, np.float64).reshape(-1, 5) for rows in frames]
    return [Tracks(t[:, :4], np.ones(len(t)), np.zeros(len(t)), t[:, 4].astype(np.uint64)) for t in tables]


def by_eye(lines: list[Ends]) -> np.ndarray:
    """(lines, moves, 2) counts to the right and to the left of each line and of each moved line."""
    everywhere = [p for line in lines for p in moved(line)]
    config = {
        "coordinates": "pixels",
        "resolution": list(SIZE),
        "lines": [{"name": f"{i}", "points": [p[:2], p[2:]]} for i, p in enumerate(everywhere)],
    }
    source = SourceInfo("eye")
    rules = NativeRules(RulesConfig.model_validate(config), [source], ["person"])
    counts = np.zeros((len(everywhere), 2), int)
    for i, tracks in enumerate(walkers()):
        (analytics,) = rules.update([FrameTracks(FrameInfo(source, i, i * STEP, i * STEP, *SIZE), tracks)])
        for event in analytics.events:
            counts[int(event.rule), int(event.direction == "in")] += 1
    return counts.reshape(len(lines), len(MOVES), 2)


def eye_reports(lines: dict[str, tuple[tuple[float, ...], tuple[float, ...]]]) -> list[tuple[float, str, str]]:
    """Seconds, line and sign of each crossing of these lines, from the people followed by eye."""
    config = {
        "coordinates": "pixels",
        "resolution": list(SIZE),
        "lines": [{"name": n, "points": list(p), "names": {"in": "-", "out": "+"}} for n, p in lines.items()],
    }
    source, found = SourceInfo("eye"), []
    rules = NativeRules(RulesConfig.model_validate(config), [source], ["person"])
    for i, tracks in enumerate(walkers()):
        (analytics,) = rules.update([FrameTracks(FrameInfo(source, i, i * STEP, i * STEP, *SIZE), tracks)])
        found += [(i / 10, event.rule, event.direction) for event in analytics.events]
    return found


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--lines", type=int, default=250)
    parser.add_argument("--seed", type=int, default=77)
    parser.add_argument("--worst", action="store_true", help="print the lines that are off by most")
    given = given_video(parser)
    print(header("onnxruntime"))
    lines = draw(given.lines, given.seed)
    truth = by_eye(lines)
    clip = Clip(
        "vtest.avi",
        SIZE,
        ("person",),
        {f"{i}": Line((p[:2], p[2:]), *truth[i, 0].tolist()) for i, p in enumerate(lines)},  # type: ignore[arg-type]
    )
    print(f"{len(lines)} lines, {truth[:, 0].sum()} crossings by eye")
    print(
        f"{'':6s}{'mean |off|':>12s}{'bias':>8s}{'off by 2':>10s}   beyond the eye's doubt: {'mean':>6s}{'1':>8s}{'2':>8s}"
    )
    for precision in [given.only] if given.only else [p for p, r in RUNTIMES.items() if importlib.util.find_spec(r)]:
        found = measure(
            given.video, clip, {"model": given.model, "runtime": RUNTIMES[precision], "precision": precision}
        ).counts
        counts = np.array([[found[f"{i}"][sign] for sign in "+-"] for i in range(len(lines))])
        off = counts - truth[:, 0]
        beyond = counts - np.clip(counts, truth.min(axis=1), truth.max(axis=1))
        print(
            f"{precision:6s}{np.abs(off).mean():12.3f}{off.mean():+8.3f}{(np.abs(off) >= 2).mean():10.1%}"
            f"{np.abs(beyond).mean():33.3f}{(np.abs(beyond) >= 1).mean():8.1%}{(np.abs(beyond) >= 2).mean():8.1%}"
        )
        for i in np.argsort(-np.abs(beyond).max(axis=1), kind="stable")[: 10 if given.worst else 0].tolist():
            print(f"      {lines[i]}: {counts[i].tolist()}, by eye {truth[i, 0].tolist()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
