"""Positions, codec and schedule: no file, no clock."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countline.errors import ConfigError
from countline.outbox import codec, schedule
from countline.outbox.positions import Intervals
from countline.types import Message

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
exhaustive = settings(max_examples=200)
positions = st.integers(1, 60)
ranges = st.tuples(positions, st.integers(0, 8)).map(lambda p: (p[0], p[0] + p[1]))


def as_set(intervals: Intervals) -> set[int]:
    return {n for lo, hi in intervals for n in range(lo, hi + 1)}


@exhaustive
@given(st.lists(st.one_of(ranges, st.lists(positions))))
def test_intervals_hold_exactly_what_was_added(steps: list[object]) -> None:
    done, truth = Intervals(), set()
    for step in steps:
        if isinstance(step, tuple):
            assert done.add(*step) == len(set(range(step[0], step[1] + 1)) - truth)
            truth |= set(range(step[0], step[1] + 1))
        else:
            assert isinstance(step, list)
            new = len(set(step) - truth)
            assert done.add_many(step) == new
            truth |= set(step)
        assert as_set(done) == truth
        assert all(n in done for n in truth)
        assert not any(n in done for n in set(range(80)) - truth)
        pairs = list(done)
        assert all(a[1] + 1 < b[0] for a, b in pairwise(pairs))
        assert done.low == next(n for n in range(80) if n + 1 not in truth)
        assert Intervals.unpack(done.pack()) == done


@exhaustive
@given(st.lists(ranges), st.lists(ranges), positions)
def test_intersection_and_clipping_are_those_of_sets(
    a: list[tuple[int, int]], b: list[tuple[int, int]], n: int
) -> None:
    x, y = Intervals(a), Intervals(b)
    assert as_set(x & y) == as_set(x) & as_set(y)
    x.clip(n)
    assert as_set(x) == {m for m in as_set(Intervals(a)) if m <= n}


texts = st.text(st.characters(codec="utf-8"), max_size=12)
messages = st.builds(
    Message,
    id=texts,
    value=st.binary(max_size=80),
    key=st.none() | st.binary(max_size=12),
    headers=st.lists(st.tuples(texts, st.binary(max_size=9)), max_size=3).map(tuple),
    time=st.integers(0, 2**62),
    topic=st.none() | texts,
    definition=texts,
    source=texts,
    content_type=texts,
    outputs=st.lists(texts, max_size=2).map(tuple),
)


@exhaustive
@given(st.lists(messages, max_size=8))
def test_every_message_comes_back_as_it_was(some: list[Message]) -> None:
    assert codec.decode(codec.encode(some)) == some


@exhaustive
@given(st.lists(messages, min_size=1, max_size=4), st.data())
def test_one_damaged_byte_is_never_read_as_a_message(some: list[Message], data: st.DataObject) -> None:
    block = bytearray(codec.encode(some))
    at = data.draw(st.integers(0, len(block) - 1))
    block[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(codec.Damaged):
        codec.decode(bytes(block))
    with pytest.raises(codec.Damaged):
        codec.decode(bytes(block[: len(block) // 2]))


def test_a_name_that_is_not_utf8_does_not_stop_the_outbox() -> None:
    (back,) = codec.decode(codec.encode([Message(id="caf\udce9", value=b"v", topic="t")]))
    assert back.id == "caf?"
    assert back.value == b"v"


def ns(text: str) -> int:
    return int((datetime.fromisoformat(text + "+00:00") - EPOCH).total_seconds()) * 10**9


@pytest.mark.parametrize(
    ("text", "after", "expected"),
    [
        ("daily 00:00", "2026-01-01T00:00:00", "2026-01-02T00:00:00"),
        ("daily 00:00 Europe/Berlin", "2026-01-01T00:00:00", "2026-01-01T23:00:00"),
        ("daily 00:00 Europe/Berlin", "2026-07-01T00:00:00", "2026-07-01T22:00:00"),
        # 02:30 does not exist on 29 March 2026: the moment of the jump stands for it; on 25 October it exists twice: the first.
        ("daily 02:30 Europe/Berlin", "2026-03-28T12:00:00", "2026-03-29T01:00:00"),
        ("daily 02:30 Europe/Berlin", "2026-03-29T01:00:00", "2026-03-30T00:30:00"),
        ("daily 02:30 Europe/Berlin", "2026-10-24T12:00:00", "2026-10-25T00:30:00"),
        ("daily 02:30 Europe/Berlin", "2026-10-25T00:30:00", "2026-10-26T01:30:00"),
        ("daily 23:59:30 Pacific/Kiritimati", "2026-01-01T12:00:00", "2026-01-02T09:59:30"),
        ("weekly monday 06:00 Asia/Tokyo", "2026-02-01T00:15:00", "2026-02-01T21:00:00"),
        ("monthly 31 00:00", "2026-02-01T00:00:00", "2026-02-28T00:00:00"),
        ("hourly :15", "2026-02-01T00:15:00", "2026-02-01T01:15:00"),
        ("hourly", "2026-02-01T00:15:00", "2026-02-01T01:00:00"),
    ],
)
def test_the_next_reset_is_right_also_when_clocks_change(text: str, after: str, expected: str) -> None:
    assert schedule.parse(text).next_after(ns(after)) == ns(expected)


@settings(max_examples=60)
@given(
    st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC"]),
    st.integers(0, 23),
    st.integers(0, 59),
    st.integers(ns("2024-01-01T00:00:00") // 10**9, ns("2027-01-01T00:00:00") // 10**9),
)
def test_every_local_day_has_exactly_one_daily_reset(zone: str, hour: int, minute: int, start: int) -> None:
    plan = schedule.parse(f"daily {hour:02d}:{minute:02d} {zone}")
    moment, days = plan.next_after(start * 10**9), []
    for _ in range(30):
        days.append((EPOCH + timedelta(microseconds=moment // 1000)).astimezone(ZoneInfo(zone)).date())
        later = plan.next_after(moment)
        assert later > moment
        moment = later
    assert [b - a for a, b in pairwise(days)] == [timedelta(days=1)] * 29


def test_a_clock_that_jumps_back_does_not_reset_twice() -> None:
    plan = schedule.parse("daily 00:00")
    midnight, hour = ns("2026-01-02T00:00:00"), 3600 * 10**9
    assert plan.due(midnight - hour, midnight + 1) == midnight
    assert plan.due(midnight, midnight - hour) is None
    assert plan.due(midnight, midnight + 1) is None
    assert plan.due(midnight, midnight + 50 * hour) == ns("2026-01-04T00:00:00"), (
        "only the latest of those that were missed"
    )


@pytest.mark.parametrize(
    ("text", "word"),
    [("dayly 00:00", "dayly"), ("daily 25:00", "25:00"), ("daily 00:00 Mars/Base", "Mars/Base"), ("daily", "time of day"),
     ("weekly noday 01:00", "noday"), ("monthly 32 01:00", "32")],
)  # fmt: skip
def test_a_bad_schedule_is_named(text: str, word: str) -> None:
    with pytest.raises(ConfigError, match=word) as caught:
        schedule.parse(text)
    assert caught.value.fix
