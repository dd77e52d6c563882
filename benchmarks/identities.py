"""Identities on sequences with true tracks: IDF1, switches and fragmentations of the default tracker."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tools"))


def identities() -> None:
    """IDF1, switches and fragmentations of the default tracker on sequences with true tracks.

    TUD-Campus and TUD-Stadtmitte (Andriluka, Roth, Schiele, CVPR 2008) as they come with motmetrics: on the boxes of an
    old detector that lie beside the truth, and on the true boxes made worse in a repeatable way (tools/compare_trackers.py).
    """
    if importlib.util.find_spec("motmetrics") is None:
        print("\nidentities: motmetrics is not installed (extra bench)")
        return
    import motmetrics
    from compare_trackers import ENGINES, follow, scored, table, worsened

    from countline.types import Detections

    folder = Path(motmetrics.__file__).parent / "data"
    metrics, wanted = motmetrics.metrics.create(), ["idf1", "num_switches", "num_fragmentations", "mota"]
    print(f"\n{'identities (motmetrics)':42s}{'IDF1':>7s}{'switches':>10s}{'fragments':>11s}{'MOTA':>7s}")
    for name in ("TUD-Campus", "TUD-Stadtmitte"):
        truth, found = table(folder / name / "gt.txt"), table(folder / name / "test.txt")
        frames = range(1, max(truth) + 1)
        boxes = [found.get(f, np.zeros((0, 5)))[:, 1:] for f in frames]
        cases = {
            "its detections": [[Detections(b, np.ones(len(b)), np.zeros(len(b))) for b in boxes]],
            "truth worsened, mean of 6": [worsened(truth, max(truth), seed) for seed in range(6)],
        }
        for case, runs in cases.items():
            limits = np.full(1, 0.45, np.float32)
            tracked = [follow(ENGINES["countline"], run, 25, limits, 0.2, 1.5)[0] for run in runs]
            rows = [metrics.compute(scored(truth, t), metrics=wanted).to_numpy()[0] for t in tracked]
            value = np.mean(rows, axis=0)
            print(f"{name + ', ' + case:42s}{value[0]:7.3f}{value[1]:10.1f}{value[2]:11.1f}{value[3]:7.3f}")
