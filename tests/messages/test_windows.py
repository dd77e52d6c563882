"""An interval's message tells what was counted in its window, whatever is reset, and windows follow the clocks of a zone."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from messages_build import ENTRANCE, analytics, definition, info

from countline.errors import MessageError
from countline.messages.windows import bounds
from countline.outbox import schedule
from countline.types import CounterDelta, CounterKey, LineState

S = 10**9
H = 3600 * S
ZONES = [
    "UTC",
    "Asia/Kolkata",
    "Europe/Berlin",
    "America/St_Johns",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "Pacific/Chatham",
]


def ns(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp()) * S


def local(time: int, zone: str) -> datetime:
    return datetime.fromtimestamp(time // S, timezone.utc).astimezone(ZoneInfo(zone))


def counted(number: int, time: int, *found: tuple[str, int], total: int = 0):
    made = analytics(info(number, time=time), [])
    made.deltas = [CounterDelta(CounterKey("entrance", "straight", name, "person"), n) for name, n in found]
    made.lines["straight"] = LineState(0, total)
    return made


def test_a_window_sums_what_was_counted_and_a_reset_takes_nothing_away():
    one = definition(
        {"n": "{lines.straight.window}", "in": "{lines.straight.in.window}", "people": "{lines.straight.classes.person.window}",
         "total": "{lines.straight.cumulative}", "all": "{window}"},
        on="interval 1h",
    )  # fmt: skip
    start = ns("2026-11-27T09:00:00+00:00")
    frames = [
        counted(0, start, ("in", 2), total=2), counted(1, start + 60 * S, ("out", 1), total=3),
        counted(2, start + 1800 * S, ("in", 1), total=1),  # reset before this one
        counted(3, start + H, total=0),  # and before this one
        counted(4, start + H + S, ("in", 5), total=5),
    ]  # fmt: skip
    told = [m for frame in frames for m in one.make(frame)] + one.finish("entrance")
    first, last = [orjson.loads(m.value) for m in told]
    assert (first["n"], first["in"], first["people"], first["total"]) == (4, 3, 4, 1)
    assert first["all"] == {
        "start": "2026-11-27T09:00:00.000Z", "end": "2026-11-27T10:00:00.000Z", "seconds": 3600.0, "complete": True,
        "counts": {"straight": {"in": 3, "out": 1}},
    }  # fmt: skip
    assert (last["n"], last["all"]["complete"]) == (5, False)
    assert len({m.id for m in told}) == 2


@given(
    st.lists(st.tuples(st.integers(0, 20 * S), st.integers(0, 3)), min_size=1, max_size=40),
    st.sampled_from([1, 3, 7, 60]),
)
def test_every_count_is_told_in_exactly_one_window(steps, seconds):
    one = definition({"n": "{lines.straight.window}"}, on=f"interval {seconds}s")
    time, told, total = 1_700_000_000 * S, [], 0
    for number, (step, amount) in enumerate(steps):
        time += step
        total += amount
        told += one.make(counted(number, time, *([("in", amount)] if amount else [])))
    told += one.finish("entrance")
    assert sum(orjson.loads(m.value)["n"] for m in told) == total
    assert len({m.id for m in told}) == len(told)


@pytest.mark.parametrize("on", ["crossing", "change", "frame"])
def test_only_an_interval_has_a_window(on):
    for field in ("{window.start}", "{window}", "{lines.straight.window}", "{regions.lobby.entered.window}"):
        with pytest.raises(MessageError):
            definition(field, on=on)


@given(
    st.sampled_from(ZONES), st.integers(ns("2026-01-01T00:00:00+00:00"), ns("2027-12-31T00:00:00+00:00")),
    st.sampled_from([60 * S, 900 * S, H, 6 * H, 24 * H]),
)  # fmt: skip
def test_windows_contain_their_time_and_join_without_gap_or_overlap(zone, time, length):
    start, end = bounds(time, length, ZoneInfo(zone))
    assert start <= time < end
    assert bounds(start, length, ZoneInfo(zone)) == (start, end)
    assert bounds(end - 1000, length, ZoneInfo(zone)) == (start, end)
    assert bounds(end, length, ZoneInfo(zone))[0] == end
    assert end - start <= 2 * length
    if length == 24 * H:
        begin = local(start, zone)
        assert (begin.hour, begin.minute) == (0, 0) or begin.hour == 1, "midnight, or the end of a gap at midnight"
    if length == H:
        assert local(start, zone).minute in (0, 30), (
            "full hours by the clock; Lord Howe moves its clocks by half of one"
        )


def test_a_day_on_which_clocks_change_is_one_window():
    berlin = ZoneInfo("Europe/Berlin")
    for day, hours in (("2026-03-29", 23), ("2026-10-25", 25), ("2026-06-01", 24)):
        start, end = bounds(ns(f"{day}T12:00:00+00:00"), 24 * H, berlin)
        assert (end - start) // H == hours
        assert local(start, "Europe/Berlin").isoformat().startswith(f"{day}T00:00:00")


def test_the_interval_follows_the_zone_that_is_named_else_that_of_the_reset():
    for on, zone in (("interval 1h Asia/Kolkata", None), ("interval 1h", ZoneInfo("Asia/Kolkata"))):
        one = definition({"from": "{window.start}"}, on=on, zone=zone)
        one.make(analytics(info(0, time=ns("2026-11-27T09:45:00+00:00")), []))
        (told,) = one.finish(ENTRANCE.name)
        assert orjson.loads(told.value)["from"] == "2026-11-27T09:30:00.000Z"


@given(
    st.sampled_from(ZONES),
    st.integers(ns("2026-01-01T00:00:00+00:00"), ns("2027-12-31T00:00:00+00:00")),
    st.integers(0, 59),
)
def test_an_hourly_reset_is_on_the_local_hour(zone, after, minute):
    found = schedule.parse(f"hourly :{minute:02d} {zone}").next_after(after)
    assert local(found, zone).minute == minute
    assert after < found <= after + 2 * H
    assert found % S == 0


def test_hourly_in_kolkata_is_on_the_hour_of_kolkata():
    assert schedule.parse("hourly Asia/Kolkata").next_after(ns("2026-11-27T09:45:00+00:00")) == ns(
        "2026-11-27T10:30:00+00:00"
    )
    assert timedelta(hours=5, minutes=30) == local(0, "Asia/Kolkata").utcoffset()
