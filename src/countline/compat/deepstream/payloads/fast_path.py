"""Payloads of a frame's objects by string formatting, without a dict for each object, behind one door: :class:`FastPath`.

Equal to what ``full_dsmeta``, ``minimal_dsmeta`` and ``protobuf_dsmeta`` give, which are the specification that tests compare
with; the static sections are encoded once per source."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from itertools import repeat
from math import isfinite
from operator import add
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from countline.compat.deepstream.files.msgconv import StaticDescription
from countline.compat.deepstream.payloads.full import sections
from countline.compat.deepstream.payloads.proto import frame_head
from countline.compat.deepstream.payloads.wire import floating, message, text
from countline.messages.compact import dumps
from countline.messages.ids import IdMaker
from countline.messages.time import rfc3339
from countline.types import Analytics, Tracks

__all__ = ["FastPath", "fits"]

_FIELD = ("place-sub-field", "id", "name", "level")
_RESERVED = frozenset(("id", "speed", "direction", "orientation", "bbox", "location", "coordinate"))


def _corners(tracks: Tracks) -> NDArray[np.float32]:
    """(N, 4) left, top, right, bottom; the latter two by way of width and height in float32, as nvmsgconv has them."""
    boxes = tracks.xyxy if tracks.ltwh is None else tracks.ltwh
    made: NDArray[np.float32] = boxes.astype(np.float32)
    corner, other = made[:, :2], made[:, 2:]
    if tracks.ltwh is None:
        other -= corner
    other += corner
    return made


def _joined(numbers: NDArray[Any] | Sequence[float]) -> bytes:
    """JSON texts of numbers with a comma in between. Many in one go takes a fraction of the time of ``str`` on each."""
    return orjson.dumps(numbers, option=orjson.OPT_SERIALIZE_NUMPY)[1:-1]


def _fractions(numbers: NDArray[np.float32]) -> list[str]:
    """The shortest text of each number as a 64-bit float, as ``repr`` writes it."""
    values = numbers.tolist()
    made = _joined(values).decode()
    if "e" in made or "0.0000" in made or "null" in made:  # orjson and repr differ in tiny and huge numbers
        return [repr(value) if isfinite(value) else "null" for value in values]
    return made.split(",")


def _minimal(a: Analytics, sensor: str, time: str) -> dict[str, Any]:
    """The minimal payload of a frame's objects, equal to :func:`minimal_dsmeta`."""
    tracks, names = a.tracks, a.class_names
    known = len(names)
    return {
        "version": "4.0",
        "id": str(a.frame.number),
        "@timestamp": time,
        "sensorId": sensor,
        "objects": [
            f"{track}|{left:g}|{top:g}|{right:g}|{bottom:g}|{names[klass] if 0 <= klass < known else klass}"
            for track, klass, (left, top, right, bottom) in zip(
                tracks.track_id.tolist(), tracks.class_id.tolist(), _corners(tracks).tolist()
            )
        ],
    }


_BOX = struct.Struct("<BBBfBfBfBf")


def _protobuf(a: Analytics, sensor: str, time: tuple[int, int]) -> bytes:
    """The Protobuf payload of a frame's objects, equal to :func:`protobuf_dsmeta`."""
    tracks, names = a.tracks, a.class_names
    known = len(names)
    labels: dict[int, bytes] = {}
    out = [frame_head(str(a.frame.number), time, sensor)]
    for track, klass, confidence, sides in zip(
        tracks.track_id.tolist(), tracks.class_id.tolist(), tracks.confidence.tolist(), _corners(tracks).tolist()
    ):
        label = labels.get(klass)
        if label is None:
            label = labels[klass] = text(3, names[klass] if 0 <= klass < known else str(klass))
        left, top, right, bottom = sides
        if left and top and right and bottom:  # a side that is 0 is left out of the message
            bbox = _BOX.pack(0x12, 20, 0x0D, left, 0x15, top, 0x1D, right, 0x25, bottom)
        else:
            bbox = message(2, b"".join(floating(i, side) for i, side in enumerate(sides, 1)))
        identity = str(track).encode()
        body = b"\n%c%b%b%b%b" % (len(identity), identity, bbox, label, floating(4, confidence))
        out.append(message(5, body))
    return b"".join(out)


