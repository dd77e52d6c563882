"""Counts that begin anew by schedule do so whether or not countline ran at that moment, and a window is told before they do."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
from conftest_e2e import WALKERS, bright

import countline as cl
from countline import outbox

S = 10**9


def ns(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp()) * S


def run(video: Path, start: str, **more: Any) -> list[dict[str, Any]]:
    """Values of all messages of a run over the made video, whose first frame was taken at ``start``."""
    out = Path(f"{start.replace(':', '')}-{len(list(Path().iterdir()))}.jsonl")
    data = {
        "sources": [{"name": "gate", "uri": str(video), "start": start, "counts": "continue", **more.pop("source", {})}],
        "rules": {"lines": [{"name": "l", "points": [[0.2, 0.5], [0.8, 0.5]]}]},
        "messages": more.pop("messages", [{"name": "c", "value": {
            "n": "{lines.l.cumulative}", "epoch": "{lines.l.epoch}", "since": "{lines.l.reset_at}", "id": "{id}"}}]),
        "outputs": [{"file": {"path": str(out)}}],
        "outbox": {"path": "o.outbox", "reset": "daily 00:00 UTC", **more},
    }  # fmt: skip
    summary = cl.run(data, detector=bright)
    assert summary.exit_code == 0, summary.error
    return [orjson.loads(line) for line in out.read_bytes().splitlines()] if out.exists() else []


def test_a_reset_that_was_due_while_nothing_ran_is_carried_out_once_at_its_due_time(squares: Path, caplog: Any) -> None:
    caplog.set_level("INFO", "countline")
    days = {}
    for start in (
        "2026-11-25T22:00:00Z",
        "2026-11-25T23:00:00Z",
        "2026-11-26T07:00:00Z",
        "2026-11-26T08:00:00Z",
        "2026-11-29T09:00:00Z",
    ):
        days[start] = run(squares, start)
    first = [(v[0]["n"], v[0]["epoch"], v[0]["since"]) for v in days.values()]
    assert first == [
        (1, 0, None), (WALKERS + 1, 0, None), (1, 1, "2026-11-26T00:00:00.000Z"), (WALKERS + 1, 1, "2026-11-26T00:00:00.000Z"),
        (1, 2, "2026-11-29T00:00:00.000Z"),
    ], "the latest midnight in between, once"  # fmt: skip
    assert sum("by schedule" in r.getMessage() for r in caplog.records) == 2, "each is told"
    (count,) = {(c.epoch, c.reset_at) for c in outbox.inspect_counters(Path("o.outbox"))}
    assert count == (2, ns("2026-11-29T00:00:00+00:00"))
    ids = [v["id"] for found in days.values() for v in found]
    assert len(set(ids)) == len(ids), "every one is an event of its own"


def test_without_the_time_of_an_earlier_frame_nothing_is_reset(squares: Path) -> None:
    assert run(squares, "2026-11-25T22:00:00Z")[0]["epoch"] == 0


def test_a_file_that_starts_over_is_not_reset_twice(squares: Path) -> None:
    run(squares, "2026-11-25T22:00:00Z", source={"counts": "restart"})
    values = run(squares, "2026-11-26T07:00:00Z", source={"counts": "restart"})
    assert (values[0]["n"], values[0]["epoch"], values[0]["since"]) == (1, 1, "2026-11-26T07:00:00.000Z")


def test_the_message_of_a_window_is_made_before_the_reset_at_its_end_and_the_last_window_of_a_file_is_told(
    squares: Path,
) -> None:
    messages = [
        {"name": "w", "on": "interval 1h", "value": {
            "from": "{window.start}", "n": "{lines.l.window}", "total": "{lines.l.cumulative}", "epoch": "{lines.l.epoch}",
            "whole": "{window.complete}"}},
    ]  # fmt: skip
    told = run(squares, "2026-11-27T09:59:50Z", messages=messages, reset="hourly")
    assert [(v["from"], v["epoch"]) for v in told] == [("2026-11-27T09:00:00.000Z", 0), ("2026-11-27T10:00:00.000Z", 1)]
    assert sum(v["n"] for v in told) == WALKERS, "every crossing is told in one window"
    assert [v["total"] for v in told] == [v["n"] for v in told], "the hour's count, not what is left after the reset"
    assert all(v["n"] > 5 for v in told)
