"""Ages go on over restarts, and no jump of the wall clock makes anything older or younger than it is."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from outbox_helpers import commit, drain, ids, message

from countline import outbox
from countline.outbox import Outbox, ages
from countline.outbox.ages import NEVER_SET, Mark, elapsed

Opener = Callable[..., Outbox]

SECOND = 10**9
HOUR = 3600 * SECOND
DAY = 24 * HOUR
NOW = NEVER_SET + 600 * DAY
TIMES = st.integers(min_value=0, max_value=NOW + 3000 * DAY)


class Computer:
    """Its clocks, as they are given to an outbox; ``boot`` begins the steady one anew."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, wall: int = NOW) -> None:
        self.wall, self.steady, self._boot = wall, 500 * SECOND, "first"
        monkeypatch.setattr(ages, "boot_id", lambda: self._boot)

    @property
    def clocks(self) -> dict[str, Callable[[], int]]:
        return {"clock": lambda: self.wall, "steady": lambda: self.steady}

    def pass_(self, time: int) -> None:
        self.wall, self.steady = self.wall + time, self.steady + time

    def boot(self, *, off: int, wall: int | None = None) -> None:
        """Off for a while, and 20 s to start; ``wall``: what the wall clock shows then, if not the right time."""
        self.wall = wall if wall is not None else self.wall + off + 20 * SECOND
        self.steady, self._boot = 20 * SECOND, self._boot + "'"


@pytest.fixture
def computer(monkeypatch: pytest.MonkeyPatch) -> Computer:
    return Computer(monkeypatch)


def _one_message(opener: Opener, computer: Computer, **options: object) -> None:
    box = opener(max_age=3600.0, **computer.clocks, **options)
    box.write([commit(0, message(0))])
    box.close()


def _age(opener: Opener, computer: Computer) -> float | None:
    """Age of the message in seconds, opened anew; None: it was given up as too old."""
    box = opener(max_age=3600.0, **computer.clocks)
    try:
        box.settle()
        assert box.dropped("a") in ({}, {"age": 1})
        return None if box.dropped("a") else box.status().oldest_age
    finally:
        box.close()


@pytest.mark.parametrize("jump", [-20_000 * DAY, -DAY, -HOUR, HOUR, DAY, 20_000 * DAY])
def test_a_clock_that_is_set_between_two_runs_makes_nothing_older_or_younger(
    opener: Opener, computer: Computer, jump: int
) -> None:
    _one_message(opener, computer)
    computer.wall += jump
    computer.pass_(600 * SECOND)
    assert _age(opener, computer) == pytest.approx(600)
    computer.wall -= jump
    computer.pass_(600 * SECOND)
    assert _age(opener, computer) == pytest.approx(1200)
    computer.pass_(2400 * SECOND + SECOND)
    assert _age(opener, computer) is None, "an hour is an hour"


