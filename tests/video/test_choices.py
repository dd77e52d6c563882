"""Of several streams one is taken and said; options that nobody knows are told; names are what the system says they are."""

from __future__ import annotations

import logging
import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest

from countline.config.models import SourceConfig
from countline.errors import SourceError
from countline.types import Analytics, RuleInfo, Tracks
from countline.video import open_source, probe
from countline.video.known_options import known_options, unknown_options
from countline.view.annotate import AnnotatedVideo

from .conftest import config, jpeg
from .making import film, half_jpeg, numbered, read


def two(path: Path, default: int | None = None, format: str | None = None) -> Path:
    """Two video streams: the first tells 1, 2, 3 … and the second 101, 102 …"""
    with av.open(str(path), "w", format=format) as out:
        streams: list[Any] = []
        for number in range(2):
            stream: Any = out.add_stream("libx264", rate=10, options={"bf": "0", "g": "5"})
            stream.width, stream.height, stream.pix_fmt = 64 + 64 * number, 48, "yuv420p"
            stream.time_base = Fraction(1, 10)
            streams.append(stream)
        for number, stream in enumerate(streams):
            stream.disposition = 1 if number == default else 0
        for place in range(10):
            for number, stream in enumerate(streams):
                frame = av.VideoFrame.from_ndarray(numbered(100 * number + place, stream.width, 48), "bgr24")
                frame.pts, frame.time_base = place, Fraction(1, 10)
                out.mux(stream.encode(frame))
        for stream in streams:
            out.mux(stream.encode())
    return path


FIRST, SECOND = list(range(10)), list(range(100, 110))


@pytest.mark.parametrize(("default", "taken"), [(None, FIRST), (0, FIRST), (1, SECOND)])
def test_the_default_stream_is_taken_and_said(
    tmp_path: Path, default: int | None, taken: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    path = two(tmp_path / "a.mkv", default)
    caplog.set_level(logging.WARNING, "countline.video")
    assert read(path) == taken
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 1, "once, however often the file is opened"
    index = 0 if taken == FIRST else 1
    for word in (
        "2 video streams",
        f"{index} is taken",
        "the first" if default is None else "default",
        f"stream: {1 - index}",
    ):
        assert word in said[0]
    assert f"stream {index} of" in probe(config(path)).detail


@pytest.mark.parametrize(
    ("choice", "taken"),
    [(0, FIRST), (1, SECOND), ("1", SECOND), ("v:0", FIRST), ("v:1", SECOND), ("#0x101", SECOND), ("i:256", FIRST)],
)
def test_a_stream_or_programme_can_be_chosen(
    tmp_path: Path, choice: object, taken: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    path = two(tmp_path / "a.ts", format="mpegts")
    assert read(path, options={"stream": choice}) == taken
    assert not caplog.records


@pytest.mark.parametrize("choice", ["7", "v:2", "v:-1", "#0x999", "first", ""])
def test_a_stream_that_is_not_there_is_told_with_those_that_are(tmp_path: Path, choice: str) -> None:
    path = two(tmp_path / "a.ts", format="mpegts")
    if choice == "":
        assert read(path, options={"stream": choice}) == FIRST
        return
    with pytest.raises(SourceError, match=f"no video stream '{choice}'") as caught:
        read(path, options={"stream": choice})
    assert "0 (h264 64x48 #0x100)" in caught.value.fix
    assert "1 (h264 128x48 #0x101)" in caught.value.fix
    assert not probe(config(path, options={"stream": choice})).ok


def test_the_time_of_a_chosen_stream_is_its_own(tmp_path: Path) -> None:
    path = two(tmp_path / "a.mkv", 1)
    os.utime(path, ns=(0, 1_700_000_000 * 10**9))
    for choice in ("0", "1"):
        frames = [f.info for f in open_source(config(path, options={"stream": choice}), 0)]
        assert frames[-1].time == 1_699_999_999_900_000_000


def test_options_that_ffmpeg_does_not_know_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert len(known_options()) > 300, "this build of FFmpeg can be asked"
    path = film(tmp_path / "a.mp4")
    assert read(path, options={"rtsp_transprt": "udp", "nonsense": "1", "probesize": "500000", "stream": "0"}) == list(
        range(20)
    )
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 2
    assert "'rtsp_transprt'; did you mean 'rtsp_transport'?" in said[0]
    assert "'nonsense'" in said[1]
    check = probe(config(path, options={"rtsp_transprt": "udp"}))
    assert check.ok
    assert "did you mean 'rtsp_transport'?" in check.detail


def test_options_of_formats_protocols_and_cameras_are_known() -> None:
    formats = ["rtsp_transport", "rtsp_flags", "fflags", "probesize", "analyzeduration", "reorder_queue_size"]
    protocols = ["user_agent", "timeout", "buffer_size", "tls_verify", "http_persistent"]
    assert unknown_options([*formats, *protocols, "framerate", "input_format", "stream"]) == []
    assert len(unknown_options(["stimeout", "prefer_tcp"])) == 2, "gone, and the name of a value"


def test_options_may_be_numbers_and_booleans() -> None:
    given = SourceConfig(name="a", uri="a", options={"stream": 1, "probesize": 5000, "http_persistent": True})  # type: ignore[dict-item]
    assert given.options == {"stream": "1", "probesize": "5000", "http_persistent": "1"}


NAMES = [
    b"stra\xdfe.mp4",
    b" blank .mp4 ",
    b"tab\there\x1b[2J.mp4",
    b"a:b.mp4",
    b"-",
    b"100%.mp4",
    "\u202egpj.mp4".encode(),
]


@pytest.mark.parametrize("name", NAMES)
def test_any_name_that_the_system_allows_works(tmp_path: Path, name: bytes, caplog: pytest.LogCaptureFixture) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name))
    film(tmp_path / "x.mp4").rename(path)
    assert read(path) == list(range(20))
    assert read(path.as_uri()) == list(range(20))
    source = open_source(config(path), 0)
    source.info.uri.encode()  # text that JSON and messages can hold
    assert probe(config(path)).ok
    assert len({f.info.stream for f in source}) == 1


