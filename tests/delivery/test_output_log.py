"""Whatever comes often is told with few lines: attempts, outages, topics, cameras, images, damaged rows."""

from __future__ import annotations

import ast
import logging
import re
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from feed import message
from hypothesis import given
from hypothesis import strategies as st

from countline import outbox
from countline.attach import encode_image
from countline.config import OutboxConfig
from countline.config.models import SourceConfig
from countline.errors import OutputError
from countline.observe.repeated import Repeated
from countline.outbox import Commit
from countline.pipeline.delivery.output_log import TOPICS, OutputLog
from countline.pipeline.delivery.sender import Sender
from countline.pipeline.gaps import GapLog
from countline.pipeline.stats import SourceSummary
from countline.protocols import Check, Entry, OutputStatus, Receipt
from countline.types import Gap
from countline.video import open_source

SOURCE = Path(__file__).resolve().parents[2] / "src" / "countline"


def heard(caplog: pytest.LogCaptureFixture, name: str = "countline", level: int = logging.INFO) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.name.startswith(name) and r.levelno >= level]


class Moody:
    """An output of somebody else's that raises whenever it has something to send, and takes nothing."""

    name = "moody"

    def __init__(self, error: Exception) -> None:
        self.status = OutputStatus(connected=True)
        self.error, self.sends = error, 0

    def open(self) -> None:
        pass

    def send(self, entries: Sequence[Entry]) -> int:
        self.sends += 1
        raise self.error

    def poll(self, timeout: float) -> list[Receipt]:
        time.sleep(timeout)
        return []

    def close(self, timeout: float) -> list[Receipt]:
        return []

    def check(self, *, send: bool = False, timeout: float = 5.0) -> list[Check]:
        return []


@pytest.mark.parametrize("error", [OutputError("the library gave up", where="moody"), RuntimeError("oh")])
def test_an_output_that_fails_at_each_attempt_is_told_once_and_not_at_each(
    error: Exception, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO, "countline")
    monkeypatch.setattr("countline.pipeline.delivery.sender.STRIKES", 10**6)
    box = outbox.open(OutboxConfig(), tmp_path / "o", ["moody"])
    output = Moody(error)
    sender = Sender(box, output)
    monkeypatch.setattr(sender._wake, "wait", lambda seconds: time.sleep(0.001))
    clock = time.monotonic
    began = clock()
    monkeypatch.setattr("countline.pipeline.delivery.sender.time.monotonic", lambda: began + (clock() - began) * 40)
    sender.start()
    box.write([Commit("gate", "s", 1, [message(1), message(2)])])
    sender.wake()
    until = clock() + 20
    while output.sends < 12 and clock() < until:
        time.sleep(0.01)
    sender.stop(0.0)
    sender.join()
    assert output.sends >= 12
    assert box.pending("moody") == 2, "nothing is lost"
    lines = heard(caplog)
    minutes = (clock() - began) * 40 / 60 + 1
    assert len(lines) <= 3 + 2 * minutes, lines
    assert sum(r.exc_info is not None for r in caplog.records) == isinstance(error, RuntimeError), (
        "one traceback for one place"
    )
    assert any("trying again" in line and str(error.args[0]).splitlines()[0][:10] in line for line in lines)
    box.close()


@given(st.lists(st.tuples(st.floats(0.01, 10.0), st.sampled_from(["well", "failure", "away", "back"])), max_size=400))
def test_an_output_that_comes_and_goes_is_told_with_few_lines_a_minute(steps: list[tuple[float, str]]) -> None:
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("countline.delivery")
    logger.addHandler(handler)
    before, logger.propagate = logger.propagate, False
    try:
        now = [0.0]
        told = OutputLog("out", lambda: 7, clock=lambda: now[0])
        error = ""
        for seconds, what in steps:
            now[0] += seconds
            error = "no answer" if what == "away" else "" if what == "back" else error
            told.failure("gave up") if what == "failure" else told.well()
            told.state(error, [])
        told.close()
    finally:
        logger.removeHandler(handler)
        logger.propagate = before
    assert len(lines) <= 2 * (2 * (now[0] / 60 + 1) + 1)
    if any(what == "away" for _, what in steps):
        assert lines


def test_a_thousand_topics_that_wait_are_a_few_lines_and_a_number(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "countline.delivery")
    now = [0.0]
    told = OutputLog("out", lambda: 0, clock=lambda: now[0])
    told.state("", [(f"t{n}", "no right to write", 2.0) for n in range(1000)])
    assert len(heard(caplog)) == TOPICS
    now[0] = 61.0
    told.state("", [])
    now[0] = 62.0
    told.state("", [(f"t{n}", "", 60.0) for n in range(1000)])
    told.close()
    lines = heard(caplog)
    assert len(lines) <= TOPICS + 2
    began = sum(int(m[1]) for line in lines if (m := re.search(r"(\d+) times more a topic began", line)))
    back = sum(int(m[1]) for line in lines if (m := re.search(r"and (\d+) times one was back", line)))
    assert (began, back) == (1000 - TOPICS, 1000)
    assert "topic 't999': no right to write" in caplog.text