def test_a_computer_without_a_battery_that_learns_the_time_late_loses_nothing(
    opener: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    computer = Computer(monkeypatch, wall=30 * SECOND)  # 1970
    _one_message(opener, computer)
    computer.boot(off=DAY, wall=NOW)  # the network has told it the time
    assert _age(opener, computer) == 0, "it may have been off for a second"
    computer.pass_(600 * SECOND)
    assert _age(opener, computer) == pytest.approx(600)


def test_a_clock_that_was_set_during_a_run_counts_from_then(opener: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    computer = Computer(monkeypatch, wall=30 * SECOND)
    box = opener(max_age=3600.0, **computer.clocks)
    box.write([commit(0, message(0))])
    computer.pass_(60 * SECOND)
    computer.wall = NOW
    box.settle()
    computer.pass_(60 * SECOND)
    box.close()
    computer.boot(off=1000 * SECOND)
    assert _age(opener, computer) == pytest.approx(1140)


@pytest.mark.parametrize(("off", "age"), [(0, 20), (1000 * SECOND, 1020), (2 * HOUR, None)])
def test_time_in_which_the_computer_was_off_counts(
    opener: Opener, computer: Computer, off: int, age: float | None
) -> None:
    _one_message(opener, computer)
    computer.boot(off=off)
    assert _age(opener, computer) == (None if age is None else pytest.approx(age))


def test_a_wall_clock_that_is_behind_after_a_restart_of_the_computer_makes_nothing_younger(
    opener: Opener, computer: Computer
) -> None:
    _one_message(opener, computer)
    computer.boot(off=DAY, wall=NOW - HOUR)
    assert _age(opener, computer) == 0
    computer.pass_(600 * SECOND)
    assert _age(opener, computer) == pytest.approx(600)


def test_messages_for_an_absent_output_wait_seven_days_whatever_the_clock_says(
    opener: Opener, computer: Computer
) -> None:
    box = opener("a", "gone", **computer.clocks)
    box.write([commit(0, message(0))])
    box.close()
    opener("a", **computer.clocks).close()
    computer.wall += 30 * DAY
    computer.pass_(DAY)
    opener("a", **computer.clocks).close()
    assert drain(opener("a", "gone", **computer.clocks), "gone") == ids([0])


def test_an_outbox_of_a_version_without_the_mark_goes_by_the_wall_clock(
    opener: Opener, computer: Computer, path: Path
) -> None:
    for passed, age in ((1000 * SECOND, 1000), (2 * HOUR, None)):
        path.unlink(missing_ok=True)
        _one_message(opener, computer)
        with contextlib.closing(sqlite3.connect(path)) as db, db:
            db.execute("DELETE FROM meta WHERE name = 'clock'")
        computer.pass_(passed)
        computer.steady = 100 * DAY  # how long the computer is up says nothing of the message
        assert _age(opener, computer) == (None if age is None else pytest.approx(age))


def test_dead_letters_are_dated_by_the_wall_clock(opener: Opener, computer: Computer) -> None:
    box = opener(**computer.clocks)
    box.write([commit(0, message(0))])
    computer.wall += 30 * DAY
    box.dead_letter("a", [(box.read("a")[0][0], "too large")])
    assert [letter.at for letter in box.dead_letters()] == [computer.wall]


def test_looking_tells_the_age_that_the_run_tells(opener: Opener, path: Path) -> None:
    """By the real clocks of this machine: the run's wall clock was years behind."""
    box = opener(clock=lambda: DAY)
    box.write([commit(0, message(0))])
    assert outbox.inspect(path).oldest_age < 60
    box.close()
    assert outbox.inspect(path).oldest_age < 60
    box = opener(clock=lambda: NOW + 5000 * DAY)
    assert box.status().oldest_age < 60
    assert outbox.inspect(path).oldest_age < 60


def test_the_relation_of_clocks_is_written_only_when_it_changes(opener: Opener, computer: Computer, path: Path) -> None:
    box = opener(**computer.clocks)
    box.write([commit(0, message(0))])
    with contextlib.closing(sqlite3.connect(path)) as db:
        version = [db.execute("PRAGMA data_version").fetchone()]
        for _ in range(10):
            computer.pass_(2 * SECOND)
            box.settle()
        version.append(db.execute("PRAGMA data_version").fetchone())
        computer.wall += HOUR
        computer.pass_(2 * SECOND)
        box.settle()
        version.append(db.execute("PRAGMA data_version").fetchone())
    assert version[0] == version[1] != version[2], "an outbox in which nothing happens writes nothing"


@given(age=TIMES, wall=TIMES, steady=TIMES, later=TIMES, now=TIMES)
def test_within_one_start_of_the_computer_what_has_passed_is_exact(
    age: int, wall: int, steady: int, later: int, now: int
) -> None:
    assert elapsed(Mark(age, wall, steady, "x"), now, steady + later, "x") == later


@given(wall=TIMES, steady=TIMES, now=TIMES, up=TIMES)
def test_over_a_restart_the_wall_clock_decides_and_one_that_was_never_set_says_nothing(
    wall: int, steady: int, now: int, up: int
) -> None:
    passed = elapsed(Mark(0, wall, steady, "x"), now, up, "y")
    assert passed == (max(0, now - wall) if min(wall, now) >= NEVER_SET else 0)


@given(wall=TIMES, steady=TIMES, now=TIMES, up=TIMES, boot=st.sampled_from(["", "x", "y"]))
def test_time_never_runs_backward(wall: int, steady: int, now: int, up: int, boot: str) -> None:
    assert elapsed(Mark(0, wall, steady, "x"), now, up, boot) >= 0
    assert elapsed(Mark(0, wall, steady, ""), now, up, boot) >= 0
