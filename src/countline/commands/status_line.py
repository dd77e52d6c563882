"""The state of a run in one line for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["Snapshot", "progress_text"]

Snapshot = Mapping[str, Any]
"""What :meth:`countline.Run.snapshot` gives: seconds, frames, fps, latency_ms, queued, dropped, sources {name: state and numbers,
as :meth:`countline.source_status.SourceStats.as_dict`}, overload [words], away [why the detector is], messages,
outputs {name: {acknowledged, pending, dead, dropped, error, dropped_by}}, counts {source: {line: {direction: n}}}, errors [words]."""


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
    away = [f"{name} {s['state']}" for name, s in now.get("sources", {}).items() if s["state"] not in ("live", "ended")]
    away = away if any(s["connections"] or s["reason"] for s in now.get("sources", {}).values()) else []
    if away:
        parts.append("not live: " + ", ".join(away[:3]) + (f" and {len(away) - 3} more" if len(away) > 3 else ""))
    if now.get("away"):
        parts.append(f"detector away: {now['away']}")
    if now.get("overload"):
        parts.append("overload: " + now["overload"].partition(". ")[0])
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
