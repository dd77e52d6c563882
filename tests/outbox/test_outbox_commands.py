"""``countline outbox`` and ``countline counts`` on real outboxes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from outbox_helpers import commit, drain, ids, message

from command_line import countline_text as countline
from countline.outbox import Outbox, StreamStart

Opener = Callable[..., Outbox]


def apart(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """In a process of its own, which another one's lock keeps out."""
    return subprocess.run([sys.executable, "-m", "countline", *words], capture_output=True, text=True, cwd=cwd)


@pytest.fixture
def filled(opener: Opener, path: Path) -> Path:
    box = opener("a", "b")
    box.begin(StreamStart("gate", "s1", live=True))
    box.write([commit(0, message(0), message(1), message(2))])
    entries, _ = box.read("a")
    box.dead_letter("a", [(entries[0], "too large for the topic")])
    box.ack("b", [1, 2, 3])
    box.close()
    return path


def test_outbox_shows_lag_and_dead_letters_and_how_to_go_on(filled: Path) -> None:
    shown = countline("outbox", filled.name, cwd=filled.parent)
    assert shown.returncode == 0, shown.stderr
    rows = {line.split()[0]: line.split() for line in shown.stdout.splitlines() if line[:2] in ("a ", "b ")}
    assert rows["a"][1] == "2"
    assert rows["b"][1] == "0"
    assert "1 dead letters" in shown.stdout
    assert "countline outbox retry" in shown.stdout
    plain = json.loads(countline("outbox", filled.name, "--json", cwd=filled.parent).stdout)
    assert {o["output"]: o["pending"] for o in plain["outputs"]} == {"a": 2, "b": 0}


def test_export_writes_json_lines_and_takes_nothing_away(filled: Path) -> None:
    for _ in range(2):
        lines = countline("outbox", "export", filled.name, "--output", "a", cwd=filled.parent).stdout.splitlines()
        assert [json.loads(line)["id"] for line in lines] == ids([1, 2])
    (dead,) = countline("outbox", "export", "--dead", filled.name, cwd=filled.parent).stdout.splitlines()
    assert json.loads(dead)["reason"] == "too large for the topic"


def test_retry_puts_dead_letters_back(filled: Path, opener: Opener) -> None:
    done = countline("outbox", "retry", filled.name, cwd=filled.parent)
    assert "1 dead letters wait for delivery again" in done.stdout
    assert drain(opener("a", "b"), "a") == ids([1, 2, 0])


def test_counts_shows_and_resets(filled: Path) -> None:
    shown = countline("counts", "show", filled.name, "--json", cwd=filled.parent)
    (counter,) = json.loads(shown.stdout)
    assert (counter["source"], counter["rule"], counter["value"], counter["epoch"]) == ("gate", "line", 3, 0)
    assert (
        "1 counters set to 0" in countline("counts", "reset", filled.name, "--source", "gate", cwd=filled.parent).stdout
    )
    (counter,) = json.loads(countline("counts", "show", filled.name, "--json", cwd=filled.parent).stdout)
    assert (counter["value"], counter["epoch"]) == (0, 1)


def test_the_outbox_is_found_through_the_configuration(filled: Path) -> None:
    folder = filled.parent / "site"
    (folder / ".countline").mkdir(parents=True)
    filled.rename(folder / ".countline" / "cameras.outbox")
    (folder / "cameras.yaml").write_text("sources: [{name: gate, uri: a.mp4}]\n")
    assert "dead letters" in countline("outbox", "cameras.yaml", cwd=folder).stdout
    assert "dead letters" in countline("outbox", cwd=folder).stdout, "the only one in .countline"


def test_an_outbox_in_use_can_be_shown_but_not_changed(filled: Path, opener: Opener) -> None:
    opener("a", "b")
    assert apart("outbox", filled.name, cwd=filled.parent).returncode == 0
    refused = apart("counts", "reset", filled.name, cwd=filled.parent)
    assert refused.returncode == 5
    assert "in use" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_an_outbox_that_is_not_there_ends_with_code_5(tmp_path: Path) -> None:
    missing = countline("outbox", "none.outbox", cwd=tmp_path)
    assert missing.returncode == 5
    assert "does not exist" in missing.stderr
