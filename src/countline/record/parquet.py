"""Recorded tracks in Parquet files, in and out; the columns are those of :mod:`countline.record.rows`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from countline.errors import DataError
from countline.private_files import open_private
from countline.record.jsonl import FRAME_NS
from countline.record.rows import FLOATS, FRAME, IDS, OBJECT, ROWS, arrow_and_parquet, schema_of, table_of
from countline.types import UNTRACKED, FrameInfo, FrameTracks, SourceInfo, TimeQuality, Tracks

__all__ = ["MarkedFrame", "ParquetSink", "read_marked", "read_parquet"]


class ParquetSink:
    """Gathers rows and writes them in groups. The file appears under its name when it is complete."""

    def __init__(self, path: Path) -> None:
        self._arrow, parquet = arrow_and_parquet()
        self._path = path
        self._part = path.with_name(path.name + ".part")
        self._schema = schema_of(self._arrow)
        # Arrow takes UTF-8 names only; the file is opened here.
        self._file = open_private(self._part, "wb")
        self._writer = parquet.ParquetWriter(self._file, self._schema, compression="zstd")
        self._frames: list[FrameTracks] = []
        self._rows = 0

    def write(self, frame: FrameTracks) -> None:
        """Append one frame."""
        self._frames.append(frame)
        self._rows += max(len(frame.tracks), 1)
        if self._rows >= ROWS:
            self._flush()

    def _flush(self) -> None:
        if self._frames:
            self._writer.write_table(table_of(self._arrow, self._schema, self._frames))
            self._frames, self._rows = [], 0

    def close(self) -> None:
        """Write what is left, and put the file in its place."""
        self._flush()
        self._writer.close()
        self._file.close()
        os.replace(self._part, self._path)


class MarkedFrame(NamedTuple):
    """A frame of a recording."""

    frame: FrameTracks
    anew: bool
    """The tracks of its source began anew with it: what rules know of earlier ones does not hold for them."""


def read_parquet(stream: BinaryIO, name: str) -> Iterator[FrameTracks]:
    """As :func:`read_marked`, the frames alone."""
    return (marked.frame for marked in read_marked(stream, name))


def read_marked(stream: BinaryIO, name: str) -> Iterator[MarkedFrame]:
    """Frames of a Parquet file in the order of its rows. Columns that describe the source or its time may be absent; so may
    ``object``: then a frame ends where stream or frame number changes. Raises DataError, MissingExtra."""
    arrow, parquet = arrow_and_parquet()
    try:
        file = parquet.ParquetFile(stream)
    except (arrow.ArrowException, OSError) as error:
        raise DataError(f"is no readable Parquet file: {error}", where=name, fix="write it again") from None
    present = set(file.schema_arrow.names)
    needed = {"frame", "frame_width", "frame_height", "track_id", "class_id", "left", "top", "width", "height"}
    missing = sorted(needed - present)
    if missing:
        raise DataError(
            f"lacks the column '{missing[0]}'", where=name, fix="columns: " + ", ".join(schema_of(arrow).names)
        )
    _check_types(arrow, file.schema_arrow, name)
    sources: dict[tuple[int, str], SourceInfo] = {}
    rest: dict[str, Any] | None = None
    row = 0
    try:
        for batch in file.iter_batches(batch_size=ROWS):
            columns = _columns(batch, present, name, row)
            row += batch.num_rows
            if rest is not None:
                columns = {key: np.concatenate([rest[key], column]) for key, column in columns.items()}
            starts = _starts(columns, "object" in present)
            yield from _frames(columns, starts, sources)
            rest = {key: column[starts[-1] :] for key, column in columns.items()} if len(starts) else rest
    except (arrow.ArrowException, OSError) as error:
        raise DataError(f"is damaged: {error}", where=f"{name}, behind row {row}", fix="write it again") from None
    if rest is not None:
        yield from _frames(rest, np.array([0, len(rest["frame"])]), sources)


def _check_types(arrow: Any, schema: Any, name: str) -> None:
    """Whole numbers where ids, classes and times stand: a fraction would have rounded them already."""
    for key in (*FRAME, "object", *OBJECT):
        if key not in schema.names:
            continue
        kind = schema.field(key).type
        fine = arrow.types.is_integer(kind) or (key in FLOATS and arrow.types.is_floating(kind))
        if not fine:
            wanted = "numbers" if key in FLOATS else "whole numbers"
            raise DataError(
                f"the column '{key}' is {kind}, not {wanted}", where=name, fix=f"write {wanted}, null for none"
            )


def _check_values(batch: Any, out: dict[str, Any], present: set[str], name: str, row: int) -> None:
    """No object without a box or class, no frame without a size, no negative id: DataError with the first such row."""
    objects = ~out["void"]
    for key in [key for key in OBJECT if key in present]:
        column = batch.column(key)
        if key not in IDS:
            _refuse(objects & np.asarray(column.is_null()), f"'{key}' is empty", name, row)
        elif str(column.type).startswith("int"):
            numbers = np.asarray(column.fill_null(0).to_numpy(zero_copy_only=False))
            _refuse(objects & (numbers < 0), f"'{key}' is negative", name, row)
        if key in FLOATS:
            _refuse(objects & np.isnan(out[key]), f"'{key}' is not a number", name, row)
    for key in ("frame_width", "frame_height"):
        _refuse((out[key] < 1) | (out[key] >= 2**31), f"'{key}' is no size in pixels", name, row)
    _refuse(
        (out["class_id"] < -(2**31)) | (out["class_id"] >= 2**31), "'class_id' does not fit into 32 bits", name, row
    )


def _refuse(bad: Any, what: str, name: str, row: int) -> None:
    if bad.any():
        raise DataError(
            what, where=f"{name}, row {row + int(np.flatnonzero(bad)[0])}", fix="correct or leave out the row"
        )


def _columns(batch: Any, present: set[str], name: str, row: int) -> dict[str, Any]:
    """NumPy columns of a batch; absent ones filled."""
    rows = batch.num_rows
    out: dict[str, Any] = {}
    defaults = {"stream": 0, "object": 0, "confidence": 1.0, "twin_of": UNTRACKED}
    types = {"track_id": np.uint64, "twin_of": np.uint64, "class_id": np.int64, "object": np.int64, "stream": np.int64}
    for key in (*FRAME, "object", *OBJECT):
        floating = key in FLOATS
        kind = types.get(key, np.float32 if floating else np.int64)
        if key not in present:
            out[key] = np.full(rows, defaults.get(key, 0), kind)
            continue
        column = batch.column(key)
        if key == "object":
            out["void"] = np.asarray(column.is_null())
        elif key == "track_id":
            out["untracked"] = np.asarray(column.is_null())
        elif key == "class_id":
            out["nobody"] = np.asarray(column.is_null())
        elif key in FRAME and column.null_count:
            at = row + int(np.flatnonzero(np.asarray(column.is_null()))[0])
            raise DataError(f"'{key}' is empty", where=f"{name}, row {at}", fix="give every row its frame")
        out[key] = np.asarray(column.fill_null(0).to_numpy(zero_copy_only=False)).astype(kind)
        if key == "twin_of":
            out[key][np.asarray(column.is_null())] = UNTRACKED
    out.setdefault("void", out["nobody"])
    _check_values(batch, out, present, name, row)
    for key in ("source", "time_quality", "stream_id"):
        out[key] = _words(batch.column(key)) if key in present else np.full(rows, "", object)
    out["anew"] = np.asarray(batch.column("anew").fill_null(False)) if "anew" in present else np.zeros(rows, bool)
    for key, start, size in (("right", "left", "width"), ("bottom", "top", "height")):
        made = out[start] + out[size]
        if key in present:
            column = batch.column(key)
            stated = np.asarray(column.fill_null(0).to_numpy(zero_copy_only=False)).astype(np.float32)
            made = np.where(np.asarray(column.is_null()), made, stated)
        out[key] = made
    out["track_id"][out["untracked"]] = UNTRACKED
    out["derived"] = np.full(rows, "pts" not in present)
    out["timeless"] = np.full(rows, "time" not in present)
    return out


def _words(column: Any) -> Any:
    """Texts as an array of objects, '' for null."""
    if not hasattr(column, "dictionary"):
        column = column.dictionary_encode()
    words = np.array([*(word or "" for word in column.dictionary.to_pylist()), ""], object)
    return words[np.asarray(column.indices.fill_null(len(words) - 1).to_numpy(zero_copy_only=False))]


def _starts(columns: dict[str, Any], numbered: bool) -> Any:
    """Rows at which a frame begins."""
    frame, stream = columns["frame"], columns["stream"]
    if not len(frame):
        return np.zeros(0, np.int64)
    new = np.ones(len(frame), bool)
    new[1:] = (frame[1:] != frame[:-1]) | (stream[1:] != stream[:-1]) | columns["void"][1:]
    if numbered:
        new |= columns["object"] == 0
    return np.flatnonzero(new)


def _frames(columns: dict[str, Any], starts: Any, sources: dict[tuple[int, str], SourceInfo]) -> Iterator[MarkedFrame]:
    """Frames between the starts; the one behind the last start is left to the caller."""
    firsts = starts[:-1]
    boxes = np.stack([columns[key] for key in ("left", "top", "width", "height")], axis=1)
    xyxy = np.stack([columns[key] for key in ("left", "top", "right", "bottom")], axis=1)
    ids, classes, confidences = columns["track_id"], columns["class_id"].astype(np.int32), columns["confidence"]
    twins = columns["twin_of"] if (columns["twin_of"] != UNTRACKED).any() else None
    pts = np.where(columns["derived"], columns["frame"] * FRAME_NS, columns["pts"])
    time = np.where(columns["timeless"], np.maximum(pts, 0), columns["time"])
    facts = zip(
        firsts.tolist(), starts[1:].tolist(), pts[firsts].tolist(), time[firsts].tolist(),
        *[columns[key][firsts].tolist() for key in (
            "stream", "frame", "source", "frame_width", "frame_height", "time_quality", "stream_id", "anew", "void"
        )],
    )  # fmt: skip
    for low, high, at, when, stream, number, name, width, height, quality, stream_id, anew, void in facts:
        key = (stream, name or f"stream-{stream}")
        source = sources.get(key) or sources.setdefault(key, SourceInfo(key[1], stream))
        info = FrameInfo(source, number, at, when, width, height, _QUALITIES.get(quality, TimeQuality.NONE), stream_id)
        if void:
            yield MarkedFrame(FrameTracks(info, Tracks.empty()), anew)
            continue
        rows = slice(low, high)
        tracks = Tracks(xyxy[rows], confidences[rows], classes[rows], ids[rows], boxes[rows])
        if twins is not None and twins[rows].min() != UNTRACKED:
            tracks.twin_of = twins[rows]
        yield MarkedFrame(FrameTracks(info, tracks), anew)


_QUALITIES = {quality.value: quality for quality in TimeQuality}
