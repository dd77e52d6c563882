"""A window that a run was killed in is taken over by the next one: what it says is what was counted, not what is counted again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st
from messages_build import ENTRANCE, analytics, definition, info

from countline.messages.windows import Interval
from countline.protocols import WindowDefinition
from countline.types import Analytics, CounterDelta, CounterKey, Window

S = 10**9
NAME = ENTRANCE.name
IN = CounterKey(NAME, "straight", "in", "person")
BEGIN = 1_700_000_000 * S
"""200 s behind a full quarter of an hour."""


def counted(number: int, time: int, amount: int = 0) -> Analytics:
    made = analytics(info(number, time=time), [])
    made.deltas = [CounterDelta(IN, amount)] if amount else []
    return made


def played(interval: Interval, frames: Sequence[Analytics]) -> list[Window]:
    """The windows that were over."""
    fired = [interval.fire(frame) for frame in frames]
    windows = [found[0].window for found in fired if found is not None]
    assert None not in windows
    return windows  # type: ignore[return-value]


@given(
    st.lists(st.tuples(st.integers(0, 2 * S), st.integers(0, 3)), min_size=2, max_size=40), st.data(),
    st.sampled_from([S, 3 * S, 60 * S]),
)  # fmt: skip
def test_a_run_that_goes_on_with_the_window_as_it_was_tells_what_one_without_a_break_does(steps, data, length) -> None:
    time, frames = BEGIN, []
    for number, (step, amount) in enumerate(steps):
        time += step
        frames.append(counted(number, time, amount))
    killed = data.draw(st.integers(0, len(frames) - 2), "last frame that was stored")
    seam = data.draw(st.integers(0, killed), "first frame of the next run")
    again = [counted(f.frame.number, f.frame.time) for f in frames[seam : killed + 1]]  # counts nothing
    whole, first, second = Interval(length), Interval(length), Interval(length)
    played(whole, frames[: killed + 1])
    played(first, frames[: killed + 1])
    stored = first.window(NAME)
    played(second, again)
    assert stored is not None
    second.restore(NAME, stored)
    assert second.window(NAME) == stored
    assert played(second, frames[killed + 1 :]) == played(whole, frames[killed + 1 :])
    assert second.window(NAME) == whole.window(NAME)


@given(
    st.sampled_from(["UTC", "Asia/Kathmandu", "Europe/Berlin", "Australia/Lord_Howe", "America/St_Johns"]),
    st.sampled_from([60 * S, 900 * S, 3600 * S, 6 * 3600 * S, 24 * 3600 * S]),
    st.sampled_from(["2026-03-29", "2026-04-05", "2026-07-01", "2026-10-04", "2026-10-25", "2026-11-01"]),
    st.integers(0, 30 * 3600),
)
def test_each_of_its_windows_is_known_again_also_where_clocks_change(zone, length, day, second) -> None:
    time = int(datetime.fromisoformat(f"{day}T00:00:00+00:00").timestamp()) * S + (second - 10 * 3600) * S
    first, second = Interval(length, ZoneInfo(zone)), Interval(length, ZoneInfo(zone))
    first.fire(counted(0, time, 3))
    second.fire(counted(0, time))
    stored = first.window(NAME)
    assert stored is not None
    second.restore(NAME, stored)
    assert second.window(NAME) == stored


def test_a_window_is_told_as_complete_if_an_earlier_run_saw_its_beginning() -> None:
    first, second = Interval(10 * S), Interval(10 * S)
    played(first, [counted(0, BEGIN, 2)])
    played(second, [counted(1, BEGIN + 5 * S)])
    assert second.window(NAME) == Window(BEGIN, BEGIN + 10 * S, {}, complete=False)
    stored = first.window(NAME)
    assert stored is not None
    second.restore(NAME, stored)
    assert played(second, [counted(2, BEGIN + 10 * S)]) == [Window(BEGIN, BEGIN + 10 * S, {IN: 2})]


def test_what_was_seen_stands_where_the_window_is_none_of_these() -> None:
    minute = Interval(60 * S)
    minute.fire(counted(0, BEGIN + 100 * S, 1))
    seen = minute.window(NAME)
    assert seen == Window(BEGIN + 100 * S, BEGIN + 160 * S, {IN: 1})
    for start, length in ((100, 10), (100, 1), (-200, 900), (100, 120)):
        minute.restore(NAME, Window(BEGIN + start * S, BEGIN + (start + length) * S, {IN: 7}))
        assert minute.window(NAME) == seen, "of another interval"
    minute.restore(NAME, Window(BEGIN + 40 * S, BEGIN + 100 * S, {IN: 7}))
    assert minute.window(NAME) == seen, "of an earlier time"


def test_without_a_frame_there_is_no_window() -> None:
    one = Interval(60 * S)
    one.restore(NAME, Window(BEGIN - 20 * S, BEGIN + 40 * S, {IN: 7}))
    assert one.window(NAME) is None
    assert one.finish(NAME) is None


def test_what_is_stored_of_a_window_is_a_value_of_its_own() -> None:
    one = Interval(60 * S)
    one.fire(counted(0, BEGIN, 1))
    stored = one.window(NAME)
    one.fire(counted(1, BEGIN, 1))
    assert stored is not None
    assert stored.counts == {IN: 1}
    one.restore(NAME, stored)
    one.fire(counted(2, BEGIN, 5))
    assert stored.counts == {IN: 1}


def test_definitions_give_the_windows_of_their_triggers() -> None:
    told, other = definition("{window}", on="interval 1m"), definition("{frame}", on="change")
    assert isinstance(told, WindowDefinition)
    for one in (told, other):
        one.make(counted(0, BEGIN + 40 * S, 2))
    window = Window(BEGIN + 40 * S, BEGIN + 100 * S, {IN: 2})
    assert (told.window(NAME), told.window("yard"), other.window(NAME)) == (window, None, None)
    told.restore_window(NAME, Window(window.start, window.end, {IN: 5}))
    other.restore_window(NAME, window)
    assert told.window(NAME) == Window(window.start, window.end, {IN: 5})
    assert other.window(NAME) is None
