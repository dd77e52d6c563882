"""Clips of real video: they decode, have the seconds asked for, and hold the frame; what is kept for them is bounded."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import pytest
from rtp_packets import Clip
from rtspcam import Camera, Running

from countline.types import CutPackets, Frame
from countline.video import open_source

from .conftest import config
from .making import film, number_in, numbers_of

GROUP = {"g": "5", "bf": "0", "sc_threshold": "0"}
REORDERED = {"g": "10", "bf": "2", "b-adapt": "0", "sc_threshold": "0"}


def clip_of(data: bytes) -> list[int]:
    """Which frames it shows."""
    with av.open(io.BytesIO(data)) as container:
        return [number_in(frame.to_ndarray(format="bgr24")) for frame in container.decode(video=0)]


def cut_at(
    frames: Iterator[Frame], number: int, before: float, after: float, hold: int = 0
) -> tuple[bytes, CutPackets, str]:
    """The clip round a frame, which is asked for ``hold`` frames later; and its extension."""
    found: list[CutPackets] = []
    held: list[Frame] = []
    form = None
    for frame in frames:
        shown = number_in(frame.image)
        if shown == number:
            held.append(frame)
        if held and shown == number + hold:
            (chosen,) = held
            assert chosen.mark is not None
            form = chosen.mark.form()
            assert form is not None
            chosen.mark.cut(before, after, found.append)
            held = []
            break
    for _ in frames:
        if found:
            break
    (cut,) = found
    assert form is not None
    return cut.write(), cut, form.extension


def remembering(uri: object, seconds: float = 1.0, most: int = 8_000_000, **options: Any) -> Any:
    source = open_source(config(uri, **options), 0)
    source.remember(seconds, most)  # type: ignore[attr-defined]
    return source


@pytest.mark.parametrize(
    ("name", "codec", "options", "extension"),
    [
        ("a.mp4", "libx264", GROUP, "mp4"),
        ("b.mkv", "libx264", REORDERED, "mp4"),
        ("c.ts", "libx264", REORDERED, "mp4"),
        ("d.mp4", "libx265", {"x265-params": "log-level=none:keyint=10:bframes=2"}, "mp4"),
        ("e.mkv", "libvpx-vp9", {"g": "5"}, "mp4"),
        ("f.mp4", "mpeg4", {"g": "5"}, "mp4"),
        ("g.mkv", "libvpx", {"g": "5"}, "mkv"),
        ("h.avi", "mjpeg", {}, "mkv"),
        ("i.avi", "libx264", GROUP, "mp4"),
    ],
)
def test_a_clip_has_the_seconds_asked_for_and_the_frame(
    name: str, codec: str, options: dict[str, str], extension: str, tmp_path: Path
) -> None:
    pix = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    path = film(tmp_path / name, range(80), codec=codec, options=options, pix=pix)
    data, cut, found = cut_at(iter(remembering(path)), 40, 1.0, 2.0)
    shown = clip_of(data)
    assert (found, cut.short) == (extension, "")
    assert shown == list(range(shown[0], shown[0] + len(shown)))
    assert 20 <= shown[0] <= 30, "from the last key frame up to a second before"
    assert 60 <= shown[-1] <= 63
    assert 40 in shown


def test_nothing_is_encoded_anew(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4", range(60), options=GROUP)
    with av.open(str(path)) as container:
        own = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    data, cut, _ = cut_at(iter(remembering(path)), 30, 1.0, 1.0)
    with av.open(io.BytesIO(data)) as container:
        packets = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    assert packets == own[20:41]
    assert sum(map(len, packets)) == cut.size


def test_a_frame_that_is_looked_at_later_has_its_clip_all_the_same(tmp_path: Path) -> None:
    """What it needs is kept as long as somebody holds the frame."""
    path = film(tmp_path / "a.mp4", range(100), options=GROUP)
    shown = clip_of(cut_at(iter(remembering(path)), 20, 1.0, 1.0, hold=60)[0])
    assert (shown[0], shown[-1]) == (10, 30)


def test_a_clip_is_cut_where_the_video_begins_and_ends(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4", range(30), options=GROUP)
    data, cut, _ = cut_at(iter(remembering(path)), 3, 1.0, 1.0)
    assert (clip_of(data)[0], clip_of(data)[-1], cut.short) == (0, 13, "begin")
    data, cut, _ = cut_at(iter(remembering(path)), 25, 1.0, 1.0)
    assert (clip_of(data)[0], clip_of(data)[-1], cut.short) == (15, 29, "end")


def test_what_is_kept_is_bounded_by_seconds_and_by_bytes(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4", range(250), options=GROUP, noise=True, size=(320, 240))
    size = path.stat().st_size
    source = remembering(path, 1.0)
    most = 0
    for frame in source:
        most = max(most, frame.mark.ring.bytes)
    assert 0 < most < size * 25 / 250, "a second, a group and what is being decoded"
    source = remembering(path, 1.0, most=size // 50)
    overruns = 0
    for frame in source:
        if frame.mark is not None:
            assert frame.mark.ring.bytes <= size // 50
            overruns = frame.mark.ring.overruns
    assert overruns > 0


def test_a_clip_that_would_take_too_much_memory_is_cut_short(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4", range(250), options=GROUP, noise=True, size=(320, 240))
    most = path.stat().st_size // 10  # two and a half seconds
    data, cut, _ = cut_at(iter(remembering(path, 1.0, most)), 100, 1.0, 10.0)
    shown = clip_of(data)
    assert cut.short == "bytes"
    assert cut.size <= most
    assert 100 in shown
    assert shown[-1] < 150


def test_where_nothing_is_to_be_kept_nothing_is(tmp_path: Path) -> None:
    source = open_source(config(film(tmp_path / "a.mp4", range(10))), 0)
    assert [frame.mark for frame in source] == [None] * 10


def test_before_the_first_key_frame_there_is_no_clip(tmp_path: Path) -> None:
    """Of a stream that is entered in its middle, or for which keeping was asked for while it was open."""
    source = open_source(config(film(tmp_path / "a.mp4", range(40), options={**GROUP, "g": "20"})), 0)
    forms = {}
    for frame in source:
        number = number_in(frame.image)
        if number == 3:
            source.remember(1.0, 8_000_000)  # type: ignore[attr-defined]
        forms[number] = frame.mark is not None and frame.mark.form() is not None
    assert not any(forms[n] for n in range(15))
    assert all(forms[n] for n in range(20, 40))


def test_a_clip_of_a_live_camera(tmp_path: Path) -> None:
    path = film(tmp_path / "cam.h264", range(200), options={**GROUP, "x264-params": "repeat-headers=1"})
    server = Running({"cam": Camera(Clip(str(path), 10), live=True)})
    source = remembering(f"rtsp://127.0.0.1:{server.port}/cam", timeout=5)
    timer = threading.Timer(60, source.close)
    timer.start()
    try:
        frames = iter(source)
        first = number_in(next(frames).image)
        data, cut, extension = cut_at(frames, first + 15, 1.0, 1.0)
    finally:
        timer.cancel()
        source.close()
        server.close()
    shown = clip_of(data)
    assert (extension, cut.short) == ("mp4", "")
    assert shown[0] <= first + 5
    assert shown[-1] >= first + 25
    assert first + 15 in shown


def test_clips_of_recordings_that_follow_each_other(tmp_path: Path) -> None:
    folder = tmp_path / "rec"
    folder.mkdir()
    film(folder / "1.mp4", range(30), options=GROUP)
    film(folder / "2.mp4", range(30, 60), options=GROUP)
    data, cut, _ = cut_at(iter(remembering(folder)), 25, 1.0, 1.0)
    assert (clip_of(data)[0], clip_of(data)[-1], cut.short) == (15, 29, "end"), "it ends with its recording"
    assert numbers_of(iter(remembering(folder))) == list(range(60))
