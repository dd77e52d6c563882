"""An error at any point of start-up leaves no lock, thread, socket or file, and `check` finds whatever `run` would refuse."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest_e2e import bright, command

import countline as cl
from countline import outbox
from countline.config import OutboxConfig
from countline.errors import CountlineError
from countline.pipeline import build
from countline.pipeline import engine as engine_module
from countline.pipeline import run as run_module


def config(video: Path, **more: Any) -> dict[str, Any]:
    return {
        "sources": [{"name": "gate", "uri": str(video)}],
        "rules": {"lines": [{"name": "l", "points": [[0.2, 0.5], [0.8, 0.5]]}], "directions": [
            {"name": "down", "points": [[0.5, 0.1], [0.5, 0.9]]}], "regions": [
            {"name": "upper", "points": [[0, 0], [1, 0], [1, 0.5], [0, 0.5]]},
            {"name": "lower", "points": [[0, 0.5], [1, 0.5], [1, 1], [0, 1]]}],
            "journeys": [{"name": "walk", "places": ["upper", "lower"]}]},
        "messages": [{"name": "m", "value": {"id": "{id}"}}],
        "outputs": [{"file": {"path": "out.jsonl"}}],
        "outbox": {"path": "o.outbox"},
        **more,
    }  # fmt: skip


def held() -> tuple[set[str], int]:
    """Names of our threads, and open files of this process in this folder."""
    gc.collect()
    here = os.getcwd()
    files = 0
    for entry in Path("/proc/self/fd").iterdir():
        try:
            files += os.readlink(entry).startswith(here)
        except OSError:
            continue
    return {t.name for t in threading.enumerate() if t.name.startswith("countline")}, files


def failing(*_: Any, **__: Any) -> Any:
    raise CountlineError("on purpose")


STAGES: list[Callable[[pytest.MonkeyPatch], None]] = [
    lambda patch: patch.setattr(build, "rules", failing),
    lambda patch: patch.setattr(build, "definitions", failing),
    lambda patch: patch.setattr(build, "outputs", failing),
    lambda patch: patch.setattr(build, "tracker", failing),
    lambda patch: patch.setattr(build, "reset_schedule", failing),
    lambda patch: patch.setattr(build, "mark", failing),
    lambda patch: patch.setattr(engine_module, "Delivery", failing),
    lambda patch: patch.setattr(engine_module, "Worker", failing),
    lambda patch: patch.setattr(run_module, "Inference", failing),
]


@pytest.mark.parametrize("stage", range(len(STAGES)))
def test_an_error_at_any_point_of_the_start_leaves_nothing_open(
    stage: int, few: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        STAGES[stage](patch)
        with pytest.raises(CountlineError, match="on purpose"):
            cl.Run(config(few), detector=bright)
    assert held() == (set(), 0)
    assert not Path("o.outbox.lock").exists() or Path("o.outbox.lock").stat().st_size < 4096
    assert cl.run(config(few), detector=bright).exit_code == 0, "the next run in this process is not refused"


def test_a_run_that_is_dropped_or_closed_lets_go_of_its_outbox(few: Path) -> None:
    run = cl.Run(config(few), detector=bright)
    with pytest.raises(CountlineError, match="in use"):
        outbox.open(OutboxConfig(), Path("o.outbox"), ["file"])
    del run
    assert held() == (set(), 0)
    with cl.Run(config(few), detector=bright):
        pass
    assert held() == (set(), 0)
    outbox.open(OutboxConfig(), Path("o.outbox"), ["file"]).close()


def test_a_run_that_was_executed_leaves_nothing_open_and_may_be_closed_again(few: Path) -> None:
    run = cl.Run(config(few), detector=bright)
    summary = run.execute()
    assert held() == (set(), 0)
    run.close()
    assert summary.exit_code == 0
    assert run.sources[0].stats.frames == summary.frames == 60, "each frame is counted once"
    gate = summary.as_dict()["sources"]["gate"]
    assert gate["directions"]["down"] > 0
    assert gate["journeys"]["walk"]["upper>lower"] > 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"tracker": {"kind": "nosuch"}}, "nosuch"),
        ({"tracker": {"kind": "nosuch.module:thing"}}, "nosuch"),
        ({"outbox": {"path": "o.outbox", "reset": "daily 25:00"}}, "25:00"),
        ({"outbox": {"path": "o.outbox", "reset": "daily 00:00 Mars/Olympus"}}, "Mars/Olympus"),
        ({"messages": [{"name": "m", "value": "{nosuch}"}]}, "nosuch"),
        ({"messages": [{"name": "m", "on": "interval 1h Mars/Olympus", "value": 1}]}, "Mars/Olympus"),
        ({"rules": {"engine": "deepstream"}}, "rules.file"),
        ({"rules": {"file": "nosuch.txt"}}, "nosuch.txt"),
        ({"outputs": [{"file": {"path": "c.yaml"}}]}, "would overwrite"),
        ({"sources": [{"name": "gate", "uri": "nosuch.mp4"}]}, "nosuch.mp4"),
        ({"detector": {"model": "nosuch.onnx"}}, "nosuch.onnx"),
        ({"detector": {"classes": ["nosuch"]}}, "nosuch"),
    ],
)
def test_check_finds_what_run_refuses(change: dict[str, Any], words: str, few: Path, quick: dict[str, Any]) -> None:
    detector = {**quick, **change.get("detector", {})}
    Path("c.yaml").write_text(yaml.safe_dump(config(few, **{**change, "detector": detector})))
    checked, ran = command("check", "c.yaml"), command("run", "c.yaml")
    assert ran.returncode != 0
    assert checked.returncode != 0, checked.stdout
    assert words in ran.stderr
    assert words in checked.stdout + checked.stderr
    assert "Traceback" not in checked.stdout + checked.stderr + ran.stderr
