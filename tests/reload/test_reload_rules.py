"""A rule that is changed while running: what goes on, what begins anew, and that a restart says the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from stepping import PAUSE, Steps, config, line, stepping, written

from countline.types import Analytics

TURNED = {"name": "l", "points": [[0.95, 0.6], [0.05, 0.6]]}
AFTER = {
    "unchanged": ([line()], (3, 0)),
    "moved": ([line(y=0.7)], (3, 1)),
    "moved, to begin at 0": ([line(y=0.7, reset=True)], (1, 1)),
    "other conditions": ([line(count="once")], (3, 1)),
    "turned": ([TURNED], (1, 1)),
    "in pixels": ([line(resolution=[100, 100], points=[[5, 60], [95, 60]])], (3, 0)),
    "with other names of its directions, which are its counters": ([line(names={"out": "south"})], (1, 1)),
    "beside a new one": ([line(), line("new", 0.5)], (3, 0)),
    "renamed": ([line("other")], None),
}
"""Lines after two persons have crossed 'l'; its count and epoch after the third has."""


def states(frames: list[Analytics]) -> list[Any]:
    return [
        (a.frame.number, {n: (s.cumulative, s.epoch, s.reset_at, s.directions) for n, s in a.lines.items()})
        for a in frames
    ]


@pytest.mark.parametrize("name", AFTER)
def test_a_changed_line_counts_the_same_from_then_on_whether_changed_live_or_by_a_restart(
    name: str, tmp_path: Path
) -> None:
    lines, told = AFTER[name]
    seen: dict[str, list[Any]] = {}
    sent: dict[str, list[Any]] = {}
    for how in ("live", "restart"):
        folder = tmp_path / how
        folder.mkdir()
        source = Steps()
        with stepping(config(folder), [source], folder / "o.outbox") as run:
            run.step(2 * PAUSE)
            if how == "live":
                applied = run.run.control.apply(config(folder, lines))
                assert bool(applied.changes) == (name not in ("unchanged", "in pixels"))
                run.step(PAUSE)
                seen[how] = states(run.frames[2 * PAUSE :])
        if how == "restart":
            with stepping(config(folder, lines), [Steps(first=2 * PAUSE)], folder / "o.outbox") as run:
                run.step(PAUSE)
                seen[how] = states(run.frames)
        sent[how] = [{**m, "id": "", "track": ""} for m in written(folder / "out.jsonl")]
    assert seen["live"] == seen["restart"]
    assert sent["live"] == sent["restart"]
    last = seen["live"][-1][1]
    if told is not None:
        assert last["l"][:2] == told
    else:
        assert last.keys() == {"other"}
        assert last["other"][:2] == (1, 0)
