"""Rules of all kinds and frames of three sources with all that may go wrong in them."""

from __future__ import annotations

import numpy as np
from native_world import frame

from countline.config.rules import RulesConfig
from countline.types import UNTRACKED, Analytics, SourceInfo

W, H = 1920, 1080
SOURCES = [SourceInfo(name, i) for i, name in enumerate("abc")]


def config(rng):
    """Rules of all kinds, for all sources and for some."""

    def points(n):
        return [tuple(p) for p in rng.uniform(0.05, 0.95, (n, 2)).tolist()]

    def some(**more):
        return {k: v for k, v in more.items() if rng.random() < 0.5}

    only = [{}, {"source": "b"}, {"classes": ["person", "car"]}, {"anchor": "center"}]
    polygons = [
        {
            "name": f"{key}{i}",
            "points": points(int(rng.integers(3, 6))),
            **only[rng.integers(4)],
            **some(band=0.3, grace=0.1),
        }
        for i, key in enumerate("rrrqqww")
    ]
    regions = [p | some(inverse=True, dwell=0.4, crowding={"objects": 2, "seconds": 0.2}) for p in polygons[:3]]
    queues = [p | {"after": 0.3} | some(max_length=1, max_wait=0.8) for p in polygons[3:5]]
    ways = [p | {"arrow": points(2), "seconds": 0.2, "distance": 0.4} for p in polygons[5:]]
    lines = [
        {
            "name": f"l{i}",
            "points": points(int(rng.integers(2, 5))),
            **only[rng.integers(4)],
            **some(band=0.0, count="once"),
        }
        for i in range(3)
    ]
    return RulesConfig.model_validate(
        {
            "lines": lines[: rng.integers(0, 4)],
            "regions": regions[: rng.integers(0, 4)],
            "queues": queues[: rng.integers(0, 3)],
            "wrong_ways": ways[: rng.integers(0, 3)],
            "directions": [{"name": "d", "points": points(2), "window": 0.5}][: rng.integers(0, 2)],
        }
    )


def batches(rng, objects, frames=55):
    """Frames of three sources, some of them together: objects come, go, change class and id, jump; boxes and ids are bad now
    and then, and a picture changes its size."""
    found, shown = [], []
    scale = rng.choice([1.0, 8.0, 60.0])
    for index, camera in enumerate(SOURCES):
        at, pace = rng.uniform((100, 200), (W - 100, H - 50), (objects, 2)), rng.normal(0, scale, (objects, 2))
        ids, classes = np.arange(objects), rng.integers(0, 3, objects)
        for n in range(frames):
            pace += rng.normal(0, scale / 8, pace.shape)
            at = at + pace
            pace = np.where((at < 0) | (at > (W, H)), -pace, pace)
            classes = np.where(rng.random(objects) < 0.01, rng.integers(0, 4, objects), classes)
            ids = np.where(rng.random(objects) < 0.01, ids + objects * (n + 1), ids)
            here = np.flatnonzero(rng.random(objects) < rng.choice([0.9, 1.0, 1.0]))
            size = (W, H) if index != 1 or n < 30 else (1024, 768)
            made = frame(
                n,
                [(int(ids[k]), *(at[k] * size / (W, H)), int(classes[k])) for k in here],
                size=size, source=camera, pts=n * 33_333_333 + (10**9 * 3 if n > 50 else 0),
            )  # fmt: skip
            odd = rng.random(4) < 0.04
            if len(here) > 1:
                made.tracks.xyxy[0] = np.where(odd[0], np.nan, made.tracks.xyxy[0])
                made.tracks.track_id[1] = made.tracks.track_id[0] if odd[1] else made.tracks.track_id[1]
                made.tracks.track_id[0] = UNTRACKED if odd[2] else made.tracks.track_id[0]
            if len(here) > 2 and 10 < n < 40:  # two are one for a while
                made.tracks.twin_of = np.full(len(here), UNTRACKED, np.uint64)
                made.tracks.twin_of[2] = made.tracks.track_id[1]
            shown.append((n, made))
    shown.sort(key=lambda item: item[0])
    mixed = [made for _, made in shown]
    while mixed:
        size = int(rng.integers(1, 7))
        found.append(mixed[:size])
        mixed = mixed[size:]
    return found


def said(analytics: Analytics):
    a = analytics
    return (
        a.frame, a.lines, a.regions, a.directions, a.journeys, a.states, a.events, a.deltas, a.object_count,
        list(a.objects), dict(a.speeds),
    )  # fmt: skip
