"""The log says changes of state, and one line a minute with numbers; the failure file is bounded and takes whatever fails."""

from __future__ import annotations

import logging
import threading
import time
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest
from feed import message
from hypothesis import given
from hypothesis import strategies as st

from countline import outbox
from countline.config import OutboxConfig
from countline.observe.repeated import EVERY, DueCounts
from countline.observe.trouble import Trouble
from countline.outbox import Commit
from countline.pipeline.delivery.commit_writer import Writer
from countline.pipeline.delivery.failure_file import FailureFile
from countline.pipeline.delivery.failure_lines import read


class Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())


def heard(name: str) -> tuple[logging.Logger, Lines]:
    log, lines = logging.Logger(name, logging.DEBUG), Lines()
    log.addHandler(lines)
    return log, lines


@given(st.lists(st.tuples(st.floats(0.01, 20.0), st.booleans()), min_size=1, max_size=300))
def test_a_trouble_that_comes_and_goes_is_told_with_few_lines_and_no_beginning_is_forgotten(
    steps: list[tuple[float, bool]],
) -> None:
    now = [100.0]
    log, lines = heard("t")
    trouble = Trouble(log, "outbox o", "can be written again", clock=lambda: now[0])
    begun, was = 0, False
    for seconds, there in steps:
        now[0] += seconds
        begun += there and not was
        (trouble.begin("it is full") if there else trouble.end())
        assert trouble.text == ("it is full" if there else "")
        was = there
    assert len(lines.said) <= 2 * ((now[0] - 100.0) / 60 + 1)
    for _ in range(2):
        now[0] += 61
        (trouble.begin("it is full") if was else trouble.end())
    told = sum(line == "outbox o: it is full" for line in lines.said)
    counted = sum(int(line.split("came ")[1].split()[0]) for line in lines.said if "came" in line)
    assert told + counted == begun
    if begun:
        assert lines.said[-1].startswith("outbox o: it is full" if was else "outbox o: can be written again")


def test_a_change_is_told_at_once_and_further_ones_once_a_minute_with_numbers() -> None:
    now = [0.0]
    log, lines = heard("t")
    trouble = Trouble(log, "outbox o", "can be written again", clock=lambda: now[0])
    for _ in range(130):  # half a second there, half a second not
        trouble.begin("it is full")
        now[0] += 0.5
        trouble.end()
        now[0] += 0.5
    assert lines.said == [
        "outbox o: it is full",
        "outbox o: can be written again",
        "outbox o: it is full (came 60 times more, for 30 s in all)",
        "outbox o: it is full (came 60 times more, for 30 s in all)",
    ]
    now[0] += 60
    trouble.end()
    assert len(lines.said) == 5
    assert lines.said[-1].startswith("outbox o: can be written again (came 9 times more")


@pytest.mark.parametrize("last", ["begin", "close"])
def test_a_beginning_after_an_end_that_was_not_told_is_counted(last: str) -> None:
    now = [0.0]
    log, lines = heard("t")
    trouble = Trouble(log, "outbox o", "can be written again", clock=lambda: now[0])
    for at, there in [(0, True), (1, False), (2, True), (3, False), (61, True), (62, False), (63, True)]:
        now[0] = at
        (trouble.begin("it is full") if there else trouble.end())
    now[0] = 130
    (trouble.begin("it is full") if last == "begin" else trouble.close())
    assert lines.said[2:] == [
        "outbox o: it is full (came 2 times more, for 1 s in all)",
        "outbox o: it is full (came 1 times more, for 68 s in all)",
    ]


@given(st.lists(st.tuples(st.floats(0.0, 30.0), st.integers(0, 9)), max_size=200))
def test_numbers_are_told_at_once_then_once_a_minute_and_none_is_forgotten(steps: list[tuple[float, int]]) -> None:
    now = [0.0]
    told = DueCounts(clock=lambda: now[0])
    lines: list[tuple[float, int]] = []
    for seconds, count in steps:
        now[0] += seconds
        said = told.add("size", count)
        if said:
            lines.append((now[0], said))
    assert sum(n for _, n in lines) + told.rest().get("size", 0) == sum(n for _, n in steps)
    assert all(later - earlier >= EVERY for (earlier, _), (later, _) in pairwise(lines))
    first = next((n for _, n in steps if n), 0)
    assert (lines[0][1] if lines else 0) == first, "at once when it begins"


