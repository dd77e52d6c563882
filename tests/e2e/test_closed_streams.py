"""Standard streams that are closed, full or abandoned: no traceback, no endless retry, nothing written where it does not belong,
and the exit code of the work that was done."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import starting

CONFIG = """\
sources: [{{name: gate, uri: {clip}}}]
detector: {quick}
rules: {{lines: [{{name: l, points: [[0, 0.5], [1, 0.5]]}}]}}
messages: [{{name: m, value: {{id: "{{id}}"}}}}]
outputs: [{output}]
outbox: o.outbox
"""
QUICK = ["--drain-timeout", "3"]
COMMANDS = [
    ["check", "c.yaml", "--json"], ["check", "c.yaml"], ["schema"], ["--help"], ["--version"], ["run", "--help"],
    ["analyze", "--rules", "c.yaml", "t.jsonl"], ["convert", "none.txt"], ["counts", "--outbox", "none"], ["outbox", "--outbox", "none"],
]  # fmt: skip


def shell(line: str, *args: object) -> subprocess.CompletedProcess[str]:
    """``"$@"`` is countline with ``args``."""
    return subprocess.run(
        ["/bin/bash", "-c", line, "sh", *command(*args)],
        capture_output=True, text=True, timeout=120, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip


@functools.cache
def with_open_streams(number: int) -> subprocess.CompletedProcess[str]:
    """The command of that number, once: it is the same for every kind of closed stream."""
    return starting.run(command(*COMMANDS[number]), capture_output=True, text=True, timeout=120)


def command(*args: object) -> list[str]:
    return [sys.executable, "-m", "countline", *map(str, args)]


def on_a_full_disk(*args: object) -> subprocess.CompletedProcess[str]:
    with open("/dev/full", "w") as full:
        return starting.run(command(*args), stdout=full, stderr=subprocess.PIPE, text=True, timeout=120)


@pytest.fixture
def to_file(few: Path, quick: dict[str, Any]) -> None:
    Path("c.yaml").write_text(CONFIG.format(clip=few, quick=quick, output="{file: {path: out.jsonl}}"))


@pytest.fixture
def to_stdout(few: Path, quick: dict[str, Any]) -> None:
    Path("c.yaml").write_text(CONFIG.format(clip=few, quick=quick, output="stdout"))


@pytest.mark.usefixtures("to_stdout")
def test_messages_to_a_closed_standard_output_are_refused_at_the_start() -> None:
    ended = shell('"$@" >&-', "run", "c.yaml", *QUICK)
    assert ended.returncode == 4, ended.stderr
    assert "standard output is closed" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.usefixtures("to_file")
@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_run_with_closed_streams_does_its_work_and_writes_only_into_its_files(
    closed: str, options: list[str]
) -> None:
    ended = shell(f'"$@" {closed}', "run", "c.yaml", *options)
    assert ended.returncode == 0, ended.stderr
    assert "Traceback" not in ended.stderr
    lines = Path("out.jsonl").read_text().splitlines()
    assert lines
    assert all(set(json.loads(line)) == {"id"} for line in lines), "nothing but messages"
    assert Path("o.outbox").read_bytes()[:15] == b"SQLite format 3"
    lock = Path("o.outbox.lock")
    assert not lock.exists() or len(lock.read_bytes()) < 4096
    assert b"progress" not in (lock.read_bytes() if lock.exists() else b"")


@pytest.mark.usefixtures("to_file")
@pytest.mark.parametrize("number", range(len(COMMANDS)), ids=map(" ".join, COMMANDS))
@pytest.mark.parametrize("closed", [">&-", "2>&-", ">/dev/full"])
def test_no_command_ends_in_a_traceback_when_its_output_cannot_be_written(number: int, closed: str) -> None:
    Path("t.jsonl").write_text("")
    full = closed == ">/dev/full"
    ended = on_a_full_disk(*COMMANDS[number]) if full else shell(f'"$@" {closed}', *COMMANDS[number])
    assert "Traceback" not in ended.stderr
    assert "Exception ignored" not in ended.stderr
    open_ended = with_open_streams(number)
    if not full:
        assert ended.returncode == open_ended.returncode
    elif open_ended.stdout:
        assert ended.returncode != 0
        assert "No space left" in ended.stderr


@pytest.mark.usefixtures("to_file")
@pytest.mark.parametrize("args", [["schema"], ["run", "c.yaml", "--json"]])
def test_a_reader_that_leaves_early_ends_nothing_with_a_traceback(args: list[str]) -> None:
    ended = shell('"$@" | head -c 1; exit ${PIPESTATUS[0]}', *args)
    assert "Traceback" not in ended.stderr
    assert "BrokenPipe" not in ended.stderr
    assert ended.returncode == 0, ended.stderr
