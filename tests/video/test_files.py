"""Files give every frame, in order, the same each time."""

from __future__ import annotations

import threading
from itertools import islice
from pathlib import Path

import pytest

from countline.config.models import SourceConfig
from countline.demo import clip_path
from countline.protocols import Source
from countline.video import open_source

from .conftest import config, encode


def infos(source_config: SourceConfig) -> list[object]:
    return [frame.info for frame in open_source(source_config, 0)]


def test_every_frame_comes_once_and_in_order(video: Path) -> None:
    source = open_source(config(video, device_id="gate"), 3)
    assert isinstance(source, Source)
    frames = [f.info for f in source]
    assert [f.number for f in frames] == list(range(20))
    assert [f.pts for f in frames] == [n * 100_000_000 for n in range(20)]
    assert {(f.width, f.height) for f in frames} == {(64, 48)}
    assert (source.info.name, source.info.index, source.info.device_id, source.info.live) == ("cam", 3, "gate", False)
    assert source.stats.frames == 20
    assert source.stats.corrupt == source.stats.repaired == source.stats.resolution_changes == 0


def test_two_readings_are_identical(tmp_path: Path) -> None:
    path = encode(tmp_path / "b.mp4", 40, options={"bf": "3", "g": "12"})
    assert infos(config(path)) == infos(config(path))
    source = open_source(config(path), 0)
    assert [f.info for f in source] == [f.info for f in source] == infos(config(path))


@pytest.mark.parametrize(
    ("name", "codec", "format"),
    [
        ("a.mp4", "libx264", None), ("a.mkv", "libx264", None), ("a.avi", "mpeg4", None), ("a.mov", "mpeg4", None),
        ("a.ts", "libx264", "mpegts"), ("a.webm", "libvpx", None), ("a.hevc.mp4", "libx265", None), ("a.avi", "mjpeg", None),
    ],
)  # fmt: skip
def test_any_container_is_read(tmp_path: Path, name: str, codec: str, format: str | None) -> None:
    options = {"x265-params": "log-level=none"} if codec == "libx265" else None
    pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    path = encode(tmp_path / name, 12, codec=codec, format=format, options=options, pix_fmt=pix_fmt)
    frames = [f.info for f in open_source(config(path), 0)]
    assert len(frames) == 12
    assert frames[0].pts == 0
    assert all(abs(f.pts - n * 100_000_000) <= 1_000_000 for n, f in enumerate(frames))


@pytest.mark.parametrize(("codec", "format", "suffix"), [("libx264", "h264", ".h264"), ("libx265", "hevc", ".h265")])
def test_raw_streams_are_timed_by_frame_rate(tmp_path: Path, codec: str, format: str, suffix: str) -> None:
    options = {"x265-params": "log-level=none"} if codec == "libx265" else {"bf": "2"}
    path = encode(tmp_path / f"raw{suffix}", 15, rate=12, codec=codec, format=format, options=options)
    assert [f.info.pts for f in open_source(config(path), 0)] == [n * 10**9 // 12 for n in range(15)], (
        "from its headers"
    )
    assert [f.info.pts for f in open_source(config(path, fps=50), 0)] == [n * 20_000_000 for n in range(15)], (
        "from the user"
    )


def test_a_raw_stream_without_timing_runs_at_30(tmp_path: Path) -> None:
    path = encode(tmp_path / "raw.m4v", 7, codec="mpeg4", format="m4v")
    mjpeg = encode(tmp_path / "raw.mjpeg", 7, codec="mjpeg", format="mjpeg", pix_fmt="yuvj420p")
    assert len(list(open_source(config(path), 0))) == 7
    assert [f.info.pts for f in open_source(config(mjpeg), 0)] == [n * 10**9 // 30 for n in range(7)]


def test_file_names_may_hold_any_characters(tmp_path: Path) -> None:
    for name in ("улица мира.mp4", "通り:1.mp4", "100%03d ~ [x] 'q'.mp4", "-.mp4"):
        path = encode(Path(tmp_path / "plain.mp4"), 3).rename(tmp_path / name)
        assert len(infos(config(path))) == 3, name
        assert len(infos(config(path.as_uri()))) == 3, name


def test_loop_goes_on_with_growing_time_and_one_stream(video: Path) -> None:
    source = open_source(config(video, loop=True), 0)
    frames = [f.info for f in islice(source, 50)]
    source.close()
    assert [f.number for f in frames] == list(range(50))
    assert [f.pts for f in frames] == [n * 100_000_000 for n in range(50)]
    assert frames[49].time - frames[0].time == 4_900_000_000
    assert len({f.stream for f in frames}) == 1
    assert source.info.live is False


def test_close_from_another_thread_ends_the_iteration(video: Path) -> None:
    source = open_source(config(video, loop=True), 0)
    seen = threading.Event()

    def closer() -> None:
        seen.wait(30)
        source.close()

    thread = threading.Thread(target=closer)
    thread.start()
    for _ in source:
        seen.set()
    thread.join()
    assert list(source) == [], "closed stays closed"


def test_an_event_from_outside_ends_the_iteration(video: Path) -> None:
    stop = threading.Event()
    count = 0
    for _ in open_source(config(video, loop=True), 0, stop=stop):
        count += 1
        if count == 5:
            stop.set()
    assert count == 5


def test_a_file_can_stand_for_a_camera(video: Path) -> None:
    source = open_source(config(video, live=True), 0)
    assert source.info.live is True
    frames = [f.info for f in islice(source, 5)]
    source.close()
    assert [f.pts for f in frames] == [n * 100_000_000 for n in range(5)]


def test_stream_identity_follows_content_not_name(tmp_path: Path, video: Path) -> None:
    copy = tmp_path / "copy.mp4"
    copy.write_bytes(video.read_bytes())
    other = encode(tmp_path / "other.mp4", 19)
    first, same, different = (next(iter(open_source(config(p), 0))).info.stream for p in (video, copy, other))
    assert first == same != different


def test_the_demo_clip_is_what_its_note_says() -> None:
    source = open_source(config(clip_path()), 0)
    frames = [f.info for f in source]
    assert len(frames) == 300
    assert {(f.width, f.height) for f in frames} == {(768, 576)}
    assert frames[-1].pts == 29_900_000_000
    assert frames[0].time_quality.value == "file-start"
    assert frames[0].time == 1_714_557_600_000_000_000  # 2024-05-01T10:00:00Z, wherever and whenever it was installed
    assert clip_path().stat().st_size <= 3_000_000
    assert "Apache-2.0" in clip_path().with_name("street.LICENSE.txt").read_text(encoding="utf-8")
