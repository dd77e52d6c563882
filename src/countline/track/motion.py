"""How tracks moved over the last frames."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from countline.types import Tracks

__all__ = ["paces", "velocities"]

Past = Sequence[tuple[int, Tracks]]
"""The last frames, oldest first: pts in ns, tracks."""


def paces(past: Past) -> dict[int, NDArray[np.float32]]:
    """(2,) pixels a second of the middle of each track over the last frames, by its id; not of those seen once."""
    first: dict[int, tuple[int, NDArray[np.float32]]] = {}
    last: dict[int, tuple[int, NDArray[np.float32]]] = {}
    for pts, tracks in past:
        for track, box in zip(tracks.track_id.tolist(), tracks.xyxy):
            first.setdefault(track, (pts, box))
            last[track] = pts, box
    moving = [track for track, (pts, _) in last.items() if pts > first[track][0]]
    if not moving:
        return {}
    moved = np.array([last[track][1] for track in moving]) - np.array([first[track][1] for track in moving])
    seconds = np.array([2 * (last[track][0] - first[track][0]) / 1e9 for track in moving], np.float32)
    return dict(zip(moving, (moved[:, :2] + moved[:, 2:]) / seconds[:, None]))


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
