"""file-mtime: the last frame ended when the file was last written, whatever the container says of its length."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from countline.types import TimeQuality
from countline.video import open_source, probe
from countline.video.clock import SECOND
from countline.video.length import measure
from countline.video.open import Connector
from countline.video.place import place_of

from .conftest import config
from .making import film, packets

WRITTEN = 1_700_000_000 * SECOND
FRAME = SECOND // 10


def ends_when_written(path: Path, last: int = -1, tolerance: int = 2_000_000) -> None:
    """The last frame is as long before the time of writing as a frame is; a ``last`` of -2 one frame more, and so on."""
    os.utime(path, ns=(0, WRITTEN))
    frames = [frame.info for frame in open_source(config(path), 0)]
    assert frames[0].time_quality is TimeQuality.FILE_MTIME
    assert abs(frames[-1].time - (WRITTEN + last * FRAME)) <= tolerance
    assert frames[-1].time - frames[0].time == frames[-1].pts


@pytest.mark.parametrize(
    ("name", "first", "container"),
    [
        ("a.mp4", 0, {}), ("a.mp4", 300, {}), ("a.mov", 5, {}), ("a.mkv", 0, {}), ("late.mkv", 42, {}),
        ("wall.mkv", 17_957_711_998, {}), ("a.flv", 0, {}), ("late.flv", 600, {}), ("a.ts", 0, {}), ("late.ts", 5000, {}),
        ("a.avi", 0, {}), ("a.webm", 30, {}), ("a.mpg", 70, {}), ("frag.mp4", 0, {"movflags": "frag_keyframe+empty_moov"}),
        ("frag2.mp4", 90, {"movflags": "frag_keyframe+empty_moov+default_base_moof"}),
        ("endless.mkv", 33, {"live": "1"}), ("endless.webm", 0, {"live": "1"}), ("seg.flv", 42, {"flvflags": "no_duration_filesize"}),
    ],
)  # fmt: skip
def test_start_offsets_and_missing_lengths_do_not_matter(
    tmp_path: Path, name: str, first: int, container: dict[str, str]
) -> None:
    codec = {"webm": "libvpx", "mpg": "mpeg2video", "avi": "mpeg4"}.get(name.rsplit(".")[-1], "libx264")
    options: dict[str, object] = {"rate": 25} if codec == "mpeg2video" else {}
    if codec == "mpeg2video":
        container["muxrate"] = "0"
    path = film(tmp_path / name, first=first, container=container, codec=codec, **options)  # type: ignore[arg-type]
    ends_when_written(path, -1, 100_000_000 if codec == "mpeg2video" else 2_000_000)


@pytest.mark.parametrize("options", [{"bf": "3", "g": "12"}, {"bf": "0", "g": "5"}])
@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts", "a.flv"])
def test_pictures_that_are_shown_later_than_they_stand_do_not_matter(
    tmp_path: Path, name: str, options: dict[str, str]
) -> None:
    ends_when_written(film(tmp_path / name, options=options, first=20))


def grows(path: Path) -> None:
    """Cut the last third off, as if it had not been written yet."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])


@pytest.mark.parametrize(
    ("name", "container"),
    [
        ("a.ts", {}), ("a.mkv", {}), ("a.flv", {}), ("a.mp4", {"movflags": "frag_keyframe+empty_moov"}),
        ("b.mp4", {"movflags": "frag_every_frame+empty_moov"}), ("live.mkv", {"live": "1"}),
    ],
)  # fmt: skip
def test_a_recording_that_still_grows_ended_with_what_is_there(
    tmp_path: Path, name: str, container: dict[str, str]
) -> None:
    path = film(tmp_path / name, range(60), container=container, first=30, noise=True, size=(160, 120))
    grows(path)
    os.utime(path, ns=(0, WRITTEN))
    frames = [frame.info for frame in open_source(config(path), 0)]
    assert 20 < len(frames) < 60
    # Of the frame at the cut only a part is there, and a fragment is complete or not at all.
    assert -6 * FRAME <= frames[-1].time - WRITTEN <= 0


def test_files_joined_end_to_end_are_as_long_as_their_parts(tmp_path: Path) -> None:
    part = film(tmp_path / "a.ts", first=14).read_bytes()
    joined = tmp_path / "joined.ts"
    joined.write_bytes(part * 3)
    ends_when_written(joined)


def test_frames_before_the_first_key_frame_are_no_part_of_the_time(tmp_path: Path) -> None:
    """A recording that begins in the middle: frames that nobody can decode come first."""
    path = film(tmp_path / "a.ts", range(40), options={"g": "10", "bf": "0", "sc_threshold": "0"})
    whole = path.read_bytes()
    cut = tmp_path / "cut.ts"
    cut.write_bytes(whole[: 3 * 188] + whole[packets(path)[13][0] :])
    ends_when_written(cut)
    source = open_source(config(cut), 0)
    assert len(list(source)) == 20
    assert source.stats.lost == {"no-picture": 7}


def test_a_gap_in_a_recording_is_part_of_its_length(tmp_path: Path) -> None:
    ends_when_written(film(tmp_path / "a.mkv", range(5), stamps=[30, 31, 35, 36, 950]))


def test_very_slow_recordings_are_measured_too(tmp_path: Path) -> None:
    """A frame every three seconds, out of order in the file: a step back by seconds is no new beginning."""
    path = film(tmp_path / "slow.ts", rate=1, stamps=[3 * n for n in range(20)], options={"bf": "3", "g": "12"})
    os.utime(path, ns=(0, WRITTEN))
    frames = [frame.info for frame in open_source(config(path), 0)]
    assert len(frames) == 20
    assert WRITTEN - 3 * SECOND <= frames[-1].time <= WRITTEN - SECOND


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.avi", "a.flv", "a.ts"])
def test_the_end_of_a_large_file_is_found_without_reading_it(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = film(
        tmp_path / name, range(200), first=0 if name == "a.avi" else 40, codec="mpeg4" if name == "a.avi" else "libx264"
    )
    where = "source 'cam'"
    given = config(path)
    connect = Connector(place_of(given.uri, where), given, where)
    span = measure(connect, path.stat().st_size)
    far = measure(connect, 1 << 40)
    assert span is not None
    assert far is not None
    assert far.end == span.end
    assert far.frames == 0, "not all packets were read"


def test_start_and_creation_time_come_before(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mkv", first=42, metadata={"creation_time": "2025-01-02T03:04:05Z"})
    info = next(iter(open_source(config(path), 0))).info
    assert info.time_quality is TimeQuality.FILE_START
    assert info.time == 1_735_787_045 * SECOND


@pytest.mark.parametrize("spoil", [lambda d, r: d + r.randbytes(3000), lambda d, r: d + bytes(3000)])
@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts", "a.flv"])
def test_rubbish_after_the_end_does_not_matter(
    tmp_path: Path, name: str, spoil: Callable[[bytes, random.Random], bytes]
) -> None:
    path = film(tmp_path / name, first=15)
    path.write_bytes(spoil(path.read_bytes(), random.Random(1)))
    ends_when_written(path)


def test_the_length_that_the_doctor_tells_is_that_of_the_pictures(tmp_path: Path) -> None:
    for name in ("a.mkv", "a.flv"):
        assert ", 2.0 s," in probe(config(film(tmp_path / name, first=6000))).detail, name
