"""How tracks moved over the last frames."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from countline.types import Tracks

__all__ = ["pace_of", "velocities"]

Past = Sequence[tuple[int, Tracks]]
"""The last frames, oldest first: pts in ns, tracks."""


def pace_of(past: Past, track: int) -> NDArray[np.float32]:
    """(2,) pixels a second of a track's middle over the last frames."""
    seen = [(pts, tracks.xyxy[at[0]]) for pts, tracks in past if len(at := (tracks.track_id == track).nonzero()[0])]
    if len(seen) < 2 or seen[-1][0] <= seen[0][0]:
        return np.zeros(2, np.float32)
    moved = seen[-1][1] - seen[0][1]
    pace: NDArray[np.float32] = (moved[:2] + moved[2:]) / np.float32(2 * (seen[-1][0] - seen[0][0]) / 1e9)
    return pace


def velocities(past: Past) -> NDArray[np.float32]:
    """(N, 4) pixels a second of the box of each track of the last frame: its centre's motion over the frames before, size
    unchanged."""
    then, last = past[-1]
    result = np.zeros_like(last.xyxy)
    open_rows = np.ones(len(last), bool)
    for pts, tracks in past:  # oldest first: the longest view back wins
        if pts >= then or not len(tracks):
            continue
        same = last.track_id[:, None] == tracks.track_id[None, :]
        rows = np.flatnonzero(same.any(axis=1) & open_rows)
        moved = last.xyxy[rows] - tracks.xyxy[same[rows].argmax(axis=1)]
        centre = (moved[:, :2] + moved[:, 2:]) / 2
        result[rows] = np.tile(centre, 2) / np.float32((then - pts) / 1e9)
        open_rows[rows] = False
    return result
