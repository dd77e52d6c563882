"""A run over a video whose rules are changed behind a frame, and that kills itself behind another: ``main(FOLDER, BEHIND,
KILL)``; both -1 for never. BEHIND -2: it begins with the changed configuration."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import Any

import numpy as np

import countline as cl
from countline import Run
from countline.types import Detections

VALUE = {
    "id": "{id}", "frame": "{frame}", "rule": "{rule}",
    "kept": "{lines.kept.cumulative}", "moved": "{lines.moved.cumulative}", "epoch": "{lines.moved.epoch}",
}  # fmt: skip


def bright(images: list[np.ndarray]) -> list[Detections]:
    found = []
    for image in images:
        rows, columns = np.nonzero(image[:, :, 0] > 128)
        if len(rows) < 20:
            found.append(Detections.empty())
            continue
        box = [[columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]]
        found.append(Detections(np.array(box), np.array([0.9]), np.array([0])))
    return found


def config(folder: Path, y: float) -> dict[str, Any]:
    lines = [{"name": "kept", "points": [[0.2, 0.5], [0.8, 0.5]]}, {"name": "moved", "points": [[0.2, y], [0.8, y]]}]
    return {
        "sources": [{"name": "gate", "uri": str(folder / "walkers.mp4")}],
        "rules": {"lines": lines},
        "messages": [{"name": "m", "value": VALUE}, {"name": "c", "on": "config", "value": {"config": "{config}"}}],
        "outputs": [{"file": {"path": str(folder / "out.jsonl")}}],
        "outbox": str(folder / "o.outbox"),
    }


def change(run: cl.Run, to: dict[str, Any]) -> None:
    """On the worker's thread: have the configuration changed at the boundary that comes next. What else is asked for there, as to
    tell that a source is live, is not taken for it."""
    asked, at_boundary = threading.Event(), run.engine.at_boundary
    applying = threading.Thread(target=run.control.apply, args=(to,), daemon=True)

    def ask(work: Any) -> Any:
        done = at_boundary(work)
        if threading.current_thread() is applying:
            asked.set()
        return done

    run.engine.at_boundary = ask  # type: ignore[method-assign]
    applying.start()
    assert asked.wait(60)


def main(target: str, change_behind: str, kill_at: str) -> None:
    folder, behind, kill = Path(target), int(change_behind), int(kill_at)

    def see(_: Any, analytics: cl.Analytics) -> None:
        number = analytics.frame.number
        if number == behind and run.engine.summary.sources["gate"].resumed_after is None:
            run.delivery.writer.flush()
            change(run, config(folder, 0.58))
        if number == kill:
            os.kill(os.getpid(), signal.SIGKILL)

    run = Run(config(folder, 0.58 if behind == -2 else 0.42), detector=bright, consumers=[see])
    assert run.execute().exit_code == 0
