"""Network streams: real servers on loopback, connected again when they go away, and always stoppable."""

from __future__ import annotations

import logging
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from itertools import islice, pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countline.errors import SourceError
from countline.protocols import Source
from countline.types import Frame, TimeQuality
from countline.video import open_source, probe
from countline.video.backoff import LONGEST_WAIT, backoff
from ports import free_port

from .conftest import Site, config, encode

Sender = Callable[[str, int], "subprocess.Popen[bytes]"]


def take(source: Source, count: int) -> list[Frame]:
    """The first frames; the source is closed then."""
    frames = list(islice(source, count))
    source.close()
    return frames


def wait_for(condition: Callable[[], bool], what: str) -> None:
    """Wait until something holds; fails the test after a long time."""
    for _ in range(2000):
        if condition():
            return
        time.sleep(0.01)
    pytest.fail(f"never happened: {what}")


def reading(source: Source) -> tuple[threading.Thread, list[Frame]]:
    """A thread that iterates, and what it got."""
    got: list[Frame] = []
    thread = threading.Thread(target=lambda: got.extend(source), daemon=True)
    thread.start()
    return thread, got


@pytest.fixture
def hole() -> Iterator[int]:
    """A port that accepts connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_mjpeg_camera_is_live(site: Site) -> None:
    site.camera("/video", None)
    source = open_source(config(site.url("/video")), 0)
    assert source.info.live is True
    before = time.time_ns()
    frames = [f.info for f in take(source, 10)]
    assert [f.number for f in frames] == list(range(10))
    assert frames[0].pts == 0
    assert all(a.pts < b.pts and a.time <= b.time for a, b in pairwise(frames))
    assert {f.time_quality for f in frames} == {TimeQuality.ARRIVAL}
    assert before <= frames[0].time <= time.time_ns()
    assert before <= int(frames[0].stream) <= time.time_ns(), "named by the time of the first connection"
    assert len({f.stream for f in frames}) == 1


def test_a_camera_that_hangs_up_is_connected_again(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "countline.video")
    site.camera("/video", 4)
    source = open_source(config(site.url("/video"), live=True), 0)
    frames = [f.info for f in take(source, 10)]
    assert source.stats.reconnects >= 2
    assert [f.number for f in frames] == list(range(10)), "numbers go on"
    assert all(a.pts < b.pts and a.time <= b.time for a, b in pairwise(frames))
    assert len({f.stream for f in frames}) == 1
    assert "source 'cam'" in caplog.text
    assert "again" in caplog.text


def test_a_live_source_that_is_read_again_never_repeats_a_number(site: Site) -> None:
    site.camera("/video", None)
    source = open_source(config(site.url("/video"), live=True), 0)
    frames = [f.info for _ in range(2) for f in islice(source, 5)]
    source.close()
    assert [f.number for f in frames] == list(range(10))
    assert all(a.pts < b.pts for a, b in pairwise(frames))
    assert len({f.stream for f in frames}) == 1


def test_a_silent_camera_is_connected_again(site: Site) -> None:
    site.camera("/video", 12, then="silence")
    source = open_source(config(site.url("/video"), live=True, timeout=0.5), 0)
    assert len(take(source, 30)) == 30
    assert source.stats.reconnects >= 2


def test_a_web_address_with_a_length_is_a_file(site: Site, tmp_path: Path) -> None:
    site.give("/a", encode(tmp_path / "a.mp4", container={"movflags": "+faststart"}).read_bytes(), "video/mp4")
    first, second = (open_source(config(site.url("/a")), 0) for _ in range(2))
    assert first.info.live is False
    frames = [f.info for f in first]
    assert len(frames) == 20
    assert [f.pts for f in frames] == [n * 100_000_000 for n in range(20)]
    assert [f.info for f in second] == frames
    assert probe(config(site.url("/a"))).ok


def test_a_file_on_the_web_may_stand_for_a_camera(site: Site, tmp_path: Path) -> None:
    site.give("/a", encode(tmp_path / "a.mp4", 5, container={"movflags": "+faststart"}).read_bytes(), "video/mp4")
    source = open_source(config(site.url("/a"), live=True), 0)
    assert source.info.live is True
    assert len(take(source, 12)) == 12, "connected again at its end"
    assert source.stats.reconnects == 2


def test_a_web_page_is_an_error_not_an_endless_retry(site: Site) -> None:
    site.give("/page", b"<html>hello</html>" * 100, "text/html")
    for path, words in (("/page", "no video that FFmpeg knows"), ("/none", "404")):
        with pytest.raises(SourceError, match=words) as caught:
            list(open_source(config(site.url(path)), 0))
        assert site.url(path) in str(caught.value)
        assert not probe(config(site.url(path))).ok


@pytest.mark.parametrize("scheme", ["rtsp", "http"])
def test_a_refusing_host_is_tried_again_and_told_once(scheme: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "countline.video")
    source = open_source(config(f"{scheme}://admin:secret@127.0.0.1:{free_port()}/a", live=True), 0)
    thread, got = reading(source)
    wait_for(lambda: source.stats.attempts >= 2, "a second attempt")
    source.close()
    thread.join(30)
    assert not thread.is_alive()
    assert not got
    told = [r.getMessage() for r in caplog.records if r.levelno > logging.DEBUG]
    assert len(told) == 1, "when it begins, not at each attempt"
    assert "connection refused" in told[0]
    assert "secret" not in caplog.text
    assert "secret" not in source.info.uri


def test_the_doctor_reports_a_refusing_host() -> None:
    check = probe(config(f"rtsp://admin:secret@127.0.0.1:{free_port()}/a"))
    assert not check.ok
    assert "connection refused" in check.detail
    assert "secret" not in check.detail + check.fix
    assert check.fix


def test_the_doctor_does_not_wait_for_ever(hole: int) -> None:
    check = probe(config(f"rtsp://127.0.0.1:{hole}/a", timeout=0.3))
    assert not check.ok
    assert "no answer in time" in check.detail


def test_the_doctor_describes_a_live_stream(site: Site) -> None:
    site.camera("/video", None)
    check = probe(config(site.url("/video")))
    assert check.ok
    for word in ("mjpeg", "64x48", "live", "time: arrival"):
        assert word in check.detail


@pytest.mark.parametrize("scheme", ["rtsp", "http"])
def test_close_ends_a_source_that_is_connecting(hole: int, scheme: str) -> None:
    source = open_source(config(f"{scheme}://127.0.0.1:{hole}/a", live=True, timeout=600), 0)
    thread, got = reading(source)
    time.sleep(0.3)
    source.close()
    thread.join(30)  # far below its timeout of ten minutes
    assert not thread.is_alive()
    assert not got


def test_close_ends_a_source_that_waits_for_a_packet(site: Site) -> None:
    site.camera("/video", 12, then="silence")
    source = open_source(config(site.url("/video"), live=True, timeout=600), 0)
    thread, _ = reading(source)
    wait_for(lambda: source.stats.frames == 12, "all frames the camera sends")
    source.close()
    thread.join(30)
    assert not thread.is_alive()


def test_an_event_from_outside_ends_a_source_that_waits(hole: int) -> None:
    stop = threading.Event()
    source = open_source(config(f"rtsp://127.0.0.1:{hole}/a", timeout=600), 0, stop=stop)
    thread, _ = reading(source)
    stop.set()
    thread.join(30)
    assert not thread.is_alive()


def test_a_reader_that_turns_away_leaves_no_thread(site: Site) -> None:
    site.camera("/video", None)
    take(open_source(config(site.url("/video"), live=True), 0), 3)
    mine = "countline-connection-cam"
    wait_for(lambda: all(t.name != mine for t in threading.enumerate()), "the connection's thread ends")


def test_a_camera_device_that_is_not_there_is_named() -> None:
    check = probe(config("/dev/video99"))
    assert not check.ok
    assert "/dev/video99" in check.detail
    assert open_source(config("/dev/video99"), 0).info.live is True


def test_rtsp_gives_the_senders_clock_and_is_connected_again(rtsp_sender: Sender) -> None:
    """FFmpeg on both sides: one process publishes, the source listens; RTCP sender reports carry the time."""
    url = f"rtsp://127.0.0.1:{free_port()}/cam"
    source = open_source(config(url, options={"rtsp_flags": "listen", "listen_timeout": "20"}, timeout=20), 0)
    assert source.info.live is True
    first = rtsp_sender(url, 40)
    frames: list[Frame] = []
    for frame in source:
        frames.append(frame)
        if len(frames) == 15:
            first.kill()  # a camera that loses its power
            rtsp_sender(url, 400)
        if source.stats.reconnects and len(frames) >= 30:
            break
    source.close()
    infos = [f.info for f in frames]
    assert source.stats.reconnects == 1
    assert [i.number for i in infos] == list(range(len(infos)))
    assert all(a.pts <= b.pts for a, b in pairwise(infos))
    assert len({i.stream for i in infos}) == 1
    known = [i for i in infos if i.time_quality is TimeQuality.NTP]
    assert len(known) > len(infos) // 2
    assert all(abs(i.time - time.time_ns()) < 120e9 for i in known)
    assert all(a.time < b.time for a, b in pairwise(known))
    assert frames[-1].image.shape == (48, 64, 3)


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_backoff_grows_and_is_bounded(attempt: int, jitter: float) -> None:
    assert 0 < backoff(attempt, jitter) <= LONGEST_WAIT
    assert backoff(attempt, jitter) <= backoff(attempt + 1, jitter)
