"""Odd but valid inputs: every frame exactly once, in order, with its right time; nothing lost, nothing made up."""

from __future__ import annotations

import base64
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from countline.errors import SourceError
from countline.video import open_source, probe

from .conftest import config
from .making import film, image_bytes, number_in, numbered, numbers_of, packets

B = {"bf": "3", "g": "12"}
UNEVEN = [0, 1, 2, 5, 6, 7, 20, 21, 22, 23, 40, 41, 42, 43, 60, 61, 62, 63, 64, 90]
ALTREF = {"auto-alt-ref": "1", "lag-in-frames": "16", "deadline": "good", "cpu-used": "5"}
SVT = {"preset": "12", "svtav1-params": "lp=1"}

FILMS: list[tuple[str, dict[str, Any]]] = [
    ("variable rate.mkv", {"stamps": UNEVEN}), ("variable rate.mp4", {"stamps": UNEVEN}), ("variable rate.flv", {"stamps": UNEVEN}),
    ("b.mp4", {"options": B}), ("b.mkv", {"options": B}), ("b.ts", {"options": B}), ("b.flv", {"options": B, "first": 50}),
    ("no pts.avi", {"codec": "mpeg4", "options": {"bf": "2", "g": "12"}}), ("no pts 264.avi", {"options": B}),
    ("negative.mkv", {"first": -7, "container": {"avoid_negative_ts": "disabled"}}), ("negative.ts", {"first": -7}),
    ("10 bit.mp4", {"pix": "yuv420p10le"}), ("10 bit.mkv", {"codec": "libx265", "pix": "yuv420p10le"}),
    ("422.mp4", {"pix": "yuv422p10le"}), ("444.mp4", {"pix": "yuv444p"}), ("grey.mp4", {"pix": "gray"}),
    ("grey.mkv", {"codec": "ffv1", "pix": "gray"}), ("grey 16.mkv", {"codec": "ffv1", "pix": "gray16le"}),
    ("odd 444.mp4", {"size": (65, 49), "pix": "yuv444p"}), ("odd 420.mkv", {"codec": "ffv1", "size": (65, 49)}),
    ("cropped.mp4", {"size": (70, 54)}), ("tiny.mkv", {"codec": "ffv1", "size": (16, 4), "pix": "yuv444p"}),
    ("alpha.mov", {"codec": "prores_ks", "pix": "yuva444p10le", "options": {"profile": "4444"}}),
    ("alpha png.mov", {"codec": "png", "pix": "rgba"}),
    ("alpha.webm", {"codec": "libvpx-vp9", "pix": "yuva420p", "options": {"deadline": "realtime", "cpu-used": "8"}}),
    ("rgb.mkv", {"codec": "ffv1", "pix": "bgr0"}),
    ("vp8.webm", {"codec": "libvpx"}),
    ("hidden.webm", {"codec": "libvpx", "options": ALTREF}),
    ("hidden 9.webm", {"codec": "libvpx-vp9", "options": ALTREF}), ("av1.mp4", {"codec": "libsvtav1", "options": SVT}),
    ("av1.webm", {"codec": "libsvtav1", "options": SVT}), ("a.ivf", {"codec": "libvpx"}),
    ("jpeg.avi", {"codec": "mjpeg", "pix": "yuvj420p"}), ("a.gif", {"codec": "gif", "pix": "rgb8"}),
    ("a.apng", {"codec": "apng", "pix": "rgb24"}),
    ("raw.h264", {"options": {"bf": "2"}}), ("raw.h265", {"codec": "libx265", "format": "hevc"}),
    ("interlaced.ts", {"codec": "mpeg2video", "rate": 25, "options": {"flags": "+ildct+ilme", "bf": "2"}}),
    ("a.mpg", {"codec": "mpeg2video", "rate": 25, "format": "vob", "options": {"bf": "2"}}), ("a.asf", {"codec": "mpeg4"}),
    ("a.nut", {"codec": "rawvideo"}), ("a.y4m", {"codec": "wrapped_avframe", "format": "yuv4mpegpipe"}),
    ("fragments.mp4", {"options": {"bf": "3", "g": "5"}, "container": {"movflags": "frag_keyframe+empty_moov"}}),
    ("long gop.mp4", {"numbers": range(200), "options": {"g": "1000", "bf": "2"}}),
    ("slow.mp4", {"rate": Fraction(1, 3)}),
    ("slow b.mkv", {"rate": Fraction(1, 3), "options": B}),
    ("slow b.ts", {"rate": Fraction(1, 3), "options": B}),
    ("fast.mp4", {"rate": 240}), ("fast.mkv", {"rate": 240}), ("ntsc.mp4", {"rate": Fraction(30_000, 1001)}),
    ("odd base.mp4", {"rate": Fraction(12_345, 997)}),
    ("one.mp4", {"numbers": [3]}), ("one.ts", {"numbers": [3]}), ("one.h264", {"numbers": [3]}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "how"), FILMS, ids=[name for name, _ in FILMS])
