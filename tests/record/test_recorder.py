"""What `record:` keeps: all of it, exactly, in bounds, whatever happens to the process, and never at the cost of a frame."""

from __future__ import annotations

import dataclasses
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recordings import BEGIN, HOUR, LABELS, frame, record, same

from countline.config.faults import ConfigFault
from countline.config.record import RecordConfig, keep_of
from countline.record.folder import PieceName, SourceFolder, folder_name
from countline.record.quota import Quota
from countline.record.recorder import Recorder
from countline.record.recording import find
from countline.types import UNTRACKED, Analytics, FrameTracks, Tracks


def read(path: Path, source: str = "entrance") -> list[FrameTracks]:
    return [marked.frame for marked in find(path).frames(source)]


def files(path: Path) -> list[str]:
    return sorted(str(p.relative_to(path)) for p in path.rglob("*.parquet"))


def test_one_file_an_hour_and_source_holds_what_the_rules_saw(tmp_path: Path) -> None:
    given = [
        frame(n, source=source, time=BEGIN + n * HOUR // 20, objects=n % 4)
        for n in range(50)
        for source in ("entrance", "back/door")
    ]
    said = record(tmp_path, given)
    assert said == {"frames": 100, "bytes": said["bytes"], "dropped_by": {}, "removed": 0}
    hours = [f"2026-11-22T{h:02d}Z.parquet" for h in (7, 8, 9)]
    assert files(tmp_path) == sorted(f"{folder}/{hour}" for folder in ("entrance", "back%2Fdoor") for hour in hours)
    for source in ("entrance", "back/door"):
        mine = [item for item in given if item.info.source.name == source]
        back = read(tmp_path, source)
        assert len(back) == len(mine)
        assert all(same(a, b) for a, b in zip(mine, back))
    assert find(tmp_path).labels == list(LABELS)


boxes = st.floats(-(2.0**20), 2.0**20, width=32)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(boxes, boxes, boxes, boxes, st.integers(0, UNTRACKED), st.integers(0, UNTRACKED)), min_size=1)
)
def test_boxes_come_back_to_the_last_bit(tmp_path_factory: pytest.TempPathFactory, objects: list[tuple]) -> None:
    path = tmp_path_factory.mktemp("bits")
    info = frame(0).info
    tracks = Tracks(
        np.array([o[:4] for o in objects]), np.ones(len(objects)), np.zeros(len(objects)),
        np.array([o[4] for o in objects], np.uint64),
    )  # fmt: skip
    twins = np.array([o[5] for o in objects], np.uint64)
    if (twins != UNTRACKED).any():
        tracks.twin_of = twins
    record(path, [FrameTracks(info, tracks)])
    (back,) = read(path)
    assert same(back, FrameTracks(info, tracks))


