"""RTSP cameras of every kind: codecs, transports, logins, and what changes in mid-stream."""

from __future__ import annotations

import itertools
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rtp_packets import Clip
from rtspcam import Camera, Running

from countline.types import Frame, TimeQuality
from countline.video import backoff, open_source
from countline.video.base import BaseSource

from .conftest import config, encode

Play = Callable[..., tuple[Camera, Running, BaseSource, list[Frame]]]
H264 = {"g": "5", "bf": "0", "x264-params": "threads=1:repeat-headers=1"}


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """20 s each, a key frame twice a second."""
    folder = tmp_path_factory.mktemp("clips")
    x265 = {"x265-params": "keyint=5:bframes=0:repeat-headers=1:pools=none:frame-threads=1:log-level=none"}
    jpeg = {"huffman": "default", "force_duplicated_matrix": "1"}
    return {
        "h264": encode(folder / "a.h264", 200, format="h264", options=H264),
        "large": encode(folder / "b.h264", 200, (128, 96), format="h264", options=H264),
        "hevc": encode(folder / "a.h265", 200, (128, 96), codec="libx265", format="hevc", options=x265),
        "mjpeg": encode(folder / "a.mkv", 200, codec="mjpeg", pix_fmt="yuvj420p", options=jpeg),
    }


@pytest.fixture
def play(clips: dict[str, Path]) -> Iterator[Play]:
    """A camera, its server, and a source that is read in a thread."""
    open_: list[tuple[Running, BaseSource, threading.Thread]] = []

    def go(
        clip: str = "h264",
        *,
        login: str = "",
        digest: bool = True,
        host: str = "127.0.0.1",
        source: Any = None,
        **faults: Any,
    ) -> Any:
        camera = Camera(Clip(str(clips[clip]), 10), live=True, **faults)
        more: dict[str, Any] = {"users": {"admin": "right"}, "digest": digest} if login else {}
        server = Running({"cam": camera}, host=host, **more)
        uri = f"rtsp://{login}{f'[{host}]' if ':' in host else host}:{server.port}/cam"
        made = open_source(config(uri, **{"timeout": 2, **(source or {})}), 0)
        assert isinstance(made, BaseSource)
        frames: list[Frame] = []
        thread = threading.Thread(target=frames.extend, args=(made,), daemon=True)
        thread.start()
        open_.append((server, made, thread))
        return camera, server, made, frames

    yield go
    for server, made, thread in open_:
        made.close()
        thread.join(20)
        server.close()
        assert not thread.is_alive()


def wait(condition: Callable[[], object], what: str, seconds: float = 40) -> None:
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            pytest.fail(f"never happened: {what}")
        time.sleep(0.02)


@pytest.mark.parametrize("codec", ["h264", "hevc", "mjpeg"])
@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_every_codec_comes_over_every_transport(play: Play, codec: str, transport: str) -> None:
    _, _, source, frames = play(codec, source={"options": {"rtsp_transport": transport}, "timeout": 10})
    wait(lambda: len(frames) >= 15, "15 frames")
    assert source.stats.state == "live"
    assert source.stats.connections == 1
    steps = [b.info.pts - a.info.pts for a, b in itertools.pairwise(frames)]
    assert all(step > 0 for step in steps)
    wait(lambda: frames[-1].info.time_quality is TimeQuality.NTP, "the camera's clock")


@pytest.mark.parametrize("digest", [True, False], ids=["digest", "basic"])
def test_a_login_of_either_kind_is_accepted(play: Play, digest: bool) -> None:
    _, _, source, frames = play(login="admin:right@", digest=digest)
    wait(lambda: len(frames) >= 3, "frames")
    assert "right" not in source.info.uri


def _has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


@pytest.mark.skipif(not _has_ipv6(), reason="this machine has no IPv6")
@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_a_camera_at_an_ipv6_address_is_read_over_every_transport(play: Play, transport: str) -> None:
    _, server, source, frames = play(
        host="::1", login="admin:right@", source={"options": {"rtsp_transport": transport}, "timeout": 10}
    )
    wait(lambda: len(frames) >= 5, "frames")
    assert source.info.uri == f"rtsp://***@[::1]:{server.port}/cam", "the address as it was written, without the login"
    assert source.stats.state == "live"


def test_a_connection_that_is_cut_comes_back_and_numbers_go_on(play: Play) -> None:
    _, server, source, frames = play()
    wait(lambda: len(frames) >= 5, "frames")
    server.kick()
    wait(lambda: source.stats.reconnects == 1, "connected again")
    before = len(frames)
    wait(lambda: len(frames) >= before + 5, "frames again")
    numbers = [f.info.number for f in frames]
    assert numbers == sorted(set(numbers))
    assert len({f.info.stream for f in frames}) == 1
    assert source.stats.connections == 2


def test_a_server_that_accepts_and_says_nothing_is_given_up_and_comes_back(play: Play) -> None:
    camera, _, source, frames = play(silent=True, source={"timeout": 1})
    wait(lambda: source.stats.attempts >= 2, "tried again")
    assert source.stats.state == "connecting"
    assert source.stats.reason
    assert not frames
    camera.silent = False
    wait(lambda: len(frames) >= 3, "frames")
    assert source.stats.state == "live"


