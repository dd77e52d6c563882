"""A run over a scene, from a configuration file, with a desk beside it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stepping import Stepping, Steps, stepping

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
