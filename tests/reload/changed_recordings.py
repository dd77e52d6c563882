"""A run over a folder of recordings that is changed behind some frames, and that kills itself behind another:
``main(FOLDER, KILL, FIRST, [BEHIND, CONFIGURATION]…)``; KILL -1 for never. Prints the number of the first frame."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from changed_run import bright, change

import countline as cl
from countline import Run

VALUE = {
    "id": "{id}", "frame": "{frame}", "rule": "{rule}", "who": "{track_id}",
    "kept": "{lines.kept.cumulative}", "moved": "{lines.moved.cumulative}", "epoch": "{lines.moved.epoch}",
}  # fmt: skip
WINDOW = {"id": "{id}", "w": "{window}", "kept": "{lines.kept.cumulative}", "moved": "{lines.moved.cumulative}"}
CHANGE = {"id": "{id}", "of": "change", "kept": "{lines.kept.cumulative}", "moved": "{lines.moved.cumulative}"}


def line(name: str, y: float) -> dict[str, Any]:
    return {"name": name, "points": [[0.2, y], [0.8, y]]}


def config(folder: Path, word: str) -> dict[str, Any]:
    """``begin``; ``moved``: one of two lines is; ``tracker``: tracks begin anew, too; ``segments``, ``options``: the same, read in
    another way; ``long``: windows are longer than the warm-up."""
    made: dict[str, Any] = {
        "sources": [
            {
                "name": "gate",
                "uri": str(folder / "nvr"),
                "start": "2026-11-22T08:00:00Z",
                "segments": {"settle": 0.2, "warm_up": 1.5},
            }
        ],
        "rules": {"lines": [line("kept", 0.5), line("moved", 0.58 if word in ("moved", "tracker") else 0.42)]},
        "messages": [
            {"name": "crossing", "value": VALUE},
            {"name": "window", "on": "interval 3s" if word == "long" else "interval 1s", "value": WINDOW},
            {"name": "change", "on": "change", "value": CHANGE},
        ],
        "outputs": [{"file": {"path": str(folder / "out.jsonl")}}],
        "outbox": str(folder / "o.outbox"),
    }
    if word == "tracker":
        made["tracker"] = {"lost": 0.8}
    if word == "segments":
        made["sources"][0]["segments"]["warm_up"] = 1.0
    if word == "options":
        made["sources"][0]["options"] = {"probesize": "2000000"}
    return made


def main(target: str, kill_at: str, first: str, *rest: str) -> None:
    folder, kill = Path(target), int(kill_at)
    changes = dict(zip(map(int, rest[::2]), rest[1::2]))
    begun: list[int] = []

    def see(_: Any, analytics: cl.Analytics) -> None:
        number = analytics.frame.number
        if not begun:
            begun.append(number)
            print(number, flush=True)
        suppressed = number <= (run.engine.summary.sources["gate"].resumed_after or -1)
        if number in changes and not suppressed:
            run.delivery.writer.flush()
            change(run, config(folder, changes[number]))
        if number == kill:
            run.delivery.writer.flush()
            os.kill(os.getpid(), signal.SIGKILL)

    run = Run(config(folder, first), detector=bright, consumers=[see])
    assert run.execute().exit_code == 0
