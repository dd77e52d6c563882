"""Tracks as JSON Lines: one frame a line.

``{"stream": 0, "frame": 7, "pts": 233333331, "width": 1920, "height": 1080, "objects": [{"id": 3, "class_id": 0,
"left": 10.5, "top": 20, "width": 30, "height": 60}]}``. ``pts`` (ns) absent: frame × 33,333,333. ``id`` null: untracked.
Optional: ``source`` (name), ``time`` (ns since the Unix epoch), an object's ``confidence``, and its ``twin_of`` (id of the
track that it is one object with, see ``Tracks.twin_of``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from countline.errors import DataError, Place
from countline.types import UNTRACKED, FrameInfo, FrameTracks, SourceInfo, TimeQuality, Tracks

__all__ = ["FRAME_NS", "frame_from_json", "frame_to_json", "ltwh", "read_lines"]

FRAME_NS = 33_333_333
"""Duration of a frame where a record has no pts."""

_FIX = 'a line is {"stream", "frame", "pts", "width", "height", "objects": [{"id", "class_id", "left", "top", "width", "height"}]}'
_BOX = ("left", "top", "width", "height")


class _Fault(Exception):
    """What is wrong with a record; the reader adds the place."""


def read_lines(lines: Iterable[bytes], file: str) -> Iterator[FrameTracks]:
    """Frames of JSON Lines, one at a time; blank lines are passed over. Raises DataError with file and line."""
    sources: dict[tuple[int, str], SourceInfo] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            yield frame_from_json(_loads(line), sources)
        except _Fault as fault:
            raise DataError(str(fault), where=Place(file, number), fix=_FIX) from None


def _loads(line: bytes) -> Any:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError as error:
        # Its own line number would be that within this one line.
        raise _Fault(f"is not JSON: {error.msg} at character {error.pos + 1}") from None


def frame_from_json(record: Any, sources: dict[tuple[int, str], SourceInfo] | None = None) -> FrameTracks:
    """One parsed record. ``sources`` keeps one SourceInfo for each stream."""
    if not isinstance(record, dict):
        raise _Fault(f"is {_kind(record)}, not an object")
    stream = _integer(record, "stream", 0, 2**31 - 1, default=0)
    number = _integer(record, "frame", 0, 2**63 - 1)
    pts = _integer(record, "pts", -(2**63), 2**64 - 1, default=number * FRAME_NS)
    objects = record.get("objects")
    if not isinstance(objects, list):
        raise _Fault("'objects' is missing" if objects is None else f"'objects' is {_kind(objects)}, not a list")
    name = record.get("source", f"stream-{stream}")
    if not isinstance(name, str) or not name:
        raise _Fault("'source' is not a name")
    known = sources if sources is not None else {}
    source = known.get((stream, name)) or known.setdefault((stream, name), SourceInfo(name, stream))
    info = FrameInfo(
        source,
        number,
        pts,
        _integer(record, "time", 0, 2**63 - 1, default=pts if 0 <= pts < 2**63 else 0),
        _integer(record, "width", 1, 2**31 - 1),
        _integer(record, "height", 1, 2**31 - 1),
        TimeQuality.NTP if "time" in record else TimeQuality.NONE,
    )
    return FrameTracks(info, _tracks(objects))


def _integer(record: dict[str, Any], key: str, low: int, high: int, default: int | None = None) -> int:
    value = record.get(key)
    if value is None and default is not None and key not in record:
        return default
    if type(value) is not int:
        raise _Fault(f"'{key}' is missing" if key not in record else f"'{key}' is {_kind(value)}, not a whole number")
    if not low <= value <= high:
        raise _Fault(f"'{key}' is {value}, outside {low}..{high}")
    return value


def _tracks(objects: list[Any]) -> Tracks:
    ids, classes, boxes, confidences = [], [], [], []
    twins: dict[int, int] = {}
    for position, item in enumerate(objects):
        try:
            track_id = item["id"]
            class_id = item["class_id"]
            box = (item["left"], item["top"], item["width"], item["height"])
            confidence = item.get("confidence", 1.0)
        except (KeyError, TypeError, AttributeError):
            raise _Fault(_object_fault(position, item)) from None
        if track_id is None:
            track_id = UNTRACKED
        elif type(track_id) is not int or not 0 <= track_id < 2**64:
            raise _Fault(f"objects[{position}]: 'id' is {track_id!r}, not a number below 2^64 or null")
        if (twin := item.get("twin_of")) is not None:
            if type(twin) is not int or not 0 <= twin < 2**64:
                raise _Fault(f"objects[{position}]: 'twin_of' is {twin!r}, not a number below 2^64 or null")
            twins[position] = twin
        if type(class_id) is not int or not -(2**31) <= class_id < 2**31:
            raise _Fault(f"objects[{position}]: 'class_id' is {class_id!r}, not a 32-bit whole number")
        for key, value in zip((*_BOX, "confidence"), (*box, confidence)):
            if type(value) is not float and type(value) is not int:
                raise _Fault(f"objects[{position}]: '{key}' is {_kind(value)}, not a number")
        ids.append(track_id)
        classes.append(class_id)
        boxes.append(box)
        confidences.append(confidence)
    try:
        exact = np.array(boxes, np.float64).reshape(-1, 4)
    except OverflowError:
        raise _Fault("a box has a number beyond all reason") from None
    with np.errstate(over="ignore"):
        boxes32 = exact.astype(np.float32)
        xyxy = boxes32.copy()
        xyxy[:, 2:] += xyxy[:, :2]
    tracks = Tracks(
        xyxy, np.array(confidences, np.float32), np.array(classes, np.int32), np.array(ids, np.uint64), boxes32
    )
    if twins:
        tracks.twin_of = np.full(len(ids), UNTRACKED, np.uint64)
        tracks.twin_of[list(twins)] = np.array(list(twins.values()), np.uint64)
    return tracks


def _object_fault(position: int, item: Any) -> str:
    if not isinstance(item, dict):
        return f"objects[{position}] is {_kind(item)}, not an object"
    missing = next(key for key in ("id", "class_id", *_BOX) if key not in item)
    return f"objects[{position}]: '{missing}' is missing"


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    return {
        bool: "a truth value",
        int: "a whole number",
        float: "a fraction",
        str: "text",
        list: "a list",
        dict: "an object",
    }.get(type(value), type(value).__name__)


def frame_to_json(frame: FrameTracks) -> bytes:
    """One line, with its end, that :func:`frame_from_json` reads back: boxes in float32, ids exact."""
    info, tracks = frame
    boxes = ltwh(tracks)
    record: dict[str, Any] = {"stream": info.source.index, "frame": info.number, "pts": info.pts}
    if info.source.name != f"stream-{info.source.index}":
        record["source"] = info.source.name
    if info.time_quality is not TimeQuality.NONE:
        record["time"] = info.time
    record.update(width=info.width, height=info.height)
    record["objects"] = [
        {"id": None if i == UNTRACKED else i, "class_id": c, "confidence": s, **dict(zip(_BOX, b))}
        for i, c, s, b in zip(
            tracks.track_id.tolist(), tracks.class_id.tolist(), _floats(tracks.confidence), map(_floats, boxes)
        )
    ]
    if tracks.twin_of is not None:
        for item, twin in zip(record["objects"], tracks.twin_of.tolist()):
            if twin != UNTRACKED:
                item["twin_of"] = twin
    return orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)


def ltwh(tracks: Tracks) -> NDArray[np.float32]:
    """(N, 4) left, top, width, height in pixels, as they were given where they were."""
    if tracks.ltwh is not None:
        return np.asarray(tracks.ltwh, np.float32).reshape(-1, 4)
    boxes: NDArray[np.float32] = tracks.xyxy.copy()
    boxes[:, 2:] -= boxes[:, :2]
    return boxes


def _floats(values: Any) -> list[float]:
    """Shortest decimal numbers that give the same float32."""
    return [float(str(v)) for v in np.asarray(values, np.float32)]
