"""Frames with their tracks as rows of a table, and the metadata of a whole file beside them.

One row an object, one row without an object for a frame that has none. Columns: ``source`` (name), ``stream`` (index), ``frame``
(number), ``pts`` and ``time`` (ns), ``time_quality``, ``frame_width``, ``frame_height``, ``object`` (place within the frame from 0;
null: the frame has no objects), ``track_id`` (unsigned 64 bits; null: untracked), ``class_id``, ``confidence``, ``left``, ``top``,
``width``, ``height`` (pixels, float32), ``twin_of`` (unsigned 64 bits, see ``Tracks.twin_of``; null: no twin), ``right`` and
``bottom`` (null where they are ``left + width`` and ``top + height`` in float32, as nearly always), ``class_name``, ``stream_id``
(identity of the stream) and ``anew`` (true: the tracks of the source began anew with this frame).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from countline.errors import MissingExtra
from countline.record.jsonl import ltwh
from countline.types import UNTRACKED, FrameTracks, Tracks

__all__ = ["FLOATS", "FRAME", "IDS", "OBJECT", "ROWS", "arrow_and_parquet", "schema_of", "table_of"]

ROWS = 65_536
"""Rows of a row group."""
FRAME = ("stream", "frame", "pts", "time", "frame_width", "frame_height")
FLOATS = ("confidence", "left", "top", "width", "height")
IDS = ("track_id", "twin_of")
OBJECT = (*IDS, "class_id", *FLOATS)
_NO_OBJECT = Tracks(
    np.zeros((1, 4), np.float32), np.zeros(1, np.float32), np.zeros(1, np.int32), np.zeros(1, np.uint64),
    np.zeros((1, 4), np.float32),
)  # fmt: skip


def arrow_and_parquet() -> tuple[Any, Any]:
    """pyarrow and pyarrow.parquet. Raises MissingExtra."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise MissingExtra("pyarrow", "parquet", what_for="reading and writing Parquet") from None
    return pyarrow, pyarrow.parquet


def schema_of(arrow: Any) -> Any:
    """The columns and their types."""
    word = arrow.dictionary(arrow.int32(), arrow.string())
    kinds = {
        "source": word,
        "stream": arrow.int32(),
        "frame": arrow.int64(),
        "pts": arrow.int64(),
        "time": arrow.int64(),
        "time_quality": word,
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
        "right": arrow.float32(),
        "bottom": arrow.float32(),
        "class_name": word,
        "stream_id": word,
        "anew": arrow.bool_(),
    }
    return arrow.schema(list(kinds.items()))


def table_of(
    arrow: Any, schema: Any, frames: Sequence[FrameTracks], anew: Sequence[bool] = (), labels: Sequence[str] = ()
) -> Any:
    """A ``pyarrow.Table`` of one or more frames. ``anew``: by frame, whether tracks began anew with it; ``labels``: class name by id."""
    infos = [frame.info for frame in frames]
    sizes = np.array([len(frame.tracks) for frame in frames])
    rows = np.maximum(sizes, 1)
    empty = np.repeat(sizes == 0, rows)
    tracks = [frame.tracks if len(frame.tracks) else _NO_OBJECT for frame in frames]
    ids = np.concatenate([t.track_id for t in tracks])
    twins = np.concatenate([_twins(t) for t in tracks])
    classes = np.concatenate([t.class_id for t in tracks])
    boxes, ends = np.concatenate([ltwh(t) for t in tracks]), np.concatenate([t.xyxy for t in tracks])[:, 2:]
    made = boxes[:, :2] + boxes[:, 2:]
    columns: dict[str, Any] = {
        name: _words(arrow, values, rows)
        for name, values in (
            ("source", [i.source.name for i in infos]),
            ("time_quality", [i.time_quality.value for i in infos]),
            ("stream_id", [i.stream for i in infos]),
        )
    }
    numbers = zip(*[(i.source.index, i.number, _signed(i.pts), i.time, i.width, i.height) for i in infos])
    for name, values in zip(FRAME, numbers):
        columns[name] = arrow.array(np.repeat(np.array(values, np.int64), rows), type=schema.field(name).type)
    columns["anew"] = arrow.array(np.repeat(np.array([*anew, *[False] * (len(frames) - len(anew))], bool), rows))
    place = np.arange(len(empty)) - np.repeat(np.cumsum(rows) - rows, rows)
    columns["object"] = arrow.array(place.astype(np.int32), mask=empty)
    columns["track_id"] = arrow.array(ids, mask=empty | (ids == UNTRACKED))
    columns["twin_of"] = arrow.array(twins, mask=empty | (twins == UNTRACKED))
    columns["class_id"] = arrow.array(classes, mask=empty)
    named = empty | (classes < 0) | (classes >= len(labels))
    indices = arrow.array(np.where(named, 0, classes).astype(np.int32), mask=named)
    columns["class_name"] = arrow.DictionaryArray.from_arrays(indices, arrow.array(list(labels), arrow.string()))
    columns["confidence"] = arrow.array(np.concatenate([t.confidence for t in tracks]), mask=empty)
    for number, name in enumerate(("left", "top", "width", "height")):
        columns[name] = arrow.array(np.ascontiguousarray(boxes[:, number]), mask=empty)
    for number, name in enumerate(("right", "bottom")):
        exact = np.ascontiguousarray(ends[:, number])
        columns[name] = arrow.array(exact, mask=empty | (exact == made[:, number]))
    return arrow.Table.from_arrays([columns[name] for name in schema.names], schema=schema)


def _words(arrow: Any, values: list[str], rows: NDArray[np.int64]) -> Any:
    """A column of words that each stand for a frame's rows."""
    known = dict.fromkeys(values)
    place = {word: number for number, word in enumerate(known)}
    indices = np.repeat(np.array([place[word] for word in values], np.int32), rows)
    return arrow.DictionaryArray.from_arrays(arrow.array(indices), arrow.array(list(known), arrow.string()))


def _twins(tracks: Tracks) -> NDArray[np.uint64]:
    return np.full(len(tracks), UNTRACKED, np.uint64) if tracks.twin_of is None else tracks.twin_of


def _signed(value: int) -> int:
    value &= 2**64 - 1
    return value - 2**64 if value >= 2**63 else value