def test_images_may_have_any_name(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/bilder \xfc "))
    folder.mkdir()
    for number in range(3):
        Path(os.fsdecode(os.fsencode(folder) + b"/\xe4%d.jpg" % number)).write_bytes(
            jpeg(0) if number else half_jpeg(0.5)
        )
    source = open_source(config(folder), 0)
    assert len(list(source)) == 2
    assert source.stats.lost == {"unreadable": 1}
    caplog.text.encode()
    assert "\\xe40.jpg" in caplog.text


def test_an_annotated_video_may_have_any_name(tmp_path: Path) -> None:
    for name in NAMES:
        path = Path(
            os.fsdecode(os.fsencode(tmp_path) + b"/out " + name.removesuffix(b" ").removesuffix(b"-") + b".mp4")
        )
        annotated = AnnotatedVideo(path, list[RuleInfo](), [])
        for frame in open_source(config(film(tmp_path / "x.mp4", range(3))), 0):
            annotated(frame, Analytics(frame.info, Tracks.empty()))
        annotated.close()
        assert len(read(path)) == 3


def test_blanks_at_the_ends_of_a_missing_name_are_pointed_out(tmp_path: Path) -> None:
    film(tmp_path / "a.mp4")
    with pytest.raises(SourceError, match="blanks at the ends"):
        open_source(config(f"{tmp_path}/a.mp4 "), 0)
    with pytest.raises(SourceError, match="empty"):
        open_source(config("   "), 0)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9, 0.999])
def test_a_half_written_jpeg_is_told_and_not_taken_as_whole(tmp_path: Path, share: float) -> None:
    (tmp_path / "0.jpg").write_bytes(jpeg(0))
    (tmp_path / "1.jpg").write_bytes(half_jpeg(share))
    source = open_source(config(tmp_path), 0)
    assert len(list(source)) == 1
    assert source.stats.corrupt == 1


def test_videos_beside_images_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "0.jpg").write_bytes(jpeg(0))
    for name in ("a.mp4", "b.MKV"):
        film(tmp_path / "x.mp4", range(2)).rename(tmp_path / name)
    assert len(list(open_source(config(tmp_path), 0))) == 1
    assert "2 videos in it are left out (a.mp4, b.MKV)" in caplog.text
    assert f"{tmp_path}/*.mp4" in caplog.text, "and how to name them"
    with pytest.raises(SourceError, match=r"2 recordings \(a.mp4 …\) and 1 images") as caught:
        open_source(config(tmp_path, watch=True), 0)
    assert f"{tmp_path}/*.mp4" in caught.value.fix
    with pytest.raises(SourceError, match="2 recordings"):
        open_source(config(f"{tmp_path}/*"), 0)
    assert len(list(open_source(config(f"{tmp_path}/*.[jJ]*"), 0))) == 1, "a glob may name images, too"
    assert len(list(open_source(config(f"{tmp_path}/*.mp4"), 0))) == 2
    (tmp_path / "0.jpg").unlink()
    assert len(list(open_source(config(tmp_path), 0))) == 4, "recordings alone follow each other"