def test_an_error_of_the_server_is_told_and_tried_again(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "FIRST_WAIT", 0.1)
    camera, _, source, frames = play(status=503)
    wait(lambda: source.stats.attempts >= 2, "tried again")
    assert "the server failed" in source.stats.reason
    camera.status = 0
    wait(lambda: len(frames) >= 3, "frames")


def test_a_redirect_is_followed(play: Play, clips: dict[str, Path]) -> None:
    server = Running({"main": Camera(Clip(str(clips["large"]), 10), live=True)})
    try:
        _, _, source, frames = play(redirect=f"rtsp://127.0.0.1:{server.port}/main")
        wait(lambda: len(frames) >= 3, "frames from where it points to")
        assert (frames[0].info.width, frames[0].info.height) == (128, 96)
        source.close()
    finally:
        server.close()


def test_time_stamps_that_jump_neither_stop_a_source_nor_go_backward(play: Play) -> None:
    camera, _, source, frames = play()
    wait(lambda: len(frames) >= 5, "frames")
    for jump in (90_000 * 500, -90_000 * 500, 0):
        camera.ts_offset = jump
        before = len(frames)
        wait(lambda seen=before: len(frames) >= seen + 5, "frames after the jump")  # type: ignore[misc]
    stamps = [f.info.pts for f in frames]
    assert all(b > a for a, b in itertools.pairwise(stamps))
    assert source.stats.state in ("live", "degraded")


def test_a_size_that_changes_in_mid_stream_is_followed_and_counted(play: Play, clips: dict[str, Path]) -> None:
    camera, _, source, frames = play()
    wait(lambda: len(frames) >= 5, "frames")
    camera.next_clip = Clip(str(clips["large"]), 10)
    wait(lambda: frames[-1].info.width == 128, "the new size")
    assert source.stats.resolution_changes == 1
    assert frames[-1].image.shape == (96, 128, 3)
    assert {f.info.width for f in frames} == {64, 128}


def test_a_codec_that_changes_is_connected_to_anew(play: Play, clips: dict[str, Path]) -> None:
    """Somebody turns a camera from H.264 to H.265: it describes itself anew only to who connects."""
    camera, _, source, frames = play(source={"timeout": 2})
    wait(lambda: len(frames) >= 5, "frames")
    camera.next_clip = Clip(str(clips["hevc"]), 10)
    wait(lambda: frames[-1].info.width == 128, "pictures of the new codec", 60)
    assert source.stats.reconnects >= 1
    assert source.stats.state == "live"


def test_without_sender_reports_the_time_is_that_of_arrival(play: Play) -> None:
    _, _, source, frames = play(no_rtcp=True)
    wait(lambda: len(frames) >= 15, "frames")
    assert {f.info.time_quality for f in frames} == {TimeQuality.ARRIVAL}
    assert source.stats.clock_offset is None
    assert abs(frames[-1].info.time - time.time_ns()) < 10e9


YEARS = 365 * 86400.0


@pytest.mark.parametrize("off", [-126 * YEARS, -40 * YEARS, -7200.0, 7200.0, 9 * YEARS])
def test_sender_reports_that_lie_are_not_believed_and_that_is_said(
    play: Play, off: float, caplog: pytest.LogCaptureFixture
) -> None:
    """Cameras that were never set say 1900, 1970 or the year of their firmware, some a time zone instead of UTC."""
    _, _, source, frames = play(ntp_offset=off)
    wait(lambda: source.stats.clock_offset is not None, "measured")
    wait(lambda: "the camera's clock is more than an hour from this machine's" in caplog.text, "said")
    before = len(frames)
    wait(lambda: len(frames) >= before + 5, "frames all the same")
    assert source.stats.clock_offset == pytest.approx(off, abs=60)
    assert {f.info.time_quality for f in frames} == {TimeQuality.ARRIVAL}
    times = [f.info.time for f in frames]
    assert times == sorted(times)
    assert abs(times[-1] - time.time_ns()) < 60e9


def test_sender_reports_that_begin_to_lie_and_tell_the_truth_again_are_followed_by_the_quality(play: Play) -> None:
    """PTS go on evenly throughout: what is counted within a second does not hang on what the camera takes the time for."""
    camera, _, source, frames = play()
    ntp, arrival = TimeQuality.NTP, TimeQuality.ARRIVAL
    for off, quality in ((0.0, ntp), (30 * YEARS, arrival), (0.0, ntp)):
        camera.ntp_offset = off
        wait(lambda due=quality: frames and frames[-1].info.time_quality is due, f"{quality} at {off:g}")  # type: ignore[misc]
        assert abs(frames[-1].info.time - time.time_ns()) < 60e9
    steps = [b.info.pts - a.info.pts for a, b in itertools.pairwise(frames)]
    assert all(0 < step < 60e9 for step in steps)
    assert source.stats.reconnects == 0
