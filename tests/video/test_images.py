"""A folder of images is a video."""

from __future__ import annotations

import os
import threading
import time
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from countline.errors import SourceError
from countline.video import images, open_source, probe
from countline.video.clock import SECOND
from countline.video.picture import AvPicture

from .conftest import config, encode, jpeg


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve images named without leading zeros, and things that are no images."""
    made = tmp_path / "bilder ü"
    made.mkdir()
    for number in range(12):
        (made / f"frame {number}.jpg").write_bytes(jpeg(0, (64 + 2 * number, 48)))
    (made / "notes.txt").write_text("no image")
    (made / ".hidden.jpg").write_bytes(b"")
    return made


def test_images_come_in_natural_order(folder: Path) -> None:
    source = open_source(config(folder, fps=4), 0)
    frames = [f.info for f in source]
    assert [f.width for f in frames] == [64 + 2 * n for n in range(12)], "2 before 10"
    assert [f.pts for f in frames] == [n * SECOND // 4 for n in range(12)]
    assert source.stats.resolution_changes == 11, "each has its own size"
    assert [f.info for f in open_source(config(folder, fps=4), 0)] == frames


def test_images_run_at_30_unless_told(folder: Path) -> None:
    assert [f.info.pts for f in open_source(config(folder), 0)] == [n * SECOND // 30 for n in range(12)]


def test_image_time_is_newest_file_less_length(folder: Path) -> None:
    for path in folder.iterdir():
        os.utime(path, ns=(0, 1_700_000_000 * SECOND))
    info = next(iter(open_source(config(folder, fps=4), 0))).info
    assert (info.time, info.time_quality.value) == (1_700_000_000 * SECOND - 3 * SECOND, "file-mtime")


def test_identity_is_names_and_sizes(folder: Path) -> None:
    before = next(iter(open_source(config(folder), 0))).info.stream
    (folder / "frame 11.jpg").rename(folder / "frame 12.jpg")
    assert next(iter(open_source(config(folder), 0))).info.stream != before


def test_unreadable_images_are_counted_and_leave_a_gap(folder: Path) -> None:
    (folder / "frame 3.jpg").write_bytes(b"")
    (folder / "frame 5.jpg").write_text("no picture here")
    source = open_source(config(folder, fps=1), 0)
    frames = [f.info for f in source]
    assert source.stats.corrupt == 2
    assert [f.pts // SECOND for f in frames] == [0, 1, 2, 4, 6, 7, 8, 9, 10, 11]
    assert [f.number for f in frames] == list(range(10))


def test_no_readable_image_at_all_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("no picture here")
    for options in ({}, {"loop": True}):
        with pytest.raises(SourceError, match="not one of 1 images"):
            list(open_source(config(tmp_path, **options), 0))
    assert not probe(config(tmp_path)).ok


def test_loop_repeats_with_growing_time(folder: Path) -> None:
    source = open_source(config(folder, fps=1, loop=True), 0)
    assert [f.info.pts // SECOND for f in islice(source, 30)] == list(range(30))


def test_a_single_image_is_one_frame(tmp_path: Path) -> None:
    for name, codec, pix_fmt in (("a %03d.png", "png", "rgb24"), ("b.bmp", "bmp", "bgr24")):
        path = encode(tmp_path / "x", 1, codec=codec, format="image2pipe", pix_fmt=pix_fmt).rename(tmp_path / name)
        frames = list(open_source(config(path), 0))
        assert len(frames) == 1
        assert frames[0].image.shape == (48, 64, 3)
        assert np.abs(frames[0].image[8, 4].astype(int) - (40, 200, 250)).max() <= 1, "a png and bmp keep every value"


def test_the_doctor_describes_a_folder(folder: Path) -> None:
    assert probe(config(folder, fps=5)).detail == "12 images, 64x48, 5 frames/s, time: file-mtime"


def test_an_image_that_is_being_written_is_waited_for(folder: Path) -> None:
    data = (folder / "frame 11.jpg").read_bytes()
    half = folder / "frame 11.jpg"
    half.write_bytes(data[: len(data) // 2])
    source = open_source(config(folder, fps=1), 0)
    frames = iter(source)
    assert [f.info.number for f in islice(frames, 11)] == list(range(11))
    half.write_bytes(data[: len(data) // 2])  # just now
    writer = threading.Timer(0.3, lambda: half.write_bytes(data))
    writer.start()
    assert [f.info.number for f in frames] == [11]
    assert source.stats.corrupt == 0
    writer.join()


def test_an_image_that_becomes_whole_just_after_it_was_read_is_read_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    last = folder / "frame 11.jpg"
    data = last.read_bytes()
    last.write_bytes(data[: len(data) // 2])
    read, tries = images.read_image, []

    def reading(path: Path) -> AvPicture:
        try:
            return read(path)
        except Exception:
            tries.append(path)
            path.write_bytes(data)
            raise

    monkeypatch.setattr(images, "read_image", reading)
    source = open_source(config(folder, fps=1), 0)
    assert [f.info.number for f in source] == list(range(12))
    assert (tries, source.stats.corrupt) == ([last], 0)


def test_a_half_image_that_stays_one_is_counted_with_the_reason(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = (folder / "frame 3.jpg").read_bytes()
    (folder / "frame 3.jpg").write_bytes(data[: len(data) // 2])
    source = open_source(config(folder, fps=1), 0)
    assert len(list(source)) == 11
    assert source.stats.lost == {"unreadable": 1}
    assert "frame 3.jpg cannot be read and is left out: only a part of the picture is there" in caplog.text


def test_files_at_their_own_speed_drop_nothing(folder: Path, tmp_path: Path) -> None:
    for uri, more in ((folder, {"fps": 40}), (encode(tmp_path / "x.mp4", 12, rate=40), {}), (tmp_path / "*.mp4", {})):
        source = open_source(config(uri, realtime=True, **more), 0)
        began = time.monotonic()
        frames = [f.info for f in source]
        assert time.monotonic() - began >= (frames[-1].pts - frames[0].pts) / SECOND, "not faster than it was recorded"
        assert len(frames) == 12
        assert not source.info.live
        fast = [f.info for f in open_source(config(uri, **more), 0)]
        assert [(i.number, i.pts, i.time, i.stream) for i in fast] == [
            (i.number, i.pts, i.time, i.stream) for i in frames
        ]
