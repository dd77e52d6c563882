"""How counts are scored: per line and direction, by the field's measures.

* *Wrong* crossings: those of the truth that nobody reported, and those reported that are none. A report belongs to a true crossing
  of the same line and direction if it comes from ``EARLY`` seconds before to ``LATE`` seconds after it: so one too many here and one
  too few there do not make up for each other, as they do in counts.
* *Off*: by how much the counts over the whole time differ, by line and direction.
* *nwRMSE*, the measure of effectiveness of the AI City Challenge 2020-21, track 1 (Naphade et al., CVPR workshops): the time is cut
  into ``k`` segments; with cumulative counts x of the truth and y of the result, wRMSE = sqrt(sum of w_i (y_i - x_i)^2) with
  w_i = 2i / (k(k + 1)), and a line and direction of n true crossings has max(0, 1 - wRMSE / n); the mean over lines and
  directions is weighted by n.
* HOTA, MOTA and IDF1 come from a library (``peers.py score``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

__all__ = ["Report", "Score", "cumulative", "matched", "nwrmse", "score"]

EARLY, LATE = 1.0, 2.0
"""Seconds. Late: who stops or is hidden at a line is told when he has left it."""
SEGMENTS = 10

Report = tuple[float, str, str]
"""Seconds, line, sign."""


def matched(true: Iterable[float], found: Iterable[float], early: float = EARLY, late: float = LATE) -> int:
    """How many reports of one line and direction belong to true crossings, one to each: the most that is possible."""
    truth, reports = sorted(true), sorted(found)
    count = at = 0
    for time in truth:
        while at < len(reports) and reports[at] < time - early:
            at += 1
        if at < len(reports) and reports[at] <= time + late:
            count, at = count + 1, at + 1
    return count


def cumulative(times: Iterable[float], seconds: float, segments: int = SEGMENTS) -> np.ndarray:
    """(segments,) how many until the end of each; what comes after the end belongs to the last."""
    ends = seconds * np.arange(1, segments + 1) / segments
    ends[-1] = np.inf
    return np.searchsorted(np.sort(np.fromiter(times, float)), ends, "right")


def nwrmse(true: np.ndarray, found: np.ndarray) -> float:
    """0 ... 1 of one line and direction, from (k,) cumulative counts. Where nothing is true: 1 if nothing was found, else 0."""
    true, found = np.asarray(true, float), np.asarray(found, float)
    k = len(true)
    weights = 2 * np.arange(1, k + 1) / (k * (k + 1))
    error = float(np.sqrt((weights * (found - true) ** 2).sum()))
    if true[-1] == 0:
        return float(error == 0)
    return max(0.0, 1 - error / float(true[-1]))


@dataclass
class Score:
    """Sums over lines, directions and scenes."""

    true: int = 0
    missed: int = 0
    extra: int = 0
    off: list[int] = field(default_factory=list)
    """Found minus true, for each line and direction."""
    weighted: float = 0.0
    """Sum of nwRMSE times its weight."""

    def __add__(self, other: Score) -> Score:
        return Score(
            self.true + other.true,
            self.missed + other.missed,
            self.extra + other.extra,
            self.off + other.off,
            self.weighted + other.weighted,
        )

    @property
    def wrong(self) -> int:
        """Missed and reported wrongly."""
        return self.missed + self.extra

    def summary(self) -> dict[str, float | int]:
        """For tables and files."""
        off = np.abs(self.off)
        return {
            "crossings": self.true,
            "missed": self.missed,
            "extra": self.extra,
            "wrong": self.wrong,
            "wrong_part": round(self.wrong / self.true, 5) if self.true else 0.0,
            "directions": len(self.off),
            "exact": int((off == 0).sum()),
            "off_by_1": int((off == 1).sum()),
            "off_by_more": int((off > 1).sum()),
            "nwrmse": round(self.weighted / self.true, 5) if self.true else 1.0,
        }


def score(true: list[Report], found: list[Report], lines: Iterable[str], seconds: float) -> Score:
    """Of one scene or clip."""
    result = Score()
    by_true, by_found = _grouped(true), _grouped(found)
    for key in [(line, sign) for line in lines for sign in "+-"]:
        truth, reports = by_true.get(key, []), by_found.get(key, [])
        hits = matched(truth, reports)
        part = nwrmse(cumulative(truth, seconds), cumulative(reports, seconds))
        result += Score(
            len(truth), len(truth) - hits, len(reports) - hits, [len(reports) - len(truth)], part * len(truth)
        )
    return result


def _grouped(reports: list[Report]) -> Mapping[tuple[str, str], list[float]]:
    result: dict[tuple[str, str], list[float]] = {}
    for time, line, sign in reports:
        result.setdefault((line, sign), []).append(time)
    return result
