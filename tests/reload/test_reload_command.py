"""``countline run``: SIGHUP and edits of the file, and neither ever ends it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from stepping import written

from countline.pipeline.reloader import Watch

OUT = Path("out.jsonl")


def data(clip: Path, *frames: str, **more: Any) -> dict[str, Any]:
    messages = [{"name": name, "on": "frame", "value": {"name": name}} for name in frames]
    return {
        "sources": [{"name": "gate", "uri": str(clip), "loop": True, "fps": 5}],
        "rules": {"lines": [{"name": "l", "points": [[0, 0.5], [1, 0.5]]}]},
        "messages": [*messages, {"name": "told", "on": "config", "value": {"config": "{config}"}}],
        "outputs": [{"file": {"path": str(OUT)}}],
        "outbox": "o.outbox",
        **more,
    }


def until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 90
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def names() -> set[str]:
    return {m["name"] for m in written(OUT) if "name" in m} if OUT.exists() else set()


def told() -> list[dict[str, Any]]:
    return [m["config"] for m in written(OUT) if "config" in m]


def save(data: dict[str, Any]) -> None:
    Path("new.yaml").write_text(yaml.safe_dump(data))
    os.replace("new.yaml", "c.yaml")  # as editors do


def test_sighup_and_edits_are_applied_or_refused_and_the_run_goes_on(clip: Path) -> None:
    save(data(clip, "a"))
    with subprocess.Popen(
        [sys.executable, "-m", "countline", "run", "--watch", "c.yaml"], stderr=subprocess.PIPE, text=True
    ) as run:
        guard = threading.Timer(150, run.kill)
        guard.start()
        try:
            until(lambda: names() == {"a"})
            save(data(clip, "a", "b"))
            until(lambda: names() == {"a", "b"})
            save(data(clip, "a", "b", "c", detector={"model": "no such"}))
            run.send_signal(signal.SIGHUP)
            until(lambda: len(told()) >= 2)
            save(data(clip, "a", "b", "d"))
            run.send_signal(signal.SIGHUP)
            until(lambda: "d" in names())
            run.send_signal(signal.SIGTERM)
            assert run.wait(60) == 0
        finally:
            guard.cancel()
            run.kill()
        said = run.stderr.read() if run.stderr else ""
    assert names() == {"a", "b", "d"}
    first, second, *rest = told()
    assert (first["applied"], first["by"], first["changes"]) == (True, "file", ["message 'b' added"])
    assert second["applied"] is False
    assert second["by"] in ("signal", "file")
    assert "the detector (model) cannot be changed while running" in second["error"]
    assert "c.yaml:" in second["error"], "with its place"
    assert any(change["applied"] and change["changes"] == ["message 'd' added"] for change in rest)
    assert "is refused" in said
    assert "Traceback" not in said


def test_sighup_without_a_file_is_told_and_ends_nothing(clip: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "countline",
        "run",
        "-i",
        str(clip),
        "--line",
        "l=0,0.5,1,0.5",
        "--outbox",
        "memory",
    ]
    with subprocess.Popen([*command, "--stdout"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        guard = threading.Timer(150, run.kill)
        guard.start()
        assert run.stdout is not None
        assert run.stdout.readline().startswith("{")
        run.send_signal(signal.SIGHUP)
        assert run.stderr is not None
        assert any("it came from no file" in line for line in run.stderr)
        run.send_signal(signal.SIGTERM)
        run.communicate(timeout=120)
        guard.cancel()
    assert run.returncode == 0


def test_a_file_is_read_once_it_stays_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("a")
    watch = Watch(lambda: [file])
    assert not watch.changed()
    file.write_text("half of b")
    assert not watch.changed(), "it may still be written"
    file.write_text("the whole of b")
    assert not watch.changed()
    assert watch.changed()
    assert not watch.changed()
    os.utime(file, ns=(1, 1))
    assert [watch.changed() for _ in range(3)] == [False] * 3, "it says what it said"
    file.unlink()
    assert [watch.changed() for _ in range(3)] == [False] * 3, "gone for a moment"
    file.write_text("c")
    assert [watch.changed() for _ in range(3)] == [False, True, False]