class _Full:
    """Full payloads in the dsmeta API."""

    def __init__(self, static: StaticDescription) -> None:
        self._static = static
        self._sections: dict[int, str] = {}
        self._labels: dict[str, str] = {}

    def _section(self, index: int) -> str:
        found = self._sections.get(index)
        if found is None:
            place, sensor, module = sections(self._static, index, index, index, _FIELD)
            text = orjson.dumps({"place": place, "sensor": sensor, "analyticsModule": module}).decode()
            found = self._sections[index] = text[1:-1]
        return found

    def _label(self, names: Sequence[str], klass: int) -> str:
        label = names[klass] if 0 <= klass < len(names) else str(klass)
        found = self._labels.get(label)
        if found is None:
            found = self._labels[label] = orjson.dumps(label).decode()
        return found

    def make(
        self, a: Analytics, ids: Sequence[str], event_ids: Sequence[str], tracks: Sequence[str], time: str
    ) -> list[bytes]:
        """One payload per object, of which there is at least one. ``ids`` has a message id for each, ``event_ids`` the id of
        the event inside, ``tracks`` the track id in decimal."""
        classes = a.tracks.class_id.tolist()
        labels = {klass: self._label(a.class_names, klass) for klass in set(classes)}
        section = self._section(a.frame.source.index)
        middle = f'","mdsversion":"1.0","@timestamp":"{time}",{section},"object":{{"id":"'
        sides = iter(_joined(_corners(a.tracks).astype(np.int64).ravel()).decode().split(","))
        return [
            f'{{"messageid":"{identity}{middle}{track}","speed":0.0,"direction":0.0,"orientation":0.0,'
            f'{labels[klass]}:{{"confidence":{confidence}}},"bbox":{{"topleftx":{left},"toplefty":{top},'
            f'"bottomrightx":{right},"bottomrighty":{bottom}}},"location":{{}},"coordinate":{{}}}},'
            f'"event":{{"id":"{event_id}","type":""}},"videoPath":""}}'.encode()
            for identity, event_id, track, klass, confidence, left, top, right, bottom in zip(
                ids, event_ids, tracks, classes, _fractions(a.tracks.confidence), sides, sides, sides, sides
            )
        ]


def fits(labels: Sequence[str]) -> bool:
    """Whether no class is named like a key of the object section (such a name would replace that key)."""
    return not any(label in _RESERVED for label in labels)


class FastPath:
    """Payloads of whole frames in the dsmeta API: full, minimal and protobuf.

    Parameters
    ----------
    static: the description as it is.
    named: the same with a sensor for every source; see ``objects.all_named``.
    ids: of the definition.
    """

    def __init__(self, static: StaticDescription, named: StaticDescription, ids: IdMaker) -> None:
        self._full = _Full(static)
        self._named = named
        self._ids = ids
        self._numbers: list[bytes] = []

    def make(self, form: str, a: Analytics) -> Iterable[tuple[str, bytes, None]]:
        """(message id, payload, no event) for each payload of a frame: one by object for full, else one by frame."""
        if form == "full":
            return self._objects(a)
        info = a.frame
        identity = self._ids(info.source.name, info.stream, info.number)
        sensor = self._named.sensors.get(info.source.index)
        name = sensor.id if sensor is not None else info.source.device_id
        if form == "protobuf":
            second, ns = divmod(info.time, 1_000_000_000)
            return [(identity, _protobuf(a, name, (second, ns // 1_000_000 * 1_000_000)), None)]
        return [(identity, dumps(_minimal(a, name, rfc3339(info.time))), None)]

    def _objects(self, a: Analytics) -> Iterable[tuple[str, bytes, None]]:
        info = a.frame
        if not len(a.tracks):
            return ()
        tracks = _joined(a.tracks.track_id.tolist())
        parts = map(add, self._numbered(len(a.tracks)), tracks.split(b","))
        ids, event_ids = self._ids.pairs(info.source.name, info.stream, info.number, parts)
        values = self._full.make(a, ids, event_ids, tracks.decode().split(","), rfc3339(info.time))
        return zip(ids, values, repeat(None))

    def _numbered(self, count: int) -> list[bytes]:
        """Beginnings of the names of a frame's objects, at least ``count`` of them."""
        known = self._numbers
        known.extend(b"#%d\0" % number for number in range(len(known), count))
        return known
