"""What is missed of a live source is found: between runs, and while it gave no frames."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countline.pipeline.gaps import GAP, SLEPT, GapWatch
from countline.types import FrameInfo, Gap, SourceInfo, TimeQuality

S = 10**9
NOW = 1_700_000_000 * S
CAMERA = SourceInfo("gate", live=True)
FILE = SourceInfo("gate")


def frame(
    number: int,
    pts: int,
    time: int,
    quality: TimeQuality = TimeQuality.ARRIVAL,
    source: SourceInfo = CAMERA,
    stream: str = "1",
) -> FrameInfo:
    return FrameInfo(source, number, pts, time, 64, 48, quality, stream)


def found(*frames: FrameInfo, seen: int = 0, down: tuple[int, int] = (0, 0)) -> list[Gap]:
    watch = GapWatch()
    watch.begin("gate", seen, down)
    return [gap for info in frames if (gap := watch.see(info)) is not None]


def test_what_was_missed_between_two_runs_lies_between_their_frames() -> None:
    assert found(frame(0, 0, NOW), seen=NOW - 3600 * S) == [Gap(NOW - 3600 * S, NOW, "not-running")]
    assert found(frame(0, 0, NOW)) == [], "the first run of all has missed nothing that is known"


@pytest.mark.parametrize("quality", [TimeQuality.FILE_START, TimeQuality.FILE_MTIME, TimeQuality.NONE])
def test_where_capture_times_begin_anew_in_each_run_this_machines_clock_tells_the_gap(quality: TimeQuality) -> None:
    for seen in (NOW - S, NOW + S):
        assert found(frame(0, 0, NOW, quality), seen=seen, down=(7 * S, 9 * S)) == [Gap(7 * S, 9 * S)]


def test_a_camera_whose_clock_was_set_back_has_a_gap_by_this_machines_clock(caplog: pytest.LogCaptureFixture) -> None:
    assert found(frame(0, 0, NOW), seen=NOW + S, down=(NOW - S, NOW)) == [Gap(NOW - S, NOW)]
    assert found(frame(0, 0, NOW), seen=NOW + S, down=(NOW + S, NOW)) == []
    assert "a clock was set back. How long nothing was seen is not known" in caplog.text


def test_files_have_no_gaps() -> None:
    frames = [frame(n, n * 3600 * S, NOW + n * 3600 * S, source=FILE) for n in range(3)]
    assert found(*frames, seen=NOW - S, down=(1, 2)) == []


@given(
    st.lists(
        st.tuples(st.integers(0, 100 * S), st.lists(st.integers(1, GAP // 3), min_size=2, max_size=5)),
        min_size=1,
        max_size=20,
    )
)
def test_every_pause_among_usual_steps_is_told_and_nothing_else(parts: list[tuple[int, list[int]]]) -> None:
    steps = [1, 1]
    for pause, usual in parts:
        steps += [pause, *usual]
    at, frames = 0, [frame(0, 0, NOW)]
    for number, step in enumerate(steps, 1):
        at += step
        frames.append(frame(number, at, NOW + at))
    pauses = [(a.time, b.time) for a, b in pairwise(frames) if b.pts - a.pts > GAP]
    gaps = found(*frames)
    assert [(g.start, g.end) for g in gaps] == pauses
    assert all(g.cause == "no-frames" and g.missed == g.end - g.start for g in gaps)


def test_each_of_several_outages_is_told() -> None:
    moments = [0, 1, 2, 60, 61, 62, 200, 201, 500]
    frames = [frame(n, at * S, NOW + at * S) for n, at in enumerate(moments)]
    assert [((g.start - NOW) // S, (g.end - NOW) // S) for g in found(*frames)] == [(2, 60), (62, 200), (201, 500)]


def test_a_camera_of_a_frame_a_minute_has_no_gaps_once_that_is_known() -> None:
    frames = [frame(n, n * 60 * S, NOW + n * 60 * S) for n in range(10)]
    assert len(found(*frames)) == 1


def test_frames_that_were_dropped_are_told_apart_from_frames_that_never_came() -> None:
    steady = [frame(n, n * S // 10, NOW + n * S // 10) for n in range(5)]
    (gap,) = found(*steady, frame(100, 10 * S, NOW + 10 * S))
    assert gap.cause == "frames-dropped"
    (gap,) = found(*steady, frame(7, 10 * S, NOW + 10 * S))
    assert gap.cause == "no-frames", "the two that were dropped do not explain ten seconds"


def test_a_stream_that_halts_and_catches_up_misses_nothing() -> None:
    steady = [frame(n, n * S // 10, NOW + n * S // 10) for n in range(5)]
    assert found(*steady, frame(5, S // 2, NOW + 20 * S), frame(6, 6 * S // 10, NOW + 20 * S)) == []


def test_a_machine_that_slept_has_missed_what_passed_meanwhile() -> None:
    steady = [frame(n, n * S // 10, NOW + n * S // 10) for n in range(5)]
    (gap,) = found(*steady, frame(5, S // 2, NOW + SLEPT + 20 * S))
    assert gap == Gap(steady[-1].time, NOW + SLEPT + 20 * S, "clock-jumped")
    assert found(*steady, frame(5, S // 2, NOW + 1800 * S, TimeQuality.NTP)) == [], (
        "the camera's own clock is another one"
    )


def test_a_clock_that_is_set_back_during_an_outage_hides_nothing() -> None:
    steady = [frame(n, n * S // 10, NOW + n * S // 10) for n in range(5)]
    (gap,) = found(*steady, frame(5, 30 * S, NOW - 3600 * S))
    assert gap.end == NOW - 3600 * S
    assert 29 < gap.seconds < 30


def test_a_stream_that_begins_anew_is_measured_by_its_time() -> None:
    steady = [frame(n, n * S // 10, NOW + n * S // 10) for n in range(5)]
    (gap,) = found(*steady, frame(0, 0, NOW + 60 * S, stream="2"))
    assert (gap.start, gap.end, gap.cause) == (steady[-1].time, NOW + 60 * S, "no-frames")
    assert found(*steady, frame(0, 0, NOW + S, stream="2")) == []


def test_pts_that_begin_anew_are_no_gap_and_hide_none() -> None:
    late = [frame(n, 7200 * S + n * S // 10, NOW + n * S // 10) for n in range(5)]
    assert found(*late, frame(5, 0, NOW + S // 2), frame(6, S // 10, NOW + 6 * S // 10)) == []
    (gap,) = found(*late, frame(5, 0, NOW + 60 * S), frame(6, S // 10, NOW + 60 * S + S // 10))
    assert (gap.start, gap.end, gap.cause) == (late[-1].time, NOW + 60 * S, "no-frames")


@given(st.lists(st.tuples(st.integers(1, 50), st.integers(1, 50)), min_size=1, max_size=8))
def test_gaps_told_as_one_keep_what_was_missed(lengths: list[tuple[int, int]]) -> None:
    at, whole, missed = 0, Gap(0, 0), 0
    for seen, length in lengths:
        at += seen
        whole = whole.joined(Gap(at, at + length, "no-frames"))
        at, missed = at + length, missed + length
    assert (whole.start, whole.end, whole.missed) == (lengths[0][0], at, missed)