def test_every_frame_once_with_its_time(tmp_path: Path, name: str, how: dict[str, Any]) -> None:
    codec = how.get("codec", "libx264")
    if codec not in av.codecs_available:
        pytest.skip(f"this FFmpeg cannot write {codec}")
    path = film(tmp_path / name, **how)
    source = open_source(config(path), 0)
    frames = list(source)
    expected = list(how.get("numbers", range(20)))
    assert numbers_of(frames) == expected
    assert [f.info.number for f in frames] == list(range(len(expected)))
    assert source.stats.lost == {}
    stamps, rate = how.get("stamps") or range(len(expected)), Fraction(how.get("rate", 10))
    # Containers round: to milliseconds, GIF to hundredths of a second.
    coarse = 11_000_000 if name.endswith(".gif") else 1_100_000
    for frame, stamp in zip(frames, stamps, strict=True):
        assert abs(frame.info.pts - int(stamp * 10**9 / rate)) <= coarse
        assert frame.image.shape == (frame.info.height, frame.info.width, 3)
    assert (frames[0].info.width, frames[0].info.height) == how.get("size", (64, 48))
    assert frames[0].picture.letterbox(32, 32)[0].shape == (32, 32, 3)
    assert probe(config(path)).ok


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts", "a.avi", "a.flv"])
def test_rubbish_at_the_end_is_no_frame(tmp_path: Path, name: str) -> None:
    path = film(tmp_path / name, codec="mpeg4" if name == "a.avi" else "libx264")
    whole = path.read_bytes()
    for rubbish in (bytes(5000), np.random.default_rng(1).bytes(5000)):
        path.write_bytes(whole + rubbish)
        assert numbers_of(open_source(config(path), 0)) == list(range(20))


@pytest.mark.parametrize("format", ["mp4", "matroska", "avi", "flv"])
def test_a_file_without_a_frame_is_an_error(tmp_path: Path, format: str) -> None:
    path = tmp_path / "a.video"
    with av.open(str(path), "w", format=format) as out:
        stream: Any = out.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        out.start_encoding()
    with pytest.raises(SourceError) as caught:
        list(open_source(config(path), 0))
    assert caught.value.fix
    assert not probe(config(path)).ok


def test_what_an_edit_list_takes_away_is_not_there(tmp_path: Path) -> None:
    """An MP4 may say that it begins in the middle; players show nothing of before, and neither is it lost."""
    path = film(tmp_path / "a.mp4", first=-10)
    source = open_source(config(path), 0)
    frames = list(source)
    assert numbers_of(frames) == list(range(10, 20))
    assert [f.info.pts for f in frames] == [n * 100_000_000 for n in range(10)]
    assert source.stats.lost == {}


