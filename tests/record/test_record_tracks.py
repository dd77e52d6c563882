"""Recorded tracks come back as they were written, and a fault in them is named by line."""

from __future__ import annotations

import gzip
import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import starting
from countline.errors import DataError, Place
from countline.record import TracksWriter, read_tracks
from countline.record.jsonl import FRAME_NS, read_lines
from countline.types import UNTRACKED, FrameInfo, FrameTracks, SourceInfo, TimeQuality, Tracks

GOOD = b'{"stream":0,"frame":3,"width":640,"height":360,"objects":[{"id":1,"class_id":0,"left":1,"top":2,"width":3,"height":4.5}]}'


def make(
    number: int, ids: list[int], stream: int = 0, name: str = "", quality: TimeQuality = TimeQuality.NONE
) -> FrameTracks:
    rng = np.random.default_rng(number * 10 + stream)
    ltwh = rng.uniform(-50, 2000, (len(ids), 4)).astype(np.float32)
    xyxy = ltwh.copy()
    xyxy[:, 2:] += xyxy[:, :2]
    info = FrameInfo(
        SourceInfo(name or f"stream-{stream}", stream),
        number,
        number * 40_000_000,
        number * 40_000_000,
        1920,
        1080,
        quality,
    )
    return FrameTracks(
        info,
        Tracks(xyxy, rng.random(len(ids), np.float32), rng.integers(-3, 80, len(ids)), np.array(ids, np.uint64), ltwh),
    )


def same(one: FrameTracks, other: FrameTracks) -> None:
    assert one.info == other.info
    assert len(one.tracks) == len(other.tracks)
    if len(one.tracks):
        for field in ("xyxy", "ltwh", "confidence", "class_id", "track_id"):
            np.testing.assert_array_equal(getattr(one.tracks, field), getattr(other.tracks, field), err_msg=field)
        assert (one.tracks.twin_of is None) == (other.tracks.twin_of is None)
        np.testing.assert_array_equal(one.tracks.object_id(), other.tracks.object_id())


def with_twins(frame: FrameTracks, *twin_of: int) -> FrameTracks:
    frame.tracks.twin_of = np.array(twin_of, np.uint64)
    return frame


FRAMES = [
    make(0, []),
    make(1, [1, 2**64 - 2, UNTRACKED]),
    make(1, [2**53 + 1], stream=1, name="yard", quality=TimeQuality.NTP),
    make(2, []),
    make(3, []),
    make(3, [UNTRACKED, UNTRACKED], stream=1, name="yard", quality=TimeQuality.NTP),
    make(4, [7, 7]),
    with_twins(make(5, [7, 9, 12]), UNTRACKED, 7, 2**53 + 1),
    make(6, [7]),
]


