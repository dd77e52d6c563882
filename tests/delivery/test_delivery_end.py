"""How a whole run ends when its outbox could not be written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from delivery_disk import fill

from countline import outbox
from countline.commands.summary_text import summary_text
from countline.pipeline.run import Run
from countline.types import Detections
from ports import free_port


def test_a_live_run_on_a_full_disk_ends_with_code_5_and_says_what_is_lost(small_disk: Path, clip: Path) -> None:
    path = small_disk / "run.outbox"
    config = {
        "sources": [{"name": "gate", "uri": str(clip), "live": True}],
        "rules": {"lines": [{"name": "line", "points": [[0.1, 0.5], [0.9, 0.5]]}]},
        "messages": [{"name": "frame", "on": "frame", "value": {"frame": "{frame}", "pad": "x" * 20_000}}],
        "outputs": [{"kafka": {"bootstrap": f"127.0.0.1:{free_port()}", "topic": "t"}}],
        "outbox": {"path": str(path)},
    }
    seen: list[int] = []

    def watch(_: Any, analytics: Any) -> None:
        seen.append(analytics.frame.number)
        if len(seen) == 10:
            run.delivery.writer.flush()
            fill(small_disk)
        if len(seen) > 10 and run.delivery.writer.last_error:
            run.stop()

    run = Run(config, detector=lambda images: [Detections.empty() for _ in images], consumers=[watch])
    summary = run.execute(drain_timeout=0.3)
    assert summary.exit_code == 5
    text = summary_text(summary)
    assert "messages of live sources could not be written before the end" in text
    assert "disk is full" in text
    lost = summary.outputs["kafka"].dropped_by["not-written"]
    assert lost > 0
    assert summary.pending == summary.messages - lost
    assert outbox.inspect(path).messages == summary.pending


def job(video: Path, path: Path | None, *, live: bool, output: dict[str, Any], pad: int = 3000) -> dict[str, Any]:
    return {
        "sources": [{"name": "gate", "uri": str(video), "live": live}],
        "messages": [{"name": "frame", "on": "frame", "value": {"frame": "{frame}", "pad": "x" * pad}}],
        "outputs": [output],
        "outbox": {"path": "memory" if path is None else str(path)},
    }


def balance(run: Run, summary: Any) -> None:
    """Every message that was made is in one place, and the exit code says whether all are where they should be."""
    (output,) = summary.outputs.values()
    assert summary.messages == output.acknowledged + output.pending + output.dead + output.dropped
    well = output.acknowledged == summary.messages
    assert (summary.exit_code == 0) == well, (summary.exit_code, summary.error, output)
    if not well:
        assert summary.exit_code in (4, 5)
        assert summary.exit_code == 4 or summary.error
    code = summary_text(summary)
    for number in (output.pending, output.dead, output.dropped):
        assert not number or str(number) in code


@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize("at", [5, 60, 280, 299])
@pytest.mark.parametrize("kind", ["well", "away"])
def test_a_run_whose_disk_fills_tells_what_is_missing_with_its_exit_code(
    kind: str, at: int, live: bool, small_disk: Path, tmp_path: Path, clip: Path
) -> None:
    """At whatever frame the disk of the outbox fills, whatever becomes of the output."""
    path = small_disk / "run.outbox"
    away = {"kafka": {"bootstrap": f"127.0.0.1:{free_port()}", "topic": "t"}}
    output = {"file": {"path": str(tmp_path / "out.jsonl")}} if kind == "well" else away
    seen: list[int] = []

    def watch(_: Any, analytics: Any) -> None:
        seen.append(analytics.frame.number)
        if len(seen) == at:
            fill(small_disk)
        if len(seen) > at and run.delivery.writer.last_error:
            run.stop()

    run = Run(job(clip, path, live=live, output=output), detector=nobody, consumers=[watch])
    if live:
        run.sources[0].pace = lambda pts: None  # type: ignore[attr-defined]
    summary = run.execute(drain_timeout=0.5)
    balance(run, summary)
    if kind == "well" and summary.exit_code == 0:
        lines = (tmp_path / "out.jsonl").read_bytes().splitlines()
        assert len(lines) == summary.messages


def test_a_file_that_could_not_be_written_to_the_end_is_finished_by_the_next_run(
    small_disk: Path, tmp_path: Path, clip: Path
) -> None:
    path, out = small_disk / "run.outbox", tmp_path / "out.jsonl"
    configuration = job(clip, path, live=False, output={"file": {"path": str(out)}})
    seen: list[int] = []

    def watch(_: Any, analytics: Any) -> None:
        seen.append(analytics.frame.number)
        if len(seen) == 50:
            run.delivery.writer.flush()
            fill(small_disk)

    run = Run(configuration, detector=nobody, consumers=[watch])
    summary = run.execute(drain_timeout=0.5)
    balance(run, summary)
    assert summary.exit_code == 5
    assert "the next run makes them again" in summary.error
    (small_disk / "ballast").unlink()
    again = Run(configuration, detector=nobody)
    summary = again.execute()
    assert summary.exit_code == 0, summary.error
    frames = [orjson.loads(line)["frame"] for line in out.read_bytes().splitlines()]
    assert sorted(set(frames)) == list(range(300)), "every message of the file has come"


@pytest.mark.parametrize("durable", [True, False])
@pytest.mark.parametrize("kind", ["well", "away", "refusing"])
@pytest.mark.parametrize("stop_at", [None, 20])
def test_however_a_run_ends_its_books_balance(
    kind: str, durable: bool, stop_at: int | None, tmp_path: Path, clip: Path
) -> None:
    outputs = {
        "well": {"file": {"path": str(tmp_path / "out.jsonl")}},
        "away": {"kafka": {"bootstrap": f"127.0.0.1:{free_port()}", "topic": "t"}},
        "refusing": {"file": {"path": str(tmp_path / "{topic}.jsonl"), "topic": "t"}},
    }
    configuration = job(clip, tmp_path / "run.outbox" if durable else None, live=False, output=outputs[kind], pad=10)
    if kind == "refusing":
        configuration["messages"][0]["topic"] = "x" * 300  # a file name that no file system takes
    seen: list[int] = []

    def watch(_: Any, analytics: Any) -> None:
        seen.append(analytics.frame.number)
        if len(seen) == stop_at:
            run.stop()

    run = Run(configuration, detector=nobody, consumers=[watch])
    summary = run.execute(drain_timeout=1.0)
    balance(run, summary)
    (output,) = summary.outputs.values()
    assert (output.dead > 0) == (kind == "refusing")
    assert (output.pending > 0) == (kind == "away")


def nobody(images: list[Any]) -> list[Detections]:
    return [Detections.empty() for _ in images]
