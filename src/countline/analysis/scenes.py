"""Where objects were: heat maps and paths, gathered from recorded tracks row group by row group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from countline.analysis.frames import track_tables
from countline.record.recording import Recording, find
from countline.record.rows import arrow_and_parquet

__all__ = ["Scene", "scenes"]

_COLUMNS = ("source", "time", "stream_id", "track_id", "left", "top", "width", "height", "frame_width", "frame_height")
_CELLS = 96
"""Of a heat map across the picture's width."""


@dataclass
class Scene:
    """One source. Positions are the bottom centre of boxes, as 0..1 of the picture's width and height."""

    source: str
    size: tuple[int, int]
    """Width and height of its pictures in pixels."""
    heat: NDArray[np.int64]
    """(rows, columns) how often an object was seen in each cell, from the top left."""
    paths: dict[tuple[str, int], list[NDArray[np.float64]]] = field(default_factory=dict)
    """By stream and track: (N, 2) positions in order, in pieces. A sample of all tracks, where there are many."""
    one_of: int = 1
    """Paths are those of one track of so many."""

    def path(self, key: tuple[str, int]) -> NDArray[np.float64]:
        """(N, 2) positions of one of the tracks."""
        return np.concatenate(self.paths[key])


def scenes(
    patterns: Recording | str | Path | Sequence[str | Path],
    *,
    since: int | None = None,
    until: int | None = None,
    most_paths: int = 300,
) -> dict[str, Scene]:
    """Heat map and paths of every source. Memory is bounded whatever the recording's length. Parameters as
    :func:`countline.analysis.frames.tracks`; ``most_paths``: of each source."""
    recording = patterns if isinstance(patterns, Recording) else find(patterns, since, until)
    found: dict[str, Scene] = {}
    arrow_and_parquet()
    import pyarrow.compute as compute

    for table in track_tables(recording, _COLUMNS):
        table = table.filter(compute.is_valid(table.column("left")))
        for source in table.column("source").unique().to_pylist():
            _add(found, source or "", table, most_paths)
    return found


def _add(found: dict[str, Scene], source: str, table: Any, most_paths: int) -> None:
    import pyarrow.compute as compute

    rows = table.filter(compute.equal(table.column("source"), source)) if source else table
    columns = {name: rows.column(name).to_numpy() for name in _COLUMNS[4:]}
    if not len(rows):
        return
    width, height = int(columns["frame_width"][0]), int(columns["frame_height"][0])
    x = (columns["left"] + columns["width"] / 2) / columns["frame_width"]
    y = (columns["top"] + columns["height"]) / columns["frame_height"]
    inside = np.isfinite(x) & np.isfinite(y)
    if source not in found:
        cells = max(1, round(_CELLS * height / max(width, 1)))
        found[source] = Scene(source, (width, height), np.zeros((cells, _CELLS), np.int64))
    scene = found[source]
    heat, _, _ = np.histogram2d(
        np.clip(y[inside], 0, 1), np.clip(x[inside], 0, 1), bins=scene.heat.shape, range=[[0, 1], [0, 1]]
    )
    scene.heat += heat.astype(np.int64)
    tracked = compute.is_valid(rows.column("track_id")).to_numpy() & inside
    ids = rows.column("track_id").fill_null(0).to_numpy()[tracked]
    streams = np.array(rows.column("stream_id").to_pylist(), object)[tracked]
    _paths(scene, streams, ids, np.stack([x, y], axis=1)[tracked], most_paths)


def _paths(
    scene: Scene, streams: NDArray[Any], ids: NDArray[np.uint64], points: NDArray[np.float64], most: int
) -> None:
    chosen = np.flatnonzero(_scattered(ids) % np.uint64(scene.one_of) == 0)
    order = chosen[np.argsort(ids[chosen], kind="stable")]
    for part in np.split(order, np.flatnonzero(np.diff(ids[order])) + 1) if len(order) else []:
        key = (streams[part[0]] or "", int(ids[part[0]]))
        scene.paths.setdefault(key, []).append(points[part])
    while len(scene.paths) > most:
        scene.one_of *= 2
        numbers = {key: int(_scattered(np.array([key[1]], np.uint64))[0]) for key in scene.paths}
        scene.paths = {key: path for key, path in scene.paths.items() if numbers[key] % scene.one_of == 0}


def _scattered(ids: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Numbers that have nothing to do with the order of the ids (splitmix64's last steps)."""
    with np.errstate(over="ignore"):
        mixed = ids + np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    made: NDArray[np.uint64] = mixed ^ (mixed >> np.uint64(31))
    return made
