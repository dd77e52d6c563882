"""Input that is wrong gives one clear error, or goes on and counts what it left out."""

from __future__ import annotations

import os
import random
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from countline.config.models import SourceConfig, SourceTls
from countline.errors import SourceError
from countline.video import open_source, probe
from countline.video.tls import diagnose

from .conftest import config, encode


def fails(source_config: SourceConfig, *words: str) -> SourceError:
    """Reading it raises a SourceError with the words, the source's name and a remedy; `check` says the same."""
    with pytest.raises(SourceError) as caught:
        list(open_source(source_config, 0))
    error = caught.value
    for word in (*words, "source 'cam'"):
        assert word in str(error)
    assert error.fix
    check = probe(source_config)
    assert not check.ok
    assert check.subject == "source 'cam'"
    assert check.detail
    assert check.fix
    return error


def test_missing_file(tmp_path: Path) -> None:
    fails(config(tmp_path / "none.mp4"), "none.mp4", "no such file")


@pytest.mark.parametrize("uri", ["~no-such-user-here/a.mp4", "a\0b.mp4", "x" * 5000 + ".mp4"])
def test_odd_paths(uri: str) -> None:
    fails(config(uri))


def test_a_part_of_the_path_is_a_file(video: Path) -> None:
    fails(config(video / "a.mp4"), "no folder")


def test_empty_uri() -> None:
    fails(config("  "), "empty")


@pytest.mark.parametrize(
    "uri",
    [
        "rtsp://[::1/x", "https://[zz]/a.m3u8", "rtsp://host:port/x", "rtsp://host:99999/x", "rtsp://user:pass/word@host/x",
        "rtsp://user:pass#word@host:554/x",
    ],
)  # fmt: skip
def test_an_address_that_is_none_is_told_at_the_start(uri: str) -> None:
    error = fails(config(uri), "not well formed")
    assert "pass" not in str(error.what)


@pytest.mark.parametrize(
    "uri", ["rtsp://user:pa[ss@127.0.0.1:9/x", "udp://@239.0.0.1:1234", "udp://:1234", "rtsp://[::1]:554/x"]
)
def test_an_address_that_ffmpeg_takes_is_taken(uri: str) -> None:
    open_source(config(uri), 0).close()
    assert diagnose(uri.replace("rtsp:", "rtmp:"), SourceTls()) is None


def test_zero_length_file(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").touch()
    fails(config(tmp_path / "a.mp4"), "empty (0 bytes)")


def test_folder_without_images(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "notes.txt").write_text("nothing")
    fails(config(folder), "no images")


def test_text_is_no_video(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_text("this is not a video\n" * 50)
    fails(config(tmp_path / "a.mp4"), "a.mp4", "no video that FFmpeg knows")


def test_audio_only(tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.int16), "s16", "mono")
        frame.sample_rate, frame.pts, frame.time_base = 8000, 0, Fraction(1, 8000)
        out.mux(stream.encode(frame))
        out.mux(stream.encode())
    fails(config(path), "no video stream", "only audio")


def test_permission_denied(tmp_path_factory: pytest.TempPathFactory, video: Path) -> None:
    folder = tmp_path_factory.mktemp("locked")
    path = folder / "a.mp4"
    path.write_bytes(video.read_bytes())
    path.chmod(0)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)  # root may read everything; nobody may not
    try:
        fails(config(path), "permission denied")
    finally:
        os.seteuid(user)
        path.chmod(0o600)


def test_unknown_protocol() -> None:
    error = fails(config("gopher://user:secret@host/a"), "unknown protocol 'gopher'")
    assert "rtsp://" in error.fix
    assert "secret" not in str(error)


def test_file_cut_off_before_its_index(tmp_path: Path, video: Path) -> None:
    """An MP4 whose index stands at the end is unreadable when cut; the error comes from FFmpeg."""
    path = tmp_path / "cut.mp4"
    path.write_bytes(video.read_bytes()[:1500])
    fails(config(path), "cut.mp4")


