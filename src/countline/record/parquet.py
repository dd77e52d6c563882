"""Tracks as Parquet: one row an object, one row without an object for a frame that has none.

Columns: ``source`` (name), ``stream`` (index), ``frame`` (number), ``pts`` and ``time`` (ns), ``frame_width``,
``frame_height``, ``object`` (place within the frame from 0; null: the frame has no objects), ``track_id`` (unsigned 64 bits;
null: untracked), ``class_id``, ``confidence``, ``left``, ``top``, ``width``, ``height`` (pixels, float32), ``twin_of`` (unsigned
64 bits, see ``Tracks.twin_of``; null: no twin).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from countline.errors import DataError, MissingExtra
from countline.private_files import open_private
from countline.record.jsonl import FRAME_NS, ltwh
from countline.types import UNTRACKED, FrameInfo, FrameTracks, SourceInfo, TimeQuality, Tracks

__all__ = ["ParquetSink", "read_parquet"]

_ROWS = 65_536
_FRAME = ("stream", "frame", "pts", "time", "frame_width", "frame_height")
_FLOATS = ("confidence", "left", "top", "width", "height")
_IDS = ("track_id", "twin_of")
_OBJECT = (*_IDS, "class_id", *_FLOATS)


def _arrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise MissingExtra("pyarrow", "parquet", what_for="reading and writing Parquet") from None
    return pyarrow, pyarrow.parquet


def _schema(arrow: Any) -> Any:
    kinds = {
        "source": arrow.dictionary(arrow.int32(), arrow.string()),
        "stream": arrow.int32(),
        "frame": arrow.int64(),
        "pts": arrow.int64(),
        "time": arrow.int64(),
        "time_quality": arrow.dictionary(arrow.int32(), arrow.string()),
        "frame_width": arrow.int32(),
        "frame_height": arrow.int32(),
        "object": arrow.int32(),
        "track_id": arrow.uint64(),
        "class_id": arrow.int32(),
        "confidence": arrow.float32(),
        "left": arrow.float32(),
        "top": arrow.float32(),
        "width": arrow.float32(),
        "height": arrow.float32(),
        "twin_of": arrow.uint64(),
    }
    return arrow.schema(list(kinds.items()))


class ParquetSink:
    """Gathers rows and writes them in groups. The file appears under its name when it is complete."""

    def __init__(self, path: Path) -> None:
        self._arrow, parquet = _arrow()
        self._path = path
        self._part = path.with_name(path.name + ".part")
        self._schema = _schema(self._arrow)
        # Arrow takes UTF-8 names only; the file is opened here.
        self._file = open_private(self._part, "wb")
        self._writer = parquet.ParquetWriter(self._file, self._schema, compression="zstd")
        self._frames: list[FrameTracks] = []
        self._rows = 0

    def write(self, frame: FrameTracks) -> None:
        """Append one frame."""
        self._frames.append(frame)
        self._rows += max(len(frame.tracks), 1)
        if self._rows >= _ROWS:
            self._flush()

    def _flush(self) -> None:
        if not self._frames:
            return
        arrow = self._arrow
        infos = [frame.info for frame in self._frames]
        sizes = np.array([len(frame.tracks) for frame in self._frames])
        rows = np.maximum(sizes, 1)
        empty = np.repeat(sizes == 0, rows)
        filler = Tracks(
            np.zeros((1, 4), np.float32),
            np.zeros(1, np.float32),
            np.zeros(1, np.int32),
            np.zeros(1, np.uint64),
            np.zeros((1, 4), np.float32),
        )
        tracks = [frame.tracks if len(frame.tracks) else filler for frame in self._frames]
        ids = np.concatenate([t.track_id for t in tracks])
        boxes = np.concatenate([ltwh(t) for t in tracks])
        columns: dict[str, Any] = {
            "source": arrow.array([i.source.name for i in infos]).dictionary_encode(),
            "time_quality": arrow.array([i.time_quality.value for i in infos]).dictionary_encode(),
        }
        owner = arrow.array(np.repeat(np.arange(len(infos)), rows))
        columns = {name: column.take(owner) for name, column in columns.items()}
        for name, values in zip(
            _FRAME,
            zip(*[(i.source.index, i.number, _signed(i.pts), i.time, i.width, i.height) for i in infos]),
        ):
            columns[name] = arrow.array(np.repeat(np.array(values, np.int64), rows), type=self._schema.field(name).type)
        place = np.arange(len(empty)) - np.repeat(np.cumsum(rows) - rows, rows)
        columns["object"] = arrow.array(place.astype(np.int32), mask=empty)
        columns["track_id"] = arrow.array(ids, mask=empty | (ids == UNTRACKED))
        twins = np.concatenate([_twins(t) for t in tracks])
        columns["twin_of"] = arrow.array(twins, mask=empty | (twins == UNTRACKED))
        columns["class_id"] = arrow.array(np.concatenate([t.class_id for t in tracks]), mask=empty)
        columns["confidence"] = arrow.array(np.concatenate([t.confidence for t in tracks]), mask=empty)
        for number, name in enumerate(("left", "top", "width", "height")):
            columns[name] = arrow.array(np.ascontiguousarray(boxes[:, number]), mask=empty)
        ordered = [columns[name] for name in self._schema.names]
        self._writer.write_table(arrow.Table.from_arrays(ordered, schema=self._schema))
        self._frames, self._rows = [], 0

    def close(self) -> None:
        """Write what is left, and put the file in its place."""
        self._flush()
        self._writer.close()
        self._file.close()
        os.replace(self._part, self._path)


def _twins(tracks: Tracks) -> NDArray[np.uint64]:
    return np.full(len(tracks), UNTRACKED, np.uint64) if tracks.twin_of is None else tracks.twin_of


def _signed(value: int) -> int:
    value &= 2**64 - 1
    return value - 2**64 if value >= 2**63 else value


def read_parquet(stream: BinaryIO, name: str) -> Iterator[FrameTracks]:
    """Frames of a Parquet file in the order of its rows. Columns that describe the source or its time may be absent; so may
    ``object``: then a frame ends where stream or frame number changes. Raises DataError, MissingExtra."""
    arrow, parquet = _arrow()
    try:
        file = parquet.ParquetFile(stream)
    except (arrow.ArrowException, OSError) as error:
        raise DataError(f"is no readable Parquet file: {error}", where=name, fix="write it again") from None
    present = set(file.schema_arrow.names)
    needed = {"frame", "frame_width", "frame_height", "track_id", "class_id", "left", "top", "width", "height"}
    missing = sorted(needed - present)
    if missing:
        raise DataError(
            f"lacks the column '{missing[0]}'", where=name, fix="columns: " + ", ".join(_schema(arrow).names)
        )
    _check_types(arrow, file.schema_arrow, name)
    sources: dict[tuple[int, str], SourceInfo] = {}
    rest: dict[str, Any] | None = None
    row = 0
    try:
        for batch in file.iter_batches(batch_size=_ROWS):
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
    for key in (*_FRAME, "object", *_OBJECT):
        if key not in schema.names:
            continue
        kind = schema.field(key).type
        fine = arrow.types.is_integer(kind) or (key in _FLOATS and arrow.types.is_floating(kind))
        if not fine:
            wanted = "numbers" if key in _FLOATS else "whole numbers"
            raise DataError(
                f"the column '{key}' is {kind}, not {wanted}", where=name, fix=f"write {wanted}, null for none"
            )


def _check_values(batch: Any, out: dict[str, Any], present: set[str], name: str, row: int) -> None:
    """No object without a box or class, no frame without a size, no negative id: DataError with the first such row."""
    objects = ~out["void"]
    for key in [key for key in _OBJECT if key in present]:
        column = batch.column(key)
        if key not in _IDS:
            _refuse(objects & np.asarray(column.is_null()), f"'{key}' is empty", name, row)
        elif str(column.type).startswith("int"):
            numbers = np.asarray(column.fill_null(0).to_numpy(zero_copy_only=False))
            _refuse(objects & (numbers < 0), f"'{key}' is negative", name, row)
        if key in _FLOATS:
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
    for key in (*_FRAME, "object", *_OBJECT):
        floating = key in _FLOATS
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
        elif key in _FRAME and column.null_count:
            at = row + int(np.flatnonzero(np.asarray(column.is_null()))[0])
            raise DataError(f"'{key}' is empty", where=f"{name}, row {at}", fix="give every row its frame")
        out[key] = np.asarray(column.fill_null(0).to_numpy(zero_copy_only=False)).astype(kind)
        if key == "twin_of":
            out[key][np.asarray(column.is_null())] = UNTRACKED
    out.setdefault("void", out["nobody"])
    _check_values(batch, out, present, name, row)
    for key, default in (("source", ""), ("time_quality", "")):
        values = batch.column(key).to_pylist() if key in present else [default] * rows
        out[key] = np.array([value or default for value in values], object)
    out["derived"] = np.full(rows, "pts" not in present)
    out["timeless"] = np.full(rows, "time" not in present)
    return out


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


def _frames(columns: dict[str, Any], starts: Any, sources: dict[tuple[int, str], SourceInfo]) -> Iterator[FrameTracks]:
    """Frames between the starts; the one behind the last start is left to the caller."""
    for low, high in zip(starts[:-1].tolist(), starts[1:].tolist()):
        stream, number = int(columns["stream"][low]), int(columns["frame"][low])
        name = columns["source"][low] or f"stream-{stream}"
        source = sources.setdefault((stream, name), SourceInfo(name, stream))
        pts = number * FRAME_NS if columns["derived"][low] else int(columns["pts"][low])
        time = max(pts, 0) if columns["timeless"][low] else int(columns["time"][low])
        info = FrameInfo(
            source, number, pts, time, int(columns["frame_width"][low]), int(columns["frame_height"][low]),
            TimeQuality(columns["time_quality"][low] or "none"),
        )  # fmt: skip
        if columns["void"][low]:
            yield FrameTracks(info, Tracks.empty())
            continue
        ids = columns["track_id"][low:high].copy()
        ids[columns["untracked"][low:high]] = UNTRACKED
        boxes = np.stack([columns[key][low:high] for key in ("left", "top", "width", "height")], axis=1)
        xyxy = boxes.copy()
        xyxy[:, 2:] += xyxy[:, :2]
        tracks = Tracks(xyxy, columns["confidence"][low:high], columns["class_id"][low:high], ids, boxes)
        if (twins := columns["twin_of"][low:high]).min() != UNTRACKED:
            tracks.twin_of = twins.copy()
        yield FrameTracks(info, tracks)
