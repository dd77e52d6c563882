"""A run over a file that is cut short, and the next one: together they tell each frame once and count what one run counts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import countline as cl
from countline import outbox
from countline.config import OutboxConfig
from countline.testing import Scene, Walk

SCENE = Scene(
    [Walk((0.1 + 0.2 * i, 0.2), (0.1 + 0.2 * i, 0.9), begin=i * 0.4, until=i * 0.4 + 1.5) for i in range(4)],
    seconds=3.0,
)


def run(folder: Path, cut: int | None = None, *, fails: bool = True) -> cl.Summary:
    """One run over the scene, which fails (or is told to stop) at frame ``cut``."""
    config = {
        "rules": {"lines": [{"name": "l", "points": [[0.0, 0.5], [0.9, 0.5]]}]},
        "messages": [
            {"name": "each", "on": "frame", "value": {"frame": "{frame}"}},
            {"name": "window", "on": "interval 1s", "value": {"until": "{frame}"}},
        ],
        "outputs": [{"file": {"path": str(folder / "out.jsonl")}}],
        "outbox": {"path": str(folder / "o.outbox")},
    }
    this = cl.Run(config, sources=[SCENE.source()], detector=SCENE.detector())

    def end(frame: Any, analytics: Any) -> None:
        if analytics.frame.number == cut:
            if fails:
                raise RuntimeError("cut")
            this.stop()

    this.add_consumer(end)
    return this.execute()


def told(folder: Path) -> tuple[list[int], list[int]]:
    """Frames of the messages for each frame, and of those for each window."""
    rows = [json.loads(line) for line in (folder / "out.jsonl").read_text().splitlines()]
    return [r["frame"] for r in rows if "frame" in r], [r["until"] for r in rows if "until" in r]


def stored(folder: Path) -> dict[str, int]:
    with outbox.open(OutboxConfig(), folder / "o.outbox", ["file"]) as box:
        return {str(counter.key): counter.value for counter in box.counters()}


CUTS = [(0, True), *((cut, fails) for cut in range(7, 14) for fails in (True, False)), (28, True), (29, True)]
"""Objects cross in the frames in the middle; at the last ones the reader has come to the end of the file already,
which makes a run whole that is stopped then, and not one that fails."""


@pytest.mark.parametrize(("cut", "fails"), CUTS)
def test_the_frame_behind_a_run_that_was_cut_short_is_told_and_counted(cut: int, fails: bool, tmp_path: Path) -> None:
    """Its windows are told when it ends; they do not take the place of the frame that comes next."""
    folder, plain = tmp_path / "cut", tmp_path / "plain"
    folder.mkdir()
    plain.mkdir()
    run(plain)
    first = run(folder, cut, fails=fails)
    assert (first.exit_code == 1) is fails
    run(folder)
    frames, windows = told(folder)
    assert frames == list(range(len(SCENE)))
    assert set(told(plain)[1]) <= set(windows)
    assert stored(folder) == stored(plain)
    assert sum(stored(plain).values()) >= 4
