"""Which track takes which detection where people hide each other.

ByteTrack pairs tracks with sure detections by overlap first, and with the others afterwards. In a crowd both go wrong. One who is half
hidden is seen less surely, so his track takes the sure box of his neighbour before his own is looked at; one who is not seen at all
takes the box of whoever comes by; and where two are one box for a moment, one of them goes on with the box of both. So here

* sure and doubtful detections are paired at once, the latter at a price (:data:`DOUBTFUL`), with tracks that are seen;
* a pair is as good as its overlap (IoU) times the square of the part that their heights have in common (Hybrid-SORT, Yang et al., AAAI
  2024, takes the part itself): who stands nearer is taller, and a box that is cut off is not his who is seen whole;
* one whom others cover, and one who is out of sight, may well not be seen in this frame: a pair with him costs somewhat more
  (:data:`COVERED`, :data:`UNSEEN`), and is none where others overlap him by more than :data:`BESIDE` and the overlap times that part
  is less than the least overlap;
* a box that two tracks make up together, and none alone, is that of both: nobody takes it, and it begins no track;
* who took a doubtful box where a sure one that is left covers the same (:data:`SAME`) takes that: a detector leaves weak boxes on parts of
  whom it sees whole.

``countline_kernels.ByteTrack`` does the same.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from countline.track.overlap import shared

__all__ = ["Boxes", "Pairing", "distances", "pairing", "surer"]

DOUBTFUL = 0.4
"""What a pair with a detection that is not sure costs, in parts of an overlap,"""
UNSEEN = 0.05
"""with a track that is out of sight,"""
COVERED = 0.1
"""with one that another covers wholly."""
CONTINUES = 0.5
"""Distance (1 - IoU) up to which a detection that is not sure continues a track."""
BESIDE = 0.1
"""Part of a track's box that another one has in common with it from which the two are a crowd."""
BOTH = 0.7
"""Overlap (IoU) with the box round two tracks from which a detection is that of both,"""
ALONE = 0.15
"""if it is so much more than that with any one of them."""
PASSING = 0.6
"""Part of the smaller one's box that two have in common from which one box is that of the one in front."""
SAME = 0.35
"""Overlap (IoU) from which a doubtful box may be of whom a sure one is."""
LOWER = 0.03
"""Heights by which somebody reaches farther down who stands nearer."""
GAP = 0.2
"""Widths of the narrower one by which two may be apart."""

F8 = NDArray[np.float64]
Boxes = F8
"""(n, 4) left, top, right, bottom in pixels."""


@dataclass(frozen=True)
class Pairing:
    """What pairs of tracks (rows) and detections (columns) cost."""

    cost: F8
    """(tracks, detections), at most 1."""
    allowed: NDArray[np.bool_]
    """(tracks, detections) which may be."""
    both: NDArray[np.bool_]
    """(detections,) which are boxes of two tracks."""


def distances(a: Boxes, b: Boxes) -> F8:
    """(len(a), len(b)) 1 - IoU, with a pixel added to each side as in PASCAL VOC."""
    one, other = a.T[:, :, None], b.T[:, None]
    mine = (one[2] - one[0] + 1.0) * (one[3] - one[1] + 1.0)
    theirs = (other[2] - other[0] + 1.0) * (other[3] - other[1] + 1.0)
    width = np.maximum(0.0, np.minimum(one[2], other[2]) - np.maximum(one[0], other[0]) + 1.0)
    height = np.maximum(0.0, np.minimum(one[3], other[3]) - np.maximum(one[1], other[1]) + 1.0)
    shared = width * height
    result: F8 = np.where(shared == 0.0, 1.0, 1.0 - shared / (mine + theirs - shared + 1e-9))
    return result


