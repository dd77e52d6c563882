"""Time never goes backward, and says how well it is known."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countline.errors import SourceError
from countline.types import TimeQuality
from countline.video import open_source
from countline.video.clock import SECOND, ArrivalClock, PtsNormaliser, creation_time, parse_start, to_ns

from .conftest import config, encode

raw_stamps = st.lists(st.none() | st.integers(-(10**12), 10**12) | st.just("begin"), max_size=60)


@given(raw_stamps, st.integers(1, 10**9))
def test_pts_never_goes_backward_and_starts_at_0(stamps: list[object], step: int) -> None:
    normaliser, given_out = PtsNormaliser(step), []
    for raw in stamps:
        if raw == "begin":
            normaliser.begin()
        else:
            given_out.append(normaliser.normalise(raw))  # type: ignore[arg-type]
    assert given_out == sorted(given_out)
    assert not given_out or given_out[0] == 0


def test_good_stamps_are_kept_to_the_nanosecond() -> None:
    normaliser = PtsNormaliser(1)
    assert [normaliser.normalise(7 * SECOND + n * n) for n in range(50)] == [n * n for n in range(50)]
    assert normaliser.repaired == 0


def test_a_missing_stamp_is_one_step_on_and_counted() -> None:
    normaliser = PtsNormaliser(40)
    assert [normaliser.normalise(r) for r in (100, None, 180, None, None)] == [0, 40, 80, 120, 160]
    assert normaliser.repaired == 3
    normaliser = PtsNormaliser(40)
    assert [normaliser.normalise(None) for _ in range(3)] == [0, 40, 80], "none at all"


def test_one_frame_out_of_order_does_not_shift_the_rest() -> None:
    normaliser = PtsNormaliser(40)
    assert [normaliser.normalise(r) for r in (0, 40, 20, 80, 120)] == [0, 40, 41, 80, 120]
    assert normaliser.repaired == 1


def test_a_new_time_line_goes_on_where_the_last_ended() -> None:
    normaliser = PtsNormaliser(40)
    assert [normaliser.normalise(r) for r in (9 * SECOND, 9 * SECOND + 40, 0, 40)] == [0, 40, 80, 120]
    assert normaliser.repaired == 1
    normaliser.begin(1000)
    assert [normaliser.normalise(r) for r in (5, 45)] == [1120, 1160]
    assert normaliser.repaired == 1, "a new connection is no repair"


def test_stamps_are_exact_for_broken_rates() -> None:
    assert to_ns(30_000, Fraction(1001, 30_000)) == 1_001 * SECOND
    assert to_ns(None, Fraction(1, 10)) is None
    assert to_ns(5, None) is None


def test_file_stamps_begin_at_0_and_keep_their_gaps(tmp_path: Path) -> None:
    path = encode(tmp_path / "gaps.mkv", 5, stamps=[30, 31, 35, 36, 50])
    assert [f.info.pts for f in open_source(config(path), 0)] == [n * 100_000_000 for n in (0, 1, 5, 6, 20)]


def test_start_told_by_the_user_is_capture_time(video: Path) -> None:
    frames = [f.info for f in open_source(config(video, start="2026-11-22T09:00:00.25+01:00"), 0)]
    assert frames[0].time == parse_start("2026-11-22T08:00:00.25Z", "") == 1_795_334_400_250_000_000
    assert frames[10].time - frames[0].time == SECOND
    assert {f.time_quality for f in frames} == {TimeQuality.FILE_START}


@pytest.mark.parametrize("start", ["yesterday", "2026-11-22", "2026-11-22T08:00:00"])
def test_a_start_without_offset_or_sense_is_refused(video: Path, start: str) -> None:
    with pytest.raises(SourceError, match=r"source 'cam'.*start") as caught:
        open_source(config(video, start=start), 0)
    assert "2026-11-22T08:00:00Z" in caught.value.fix


def test_creation_time_of_the_container_is_capture_time(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp4", 3, metadata={"creation_time": "2025-01-02T03:04:05Z"})
    info = next(iter(open_source(config(path), 0))).info
    assert (info.time, info.time_quality) == (parse_start("2025-01-02T03:04:05Z", ""), TimeQuality.FILE_START)


def test_otherwise_modification_time_less_duration(video: Path) -> None:
    os.utime(video, ns=(0, 1_700_000_000_000_000_000))
    info = next(iter(open_source(config(video), 0))).info
    assert (info.time, info.time_quality) == (1_700_000_000_000_000_000 - 2 * SECOND, TimeQuality.FILE_MTIME)


def test_modification_time_serves_raw_streams_too(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.h264", 20, format="h264")
    os.utime(path, ns=(0, 1_700_000_000_000_000_000))
    info = next(iter(open_source(config(path), 0))).info
    assert (info.time, info.time_quality) == (1_700_000_000_000_000_000 - 2 * SECOND, TimeQuality.FILE_MTIME)


@pytest.mark.parametrize(
    ("text", "year"),
    [
        ("2025-01-02T03:04:05.000000Z", 2025), ("2025-01-02 03:04:05", 2025), ("2025-01-02T03:04:05+0100", 2025),
        ("1904-01-01T00:00:00Z", None), ("1970-01-01T00:00:00Z", None), ("", None), ("soon", None),
    ],
)  # fmt: skip
def test_creation_times_that_recorders_write(text: str, year: int | None) -> None:
    got = creation_time({"creation_time": text})
    assert (got is None) == (year is None)
    assert got is None or abs(got - parse_start("2025-01-02T03:04:05Z", "")) <= 3600 * SECOND


NOW = 1_800_000_000 * SECOND


def test_arrival_is_the_first_frames_wall_clock_plus_pts() -> None:
    clock = ArrivalClock()
    assert clock.time(0, NOW) == (NOW, TimeQuality.ARRIVAL)
    assert clock.time(SECOND, NOW + SECOND + 300_000_000) == (NOW + SECOND, TimeQuality.ARRIVAL), "late by the network"


def test_arrival_follows_a_first_frame_that_was_late() -> None:
    clock = ArrivalClock()
    clock.time(0, NOW)
    times = [clock.time(n * SECOND // 10, NOW)[0] for n in range(1, 10)]  # nine more frames in the same instant
    assert set(times) == {NOW}
    assert clock.time(SECOND, NOW + SECOND // 10) == (NOW + SECOND // 10, TimeQuality.ARRIVAL)


def test_arrival_is_set_anew_after_a_jump_of_the_wall_clock() -> None:
    clock = ArrivalClock()
    clock.time(0, NOW)
    back = NOW - 3600 * SECOND
    assert clock.time(SECOND, back) == (back, TimeQuality.ARRIVAL)
    assert clock.resets == 1
    assert clock.time(2 * SECOND, back + SECOND)[0] == back + SECOND


@given(st.lists(st.tuples(st.integers(0, SECOND), st.integers(-SECOND // 2, SECOND // 2)), min_size=1, max_size=50))
def test_arrival_never_goes_backward_while_clocks_agree(steps: list[tuple[int, int]]) -> None:
    clock, pts, last = ArrivalClock(), 0, 0
    for step, jitter in steps:
        pts += step
        time, _ = clock.time(pts, NOW + pts + jitter)
        assert time >= last
        last = time


def test_the_senders_clock_comes_first_unless_it_was_never_set() -> None:
    clock = ArrivalClock()
    assert clock.time(0, NOW, NOW - 200_000_000) == (NOW - 200_000_000, TimeQuality.NTP)
    assert clock.time(SECOND, NOW + SECOND, 5 * SECOND) == (NOW + SECOND, TimeQuality.ARRIVAL)
    assert clock.distrusted == 1
