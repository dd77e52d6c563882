"""Overload: shares are fair, all that can be processed is, and nobody starves."""

from __future__ import annotations

import logging
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countline.pipeline.overload import LEAST, Governor, Overload, fair_shares
from countline.source_status import SourceStats

rates = st.dictionaries(st.text(min_size=1, max_size=3), st.floats(0.1, 60), min_size=1, max_size=40)


@given(rates, st.floats(0, 500))
def test_shares_are_fair_and_use_all_that_is_possible(wanted: dict[str, float], possible: float) -> None:
    shares = fair_shares(wanted, possible)
    assert sum(shares.values()) == pytest.approx(min(possible, sum(wanted.values())))
    assert all(shares[name] <= wanted[name] + 1e-9 for name in wanted)
    # Whoever does not get all of its own has as much as anybody.
    most = max(shares.values())
    assert all(shares[name] == pytest.approx(most) for name in wanted if shares[name] < wanted[name] - 1e-6)


def simulate(wanted: dict[str, float], possible: float, seconds: int = 120) -> list[dict[str, float]]:
    """What each source gets in each second, of a machine that can do so much and drops the rest evenly."""
    governor = Governor()
    history = []
    for _ in range(seconds):
        given = {name: min(rate, governor.targets.get(name, rate)) for name, rate in wanted.items()}
        part = min(1.0, possible / max(sum(given.values()), 1e-9))
        done = {name: rate * part for name, rate in given.items()}
        history.append(done)
        governor.update(wanted, done, sum(given.values()) - sum(done.values()))
    return history


@given(rates, st.floats(5, 500))
def test_all_that_is_possible_is_done_in_fair_shares_in_the_long_run(wanted: dict[str, float], possible: float) -> None:
    last = simulate(wanted, possible)[-30:]
    fair = fair_shares(wanted, possible)
    for name in wanted:
        mean = sum(second[name] for second in last) / len(last)
        assert mean == pytest.approx(fair[name], rel=0.2)


def test_a_slow_camera_keeps_its_frames_beside_fast_ones() -> None:
    wanted = {"slow": 1.0, **{f"fast-{n}": 10.0 for n in range(16)}}
    assert all(second["slow"] > 0.95 for second in simulate(wanted, 80)[2:])


def test_without_overload_nobody_is_held_back() -> None:
    assert simulate({"a": 10.0, "b": 25.0}, 100) == [{"a": 10.0, "b": 25.0}] * 120


class Camera:
    """A live source that gives so many frames a second, or as many as it is told."""

    def __init__(self, name: str, rate: float) -> None:
        self.info = SimpleNamespace(name=name, live=True)
        self.stats = SourceStats(connections=1)
        self.rate, self.target = rate, None

    def limit(self, target: float | None) -> None:
        self.target = target

    def second(self, part: float) -> float:
        given = min(self.rate, self.target or self.rate)
        self.stats.thinned += round(self.rate - given)
        self.stats.frames += round(given)
        self.stats.dropped += round(given * (1 - part))
        return given


def test_an_overload_is_said_with_numbers_once_a_minute_and_is_over_when_it_is(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    cameras = [Camera(f"c{n}", 10.0) for n in range(32)]
    now = [0.0]
    overload = Overload(cameras, lambda: now[0])  # type: ignore[arg-type]
    for second in range(200):
        if second == 150:
            cameras[:] = cameras[:4]  # the others are gone
            overload = Overload(cameras, lambda: now[0])  # type: ignore[arg-type]
        wanted = sum(min(c.rate, c.target or c.rate) for c in cameras)
        for camera in cameras:
            camera.second(min(1.0, 80 / wanted))
        now[0] += 1.0
        overload.look()
        if second == 100:
            assert all(c.target is not None and 1.5 < c.target < 3.5 for c in cameras)
            assert all(c.stats.overload.startswith("overload: only") for c in cameras)
            assert "Counts need about 5" in overload.words
    assert overload.words == ""
    assert all(c.target is None and not c.stats.overload for c in cameras)
    lines = [r.message for r in caplog.records if "can be processed" in r.message]
    assert 2 <= len(lines) <= 4
    assert "320 frames/s of 32 live sources come" in lines[0]


def test_shares_that_suffice_are_no_fault() -> None:
    cameras = [Camera(f"c{n}", 10.0) for n in range(10)]
    now = [0.0]
    overload = Overload(cameras, lambda: now[0])  # type: ignore[arg-type]
    for _ in range(60):
        wanted = sum(min(c.rate, c.target or c.rate) for c in cameras)
        for camera in cameras:
            camera.second(min(1.0, 70 / wanted))
        now[0] += 1.0
        overload.look()
    assert all(c.target is not None and c.target > LEAST for c in cameras)
    assert not any(c.stats.overload for c in cameras)


def test_a_machine_that_is_held_up_for_a_moment_is_not_overloaded() -> None:
    governor, wanted = Governor(), {f"c{n}": 5.0 for n in range(4)}
    for second in range(20):
        held = second == 5
        done = dict.fromkeys(wanted, 1.0) if held else wanted
        governor.update(wanted, done, 16.0 if held else 0.0, 1.0 if held else 0.4)
        if second >= 9:
            assert not governor.targets


@given(st.lists(st.tuples(st.floats(0, 400), st.floats(0, 400), st.floats(0, 1)), max_size=60), st.integers(1, 64))
def test_whatever_a_machine_does_every_source_keeps_a_share(
    seconds: list[tuple[float, float, float]], cameras: int
) -> None:
    """Nothing at all may be done for seconds, while hundred cameras connect; that ends neither the run nor a source."""
    governor, offered = Governor(), {f"c{n}": 5.0 for n in range(cameras)}
    for done, dropped, busy in seconds:
        targets = governor.update(offered, dict.fromkeys(offered, done / cameras), dropped, busy)
        assert all(share > 0.0999 for share in targets.values())


def test_shares_come_back_at_once_when_the_detector_has_time_again() -> None:
    governor, wanted = Governor(), {f"c{n}": 5.0 for n in range(16)}
    for _ in range(4):  # a start during which hardly anything can be done
        governor.update(wanted, dict.fromkeys(wanted, 0.25), 76.0, 1.0)
    assert sum(governor.targets.values()) < 10
    for _ in range(15):
        given = {name: governor.targets.get(name, rate) for name, rate in wanted.items()}
        governor.update(wanted, given, 0.0, sum(given.values()) / 100)
    assert not governor.targets


def test_what_an_idle_detector_loses_takes_less_off_than_what_a_busy_one_does() -> None:
    busy, idle, wanted = Governor(), Governor(), {f"c{n}": 10.0 for n in range(8)}
    for _ in range(2):
        busy.update(wanted, dict.fromkeys(wanted, 2.0), 64.0, 1.0)
        idle.update(wanted, dict.fromkeys(wanted, 2.0), 64.0, 0.2)
    assert sum(busy.targets.values()) == pytest.approx(16 * 0.97)
    assert sum(idle.targets.values()) == pytest.approx(64 * 0.97)


def test_what_waited_while_a_camera_was_connected_is_not_taken_for_its_rate() -> None:
    camera, now = Camera("c", 5.0), [0.0]
    overload = Overload([camera], lambda: now[0])  # type: ignore[list-item]
    camera.stats.frames, camera.stats.dropped = 40, 35  # eight seconds of it at once
    for _ in range(5):
        now[0] += 1.0
        overload.look()
        camera.second(1.0)
    assert camera.target is None
    assert not overload.words