def test_duckdb_pandas_and_polars_read_it_as_it_is(tmp_path: Path) -> None:
    import duckdb
    import pandas
    import polars

    record(tmp_path, [frame(n, time=BEGIN + n * HOUR // 100, objects=3) for n in range(150)])
    recorder = Recorder(RecordConfig(path=str(tmp_path), flush=0.5))  # and one that is at work
    for n in range(150, 170):
        item = frame(n, time=BEGIN + n * HOUR // 100, objects=3)
        recorder(None, Analytics(item.info, item.tracks, class_names=LABELS))
    deadline = time.monotonic() + 30
    while len(files(tmp_path)) < 3 and time.monotonic() < deadline:
        time.sleep(0.02)
    pattern = str(tmp_path / "**" / "*.parquet")
    query = f"SELECT class_name, count(*), min(make_timestamp_ns(time))::VARCHAR FROM '{pattern}' GROUP BY 1 ORDER BY 1"
    assert duckdb.sql(query).fetchall() == [
        ("car", 170, "2026-11-22 07:00:00"),
        ("person", 340, "2026-11-22 07:00:00"),
    ]
    assert len(pandas.read_parquet(tmp_path)) == 510
    assert polars.read_parquet(pattern).group_by("source").len().rows() == [("entrance", 510)]
    recorder.close()
    assert len(files(tmp_path)) == 2


ENDLESS = """
import itertools, sys, time
sys.path.insert(0, {folder!r})
from recordings import *
recorder = Recorder(RecordConfig(path={path!r}, flush=0.5))
for n in itertools.count():
    item = frame(n)
    recorder(None, Analytics(item.info, item.tracks, class_names=LABELS))
    time.sleep(0.002)
"""


def test_kill_9_leaves_whole_files_and_loses_only_what_was_not_flushed(tmp_path: Path) -> None:
    script = ENDLESS.format(folder=str(Path(__file__).parent), path=str(tmp_path))
    process = subprocess.Popen([sys.executable, "-c", script])
    try:
        deadline = time.monotonic() + 60
        while len(files(tmp_path)) < 3 and time.monotonic() < deadline:
            time.sleep(0.01)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    before = read(tmp_path)
    assert len(before) >= 3
    assert all(same(item, frame(n)) for n, item in enumerate(before))  # no hole, nothing twice
    later = record(tmp_path, [frame(n, stream="next") for n in range(5)])
    assert later["frames"] == 5
    assert files(tmp_path) == ["entrance/2026-11-22T07Z.parquet"]  # the pieces that were left are in it, too
    after = read(tmp_path)
    assert len(after) == len(before) + 5
    assert all(same(a, b) for a, b in zip(after, before))


def test_pieces_that_are_in_their_hours_file_already_count_once(tmp_path: Path) -> None:
    folder = SourceFolder(tmp_path, "entrance")
    folder.write([frame(0), frame(1)], [False] * 2, LABELS, 0)
    piece = next(path for path, _ in folder.files())
    kept = piece.read_bytes()
    folder.merge("2026-11-22T07")
    piece.write_bytes(kept)  # as a computer leaves it that lost power between the two
    assert len(read(tmp_path)) == 2
    folder.write([frame(2)], [False], LABELS, 0)
    assert len(read(tmp_path)) == 3
    folder.merge("2026-11-22T07")
    folder.close()
    assert [item.info.number for item in read(tmp_path)] == [0, 1, 2]


def test_a_damaged_piece_is_set_aside_and_the_rest_of_the_hour_kept(tmp_path: Path) -> None:
    folder = SourceFolder(tmp_path, "entrance")
    for n in range(3):
        folder.write([frame(n)], [False], LABELS, 0)
    second = [path for path, _ in folder.files()][1]
    second.write_bytes(second.read_bytes()[:-20])
    folder.merge("2026-11-22T07")
    folder.close()
    assert [item.info.number for item in read(tmp_path)] == [0, 2]
    assert [p.name for p in folder.path.glob("*.damaged")] == [second.name + ".damaged"]


def test_a_file_that_is_gone_through_again_is_not_recorded_twice(tmp_path: Path) -> None:
    record(tmp_path, [frame(n, live=False) for n in range(30)])
    again = record(tmp_path, [frame(n, live=False) for n in range(50)])
    assert (again["frames"], again["dropped_by"]) == (20, {"recorded-before": 30})
    assert [item.info.number for item in read(tmp_path)] == list(range(50))
    assert record(tmp_path, [frame(n, live=False, stream="another") for n in range(10)])["frames"] == 10


def test_the_oldest_files_go_when_the_size_is_reached(tmp_path: Path) -> None:
    hours = [[frame(n, time=BEGIN + h * HOUR + n * 10**7, objects=20) for n in range(60)] for h in range(6)]
    sizes = []
    for number, frames in enumerate(hours):
        record(tmp_path, frames, keep="100 GiB")
        newest = max(tmp_path.rglob("*.parquet"), key=lambda p: p.name)
        os.utime(newest, (BEGIN / 1e9 + number, BEGIN / 1e9 + number))
        sizes.append(newest.stat().st_size)
    bound = sum(sizes[-3:]) + 50
    quota = Quota(tmp_path, f"{bound / 1000} kB")
    quota.grown(0)
    assert files(tmp_path) == [f"entrance/2026-11-22T{h:02d}Z.parquet" for h in (10, 11, 12)]
    assert quota.removed == 3


def test_files_older_than_is_kept_go_and_nothing_else_does(tmp_path: Path) -> None:
    record(tmp_path, [frame(0), frame(1, time=BEGIN + HOUR)])
    (tmp_path / "entrance" / "notes.parquet").write_bytes(b"mine")
    old = tmp_path / "entrance" / "2026-11-22T07Z.parquet"
    now = old.stat().st_mtime
    for days, unset in ((2.9, False), (3.1, True)):
        quota = Quota(tmp_path, "3 d", wall=lambda days=days, unset=unset: 1e9 if unset else now + days * 86400)
        os.utime(old, (now - 1, now - 1))
        quota.grown(0)
        assert old.exists()  # young; or by a clock that was never set
    Quota(tmp_path, "3 d", wall=lambda: now + 3.1 * 86400).grown(0)
    assert files(tmp_path) == ["entrance/2026-11-22T08Z.parquet", "entrance/notes.parquet"]


@pytest.mark.parametrize("text", ["", "30", "30 x", "30 d 100 GiB", "1 d | 2 d", "-1 d", "0 d"])
def test_a_bound_that_is_none_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(ConfigFault) as raised:
        keep_of(text)
    assert "30 d | 100 GiB" in raised.value.fix


class _Held:
    """A recorder whose thread does nothing until it may."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        import threading

        self.may = threading.Event()
        self.recorder = Recorder(RecordConfig(path=str(path), max_waiting=100))
        real = self.recorder._take
        monkeypatch.setattr(self.recorder, "_take", lambda: (self.may.wait(30), real()))

    def give(self, live: bool, count: int) -> None:
        for n in range(count):
            item = frame(n, live=live)
            self.recorder(None, Analytics(item.info, item.tracks, class_names=LABELS))


def test_a_slow_disk_delays_no_live_frame_and_what_is_lost_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = _Held(tmp_path, monkeypatch)
    held.give(True, 250)  # would wait for ever
    held.may.set()
    held.recorder.close()
    said = held.recorder.stats()
    assert (said["frames"], said["dropped_by"]) == (100, {"queue": 150})


def test_frames_of_files_wait_for_a_slow_disk_and_none_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    held = _Held(tmp_path, monkeypatch)
    giving = threading.Thread(target=held.give, args=(False, 250))
    giving.start()
    giving.join(0.3)
    assert giving.is_alive()
    held.may.set()
    giving.join(30)
    held.recorder.close()
    assert held.recorder.stats()["frames"] == 250


def test_what_cannot_be_written_is_counted_and_told_and_recording_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    record(tmp_path, [frame(0)])
    recorder = Recorder(RecordConfig(path=str(tmp_path), flush=0.5))

    def give(n: int) -> None:
        item = frame(n, time=BEGIN + n * HOUR)  # each in an hour of its own, so that the one before is written
        recorder(None, Analytics(item.info, item.tracks, class_names=LABELS))

    give(1)
    deadline = time.monotonic() + 30
    while recorder.stats()["frames"] < 1 and time.monotonic() < deadline:
        time.sleep(0.01)
    (tmp_path / "entrance").rename(tmp_path / "away")
    give(2)
    while not recorder.stats()["dropped_by"] and time.monotonic() < deadline:
        time.sleep(0.01)
    (tmp_path / "away").rename(tmp_path / "entrance")
    give(3)
    recorder.close()
    assert recorder.stats()["dropped_by"] == {"disk": 1}
    assert recorder.stats()["frames"] == 2
    assert "1 frames of source 'entrance' are not recorded" in caplog.text


def test_two_processes_do_not_write_one_source_into_one_folder(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    other = SourceFolder(tmp_path, "entrance")
    said = record(tmp_path, [frame(0), frame(0, source="exit")])
    other.close()
    assert (said["frames"], said["dropped_by"]) == (1, {"in-use": 1})
    assert "another process records it" in caplog.text


def test_recordings_are_for_their_user_alone(tmp_path: Path) -> None:
    record(tmp_path / "deep" / "recorded", [frame(0)])
    found = list((tmp_path / "deep").rglob("*"))
    assert {stat.S_IMODE(p.stat().st_mode) for p in found if p.is_dir()} == {0o700}
    assert {stat.S_IMODE(p.stat().st_mode) for p in found if p.is_file()} == {0o600}


def test_tracks_in_the_view_of_a_stabilised_source_are_what_is_recorded(tmp_path: Path) -> None:
    item, placed = frame(0), frame(50).tracks
    recorder = Recorder(RecordConfig(path=str(tmp_path)))
    recorder(None, Analytics(item.info, item.tracks, placed=placed, anew=True))
    recorder.close()
    (marked,) = find(tmp_path).frames("entrance")
    assert same(marked.frame, FrameTracks(item.info, placed))
    assert marked.anew


@given(st.text(min_size=1, max_size=80))
def test_any_name_of_a_source_is_one_folder(name: str) -> None:
    made = folder_name(name.encode("utf-8", "replace").decode())
    assert made not in (".", "..")
    assert "/" not in made
    assert "\0" not in made


def test_names_of_files_are_told_from_others() -> None:
    assert PieceName.of("2026-11-22T07Z.parquet") == ("2026-11-22T07", None)
    assert PieceName.of("2026-11-22T07Z.000012.parquet") == ("2026-11-22T07", 12)
    assert PieceName.of("2026-11-22T07Z.parquet.part") is None
    assert dataclasses.is_dataclass(frame(0).info)
