"""The state of a run in one line for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["Snapshot", "progress_text"]

Snapshot = Mapping[str, Any]
"""What :meth:`countline.Run.snapshot` gives: seconds, frames, fps, latency_ms, queued, dropped, messages, outputs {name:
{acknowledged, pending, dead, dropped, error, dropped_by}}, counts {source: {line: {direction: n}}}, errors [words]."""


def progress_text(now: Snapshot) -> str:
    """One line for people."""
    parts = [
        f"{now['frames']} frames",
        f"{now['fps']:.1f}/s",
        f"latency {now['latency_ms']:.0f} ms",
        f"queue {now['queued']}",
    ]
    if now["dropped"]:
        parts.append(f"dropped {now['dropped']}")
    parts.append(f"messages {now['messages']}")
    for name, output in now["outputs"].items():
        state = f"{name}: {output['acknowledged']} acknowledged"
        if output["pending"]:
            state += f", {output['pending']} waiting"
        if output["error"]:
            state += f" ({output['error']})"
        parts.append(state)
    counts = [
        f"{line} {' '.join(f'{d} {n}' for d, n in directions.items() if d != 'total' or len(directions) == 1)}"
        for lines in now["counts"].values()
        for line, directions in lines.items()
    ]
    return " | ".join(parts + counts)
