"""The parts of a page's server that read no clock and know no network."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countline.types import Crossing, Enter, FrameInfo, SourceInfo
from countline.view.web.access import IDLE, MOST, Attempts, Names, Sessions
from countline.view.web.history import DAY, History
from countline.view.web.ring import Ring

MINUTE = 60 * 10**9
HOSTS = st.text("abc.:[]0123456789-@/ ", max_size=24)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@given(HOSTS)
def test_no_odd_name_is_taken_for_this_machine(host: str) -> None:
    names = Names("127.0.0.1", 8787, [], encrypted=False, proxied=False)
    own = {"127.0.0.1:8787", "localhost:8787", "[::1]:8787"}
    if names.answers(host):
        assert host in own or host.startswith(("127.", "[")), host
        assert host.endswith(":8787")


@given(HOSTS)
def test_behind_a_proxy_a_name_is_one_of_those_or_none(host: str) -> None:
    names = Names("0.0.0.0", 8787, ["site.example", "other.example:8443"], encrypted=True, proxied=True)
    assert names.answers(host) == (host in ("site.example", "other.example:8443"))


@pytest.mark.parametrize(
    "origin",
    [
        "",
        "null",
        "http://",
        "https://[",
        "https://site.example/",
        "https://site.example@evil.example",
        "//site.example",
    ],
)
def test_odd_origins_are_not_ours(origin: str) -> None:
    assert not Names("0.0.0.0", 8787, ["site.example"], encrypted=True, proxied=True).own(origin)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 60)), max_size=200))
def test_nobody_tries_more_often_than_allowed(steps: list[tuple[str, float]]) -> None:
    clock = Clock()
    attempts, begin = Attempts(clock), clock.now
    taken: dict[str, int] = {}
    for who, pause in steps:
        clock.now += pause
        wait = attempts.take(who)
        assert wait >= 0
        if not wait:
            taken[who] = taken.get(who, 0) + 1
        else:
            clock.now += wait
            assert not attempts.take(who), "after that time there is one"
            taken[who] = taken.get(who, 0) + 1
    passed = clock.now - begin
    for count in taken.values():
        assert count <= Attempts.OF_ONE + passed / Attempts.PAUSE_OF_ONE + 1
    assert sum(taken.values()) <= Attempts.OF_ALL + passed / Attempts.PAUSE_OF_ALL + 1


def test_all_together_have_a_bound_and_what_was_right_costs_nothing() -> None:
    clock = Clock()
    attempts = Attempts(clock)
    for i in range(Attempts.OF_ALL):
        assert not attempts.take(f"10.0.0.{i}")
    assert attempts.take("10.0.1.1") > 0
    attempts = Attempts(clock)
    for _ in range(100):
        assert not attempts.take("10.0.0.1")
        attempts.give_back("10.0.0.1")


def test_many_addresses_are_forgotten_and_all_together_are_not() -> None:
    clock = Clock()
    attempts = Attempts(clock)
    for i in range(3 * Attempts.KNOWN):
        clock.now += Attempts.PAUSE_OF_ALL
        attempts.take(str(i))
    assert len(attempts._by) == Attempts.KNOWN


def test_sessions_end_when_unused_when_renewed_and_when_there_are_too_many() -> None:
    clock = Clock()
    sessions = Sessions(clock)
    token, session = sessions.begin(0)
    assert sessions.find(token, 0) is session
    clock.now += IDLE - 1
    assert sessions.find(token, 0) is session
    clock.now += IDLE - 1
    assert sessions.find(token, 0) is session, "it was used meanwhile"
    assert sessions.find(token, 1) is None, "the password is another one"
    token, _ = sessions.begin(1)
    clock.now += IDLE + 1
    assert sessions.find(token, 1) is None
    tokens = [sessions.begin(1)[0] for _ in range(MOST + 3)]
    assert [sessions.find(t, 1) is not None for t in tokens] == [False] * 3 + [True] * MOST


def test_a_password_that_was_right_is_known_until_there_is_another() -> None:
    sessions = Sessions(Clock())
    assert not sessions.knows("x", 0)
    sessions.remember("x", 0)
    assert sessions.knows("x", 0)
    assert not sessions.knows("x", 1)
    assert not sessions.knows("y", 0)


@given(st.integers(1, 20), st.lists(st.integers(0, 5), max_size=60))
def test_a_ring_tells_all_or_says_what_is_missing(most: int, steps: list[int]) -> None:
    ring, told, seen = Ring(most), 0, 0
    for i, step in enumerate(steps):
        if step == 5:
            ring.skip(2)
        for _ in range(step % 5):
            ring.add("event", {"n": i})
        items, missed = ring.after(seen)
        assert [item.number for item in items] == sorted(item.number for item in items)
        told, seen = told + len(items) + missed, ring.last
        assert told == ring.last


def crossing(minute: int, source: str = "gate", rule: str = "door", direction: str = "in") -> Crossing:
    info = FrameInfo(SourceInfo(source), 0, 0, minute * MINUTE + 1, 10, 10)
    return Crossing(info, rule, track_id=1, direction=direction)


@given(
    st.lists(st.tuples(st.integers(0, 3000), st.sampled_from(["in", "out"])), min_size=1, max_size=80),
    st.integers(1, DAY),
)
def test_a_chart_has_every_event_of_its_minutes(events: list[tuple[int, str]], minutes: int) -> None:
    history = History()
    for minute, direction in sorted(events):
        history.see(crossing(minute, direction=direction))
    newest = max(minute for minute, _ in events)
    found: dict[str, Any] = {s["direction"]: s["values"] for s in history.read(None, None, minutes, 0)["series"]}
    for direction in {d for _, d in events}:
        values = found[direction]
        assert len(values) == minutes
        start = newest - minutes + 1
        for i in range(minutes):
            assert values[i] == sum(m == start + i and d == direction for m, d in events)


def test_charts_are_of_what_is_asked_for() -> None:
    history = History()
    history.see(crossing(5))
    history.see(crossing(9, source="yard", rule="fence"))
    info = FrameInfo(SourceInfo("gate"), 0, 0, 6 * MINUTE, 10, 10)
    history.see(Enter(info, "hall", track_id=1))
    assert {s["rule"] for s in history.read("gate", None, 60, 0)["series"]} == {"door", "hall"}
    assert {s["direction"] for s in history.read("gate", "hall", 60, 0)["series"]} == {"enter"}
    assert history.read("yard", None, 1, 0)["series"][0]["values"] == [1]
    assert history.read("nowhere", None, 2, 7 * MINUTE) == {
        "step": 60,
        "start": "1970-01-01T00:06:00.000Z",
        "series": [],
    }


def test_a_day_is_kept_and_no_more() -> None:
    history = History()
    for minute in range(3 * DAY):
        history.see(crossing(minute))
    assert len(next(iter(history._series.values()))) <= DAY
    (series,) = history.read(None, None, DAY, 0)["series"]
    assert series["values"] == [1] * DAY
