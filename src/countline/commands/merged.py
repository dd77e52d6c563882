"""What several processes of one run tell, as if one had told it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from countline.pipeline.stats import OutputStats, SourceSummary, Summary

__all__ = ["merged_snapshot", "merged_summary"]

Snapshot = Mapping[str, Any]
_COUNTS = ("acknowledged", "pending", "dead", "dropped")


def merged_snapshot(parts: Sequence[Snapshot]) -> dict[str, Any]:
    """Progress: numbers are added, the latency and the seconds are the greatest."""
    sources: dict[str, Any] = {}
    counts: dict[str, Any] = {}
    errors: list[str] = []
    for part in parts:
        sources |= part["sources"]
        counts |= part["counts"]
        errors += part["errors"]
    added = {name: sum(part[name] for part in parts) for name in ("frames", "queued", "dropped", "messages")}
    return {
        "seconds": max((part["seconds"] for part in parts), default=0.0),
        "fps": round(sum(part["fps"] for part in parts), 2),
        "latency_ms": max((part["latency_ms"] for part in parts), default=0.0),
        **added,
        "sources": sources,
        "overload": "; ".join(dict.fromkeys(part["overload"] for part in parts if part["overload"])),
        "away": next((part["away"] for part in parts if part["away"]), ""),
        "outputs": {name: _output(parts, name) for name in dict.fromkeys(n for part in parts for n in part["outputs"])},
        "counts": counts,
        "errors": errors,
    }


def _output(parts: Sequence[Snapshot], name: str) -> dict[str, Any]:
    outputs = [part["outputs"][name] for part in parts if name in part["outputs"]]
    by: Counter[str] = Counter()
    for output in outputs:
        by.update(output["dropped_by"])
    return {
        **{count: sum(output[count] for output in outputs) for count in _COUNTS},
        "error": next((output["error"] for output in outputs if output["error"]), ""),
        "dropped_by": dict(by),
    }


def merged_summary(parts: Sequence[Snapshot]) -> Summary:
    """The summary: the exit code is the first that is not 0."""
    made = Summary()
    stages: Counter[str] = Counter()
    for part in parts:
        for name, source in part["sources"].items():
            made.sources[name] = SourceSummary(**source)
        stages.update(part["stages"])
        made.frames += part["frames"]
        made.messages += part["messages"]
        made.failures += part["failures"]
        made.failures_dropped += part["failures_dropped"]
        made.failure_file = made.failure_file or part["failure_file"]
        made.seconds = max(made.seconds, part["seconds"])
        made.interrupted = made.interrupted or part["interrupted"]
        made.durable = made.durable and part["durable"]
        made.exit_code = made.exit_code or part["exit_code"]
    made.error = "; ".join(dict.fromkeys(part["error"] for part in parts if part["error"]))
    firsts = [part["first_message"] for part in parts if part["first_message"] is not None]
    made.first_message = min(firsts, default=None)
    made.stages = {name: round(seconds, 4) for name, seconds in stages.items()}
    for name in dict.fromkeys(n for part in parts for n in part["outputs"]):
        made.outputs[name] = OutputStats(**_output(parts, name))
    return made