@given(st.lists(st.tuples(st.floats(0.0, 30.0), st.integers(1, 3)), max_size=200))
def test_of_what_comes_again_and_again_every_time_is_counted(steps: list[tuple[float, int]]) -> None:
    now, lines = [0.0], list[str]()
    log = logging.Logger("t")
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
    log.addHandler(handler)
    told = Repeated(log, clock=lambda: now[0])
    for n, (seconds, count) in enumerate(steps):
        now[0] += seconds
        told.say(f"it {n}", count)
    told.close()
    counts = [int(m[1]) if (m := re.search(r"\((\d+) times", line)) else None for line in lines]
    known = sum(c for c in counts if c is not None)
    assert known <= sum(count for _, count in steps)
    assert len(lines) <= now[0] / 60 + 2
    if steps:
        assert lines[0] == "it 0"
        assert lines[-1].startswith(f"it {len(steps) - 1}") or len(lines) * 60 > now[0]


def test_a_camera_with_a_gap_every_few_seconds_is_told_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    summary = {"gate": SourceSummary(), "yard": SourceSummary()}
    told = GapLog(summary)
    for n in range(100):
        told.tell("gate", Gap(n * 10**10, n * 10**10 + 6 * 10**9))
    told.tell("yard", Gap(0, 10**10))
    told.close()
    lines = heard(caplog)
    assert len(lines) == 3
    assert sum("'gate'" in line for line in lines) == 2
    assert "(99 times since the last line of this kind)" in lines[-1]
    assert (summary["gate"].gaps, summary["gate"].missed) == (100, 600.0)


def test_a_folder_of_broken_images_is_told_with_their_number(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for n in range(60):
        (tmp_path / f"{n:03}.jpg").write_bytes(b"no picture")
    (tmp_path / "999.jpg").write_bytes(encode_image(np.zeros((48, 64, 3), np.uint8), 64, 90))
    source = open_source(SourceConfig(name="folder", uri=str(tmp_path)), 0)
    assert len(list(source)) == 1
    source.close()
    lines = heard(caplog)
    assert len(lines) == 2
    assert "000.jpg cannot be read" in lines[0]
    assert "059.jpg cannot be read" in lines[1]
    assert "(59 times since" in lines[1]
    assert source.stats.corrupt == 60


def test_many_damaged_batches_and_rows_are_a_few_lines(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "countline")
    path = tmp_path / "o"
    with outbox.open(OutboxConfig(), path, ["out"]) as box:
        for n in range(80):
            box.write([Commit("gate", "s", n, [message(n)])])
    with sqlite3.connect(path) as db:
        db.execute("UPDATE batch SET data = substr(data, 1, 20) || x'00' || substr(data, 22)")
    db.close()
    with outbox.open(OutboxConfig(), path, ["out"]) as box:
        after = 0
        for _ in range(100):
            entries, after = box.read("out", after, limit=1)
        assert not entries
        lost = dict(box.dropped("out"))
    assert sum(lost.values()) == 80, lost
    assert len(heard(caplog)) <= 8, heard(caplog)


_REVIEWED = {
    ("deepstream/attachment.py", "_watch_labels"): "once for each class",
    ("outbox/files.py", "when_unlocked"): "when it begins to wait, and when that is over",
    ("outbox/repair.py", "book_lost"): "once for each output at a repair, of which a run has three at most",
    ("outbox/salvage.py", "_book_losses"): "once for each output, after damage",
    ("pipeline/delivery/output_changes.py", "undo"): "once for each output, when a change is refused",
    ("pipeline/away.py", "give_up"): "once for each file whose frames are given up at the end",
    ("pipeline/worker.py", "_evaluate"): "notices: a rule set gives each one once for a source",
    ("pipeline/build.py", "_warn_of_idle_outputs"): "once at the start",
    ("pipeline/build.py", "rules"): "once at the start",
    ("pipeline/delivery/delivery.py", "start"): "once for each output at the start",
    ("commands/worker_group.py", "_begin"): "once for each source that is taken over",
    ("commands/worker_group.py", "_let_go"): "once for each source that is handed over and does not end in time",
    ("commands/worker_group.py", "_reconcile"): "once for each source that is handed over",
    ("record/quota.py", "_enforce"): "once for each file that is removed, of which there is one an hour and source",
    ("commands/progress.py", "_show"): "progress, at its interval",
    ("view/display.py", "_listen"): "the window says once that it cannot be shown",
    ("view/web/hub.py", "work"): "at most once a minute, with how often it was",
    ("video/open.py", "open_source"): "once for each option at the start",
}
"""Why a line to the log may stand in a loop."""


def _in_loops() -> set[tuple[str, str]]:
    """(file, function) of each line to the log above debug that stands in a loop."""
    found = set()
    for file in sorted(SOURCE.rglob("*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        for function in ast.walk(tree):
            if not isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
                continue
            for loop in (n for n in ast.walk(function) if isinstance(n, (ast.For, ast.While, ast.AsyncFor))):
                for call in ast.walk(loop):
                    if (
                        isinstance(call, ast.Call)
                        and isinstance(call.func, ast.Attribute)
                        and call.func.attr in ("info", "warning", "error", "exception", "critical")
                        and ast.unparse(call.func.value) in ("log", "_log", "logger", "self._log", "logging")
                    ):
                        found.add((file.relative_to(SOURCE).as_posix(), function.name))
    return found


def test_every_line_to_the_log_in_a_loop_has_its_reason() -> None:
    assert _in_loops() == set(_REVIEWED)