def test_a_change_of_size_in_a_transport_stream_loses_nothing(tmp_path: Path) -> None:
    small = film(tmp_path / "s.ts", range(10)).read_bytes()
    large = film(tmp_path / "l.ts", range(10, 20), first=10, size=(128, 96)).read_bytes()
    (tmp_path / "a.ts").write_bytes(small + large + small)
    source = open_source(config(tmp_path / "a.ts"), 0)
    frames = list(source)
    assert numbers_of(frames) == [*range(20), *range(10)]
    assert [f.info.width for f in frames] == [64] * 10 + [128] * 10 + [64] * 10
    assert source.stats.resolution_changes == 2
    assert source.stats.lost == {}


def test_frames_after_a_change_of_codec_are_given_or_counted(tmp_path: Path) -> None:
    """FFmpeg has one decoder for a stream; what it cannot read is not lost in silence."""
    first = film(tmp_path / "1.ts", range(10)).read_bytes()
    second = film(tmp_path / "2.ts", range(10, 20), codec="mpeg2video", rate=25, first=25).read_bytes()
    (tmp_path / "a.ts").write_bytes(first + second)
    there = len(packets(tmp_path / "a.ts"))
    source = open_source(config(tmp_path / "a.ts"), 0)
    frames = list(source)
    assert numbers_of(frames) in (list(range(10)), list(range(10, 20)))
    assert len(frames) + source.stats.corrupt == there


@pytest.mark.parametrize(
    ("name", "codec", "pix"),
    [
        ("a.png", "png", "rgb48be"), ("b.png", "png", "gray16be"), ("c.png", "png", "rgba"), ("d.png", "png", "monob"),
        ("a.tif", "tiff", "rgb48le"), ("a.bmp", "bmp", "bgra"), ("a.pgm", "pgm", "gray16be"), ("a.ppm", "ppm", "rgb48be"),
        ("a.jpg", "mjpeg", "yuvj444p"),
    ],
)  # fmt: skip
def test_images_of_every_depth_are_read(tmp_path: Path, name: str, codec: str, pix: str) -> None:
    data = image_bytes(numbered(11, 64, 48), codec, "mjpeg" if codec == "mjpeg" else "image2pipe", pix)
    (tmp_path / name).write_bytes(data)
    source = open_source(config(tmp_path / name), 0)
    frames = list(source)
    assert [f.image.shape for f in frames] == [(48, 64, 3)]
    if pix != "monob":
        assert number_in(frames[0].image) == 11
    assert source.stats.lost == {}


CMYK = (
    "/9j/7gAOQWRvYmUAZAAAAAAA/9sAQwAQCwwODAoQDg0OEhEQExgoGhgWFhgxIyUdKDozPTw5Mzg3QEhcTkBEV0U3OFBtUVdfYmdoZz5NcXlwZH"
    "hcZWdj/8AAFAgAMABABEMRAE0RAFkRAEsRAP/EABcAAQEBAQAAAAAAAAAAAAAAAAAHBgX/xAAUEAEAAAAAAAAAAAAAAAAAAAAA/9oADgRDAE0A"
    "WQBLAAA/AOg1zXKAAJ8kCQCgq+r4nyQJAAAAAKCr6vgAnyQJAKCr6vifJAkAAAAAoKvq+ACfJAkAoKvq+J8kCQAAAACgq+r4AJ8kCQCgq+r4ny"
    "QJAAAAAKCr6vgAnyQJAKCr6vifJAkAAAAAoKvq+ACfJAkAoKvq+J8kCQAAAAD/2Q=="
)
"""A JPEG in four inks, as print shops write it, with the number 11 in it."""


def test_a_jpeg_in_four_inks_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(base64.b64decode(CMYK))
    frames = list(open_source(config(tmp_path / "a.jpg"), 0))
    assert numbers_of(frames) == [11]


def test_a_picture_with_pixels_that_are_not_square_keeps_its_pixels(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as out:
        stream: Any = out.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(4, 3)
        out.mux(stream.encode(av.VideoFrame.from_ndarray(numbered(7, 64, 48), "bgr24")))
        out.mux(stream.encode())
    frames = list(open_source(config(path), 0))
    assert [(f.info.width, f.info.height) for f in frames] == [(64, 48)]
    assert numbers_of(frames) == [7]
