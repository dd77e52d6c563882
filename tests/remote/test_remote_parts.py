"""When a server that is away is tried again, and what its answers mean."""

from __future__ import annotations

import threading
from urllib.parse import quote

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from countline.config.triton import parse
from countline.detect.remote.faults import Circuit, Kind, RemoteFault, wait_before
from countline.detect.remote.protocol import array_of, datatype_of, spec_of
from countline.errors import DetectorAway
from countline.pipeline.away import Away
from countline.source_status import SourceStats
from countline.types import Frame, FrameInfo, SourceInfo
from countline.video.picture import ArrayPicture

KINDS: list[Kind] = ["unreachable", "silent", "busy", "failed", "missing", "auth", "refused"]


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@given(st.sampled_from(KINDS), st.lists(st.floats(0, 1), min_size=2, max_size=40))
def test_waits_grow_up_to_a_bound_by_what_went_wrong(kind: Kind, jitters: list[float]) -> None:
    waits = [wait_before(attempt, kind, jitter) for attempt, jitter in enumerate(jitters, 1)]
    assert all(0 < wait <= 60 for wait in waits)
    longest = wait_before(1000, kind, 1.0)
    assert all(longest / 2 <= wait <= longest for wait in waits[20:])


def test_while_a_server_is_away_one_caller_tries_it_when_it_is_due() -> None:
    clock = Clock()
    circuit = Circuit(clock, lambda: 1.0)
    begun = circuit.begin(3.0)
    circuit.failed(RemoteFault("unreachable", "no route"), begun, "grpc://gpu/people")
    assert circuit.away
    with pytest.raises(DetectorAway, match="no route") as raised:
        circuit.begin(3.0)
    assert raised.value.retry == pytest.approx(0.25)
    clock.now += 0.25
    circuit.begin(3.0)  # this one tries it
    with pytest.raises(DetectorAway) as waiting:
        circuit.begin(3.0)
    assert waiting.value.retry == pytest.approx(3.0)
    circuit.succeeded()
    assert not circuit.away
    circuit.begin(3.0)
    circuit.begin(3.0)


def test_requests_that_fail_of_one_trouble_make_one_step_of_the_wait() -> None:
    clock = Clock()
    circuit = Circuit(clock, lambda: 1.0)
    begun = [circuit.begin(3.0) for _ in range(8)]
    clock.now += 1
    waits = [circuit.failed(RemoteFault("unreachable", "reset"), at, "x").retry for at in begun]
    assert waits == pytest.approx([0.25] * 8)


def test_a_server_that_says_when_to_come_back_is_heeded() -> None:
    circuit = Circuit(Clock(), lambda: 0.0)
    assert circuit.failed(RemoteFault("busy", "too many", after=7.0), circuit.begin(1.0), "x").retry == pytest.approx(
        7.0
    )


NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12)


@given(NAMES, st.sampled_from(["", "3", "2024-01"]), st.booleans())
def test_an_address_says_any_model_and_version(name: str, version: str, grpc: bool) -> None:
    scheme = "grpc" if grpc else "http"
    found = parse(f"{scheme}://gpu-1:9/{quote(name, safe='')}" + (f":{version}" if version else ""))
    assert (found.host, found.port, found.model, found.version) == ("gpu-1", 9, name, version)
    assert parse(str(found)) == found


@given(
    st.sampled_from(["UINT8", "FP16", "FP32", "FP64", "INT32", "INT64", "BOOL"]),
    st.lists(st.integers(0, 4), max_size=4),
)
def test_arrays_come_back_as_they_were_sent(datatype: str, shape: list[int]) -> None:
    dtype = spec_of("x", datatype, [1]).dtype
    array = np.arange(int(np.prod(shape, dtype=int))).astype(dtype).reshape(shape)
    assert datatype_of(array) == datatype
    for content in (array.tobytes(), array.reshape(-1).tolist()):
        again = array_of("x", datatype, shape, content)
        assert again.dtype == dtype
        np.testing.assert_array_equal(again, array)


def test_numbers_that_do_not_fill_a_shape_and_types_without_numbers_are_no_answer() -> None:
    with pytest.raises(RemoteFault, match="came with 5 numbers"):
        array_of("boxes", "FP32", [2, 3], [0.0] * 5)
    with pytest.raises(RemoteFault, match="BYTES"):
        spec_of("labels", "BYTES", [1])


def test_what_was_dropped_is_told_at_once_and_each_minute(caplog: pytest.LogCaptureFixture) -> None:
    stats, clock = SourceStats(), Clock()
    away = Away(lambda _: stats, threading.Event(), clock)
    info = FrameInfo(SourceInfo("gate", live=True), 0, 0, 0, 4, 4)
    frame = Frame(info, ArrayPicture(np.zeros((4, 4, 3), np.uint8)))
    for _ in range(100):
        away.begin("no route", [frame], waiting=False)
        clock.now += 1
    assert stats.undetected == 100
    assert stats.blind == "detector away: no route"
    assert [r.getMessage() for r in caplog.records] == [
        "the detector is away: no route; 1 frames of live sources were dropped so far",
        "the detector is away for 60 s: no route; 61 frames of live sources were dropped so far",
    ]
    away.end()
    away.end()
    assert not stats.blind
    assert caplog.records[-1].getMessage() == (
        "the detector is there again, after 100 s; 100 frames of live sources were dropped"
    )
    assert len(caplog.records) == 3