@pytest.mark.parametrize("name", ["tracks.jsonl", "tracks.jsonl.gz", "tracks.parquet"])
def test_what_is_written_is_read_back_exactly(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with TracksWriter(path) as writer:
        for frame in FRAMES:
            writer.write(frame)
    assert (writer.frames, writer.objects) == (9, 12)
    back = list(read_tracks(path))
    assert len(back) == len(FRAMES)
    for frame, read in zip(FRAMES, back):
        same(frame, read)


def test_equal_tracks_give_equal_files(tmp_path: Path) -> None:
    for name in ("a.jsonl.gz", "b.jsonl.gz"):
        with TracksWriter(tmp_path / name) as writer:
            for frame in FRAMES:
                writer.write(frame)
    assert (tmp_path / "a.jsonl.gz").read_bytes() == (tmp_path / "b.jsonl.gz").read_bytes()


def test_a_parquet_file_of_many_row_groups_keeps_its_frames(tmp_path: Path) -> None:
    frames = [make(n, list(range(n % 400))) for n in range(700)]
    with TracksWriter(tmp_path / "big.parquet") as writer:
        for frame in frames:
            writer.write(frame)
    assert writer.objects > 65_536
    back = list(read_tracks(tmp_path / "big.parquet"))
    assert [len(f.tracks) for f in back] == [len(f.tracks) for f in frames]
    for frame, read in zip(frames[::50], back[::50]):
        same(frame, read)


def test_parquet_of_another_tool_needs_only_the_essential_columns(tmp_path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    table = pyarrow.table({
        "frame": [0, 0, 1, 2], "frame_width": [640] * 4, "frame_height": [360] * 4, "track_id": [1, None, None, 3],
        "class_id": [0, 1, None, 2], "left": [1.0, 2, None, 3], "top": [1, 1, None, 1], "width": [5, 5, None, 5], "height": [5, 5, None, 5],
    })  # fmt: skip
    pyarrow.parquet.write_table(table, tmp_path / "t.parquet")
    frames = list(read_tracks(tmp_path / "t.parquet"))
    assert [f.tracks.track_id.tolist() for f in frames] == [[1, UNTRACKED], [], [3]]
    assert [f.info.pts for f in frames] == [0, FRAME_NS, 2 * FRAME_NS]
    pyarrow.parquet.write_table(table.drop(["class_id"]), tmp_path / "u.parquet")
    with pytest.raises(DataError, match="lacks the column 'class_id'"):
        list(read_tracks(tmp_path / "u.parquet"))


def test_an_unfinished_parquet_file_does_not_appear_under_its_name(tmp_path: Path) -> None:
    writer = TracksWriter(tmp_path / "t.parquet")
    writer.write(FRAMES[1])
    assert not (tmp_path / "t.parquet").exists()
    writer.close()
    assert (tmp_path / "t.parquet").exists()
    assert [path.name for path in tmp_path.glob("t.*")] == ["t.parquet"]


def test_pts_is_made_from_the_frame_number_where_it_is_absent_and_null_means_untracked() -> None:
    line = GOOD.replace(b'"id":1', b'"id":null')
    frame = next(read_lines([line], "x"))
    assert frame.info.pts == 3 * FRAME_NS
    assert frame.tracks.track_id.tolist() == [UNTRACKED]


@pytest.mark.parametrize("value", [0, 2**53 + 1, 2**63, 2**64 - 2])
def test_ids_are_exact_to_64_bits(value: int) -> None:
    frame = next(read_lines([GOOD.replace(b'"id":1', b'"id":%d' % value)], "x"))
    assert frame.tracks.track_id.tolist() == [value]


BAD = {
    b"nonsense": "is not JSON",
    b"[]": "is a list, not an object",
    GOOD[:-1]: "is not JSON",
    GOOD.replace(b'"frame":3,', b""): "'frame' is missing",
    GOOD.replace(b'"frame":3', b'"frame":-3'): "'frame' is -3, outside",
    GOOD.replace(b'"frame":3', b'"frame":"3"'): "'frame' is text",
    GOOD.replace(b'"frame":3', b'"frame":3,"pts":1.5'): "'pts' is a fraction",
    GOOD.replace(b'"frame":3', b'"frame":3,"pts":null'): "'pts' is null",
    GOOD.replace(b'"width":640', b'"width":0'): "'width' is 0, outside",
    GOOD.replace(b'"stream":0', b'"stream":true'): "'stream' is a truth value",
    GOOD.replace(b'"objects":[', b'"objekts":['): "'objects' is missing",
    GOOD.replace(b'"id":1', b'"id":-1'): "'id' is -1",
    GOOD.replace(b'"id":1', b'"id":18446744073709551616'): "'id' is",
    GOOD.replace(b'"id":1,', b""): "objects[0]: 'id' is missing",
    GOOD.replace(b'"class_id":0', b'"class_id":0.5'): "'class_id' is 0.5",
    GOOD.replace(b'"left":1', b'"left":"1"'): "'left' is text",
    GOOD.replace(b'"left":1', b'"left":NaN'): "is not JSON",
    GOOD.replace(b'[{"id"', b'[7,{"id"'): "objects[0] is a whole number",
    b'{"frame": "\xff"}': "is not JSON",
}


@pytest.mark.parametrize("line", BAD, ids=list(BAD.values()))
def test_a_malformed_line_is_named_by_its_number(line: bytes) -> None:
    reader = read_lines([GOOD, b"\n", line, GOOD], "cam.jsonl")
    next(reader)
    with pytest.raises(DataError) as caught:
        next(reader)
    assert isinstance(caught.value.where, Place)
    assert (caught.value.where.file, caught.value.where.line) == ("cam.jsonl", 3)
    assert BAD[line] in caught.value.what
    assert caught.value.exit_code == 2


@settings(max_examples=300)
@given(st.binary(max_size=200) | st.text(max_size=60).map(str.encode))
def test_no_input_whatever_gives_anything_but_frames_or_a_data_error(data: bytes) -> None:
    for line in (data, GOOD[: len(data)] + data + GOOD[len(data) :]):
        try:
            list(read_lines(io.BytesIO(line), "x"))
        except DataError as error:
            assert "x:" in str(error)  # noqa: PT017


def test_a_truncated_gzip_file_is_reported(tmp_path: Path) -> None:
    data = gzip.compress(b"\n".join([GOOD] * 5000))
    (tmp_path / "t.jsonl.gz").write_bytes(data[: len(data) // 2])
    with pytest.raises(DataError, match="compressed data is damaged"):
        list(read_tracks(tmp_path / "t.jsonl.gz"))


def test_damaged_parquet_missing_files_and_folders_are_reported(tmp_path: Path) -> None:
    (tmp_path / "t.parquet").write_bytes(b"PAR1 but not really")
    for path, words in (
        (tmp_path / "t.parquet", "no readable Parquet"),
        (tmp_path / "none", "no such file"),
        (tmp_path, "cannot be read"),
    ):
        with pytest.raises(DataError, match=words):
            list(read_tracks(path))
    with pytest.raises(DataError, match="cannot be written"):
        TracksWriter(tmp_path / "no folder" / "t.jsonl")


def test_standard_input_is_read_line_by_line_as_it_comes() -> None:
    script = (
        "from countline.record import read_tracks\nfor frame in read_tracks('-'): print(frame.info.number, flush=True)"
    )
    process = starting.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(GOOD + b"\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"3\n"  # while standard input is still open
        process.stdin.write(GOOD.replace(b'"frame":3', b'"frame":4') + b"\n")
        process.stdin.close()
        assert process.stdout.read() == b"4\n"
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.mark.parametrize("name", ["tracks.jsonl.gz", "tracks.parquet"])
def test_compressed_tracks_and_parquet_come_through_standard_input_too(tmp_path: Path, name: str) -> None:
    with TracksWriter(tmp_path / name) as writer:
        for frame in FRAMES:
            writer.write(frame)
    script = "from countline.record import read_tracks\nprint([len(f.tracks) for f in read_tracks('-')])"
    with open(tmp_path / name, "rb") as stream:
        cat = subprocess.Popen(["cat"], stdin=stream, stdout=subprocess.PIPE)
        done = starting.run(
            [sys.executable, "-c", script], stdin=cat.stdout, capture_output=True, timeout=60, check=True
        )
        cat.wait()
        assert cat.stdout is not None
        cat.stdout.close()
    assert done.stdout.strip() == str([len(f.tracks) for f in FRAMES]).encode()


def test_frames_are_given_before_the_input_ends() -> None:
    def endless() -> object:
        n = 0
        while True:
            yield GOOD.replace(b'"frame":3', b'"frame":%d' % n)
            n += 1

    reader = read_lines(endless(), "x")  # type: ignore[arg-type]
    assert [next(reader).info.number for _ in range(100)] == list(range(100))


@pytest.mark.parametrize(
    ("column", "value", "kind", "word"),
    [
        ("left", None, "float32", "'left' is empty"),
        ("height", float("nan"), "float32", "'height' is not a number"),
        ("class_id", None, "int32", "'class_id' is empty"),
        ("class_id", 2**31, "int64", "'class_id' does not fit"),
        ("track_id", -3, "int64", "'track_id' is negative"),
        ("track_id", 1.0, "float64", "'track_id' is double, not whole numbers"),
        ("frame_width", 0, "int32", "'frame_width' is no size"),
        ("frame", None, "int64", "'frame' is empty"),
    ],
)
def test_a_parquet_row_that_is_no_object_is_named(
    tmp_path: Path, column: str, value: object, kind: str, word: str
) -> None:
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "tracks.parquet"
    with TracksWriter(path) as writer:
        for number in range(3):
            info = FrameInfo(SourceInfo("s"), number, number, 0, 100, 100)
            writer.write(FrameTracks(info, Tracks([[1, 2, 3, 4]], [1], [0], [7])))
    table = parquet.read_table(path)
    values = table[column].to_pylist()
    values[2] = value
    at = table.schema.get_field_index(column)
    parquet.write_table(table.set_column(at, column, arrow.array(values, arrow.type_for_alias(kind))), path)
    with pytest.raises(DataError, match=word) as caught:
        list(read_tracks(path))
    assert "row 2" in str(caught.value) or kind == "float64"
