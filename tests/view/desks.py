"""A run over a scene, from a configuration file, with a desk beside it; and frames without a run."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from stepping import Stepping, Steps, stepping

from countline.types import UNTRACKED, FrameInfo, FrameTracks, SourceInfo, Tracks
from countline.view.desk import Desk, TrackMemory

SITE = """\
# the north site
sources:
  - {name: gate, uri: "gate.mp4"}   # a scene
rules:
  lines:
    # where they come in
    - name: 'door'       # named by the guard
      points: [[0.050, 0.6], [0.95, 0.60]]
  # nothing here yet
  regions: []
messages:
  - name: m
    on: crossing
    value: {rule: "{rule}", to: "{direction}"}   # short
outputs:
  - file: {path: out.jsonl}
"""


@dataclass
class At:
    """What a test has in its hands."""

    path: Path
    desk: Desk
    stepping: Stepping

    @property
    def text(self) -> str:
        return self.path.read_bytes().decode()

    @property
    def digest(self) -> str:
        return self.stepping.run.control.current().digest

    def counts(self) -> dict[str, dict[str, int]]:
        """Cumulative counts of all lines after the last frame."""
        last = self.stepping.frames[-1]
        return {n: {d: c.cumulative for d, c in s.directions.items()} for n, s in last.lines.items()}


@contextlib.contextmanager
def desk_at(tmp: Path, text: str = SITE, *, watch: bool = False, memory: TrackMemory | None = None) -> Iterator[At]:
    path = tmp / "site.yaml"
    path.write_bytes(text.encode())
    remembered = TrackMemory() if memory is None else memory
    with stepping(path, [Steps()], tmp / "o.outbox", watch=watch) as run:
        run.run.add_consumer(remembered)
        yield At(path, Desk(run.run.control, remembered, path), run)


def line(name: str, y: float, **more: Any) -> dict[str, Any]:
    """An edit that draws a line across the picture."""
    return {"op": "put", "kind": "line", "name": name, "points": [[0.05, y], [0.95, y]], **more}


CONFIG: dict[str, Any] = {"sources": [{"name": "gate", "uri": "x"}, {"name": "yard", "uri": "y"}]}
LABELS = ("person", "car")


def frame(
    number: int, boxes: list[Any], *, source: str = "gate", twins: bool = False, ltwh: bool = False
) -> FrameTracks:
    """``boxes``: (x, y, track id) of foot points, 0..1 of a picture of 640 x 360; 10 frames a second."""
    xyxy = [[x * 640 - 20, y * 360 - 90, x * 640 + 20, y * 360] for x, y, _ in boxes]
    ids = [track for *_, track in boxes]
    tracks = Tracks(
        np.array(xyxy, np.float32).reshape(-1, 4),
        np.ones(len(ids)),
        np.array(ids, np.int64) % 2,
        np.array(ids, np.uint64),
    )
    if twins:
        tracks.twin_of = np.array([UNTRACKED if i % 3 else i + 1 for i in ids], np.uint64)
    if ltwh:
        tracks.ltwh = np.array(xyxy, np.float32).reshape(-1, 4) + 0.25
    time = 1_800_000_000 * 10**9 + number * 10**8
    return FrameTracks(FrameInfo(SourceInfo(source), number, number * 10**8, time, 640, 360, stream="s"), tracks)


def across(name: str, y: float, **more: Any) -> dict[str, Any]:
    return {"name": name, "points": [[0.0, y], [1.0, y]], **more}