def pairing(tracks: Boxes, seen: int, late: NDArray[np.bool_], detections: Boxes, sure: int, most: float) -> Pairing:
    """What pairs cost.

    ``tracks`` are where they are awaited, the first ``seen`` of which were seen a step ago; ``late`` (tracks,): which were lately. Of the
    ``detections`` the first ``sure`` are sure. ``most``: greatest distance (1 - IoU) of a pair.
    """
    distance = distances(tracks, detections)
    heights = _heights(tracks, detections)
    alike = (1.0 - distance) * heights
    common = shared(tracks, tracks)
    np.fill_diagonal(common, 0.0)
    area = (tracks[:, 2] - tracks[:, 0]) * (tracks[:, 3] - tracks[:, 1])
    part = common / np.maximum(area, 1e-9)[:, None]
    allowed = distance <= most
    allowed[:, sure:] = distance[:, sure:] <= CONTINUES
    allowed[seen:, sure:] = False
    crowded = (part > BESIDE).any(axis=1, keepdims=True)
    allowed &= ~(crowded & (1.0 - alike > most))
    both = _of_both(tracks[late], common[late][:, late], area[late], detections, distance)
    allowed[:, both] = False
    cost = 1.0 - alike * heights
    cost[:, sure:] += DOUBTFUL
    cost[seen:] += UNSEEN
    cost += (COVERED * _covered(tracks, part))[:, None]
    return Pairing(np.where(allowed, np.minimum(cost, 1.0), 1.0), allowed, both)


def surer(taken: list[tuple[int, int]], pairs: Pairing, detections: Boxes, sure: int) -> list[tuple[int, int]]:
    """The same pairs (track, detection), where tracks with a doubtful box have the sure one that covers the same and that nobody took.

    Of several each takes the one that costs it least, one track after another.
    """
    free = ~pairs.both[:sure]
    free[[j for _, j in taken if j < sure]] = False
    doubtful = [at for at, (_, j) in enumerate(taken) if j >= sure]
    if not doubtful or not free.any():
        return taken
    better = list(taken)
    same = distances(detections[[taken[at][1] for at in doubtful]], detections[:sure]) <= 1.0 - SAME
    for at, covers in zip(doubtful, same):
        i = taken[at][0]
        may = np.flatnonzero(covers & free & pairs.allowed[i, :sure])
        if len(may):
            j = int(may[pairs.cost[i, may].argmin()])
            better[at], free[j] = (i, j), False
    return better


def _heights(a: Boxes, b: Boxes) -> F8:
    """(len(a), len(b)) part of the height that both reach over which they have in common."""
    one, other = a.T[:, :, None], b.T[:, None]
    both = np.minimum(one[3], other[3]) - np.maximum(one[1], other[1])
    reach = np.maximum(one[3], other[3]) - np.minimum(one[1], other[1])
    result: F8 = np.minimum(np.maximum(both / np.maximum(reach, 1e-9), 0.0), 1.0)
    return result


def _covered(tracks: Boxes, part: F8) -> F8:
    """(tracks,) the part of each that the one which covers it most has in common with it, of those that stand nearer."""
    bottom, high = tracks[:, 3], tracks[:, 3] - tracks[:, 1]
    nearer = bottom > (bottom + LOWER * high)[:, None]
    result: F8 = np.minimum((part * nearer).max(axis=1), 1.0)
    return result


def _of_both(tracks: Boxes, common: F8, area: F8, detections: Boxes, distance: F8) -> NDArray[np.bool_]:
    """(detections,) which are boxes of two of the ``tracks``. ``distance``: of all tracks and the detections."""
    one, other = np.triu_indices(len(tracks), 1)
    a, b = tracks[one], tracks[other]
    apart = np.maximum(a[:, 0], b[:, 0]) - np.minimum(a[:, 2], b[:, 2])
    near = apart < GAP * np.minimum(a[:, 2] - a[:, 0], b[:, 2] - b[:, 0])
    near &= np.minimum(a[:, 3], b[:, 3]) > np.maximum(a[:, 1], b[:, 1])
    near &= common[one, other] < PASSING * np.minimum(area[one], area[other])
    if not near.any():
        return np.zeros(len(detections), bool)
    a, b = a[near], b[near]
    round_both = np.concatenate([np.minimum(a[:, :2], b[:, :2]), np.maximum(a[:, 2:], b[:, 2:])], axis=1)
    overlap = 1.0 - distances(round_both, detections).min(axis=0)
    result: NDArray[np.bool_] = (overlap > BOTH) & (overlap > (1.0 - distance).max(axis=0) + ALONE)
    return result