@pytest.mark.parametrize("policy", ["block", "drop-newest", "drop-oldest"])
def test_an_outbox_that_is_full_again_and_again_says_so_once(
    policy: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "countline")
    box = outbox.open(OutboxConfig.model_validate({"max_bytes": 1 << 20, "when_full": policy}), tmp_path / "o", ["out"])
    writer = Writer(
        box, commit_ms=1, block=True, on_written=lambda: None, on_dropped=lambda _: None, queue_bytes=50_000
    )
    writer.start()
    done = threading.Event()

    def filled() -> bool:
        """It has been full, however slowly it was written to."""
        if policy == "block":
            return any("it is full" in r.getMessage() for r in caplog.records)
        return sum(box.dropped("out").values()) > 1000

    def slow() -> None:
        after = 0
        while not done.is_set() and not filled():
            time.sleep(0.02)
        while not done.is_set():
            entries, after = box.read("out", after, limit=20)
            box.ack("out", [e.position for e in entries])
            time.sleep(0.02)

    reader = threading.Thread(target=slow)
    reader.start()
    for n in range(6000 if policy != "block" else 3000):
        writer.put(Commit("gate", "s", n, [message(n, size=1000)], []))
    writer.flush()
    done.set()
    reader.join()
    assert writer.stop(5.0) == []
    dropped = sum(box.dropped("out").values())
    box.close()
    told = [r.getMessage() for r in caplog.records if r.levelno >= logging.INFO]
    if policy == "block":
        assert dropped == 0
        assert len(told) <= 3, "when it begins, when it is over for the first time, and the rest with numbers"
        assert "it is full" in told[0]
        assert "can be written again" in told[-1]
    else:
        assert dropped > 1000
        assert len(told) == 2, "when it begins, and the rest at the end"
        assert sum(int(line.split(": ")[1].split()[0]) for line in told) == dropped


def test_the_failure_file_is_bounded_keeps_the_newest_and_says_what_happens(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = FailureFile(tmp_path / "o", most=20_000)
    for n in range(1000):
        data = {"definition": "m", "place": "f.py:3", "error": f"KeyError: {n}", "id": n}
        file.write(SimpleNamespace(as_dict=lambda data=data: data))
    file.close()
    new, old = tmp_path / "o.failures.jsonl", tmp_path / "o.failures.jsonl.old"
    assert new.stat().st_size <= 20_000
    assert old.stat().st_size <= 20_000
    found = read(tmp_path / "o")
    kept = [one.data["id"] for one in found.kept]
    assert kept == list(range(1000 - len(kept), 1000)), "the newest, whole, in order"
    assert len(kept) > 300
    assert len(kept) + found.let_go == 1000, "what was let go is counted"
    assert file.let_go == found.let_go
    assert sum("failed at f.py:3" in r.getMessage() for r in caplog.records) == 1, (
        "a place is told once, whatever the numbers"
    )
    assert sum("oldest failures are dropped" in r.getMessage() for r in caplog.records) == 1


@pytest.mark.parametrize("odd", ["lone \udc80 surrogate", 2**80, b"\xff", {1: "a key that is a number"}, float("nan")])
def test_whatever_a_failure_holds_is_written_and_stops_nothing(odd: object, tmp_path: Path) -> None:
    file = FailureFile(tmp_path / "o")
    file.write(SimpleNamespace(as_dict=lambda: {"error": odd, "definition": "m", "place": "p"}))
    file.write(SimpleNamespace(as_dict=lambda: {"error": "fine", "definition": "m", "place": "p"}))
    file.close()
    lines = (tmp_path / "o.failures.jsonl").read_bytes().splitlines()
    assert len(lines) == 2
    assert b'"fine"' in lines[1]
