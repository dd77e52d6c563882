"""Recordings that follow each other are one stream."""

from __future__ import annotations

import os
import threading
import time
from datetime import datetime, timezone
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import pytest

from countline.errors import SourceError
from countline.protocols import ResumableSource
from countline.types import Frame, TimeQuality
from countline.video import open_source, probe
from countline.video.clock import SECOND
from countline.video.segments import is_complete

from .conftest import config
from .making import film, numbers_of, read

BEGIN = 1_795_334_400
"""2026-11-22T08:00:00Z."""
START = "{name:%Y%m%d-%H%M%S}"
FAST = {"settle": 0.2}


def name(second: float, suffix: str = ".ts") -> str:
    return datetime.fromtimestamp(BEGIN + second, timezone.utc).strftime("gate_%Y%m%d-%H%M%S") + suffix


def recorded(folder: Path, seconds: list[int], suffix: str = ".ts", **more: Any) -> Path:
    """A recording of a second for each of these seconds, ten frames each; ``numbers`` go on."""
    folder.mkdir(exist_ok=True)
    for place, second in enumerate(seconds):
        film(folder / name(second, suffix), range(10 * place, 10 * place + 10), **more)
    return folder


def source(uri: object, **more: Any) -> Any:
    return open_source(config(uri, segments={**FAST, **more.pop("segments", {})}, **more), 0)


def facts(frames: list[Frame]) -> list[tuple[int, int, int]]:
    return [(f.info.number, f.info.pts, f.info.time) for f in frames]


@pytest.mark.parametrize("suffix", [".ts", ".mp4", ".mkv", ".avi"])
def test_recordings_are_one_stream_in_the_order_of_their_times(tmp_path: Path, suffix: str) -> None:
    frames = list(source(recorded(tmp_path / "nvr", [0, 1, 2], suffix), start=START))
    assert numbers_of(frames) == list(range(30))
    assert [f.info.number for f in frames] == list(range(30))
    steps = {b.info.pts - a.info.pts for a, b in pairwise(frames)}
    assert max(steps) - min(steps) <= SECOND // 20, "no seam is seen"
    assert {f.info.stream for f in frames} == {frames[0].info.stream}
    assert frames[0].info.time == BEGIN * SECOND
    assert all(f.info.time - f.info.pts == BEGIN * SECOND for f in frames)
    assert {f.info.time_quality for f in frames} == {TimeQuality.FILE_START}
    assert [f.info.number for f in frames if f.seam is not None] == [0, 10, 20]
    assert not any(f.seam.gap for f in frames if f.seam is not None)


def test_a_glob_names_recordings_in_several_folders(tmp_path: Path) -> None:
    for place, day in enumerate(("2026-11-22", "2026-11-23")):
        (tmp_path / day).mkdir()
        film(tmp_path / day / "10.dav", range(10 * place + 5, 10 * place + 10), format="mpegts")
        film(tmp_path / day / "9.dav", range(10 * place, 10 * place + 5), format="mpegts")
        (tmp_path / day / "9.txt").write_text("no video")
    assert read(tmp_path / "*" / "*.dav", segments=FAST) == list(range(20)), "9 before 10, whatever the suffix"
    for day in ("2026-11-22", "2026-11-23"):
        (tmp_path / day / "9.dav").rename(tmp_path / day / "09.dav")
    found = list(source(tmp_path / "*" / "*.dav", start="{name:%Y-%m-%d/%H} Europe/Berlin"))
    assert numbers_of(found) == list(range(20))
    assert found[0].info.time == BEGIN * SECOND, "9 o'clock in Berlin"
    assert [f.info.number for f in found if f.seam is not None and f.seam.gap] == [5, 10, 15]


def test_the_order_is_by_name_or_by_when_they_were_written(tmp_path: Path) -> None:
    for place, letter in enumerate("cab"):
        path = film(tmp_path / f"{letter}.ts", range(5 * place, 5 * place + 5))
        os.utime(path, (BEGIN + place, BEGIN + place))
    assert read(tmp_path, segments=FAST) == [*range(5, 10), *range(10, 15), *range(5)]
    assert read(tmp_path, segments={**FAST, "order": "mtime"}) == list(range(15))


