"""A simple model of who is in an area when, made from whole tracks: what rules about areas are compared with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from native_world import CAM, frame

SECOND = 10**9
INSIDE, OUTSIDE = 0.5, 0.1
"""Horizontal positions well inside and outside of AREA, as fractions of the width."""
AREA = [[0.3, 0.0], [0.7, 0.0], [0.7, 1.0], [0.3, 1.0]]


@dataclass
class Stay:
    """One object's presence in the area: frames by number."""

    track: int
    class_id: int
    enter: int
    last: int
    """Frame in which it was seen inside last."""
    leave: int | None = None
    """First frame in which it is not inside; None: it was inside to the end."""
    sighted: list[int] = field(default_factory=list)


@dataclass
class World:
    """Tracks in lanes of their own, each frame at any time."""

    clocks: list[int]
    paths: dict[int, list[float | None]]
    """Track -> horizontal position by frame, None where it is not seen."""
    classes: dict[int, int]

    def frames(self, source: Any = CAM) -> list[Any]:
        """The frames."""
        return [
            frame(
                n,
                [
                    (t, x[n] * 1920, 100 + 120 * lane, self.classes[t])
                    for lane, (t, x) in enumerate(self.paths.items())
                    if x[n] is not None
                ],
                pts=clock,
                source=source,
            )
            for n, clock in enumerate(self.clocks)
        ]

    def stays(self, grace: float, admits: set[int]) -> list[Stay]:
        """Who was inside when, for an area without a band."""
        found = []
        for track, path in self.paths.items():
            now: Stay | None = None
            for n, x in enumerate(path):
                if now is not None and x is None and self.clocks[n] - self.clocks[now.sighted[-1]] > grace * SECOND:
                    now.leave, now = n, None
                if x is None:
                    continue
                inside = 0.3 < x < 0.7
                if now is None and inside and self.classes[track] in admits:
                    now = Stay(track, self.classes[track], n, n)
                    found.append(now)
                if now is not None and not inside:
                    now.leave, now = n, None
                if now is not None:
                    now.last = n
                    now.sighted.append(n)
        return found


def world(seed: int, *, tracks: int = 5, frames: int = 60, positions: Any = None) -> World:
    """Objects that come, go, hide and jump; frames at uneven times, with gaps."""
    rng = np.random.default_rng(seed)
    steps = rng.choice([33_333_333, 200_000_000, SECOND, 5 * SECOND], frames, p=[0.5, 0.35, 0.13, 0.02])
    clocks = np.concatenate([[0], np.cumsum(steps[1:])]).tolist()
    paths: dict[int, list[float | None]] = {}
    for track in range(1, tracks + 1):
        if positions is not None:
            places = positions(rng, frames)
        else:
            at, places = bool(rng.integers(2)), []
            for _ in range(frames):
                at = at if rng.random() < 0.93 else not at
                places.append(INSIDE if at else OUTSIDE)
        seen, path = True, []
        for x in places:
            seen = seen if rng.random() < 0.9 else not seen
            path.append(float(x) if seen else None)
        paths[track] = path
    return World(clocks, paths, {track: int(rng.integers(0, 3)) for track in paths})
