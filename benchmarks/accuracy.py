"""How right counts are, over all truth that can be had, beside those who do the same.

    python benchmarks/accuracy.py [--sets NAME ...] [--video vtest.avi] [--clips FOLDER] [--peers PYTHON]
                                  [--seeds 100-107] [--rates 2 3 5 10 15 30] [--peer-rates 5 10]
                                  [--debounce SECONDS] [--int8 | --fp32] [--model NAME] [--events] [--results FILE]

Sets:

* ``clips``: the whole main job on clips, per line and direction beside what the eye counted (``clips.py``), in 8 bits and in float;
* ``compared``: the same clips, and 60 random lines on vtest.avi with crossings in time (``random_lines.py``), for all contenders on
  the same detections of the default model;
* ``drawn``: a few generated scenes of people, drawn over the background of vtest.avi and seen by the default model;
* ``generated``: scenes with exact truth (``scenes/``), for all contenders at the rates of ``--peer-rates``, else for countline;
* ``identities``: IDF1 and switches on TUD-Campus and TUD-Stadtmitte (``identities.py``).

The measures are told in ``scoring.py``, the contenders in ``contenders.py`` and ``peers.py``. ``make peers`` sets up an environment with
the others; without it, those that can be imported here take part, and the rest are left out by name. Everything is written to
``results/accuracy.json``, too. Seeds below 100 are for tuning; what is told is told of others.

Exit status 0: each direction of the clips is within 1 of truth; 1: it is not; 2: vtest.avi is absent.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from pathlib import Path
from typing import Any

from clips import CLIPS, RUNTIMES, VTEST, Clip, Line, compare, measure, together
from machine import header

__all__ = ["CLIPS", "ROOT", "RUNTIMES", "VTEST", "Clip", "Line", "arguments", "given_video", "measure"]

ROOT = Path(__file__).resolve().parent.parent
RESULTS = Path(__file__).parent / "results" / "accuracy.json"
SETS = ("clips", "compared", "drawn", "generated", "identities")


def arguments(description: str | None) -> argparse.ArgumentParser:
    """What all that count on vtest.avi are told: --video, --int8 and --fp32."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--video", type=Path, default=ROOT / ".cache" / "vtest.avi")
    parser.add_argument("--model", default="default", help="a model of the package, by name")
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--int8", action="store_const", const="int8", dest="only", help="OpenVINO and 8 bits only")
    only.add_argument("--fp32", action="store_const", const="fp32", dest="only", help="ONNX Runtime and float only")
    return parser


def given_video(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """The parsed arguments; ends with 2 where the clip is absent."""
    given = parser.parse_args()
    if not given.video.exists():
        parser.exit(2, f"{given.video} is absent: python tools/fetch_vtest.py --out {given.video.parent}\n")
    return given


def seeds(text: str) -> list[int]:
    """'100-107' or '3'."""
    first, _, last = text.partition("-")
    return list(range(int(first), int(last or first) + 1))


def whole_job(given: argparse.Namespace, jobs: list[tuple[Path, Clip]]) -> tuple[int, dict[str, Any]]:
    """The greatest difference on the clips, and all counts."""
    precisions = [given.only] if given.only else [p for p, r in RUNTIMES.items() if importlib.util.find_spec(r)]
    worst, told = 0, {}
    for video, clip in jobs:
        chosen = {"model": given.model}
        results = {p: measure(video, clip, {**chosen, "runtime": RUNTIMES[p], "precision": p}) for p in precisions}
        worst = max(worst, compare(clip, results))
        together(clip, results)
        told[clip.file] = {
            name: {"truth": [line.plus, line.minus]} | {p: list(r.counts[name].values()) for p, r in results.items()}
            for name, line in clip.lines.items()
        }
        for precision, result in results.items() if given.events else ():
            for frame, rule, direction, track, kind in result.events:
                print(f"    {precision} frame {frame:4d}  {rule:8s}{direction}  {kind} {track}")
    return worst, told


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--sets", nargs="*", choices=SETS, default=list(SETS))
    parser.add_argument("--clips", type=Path, help="folder with Intel's sample videos")
    parser.add_argument("--events", action="store_true", help="print every crossing")
    parser.add_argument("--peers", type=Path, default=ROOT / ".venv-peers" / "bin" / "python", help="an interpreter")
    parser.add_argument("--seeds", type=seeds, default=seeds("100-107"), help="of generated scenes")
    parser.add_argument("--seconds", type=float, default=60.0, help="length of a generated scene")
    parser.add_argument("--rates", type=float, nargs="*", default=[2, 3, 5, 10, 15, 30])
    parser.add_argument("--peer-rates", type=float, nargs="*", default=[5, 10])
    parser.add_argument(
        "--debounce", type=float, help="of countline's lines on generated scenes, instead of its default"
    )
    parser.add_argument("--results", type=Path, default=RESULTS, help="where all of it is written")
    given = given_video(parser)
    print(header("onnxruntime"), flush=True)
    jobs = [(given.video, VTEST)]
    if given.clips:
        jobs += [(given.clips / c.file, c) for c in CLIPS if (given.clips / c.file).exists()]
    worst, told = 0, dict[str, Any]()
    if "clips" in given.sets:
        worst, told["clips"] = whole_job(given, jobs)
    if "identities" in given.sets:
        from identities import identities

        identities()
    if {"compared", "drawn", "generated"} & set(given.sets):
        import comparison

        peers = comparison.Peers(given.peers)
        if "compared" in given.sets:
            told["compared"] = comparison.on_clips(jobs, given.model, given.only, peers)
        if "drawn" in given.sets:
            told["drawn"] = comparison.on_pictures(given, peers)
        if "generated" in given.sets:
            told["generated"] = comparison.on_scenes(given, peers)
        comparison.write(given.results, told, peers)
    if "clips" in given.sets:
        print("\neach direction within 1 of truth" if worst <= 1 else f"\noff by up to {worst}")
    return 0 if worst <= 1 else 1


if __name__ == "__main__":
    sys.exit(main())
