"""`countline run --processes`: the sources are spread evenly, keep their place, and nothing is left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import starting
from countline.commands.merged import merged_snapshot, merged_summary
from countline.commands.shares import outbox_of, refuse_single, shares
from countline.demo import clip_path
from countline.errors import ConfigError
from countline.pipeline.stats import OutputStats, SourceSummary, Summary


def test_sources_are_spread_evenly_and_stay_where_they_are(tmp_path: Path) -> None:
    outbox = tmp_path / "run.outbox"
    first = shares([f"s{i}" for i in range(10)], 3, outbox)
    assert sorted(map(len, first)) == [3, 3, 4]
    later = shares(["new", *(f"s{i}" for i in range(9, 0, -1))], 3, outbox)
    for process, names in enumerate(first):
        assert set(names) - {"s0"} == set(later[process]) - {"new"}
    assert "s0" in shares(["s0"], 3, outbox)[next(i for i, names in enumerate(first) if "s0" in names)]


def test_counts_are_not_left_behind_by_another_number_of_processes(tmp_path: Path) -> None:
    outbox = tmp_path / "run.outbox"
    shares(["a", "b"], 2, outbox)
    for count in (1, 3):
        with pytest.raises(ConfigError, match="2 processes before"):
            shares(["a", "b"], count, outbox)
    with pytest.raises(ConfigError, match="several processes"):
        refuse_single(outbox)
    assert shares(["a", "b"], 3, outbox, fresh=True) == [["a"], ["b"], []]
    single = tmp_path / "single.outbox"
    single.touch()
    with pytest.raises(ConfigError, match="single process"):
        shares(["a"], 2, single)
    (tmp_path / "run.processes.json").write_text("{}")
    with pytest.raises(ConfigError, match="cannot be read"):
        shares(["a"], 3, outbox)


def test_in_memory_nothing_is_kept(tmp_path: Path) -> None:
    assert shares(["a", "b", "c"], 2, None) == [["a", "c"], ["b"]]
    refuse_single(None)


def test_what_processes_tell_is_put_together() -> None:
    parts = []
    for number in range(2):
        made = Summary(frames=10, messages=number, seconds=1.0 + number, exit_code=4 * number, error="x" * number)
        made.sources[f"s{number}"] = SourceSummary(frames=10)
        made.outputs["kafka"] = OutputStats(acknowledged=5, dropped=1, dropped_by={"old": 1})
        made.first_message = 3.0 - number
        parts.append(json.loads(json.dumps(made.as_dict())))
    whole = merged_summary(parts)
    assert (whole.frames, whole.messages, whole.seconds, whole.exit_code, whole.error) == (20, 1, 2.0, 4, "x")
    assert set(whole.sources) == {"s0", "s1"}
    assert whole.outputs["kafka"].as_dict()["acknowledged"] == 10
    assert whole.outputs["kafka"].dropped_by == {"old": 2}
    assert whole.first_message == 2.0
    assert merged_snapshot([])["frames"] == 0


@pytest.fixture
def configured(tmp_path: Path) -> Path:
    path = tmp_path / "run.yaml"
    sources = [{"name": f"s{i}", "uri": str(clip_path()), "fps": 5} for i in range(2)]
    data = {
        "sources": sources,
        "detector": {"model": "yolox-nano", "classes": ["person"], "threads": 1},
        "rules": {"lines": [{"name": "straight", "points": [[0.5, 0.0], [0.5, 1.0]]}]},
        "messages": [{"name": "m", "on": "crossing", "value": {"source": "{source}"}}],
        "outputs": [{"file": {"path": str(tmp_path / "out.{source}.jsonl")}}],
    }
    path.write_text(json.dumps(data))
    return path


def started(path: Path, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "countline", "run", str(path), "--json", *more]
    return starting.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)


def test_a_run_in_processes_is_told_as_one_and_ends_with_its_signal(configured: Path) -> None:
    process = started(configured, "--processes", "2")
    assert process.stdout is not None
    told = []
    for line in process.stdout:
        told.append(json.loads(line))
        if told[-1]["type"] == "progress" and told[-1].get("frames", 0) > 3:
            os.kill(process.pid, signal.SIGTERM)
            break
    told += [json.loads(line) for line in process.stdout]
    assert process.wait(60) == 0, process.stderr.read() if process.stderr else ""
    summary = told[-1]
    assert summary["type"] == "summary"
    assert summary["interrupted"] is True
    assert set(summary["sources"]) == {"s0", "s1"}
    assert summary["frames"] == sum(source["frames"] for source in summary["sources"].values()) > 3
    state = configured.parent / ".countline"
    assert {outbox_of(state / "run.outbox", i).name for i in range(2)} <= {path.name for path in state.iterdir()}


def test_no_process_outlives_the_one_that_was_started(configured: Path) -> None:
    process = started(configured, "--processes", "2")
    assert process.stdout is not None
    next(iter(process.stdout))
    children = {int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()}
    assert len(children) == 2
    process.kill()
    process.wait(30)
    until = time.monotonic() + 60
    while alive := {pid for pid in children if _alive(pid)}:
        assert time.monotonic() < until, alive
        time.sleep(0.05)


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in ("Z", "X")
    except FileNotFoundError:
        return False