@pytest.mark.parametrize("label", ["straße ü 日本.ts", "50% [a] *.ts", " blank .ts", os.fsdecode(b"stra\xdfe.ts")])
def test_any_name_will_do(tmp_path: Path, label: str) -> None:
    folder = tmp_path / "aufnahmen ü"
    folder.mkdir()
    film(folder / "x.tmp", range(5), format="mpegts").rename(folder / label)
    frames = list(source(folder))
    assert numbers_of(frames) == list(range(5))
    assert frames[0].seam is not None
    again = source(folder)
    again.resume(frames[0].info.stream, 3, False, frames[0].seam.place)
    assert facts(list(again)) == facts(frames)


def test_a_hole_between_recordings_is_a_gap_and_a_short_one_is_none(tmp_path: Path) -> None:
    folder = recorded(tmp_path / "nvr", [0, 1, 5, 20])
    frames = list(source(folder, start=START))
    assert [(f.info.number, f.info.pts // 10**6, f.seam.gap) for f in frames if f.seam is not None] == [
        (0, 0, False), (10, 1000, False), (20, 5000, False), (30, 20000, True),
    ]  # fmt: skip
    longer = list(source(folder, start=START, segments={"gap": 60}))
    assert not any(f.seam.gap for f in longer if f.seam is not None)


def test_times_that_are_known_from_the_files_age_tell_gaps_too(tmp_path: Path) -> None:
    for place, ends in enumerate((10, 11, 100)):
        path = film(tmp_path / f"{place}.ts", range(10))
        os.utime(path, (BEGIN + ends, BEGIN + ends))
    frames = list(source(tmp_path))
    begins = [f.info for f in frames if f.seam is not None]
    assert [round(info.time / SECOND) - BEGIN for info in begins] == [9, 10, 99]
    assert [f.seam.gap for f in frames if f.seam is not None] == [False, False, True]
    assert begins[0].time_quality is TimeQuality.FILE_MTIME


def test_a_clock_that_drifts_is_followed_without_a_hole(tmp_path: Path) -> None:
    """Names tell seconds; each recording lacks a frame, so that what they tell is later and later."""
    folder = tmp_path / "nvr"
    folder.mkdir()
    for second in range(30):
        film(folder / name(second), range(9))
    frames = list(source(folder, start=START))
    steps = [b.info.pts - a.info.pts for a, b in pairwise(frames)]
    assert max(steps) <= SECOND // 5 + 10**6, "a frame more at each seam, at most"
    last = next(f.info for f in reversed(frames) if f.seam is not None)
    assert abs(last.time - (BEGIN + 29) * SECOND) < SECOND


def test_a_broken_recording_is_told_and_counted_and_the_others_go_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = recorded(tmp_path / "nvr", [0, 1, 2, 3])
    (folder / name(1)).write_text("no video at all " * 100)
    whole = (folder / name(2)).read_bytes()
    (folder / name(2)).write_bytes(whole[: len(whole) // 2])
    this = source(folder, start=START)
    frames = list(this)
    assert name(1) in caplog.text
    assert this.stats.lost["unreadable"] == 1
    seen = numbers_of(frames)
    assert seen[:10] == list(range(10))
    assert seen[-10:] == list(range(30, 40))
    assert 10 not in seen
    assert 20 in seen
    assert [f.seam.gap for f in frames if f.seam is not None][:2] == [False, True]


def test_nothing_that_can_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.ts").write_text("no video " * 100)
    with pytest.raises(SourceError, match="not one frame of 1 recordings"):
        list(source(tmp_path))
    with pytest.raises(SourceError, match="no file fits"):
        source(tmp_path / "*.mp4")
    with pytest.raises(SourceError, match="no images and no recordings"):
        (tmp_path / "a.ts").unlink()
        source(tmp_path)


def test_what_a_name_does_not_tell_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = recorded(tmp_path / "nvr", [0, 1])
    film(folder / "cover.ts", range(3))
    this = source(folder, start=START)
    assert len(list(this)) == 20
    assert this.stats.lost == {"unnamed": 1}
    assert "cover.ts" in caplog.text


@pytest.mark.parametrize("fps", [None, 5])
def test_a_run_goes_on_at_the_last_recording_that_was_begun(tmp_path: Path, fps: int | None) -> None:
    folder = recorded(tmp_path / "nvr", [0, 1, 2, 3, 4])
    options: dict[str, Any] = {"start": START, "fps": fps, "segments": {"warm_up": 1}}
    whole = list(source(folder, **options))
    seams = [f for f in whole if f.seam is not None]
    for at in range(5):
        again = source(folder, **options)
        assert isinstance(again, ResumableSource)
        assert seams[at].seam is not None
        again.resume(whole[0].info.stream, seams[at].info.number + 2, False, seams[at].seam.place)
        frames = list(again)
        assert frames[0].info.number == seams[max(0, at - 1)].info.number, "one before, to warm up"
        assert facts(frames) == facts(whole)[-len(frames) :]
        assert [f.seam for f in frames if f.seam][-1] == seams[-1].seam


def test_a_run_that_was_finished_begins_anew_and_one_with_other_times_too(tmp_path: Path) -> None:
    folder = recorded(tmp_path / "nvr", [0, 1, 2, 3])
    whole = list(source(folder, start=START))
    place = next(f.seam.place for f in reversed(whole) if f.seam is not None)
    for more, finished in (({"start": START}, True), ({"start": START + " Asia/Tokyo"}, False)):
        again = source(folder, **more)
        again.resume(whole[0].info.stream, 35, finished, place)
        assert next(iter(again)).info.number == 0
    watched = source(folder, start=START, watch=0.5, segments={"warm_up": 0})
    watched.resume(whole[0].info.stream, 39, True, place)
    assert [f.info.number for f in watched] == list(range(20, 40)), "there may be more behind what was finished"


def test_what_an_earlier_run_had_begun_and_is_gone_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = recorded(tmp_path / "nvr", [0, 1, 2, 3])
    whole = list(source(folder, start=START))
    seam = whole[20].seam
    assert seam is not None
    (folder / name(2)).unlink()
    again = source(folder, start=START)
    again.resume(whole[0].info.stream, 24, False, seam.place)
    frames = list(again)
    assert numbers_of(frames) == list(range(30, 40)), "nothing is read again that was counted"
    assert frames[0].info.number == 25
    assert frames[0].info.time == (BEGIN + 3) * SECOND
    assert frames[0].seam is not None
    assert frames[0].seam.gap
    assert name(2) in caplog.text


class Writer(threading.Thread):
    """Writes recordings a few bytes at a time, as a recorder does."""

    def __init__(self, folder: Path, sources: list[Path], pause: float = 0.01) -> None:
        super().__init__(daemon=True)
        self.folder, self.sources, self.pause = folder, sources, pause

    def run(self) -> None:
        for path in self.sources:
            data = path.read_bytes()
            with open(self.folder / path.name, "wb", buffering=0) as file:
                for at in range(0, len(data), 1 + len(data) // 10):
                    file.write(data[at : at + 1 + len(data) // 10])
                    time.sleep(self.pause)


@pytest.mark.parametrize(
    ("suffix", "container"),
    [(".ts", {}), (".mp4", {}), (".mp4", {"movflags": "frag_keyframe+empty_moov"}), (".mkv", {})],
)
def test_a_watched_folder_gives_what_the_whole_one_gives(tmp_path: Path, suffix: str, container: Any) -> None:
    made = recorded(tmp_path / "made", [0, 1, 2], suffix, container=container)
    (tmp_path / "live").mkdir()
    writer = Writer(tmp_path / "live", sorted(made.iterdir()))
    watched = source(tmp_path / "live", start=START, watch=1.5, segments={"settle": 0.6})
    writer.start()
    assert facts(list(watched)) == facts(list(source(made, start=START)))
    assert not watched.stats.lost
    writer.join()


def test_a_plain_mp4_is_waited_for_until_its_index_is_there(tmp_path: Path) -> None:
    data = film(tmp_path / "x.mp4", range(10)).read_bytes()
    folder = tmp_path / "nvr"
    folder.mkdir()
    target = folder / "a.mp4"
    index = data.rindex(b"moov") - 4
    target.write_bytes(data[:index])
    assert is_complete(target) is False
    watched = source(folder, watch=True)
    frames: list[Frame] = []
    reader = threading.Thread(target=lambda: frames.extend(islice(watched, 10)), daemon=True)
    reader.start()
    time.sleep(0.5)  # longer than it must stand still
    assert not frames
    assert not watched.stats.corrupt
    with open(target, "ab") as file:
        file.write(data[index:])
    reader.join(20)
    assert numbers_of(frames) == list(range(10))
    watched.close()


def test_a_recording_that_is_removed_or_comes_late_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = recorded(tmp_path / "nvr", [1, 2, 3, 4])
    this = source(folder, start=START, watch=1.5)
    frames = iter(this)
    assert [f.info.number for f in islice(frames, 5)] == list(range(5))
    (folder / name(1)).unlink()  # while it is read
    (folder / name(3)).unlink()
    recorded(folder, [0])
    rest = list(frames)
    assert len(rest) == 25
    assert this.stats.lost == {"late": 1, "removed": 1}
    assert name(0) in caplog.text
    assert name(3) in caplog.text


def test_a_thousand_recordings_begin_with_the_first(tmp_path: Path) -> None:
    film(tmp_path / "0.ts", range(10))
    for number in range(1, 1000):
        (tmp_path / f"{number}.ts").write_bytes(b"\0" * 100)
    this = source(tmp_path)
    assert next(iter(this)).info.number == 0
    assert not this.stats.corrupt, "the others are not looked into yet"
    this.close()
    assert probe(config(tmp_path)).detail.startswith("1000 recordings, first 0.ts: h264, 64x48")


def test_what_cannot_be_watched_is_refused(tmp_path: Path) -> None:
    recorded(tmp_path / "nvr", [0])
    for uri, more in (
        (tmp_path / "nvr", {"loop": True}),
        (tmp_path / "nvr", {"live": True}),
        ("rtsp://127.0.0.1/x", {}),
    ):
        with pytest.raises(SourceError, match="watch"):
            source(uri, watch=True, **more)
    with pytest.raises(SourceError):
        source(tmp_path / "none", watch=True)
    assert probe(config(tmp_path / "*.mp4", watch=True)).detail == "no recordings yet; waits for them"


def test_a_folder_of_recordings_can_be_played_again_and_again(tmp_path: Path) -> None:
    this = source(recorded(tmp_path / "nvr", [0, 1]), start=START, loop=True)
    frames = list(islice(this, 50))
    assert numbers_of(frames) == [*range(20), *range(20), *range(10)]
    assert [f.info.number for f in frames] == list(range(50))
    assert all(b.info.pts > a.info.pts for a, b in pairwise(frames))
    assert not any(f.seam for f in frames)


@pytest.mark.parametrize(
    ("suffix", "container"),
    [(".ts", {}), (".mp4", {"movflags": "frag_keyframe+empty_moov"}), (".mkv", {}), (".mp4", {})],
)
def test_a_file_that_grows_is_read_to_its_end(tmp_path: Path, suffix: str, container: Any) -> None:
    made = film(tmp_path / f"made{suffix}", range(60), noise=True, container=container)
    (tmp_path / "live").mkdir()
    target = tmp_path / "live" / made.name
    target.touch()
    growing = source(target, watch=True, start="2026-11-22T08:00:00Z", segments={"settle": 1})
    Writer(tmp_path / "live", [made], pause=0.03).start()
    frames = list(growing)
    assert numbers_of(frames) == list(range(60))
    again = list(source(target, watch=True, start="2026-11-22T08:00:00Z"))
    assert facts(again) == facts(frames)
    assert again[0].info.stream == frames[0].info.stream, "whatever has grown since"


@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".avi"])
def test_a_finished_recording_that_is_being_copied_is_not_complete_before_all_of_it_is_there(
    tmp_path: Path, suffix: str
) -> None:
    data = film(tmp_path / f"a{suffix}", range(20)).read_bytes()
    part = tmp_path / f"part{suffix}"
    for size in (100, len(data) // 2, len(data) - 1):
        part.write_bytes(data[:size])
        assert is_complete(part) is False
    part.write_bytes(data)
    assert is_complete(part) is True
