"""Fewer frames than a source gives: evenly by time, numbered as they were, and taken out as early as possible."""

from __future__ import annotations

import random
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countline.source_status import SourceStats
from countline.video import open_source
from countline.video.health import lossy
from countline.video.shed import DecoderShed, KeyTimes, Thinner

from .conftest import config, encode

SECOND = 1_000_000_000


@given(st.floats(1, 60), st.floats(0.5, 30), st.floats(0, 0.2))
def test_a_rate_is_kept_evenly_whatever_the_source_gives(given_rate: float, wanted: float, jitter: float) -> None:
    thinner = Thinner(wanted)
    step = SECOND / given_rate
    stamps = [int(n * step + (n * 7919 % 13 / 13 - 0.5) * jitter * step) for n in range(int(given_rate * 30))]
    taken = [pts for pts in stamps if thinner.takes(pts)]
    expected = min(given_rate, wanted) * 30
    assert len(taken) <= wanted * 30 * 1.06 + 1
    assert len(taken) >= expected * (0.5 if given_rate < 2 * wanted else 0.85) - 2
    assert all(b - a <= SECOND / wanted + 2 * step for a, b in pairwise(taken))


@pytest.mark.parametrize(("comes", "wanted"), [(0.5, 0.2), (5.0, 0.5), (5.0, 3.0), (25.0, 5.0)])
def test_a_rate_that_changes_every_second_is_kept(comes: float, wanted: float) -> None:
    """Shares of an overloaded machine are set anew each second."""
    thinner, taken, seconds = Thinner(wanted), 0, 200
    for n in range(int(comes * seconds)):
        pts = int(n * SECOND / comes)
        thinner.rate = wanted * (1 + (pts // SECOND) % 5 / 100)
        taken += thinner.takes(pts)
    assert taken == pytest.approx(wanted * seconds, rel=0.1, abs=2)
    thinner.rate = None
    assert all(thinner.takes(seconds * SECOND + n) for n in range(10))


@given(st.lists(st.integers(0, 10**12)))
def test_without_a_rate_every_frame_is_taken(stamps: list[int]) -> None:
    assert all(Thinner(None).takes(pts) for pts in stamps)


def test_time_that_begins_anew_does_not_stop_a_source() -> None:
    thinner = Thinner(5.0)
    assert thinner.takes(1000 * SECOND)
    assert thinner.takes(0)
    assert not thinner.takes(SECOND // 100)


@pytest.mark.parametrize(("rate", "wanted", "modes"), [(25.0, None, {"DEFAULT"}), (25.0, 22.0, {"DEFAULT"})])
def test_a_decoder_gives_all_where_about_all_is_wanted(rate: float, wanted: float | None, modes: set[str]) -> None:
    shed = DecoderShed()
    assert {shed.see(int(n * SECOND / rate), wanted) for n in range(500)} == modes


def simulate(wanted: float, kept: dict[str, float], seconds: int = 60) -> tuple[str, float]:
    """The mode at the end, and the frames a second in the last ten seconds, of a decoder that gives so many in each mode."""
    shed, pts, late = DecoderShed(), 0.0, 0
    mode = "DEFAULT"
    while pts < seconds * SECOND:
        late += pts > (seconds - 10) * SECOND
        mode = shed.see(int(pts), wanted, int(pts / SECOND * kept["NONKEY"]))
        pts += SECOND / kept[mode]
    return mode, late / 10


def test_a_decoder_passes_over_what_nothing_refers_to_if_enough_is_left() -> None:
    assert simulate(5.0, {"DEFAULT": 25.0, "NONREF": 8.3, "NONKEY": 0.5}) == ("NONREF", pytest.approx(8.3, abs=0.2))


def test_what_gives_too_little_is_taken_back_for_good() -> None:
    assert simulate(10.0, {"DEFAULT": 25.0, "NONREF": 8.3, "NONKEY": 0.5})[0] == "DEFAULT"
    assert simulate(2.0, {"DEFAULT": 25.0, "NONREF": 25.0, "NONKEY": 0.5})[0] == "NONREF", (
        "harmless where all are referred to"
    )
    assert simulate(0.5, {"DEFAULT": 25.0, "NONREF": 8.3, "NONKEY": 1.0})[0] == "NONKEY"


def test_key_frames_alone_are_not_tried_where_fewer_come_than_are_wanted() -> None:
    """A camera that is to give two frames a second, and sends a key frame every two seconds, would be blind between them."""
    shed, modes = DecoderShed(), set()
    for n in range(500):
        modes.add(shed.see(int(n * SECOND / 10), 1.9, n // 20))
    assert modes == {"DEFAULT", "NONREF"}


def test_a_decoder_passes_over_more_as_less_and_less_is_wanted_whatever_it_passed_over_before() -> None:
    """Where every frame is referred to, passing over the others gives all of them, and is no reason to stay with that. And of key
    frames alone, of which one comes in two seconds, it takes more than one trial to see how many they are."""
    shed, pts, seen = DecoderShed(), 0.0, []
    keys = {"DEFAULT": 1, "NONREF": 1, "NONKEY": 10}
    number = 0
    for wanted in (3.0, 0.48, 0.3, 0.7, 3.0):
        until, modes = pts + 40 * SECOND, []
        while pts < until:
            modes.append(shed.see(int(pts), wanted, number // 10))
            step = keys[modes[-1]] - (number % keys[modes[-1]])
            pts, number = pts + step * SECOND / 5, number + step
        seen.append(modes[-1])
    assert seen == ["NONREF", "NONKEY", "NONKEY", "NONREF", "NONREF"]


def test_what_was_too_little_once_is_enough_when_less_is_wanted() -> None:
    shed, pts, mode = DecoderShed(), 0.0, "DEFAULT"
    for wanted, expected in ((10.0, "DEFAULT"), (5.0, "NONREF")):
        for _ in range(400):
            mode = shed.see(int(pts), wanted)
            pts += SECOND / {"DEFAULT": 25.0, "NONREF": 8.3}[mode]
        assert mode == expected


def test_a_time_without_frames_is_no_reason_to_decode_all_again() -> None:
    """A camera that was away for a minute gave few frames in it, whatever the decoder passed over."""
    shed, pts, mode = DecoderShed(), 0.0, "DEFAULT"
    for away in (False, True, False):
        if away:
            pts += 60 * SECOND
            shed.begin()
        for _ in range(200):
            mode = shed.see(int(pts), 5.0)
            pts += SECOND / {"DEFAULT": 25.0, "NONREF": 8.3}[mode]
    assert mode == "NONREF"


def _decoded(rate: float, wanted: float, key: float, seconds: int = 120) -> tuple[list[int], int]:
    """Frames that are taken of a camera with a key frame every ``key`` s, and how many are decoded for that."""
    thinner, times, taken, decoded, rest, keys = Thinner(wanted), KeyTimes(), [], 0, -1, 0
    resting = False
    for number in range(int(rate * seconds)):
        pts, is_key = int(number * SECOND / rate), number % round(rate * key) == 0
        keys += is_key
        resting = pts < rest or (resting and not is_key)
        if resting:
            continue
        decoded += 1
        if is_key:
            times.see(pts, keys)
        if thinner.takes(pts, is_key):
            taken.append(pts)
        following = times.next()
        wakes = thinner.wakes(*following) if following is not None else None
        rest = wakes - int(min(thinner.interval, key * SECOND) / 2) if wakes is not None else -1
    return taken, decoded


@given(st.sampled_from([5.0, 10.0, 25.0]), st.floats(0.1, 5.0), st.sampled_from([1.0, 2.0, 4.0]))
def test_what_is_not_wanted_before_the_next_key_frame_is_not_decoded_and_the_rate_is_kept(
    rate: float, wanted: float, key: float
) -> None:
    taken, decoded = _decoded(rate, wanted, key)
    step = SECOND / wanted
    assert len(taken) == pytest.approx(min(rate, wanted) * 120, rel=0.1, abs=3)
    assert decoded <= rate * 120
    assert all(b - a <= step * 1.5 + 2 * SECOND / rate for a, b in pairwise(taken))
    assert all(b - a >= step * 0.5 - SECOND / rate for a, b in pairwise(taken))


def test_half_of_the_pictures_are_enough_for_a_frame_a_second() -> None:
    assert _decoded(5.0, 1.0, 2.0)[1] <= 0.65 * 5 * 120
    assert _decoded(5.0, 0.7, 2.0)[1] <= 0.6 * 5 * 120
    assert _decoded(25.0, 0.5, 2.0)[1] <= 0.1 * 25 * 120
    assert _decoded(25.0, 0.25, 2.0)[1] <= 0.08 * 25 * 120, "nor every key frame"


def test_key_frames_that_come_when_they_like_are_not_waited_for() -> None:
    times = KeyTimes()
    for number, second in enumerate((0, 2, 3, 8, 10)):
        times.see(second * SECOND, number)
        assert times.next() is None


@pytest.mark.parametrize("every", [1, 5])
def test_pictures_that_are_passed_over_are_no_less_whole(every: int) -> None:
    """The share of damaged ones is that of all that came, not of those that were looked at."""
    stats = SourceStats()
    for number in range(25 * 20):
        if number % every:
            stats.thinned += 1
        else:
            stats.frames += 1
            stats.sample(number / 25)
        stats.vanished = number // 200
    assert lossy(stats, 20.0) == pytest.approx(0.005, abs=0.003)


def test_a_file_is_looked_at_at_the_rate_that_is_asked_for(tmp_path: Path) -> None:
    video = encode(tmp_path / "a.mp4", 50, rate=25)
    all_, some = open_source(config(video), 0), open_source(config(video, fps=5), 0)
    whole, few = [f.info for f in all_], [f.info for f in some]
    assert [f.number for f in few] == [0, 5, 10, 15, 20, 25, 30, 35, 40, 45]
    assert [(f.pts, f.time) for f in few] == [(whole[f.number].pts, whole[f.number].time) for f in few]
    assert some.stats.thinned == 40
    assert {f.stream for f in few} != {f.stream for f in whole}, "other frames make other events"
    assert [f.info for f in open_source(config(video, fps=5), 0)] == few


def test_a_raw_stream_has_the_rate_that_is_declared(tmp_path: Path) -> None:
    video = encode(tmp_path / "a.h264", 20, format="h264")
    frames = [f.info for f in open_source(config(video, fps=5), 0)]
    assert [f.pts for f in frames] == [n * SECOND // 5 for n in range(20)]


def test_a_limit_and_what_is_asked_hold_together_in_whatever_order_they_come() -> None:
    source = open_source(config("rtsp://127.0.0.1:9/a", fps=5), 0)
    tenths = [n * SECOND // 10 for n in range(20)]
    source.ask(stamped=False)
    assert all(source.takes(pts) for pts in tenths), "without time stamps it is the rate that the stream has"
    source.limit(2.0)
    source.ask(stamped=True)
    assert sum(source.takes(pts) for pts in tenths) == 4, "opened anew, the limit holds"
    source.limit(None)
    assert sum(source.takes(pts) for pts in tenths) == 10


@given(st.floats(1, 60), st.integers(0, 1000))
def test_a_source_that_has_the_rate_that_is_asked_for_loses_no_frame_to_its_jitter(rate: float, seed: int) -> None:
    thinner, chance = Thinner(rate), random.Random(seed)
    stamps = [int((n + chance.uniform(-0.1, 0.1)) * SECOND / rate) for n in range(200)]
    assert all(thinner.takes(pts) for pts in stamps)
