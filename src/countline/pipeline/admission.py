"""Before a run: are there more frames than can be processed?"""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from countline.pipeline.overload import LEAST, fair_shares
from countline.protocols import BatchDetector, Detector, ParallelDetector
from countline.types import Frame, FrameInfo, SourceInfo
from countline.video import ArrayPicture

__all__ = ["admission", "detector_rate"]

_USED = 0.8
"""Part of the detector's own rate that is left beside decoding, tracking and all else."""


def detector_rate(detector: Detector, *, batch: int, seconds: float = 0.5) -> float:
    """Frames a second that the detector does alone on this machine just now, tried for so long. Raises what it raises."""
    threads = max(1, int(detector.parallel)) if isinstance(detector, ParallelDetector) else 1
    size = detector.most if isinstance(detector, BatchDetector) else batch if threads == 1 else 1
    picture = ArrayPicture(np.zeros((576, 768, 3), np.uint8))
    frames = [Frame(FrameInfo(SourceInfo("trial"), 0, 0, 0, 768, 576), picture)] * size

    def work(_: int) -> int:
        detector.detect(frames)  # the first call of a thread may have to prepare something
        done, until = 0, time.perf_counter() + seconds
        while time.perf_counter() < until or not done:
            detector.detect(frames)
            done += size
        return done

    with ThreadPoolExecutor(threads) as pool:
        began = time.perf_counter()
        calls = list(pool.map(work, range(threads)))
        took = time.perf_counter() - began
    return (sum(calls) + size * threads) / took


def admission(wanted: Mapping[str, float], possible: float) -> str:
    """A warning about live sources that give ``wanted`` frames a second each (by name), and a detector that does
    ``possible`` alone.

    >>> admission({f"gate-{n}": 10.0 for n in range(16)}, 100.0)
    '16 live sources give 160 frames/s, and about 80 can be processed: each gets at most 5.0'
    >>> admission({"gate": 10.0}, 100.0)
    '1 live source gives 10 frames/s, and about 80 can be processed'
    """
    possible *= _USED
    total = sum(wanted.values())
    live = "1 live source gives" if len(wanted) == 1 else f"{len(wanted)} live sources give"
    words = f"{live} {total:.0f} frames/s, and about {possible:.0f} can be processed"
    if total <= possible:
        return words
    share = max(fair_shares(wanted, possible).values())
    words += f": each gets at most {share:.1f}"
    if share < LEAST:
        words += f". Counts need about {LEAST:g}: fewer sources, a smaller model, or more cores"
    return words
