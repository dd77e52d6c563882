"""State moves only with its commit: whichever statement of SQLite fails, nothing is lost, doubled or forgotten; and what waits is
what is stored, however it came about."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countline import outbox
from countline.config import OutboxConfig
from countline.errors import OutboxError
from countline.outbox import Commit, StreamStart
from countline.outbox.durable import Outbox
from countline.outbox.positions import Intervals
from countline.types import CounterDelta, CounterKey, Message

CAR = CounterKey("gate", "line", "in", "car")


class Failing:
    """A connection of which one statement, counted from 1, fails as on a full disk."""

    def __init__(self, real: sqlite3.Connection, at: int) -> None:
        self.real, self.at = real, at
        self.seen: list[str] = []

    def _may_fail(self, statement: str) -> None:
        self.seen.append(" ".join(statement.replace(" OR REPLACE", "").split()[:3]))
        if len(self.seen) == self.at:
            raise sqlite3.OperationalError("database or disk is full")

    def execute(self, *args: Any) -> Any:
        self._may_fail(args[0])
        return self.real.execute(*args)

    def executemany(self, *args: Any) -> Any:
        self._may_fail(args[0])
        return self.real.executemany(*args)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


def commit(frame: int, outputs: tuple[str, ...] = ()) -> Commit:
    message = Message(f"m{frame}", b"v", b"k", (), 0, None, "d", "gate", outputs=outputs)
    return Commit("gate", "s", frame, (message,), [CounterDelta(CAR, 1)])


def state(path: Path) -> tuple[set[str], set[str], int, int, dict[str, int]]:
    """Ids that wait, ids of dead letters, what is said to wait, the count, what was acknowledged by output."""
    with outbox.open(OutboxConfig(), path, ["a", "b"]) as box:
        waits = {e.message.id for e in box.read("a", 0, limit=10**6)[0]}
        dead = {d.message.id for d in box.dead_letters()}
        count = sum(c.value for c in box.counters())
        done = {o.name: o.acknowledged for o in box.status().outputs}
        return waits, dead, box.pending("a"), count, done


def scenario(box: Outbox, fail_at: int | None) -> list[str]:
    """Write, acknowledge, dead-letter, write; one statement fails, and all is tried again as the writer does. The statements that there
    were, by their first words."""
    box.begin(StreamStart("gate", "s", live=True))
    box.write([commit(i) for i in range(6)])
    entries, _ = box.read("a", 0)
    real = box._db
    failing = Failing(real, fail_at or 0)
    box._db = failing  # type: ignore[assignment]
    box._counters._db = failing  # type: ignore[assignment]
    try:
        box.ack("a", [e.position for e in entries[:2]])
        box.dead_letter("a", [(entries[2], "refused"), (entries[3], "refused")])
        for work in (box.settle, lambda: box.write([commit(6), commit(7)]), box.settle):
            for attempt in range(3):
                try:
                    work()
                    break
                except OutboxError:
                    assert attempt < 2, "one statement fails once"
        return failing.seen
    finally:
        box._db = real
        box._counters._db = real


def test_whichever_statement_fails_nothing_is_lost_doubled_or_forgotten(tmp_path: Path) -> None:
    with outbox.open(OutboxConfig(), tmp_path / "plain.outbox", ["a", "b"]) as box:
        statements = scenario(box, None)
    expected = state(tmp_path / "plain.outbox")
    assert expected == ({"m4", "m5", "m6", "m7"}, {"m2", "m3"}, 4, 8, {"a": 2, "b": 0})
    assert statements.count("BEGIN IMMEDIATE") == statements.count("COMMIT") >= 2, statements
    stored = {f"INSERT INTO {table}" for table in ("batch", "counter", "dead", "meta", "output", "run")}
    assert stored <= set(statements), "each of them fails once"
    for at in range(1, len(statements) + 1):
        path = tmp_path / f"{at}.outbox"
        with outbox.open(OutboxConfig(), path, ["a", "b"]) as box:
            scenario(box, at)
            assert box.pending("a") == 4, f"statement {at}"
        assert state(path) == expected, f"statement {at}"


@given(st.lists(st.integers(1, 400), unique=True, max_size=200))
def test_many_gaps_are_kept_exactly(positions: list[int]) -> None:
    done = Intervals()
    done.add_many(positions)
    assert Intervals.unpack(done.pack()) == done


@given(st.integers(0, 300), st.integers(1, 9), st.sampled_from([1, 200, 70_000, 2**40]))
def test_as_many_gaps_as_there_may_be_are_kept_exactly(count: int, step: int, far: int) -> None:
    done = Intervals([(i * (step + 1) * far + 1, i * (step + 1) * far + step) for i in range(count)])
    assert Intervals.unpack(done.pack()) == done
    assert sum(done.overlap(lo, hi) for lo, hi in done) == count * step


def test_after_more_gaps_than_any_bound_nothing_acknowledged_is_sent_again(tmp_path: Path) -> None:
    path = tmp_path / "o.outbox"
    with outbox.open(OutboxConfig(), path, ["a"]) as box:
        box.begin(StreamStart("gate", "s", live=True))
        box.write([commit(i) for i in range(20_000)])
        box.ack("a", range(2, 20_001, 2))
    with outbox.open(OutboxConfig(), path, ["a"]) as box:
        waits, _ = box.read("a", 0, limit=10**6, max_bytes=1 << 30)
        assert [e.position for e in waits] == list(range(1, 20_000, 2))
        assert box.pending("a") == 10_000
        assert box.ack("a", [e.position for e in waits]) == 10_000
        assert box.pending("a") == 0


@pytest.mark.parametrize("noted", [0, -46_128, 10**6, 7])
def test_a_wrong_number_of_what_waits_is_counted_anew_and_told(
    noted: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "o.outbox"
    with outbox.open(OutboxConfig(), path, ["a", "b"]) as box:
        box.begin(StreamStart("gate", "s", live=True))
        box.write([commit(i, ("b",) if i % 3 else ()) for i in range(30)])
        box.ack("a", [1])
    with sqlite3.connect(path) as db:
        db.execute("UPDATE output SET pending = ? WHERE name = 'a'", (noted,))
    db.close()
    # Without the output nothing of its own may go, whatever number stood beside it.
    with outbox.open(OutboxConfig(), path, ["b"]):
        pass
    with outbox.open(OutboxConfig(), path, ["a", "b"]) as box:
        assert box.pending("a") == 9
        assert {e.message.id for e in box.read("a", 0)[0]} == {f"m{i}" for i in range(3, 30, 3)}
    assert f"9 messages wait for output 'a', not {noted}" in caplog.text


def test_dead_letters_beyond_their_bound_go_together_and_are_told_together(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with outbox.open(OutboxConfig(max_bytes=1 << 20), tmp_path / "o.outbox", ["a"]) as box:
        box.begin(StreamStart("gate", "s", live=True))
        for round_ in range(10):
            messages = [Message(f"m{round_}-{i}", bytes(500), b"k", (), 0, None, "d", "gate") for i in range(100)]
            box.write([Commit("gate", "s", round_, messages)])
            entries, _ = box.read("a", 0)
            box.dead_letter("a", [(e, "refused") for e in entries])
            box.settle()
        kept = [d.message.id for d in box.dead_letters()]
        gone = box.dropped("a")["dead-letters-full"]
        assert len(kept) + gone == 1000
        assert kept == [f"m{n // 100}-{n % 100}" for n in range(1000)][gone:], "the newest are kept"
    told = [r for r in caplog.records if "dead letters fill" in r.getMessage()]
    assert 0 < len(told) <= 10