@pytest.mark.parametrize(
    ("name", "container"), [("a.mkv", None), ("a.ts", None), ("a.mp4", {"movflags": "+faststart"})]
)
def test_truncated_file_gives_what_is_there(tmp_path: Path, name: str, container: dict[str, str] | None) -> None:
    whole = encode(tmp_path / name, 60, size=(160, 120), container=container)
    expected = [f.info for f in open_source(config(whole), 0)]
    cut = tmp_path / f"cut-{name}"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size * 2 // 3])
    source = open_source(config(cut), 0)
    got = [f.info for f in source]
    assert 10 < len(got) < 60
    assert [f.pts for f in got] == [f.pts for f in expected][: len(got)]


def test_tags_in_any_encoding_do_not_matter(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mkv", 5, metadata={"title": "QQQQ"})
    data = path.read_bytes()
    assert data.count(b"QQQQ") == 1
    path.write_bytes(data.replace(b"QQQQ", b"\xe4\xf6\xfc\xff"))
    assert len(list(open_source(config(path), 0))) == 5
    assert probe(config(path)).ok


def damaged(tmp_path: Path) -> Path:
    """60 frames, a key frame every 10, with the packets of frames 23 to 27 overwritten."""
    path = encode(tmp_path / "whole.mkv", 60, size=(160, 120), options={"g": "10", "bf": "0", "sc_threshold": "0"})
    data = bytearray(path.read_bytes())
    noise = random.Random(4)
    with av.open(str(path)) as container:
        for number, packet in enumerate(container.demux(video=0)):
            if 23 <= number <= 27:
                begin = data.index(bytes(packet))
                data[begin + 4 : begin + packet.size] = noise.randbytes(packet.size - 4)
    path = tmp_path / "damaged.mkv"
    path.write_bytes(data)
    return path


def test_corrupt_packets_are_counted_and_passed_over(tmp_path: Path) -> None:
    source = open_source(config(damaged(tmp_path)), 0)
    frames = [f.info for f in source]
    assert source.stats.corrupt > 0
    assert 50 <= len(frames) < 60
    assert frames[-1].pts == 5_900_000_000, "goes on to the end, with the right time"
    assert [f.number for f in frames] == list(range(len(frames)))
    again = open_source(config(source.config.uri), 0)  # type: ignore[attr-defined]
    assert [f.info for f in again] == frames
    assert again.stats == source.stats


def test_nothing_but_damage_is_an_error(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mkv", 10, options={"g": "100", "bf": "0"})
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        for packet in container.demux(video=0):
            if packet.size:
                begin = data.index(bytes(packet))
                data[begin + 4 : begin + packet.size] = bytes(packet.size - 4)
    path.write_bytes(data)
    fails(config(path), "not one frame could be decoded")
    fails(config(path, loop=True), "not one frame could be decoded")


def test_a_change_of_resolution_is_counted_and_each_frame_knows_its_size(tmp_path: Path) -> None:
    small = encode(tmp_path / "s.h264", 10, size=(64, 48), format="h264")
    large = encode(tmp_path / "l.h264", 10, size=(128, 96), format="h264")
    path = tmp_path / "both.h264"
    path.write_bytes(small.read_bytes() + large.read_bytes() + small.read_bytes())
    source = open_source(config(path), 0)
    sizes = []
    for frame in source:
        assert frame.image.shape == (frame.info.height, frame.info.width, 3)
        assert frame.picture.letterbox(32, 32)[1] == 32 / frame.info.width
        sizes.append((frame.info.width, frame.info.height))
    assert sizes == [(64, 48)] * 10 + [(128, 96)] * 10 + [(64, 48)] * 10
    assert source.stats.resolution_changes == 2


def test_the_doctor_describes_a_good_file(video: Path, tmp_path: Path) -> None:
    check = probe(config(video))
    assert check.ok
    assert not check.fix
    for word in ("h264", "64x48", "10 frames/s", "2.0 s", "file-mtime"):
        assert word in check.detail
    raw = encode(tmp_path / "a.h264", 3, format="h264")
    assert "length unknown" in probe(config(raw)).detail
    assert "file-start" in probe(config(video, start="2026-01-01T00:00:00Z")).detail
