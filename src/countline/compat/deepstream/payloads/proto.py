"""The Protobuf schema (payload type 2): one message per frame."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

from countline.compat.deepstream.files.msgconv import StaticDescription
from countline.compat.deepstream.payloads import meta as m
from countline.compat.deepstream.payloads.full import dsmeta_scale
from countline.compat.deepstream.payloads.minimal import dsmeta_sensor_id, event_sensor_id, hull_text
from countline.compat.deepstream.payloads.numbers import box, fixed, float32, unsigned
from countline.compat.deepstream.payloads.wire import floating, message, packed_floats, text, varint

__all__ = ["SCHEMA", "frame_head", "protobuf_dsmeta", "protobuf_event", "timestamp"]

SCHEMA = """\
syntax = "proto3";

package nv;

import "google/protobuf/timestamp.proto";

message Frame {
  string version = 1;
  string id = 2;
  google.protobuf.Timestamp timestamp = 3;
  string sensorId = 4;
  repeated Object objects = 5;
}

message Object {
  string id = 1;
  Bbox bbox = 2;
  string type = 3;
  float confidence = 4;
  map<string, string> info = 5;
  Embedding embedding = 6;
  Pose pose = 7;
}

message Bbox {
  float leftX = 1;
  float topY = 2;
  float rightX = 3;
  float bottomY = 4;
}

message Embedding {
  repeated float vector = 1;
}

message Pose {
  string type = 1;
  repeated Keypoint keypoints = 2;

  message Keypoint {
    string name = 1;
    repeated float coordinates = 2;
  }
}
"""
"""The part of DeepStream's schema that its converter fills; readers with the complete schema read these messages."""

_TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:Z|([+-])(\d\d):(\d\d))", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def timestamp(value: str) -> tuple[int, int] | None:
    """RFC 3339 text as seconds since the Unix epoch and nanoseconds; None where it is none.

    >>> timestamp("2024-01-02T03:04:05.678Z")
    (1704164645, 678000000)
    """
    match = _TIME.fullmatch(value)
    if match is None:
        return None
    *date, fraction, sign, hours, minutes = match.groups()
    try:
        moment = datetime(*map(int, date), tzinfo=timezone.utc)  # type: ignore[arg-type,misc]
    except ValueError:
        return None
    offset = timedelta(hours=int(hours), minutes=int(minutes)) if sign else timedelta(0)
    seconds = (moment - _EPOCH) // timedelta(seconds=1)
    seconds -= (1 if sign != "-" else -1) * (offset // timedelta(seconds=1))
    return seconds, int((fraction or "").ljust(9, "0"))


def frame_head(frame_id: str, time: tuple[int, int] | None, sensor: str) -> bytes:
    """The fields of a Frame but its objects; ``time`` in seconds and nanoseconds."""
    stamp = b"" if time is None else message(3, varint(1, time[0]) + varint(2, time[1]))
    return text(1, "4.0") + text(2, frame_id) + stamp + text(4, sensor)


def _bbox(sides: tuple[float, float, float, float]) -> bytes:
    return message(2, b"".join(floating(i, side) for i, side in enumerate(sides, 1)))


_INFO: Mapping[str, tuple[tuple[str, str], ...]] = {
    "vehicle": (
        ("type", "type"),
        ("make", "make"),
        ("model", "model"),
        ("color", "color"),
        ("license", "license"),
        ("licenseState", "region"),
    ),
    "person": tuple((k, k) for k in ("gender", "age", "hair", "cap", "apparel")),
    "face": tuple((k, k) for k in ("gender", "age", "hair", "cap", "glasses", "facialhair", "name", "eyecolor")),
    "product": tuple((k, k) for k in ("brand", "type", "shape")),
}


def _info(meta: Mapping[str, Any]) -> dict[str, str]:
    info: dict[str, str] = {}
    extension = meta.get("ext")
    kind = meta.get("objType", m.VEHICLE)
    if extension is not None and kind in m.EXTENSIONS:
        for key, source in _INFO[m.EXTENSIONS[kind]]:
            value = extension.get(source)
            info[key] = str(int(value or 0)) if key == "age" else "" if value is None else str(value)
    data = meta.get("sv3dt") or {}
    info["visibility"] = fixed(float32(meta.get("visibility", data.get("visibility", 0.0))))
    if data:
        info["footLocation2D"] = ",".join(fixed(float32(v)) for v in data.get("img") or (0, 0))
        info["footLocation3D"] = ",".join(fixed(float32(v)) for v in data.get("world") or (0, 0))
        info["convexHull"] = hull_text(data.get("hull") or ())
    return info


def _entry(key: str, value: str) -> bytes:
    return message(5, message(1, key.encode()) + message(2, value.encode("utf-8", "replace")))


def _pose(meta: Mapping[str, Any]) -> bytes:
    points = b"".join(
        message(2, text(1, name) + packed_floats(2, [*numbers, confidence]))
        for name, numbers, confidence in m.joints(meta)
    )
    return message(7, text(1, m.POSE_NAMES[meta["pose"].get("type", 0)]) + points) if points else b""


def _object(meta: Mapping[str, Any]) -> bytes:
    body = (
        text(1, unsigned(meta.get("trackingId", 0)))
        + _bbox(box(meta.get("bbox") or {}))
        + text(3, m.object_type_name(meta))
        + floating(4, float(meta.get("confidence", 0.0)))
        + b"".join(_entry(key, value) for key, value in sorted(_info(meta).items()))
    )
    if meta.get("embedding"):
        body += message(6, packed_floats(1, meta["embedding"]))
    return message(5, body + _pose(meta))


def protobuf_event(events: Sequence[Mapping[str, Any]], static: StaticDescription | None) -> bytes | None:
    """The Protobuf payload of a frame's events; None where there are none or where the first one's time cannot be read.
    Without a time at all the field is absent."""
    if not events:
        return None
    first = events[0]
    time = None
    if first.get("ts") is not None:
        time = timestamp(first["ts"])
        if time is None:
            return None
    head = frame_head(str(int(first.get("frameId", 0))), time, event_sensor_id(first, static))
    return head + b"".join(_object(meta) for meta in events if meta.get("objType") != m.DUMMY)


def protobuf_dsmeta(frame: Mapping[str, Any], static: StaticDescription | None, now: str | None) -> bytes:
    """The Protobuf payload of a frame, objects or not."""
    time = None if now is None else timestamp(now)
    out = [frame_head(str(int(frame.get("frame_num", 0))), time, dsmeta_sensor_id(frame, static))]
    scale = dsmeta_scale(frame)
    for item in frame.get("objects") or ():
        body = text(1, unsigned(item.get("object_id", 0))) + _bbox(box(item.get("bbox") or {}, *scale))
        body += text(3, item.get("obj_label") or "") + floating(4, float(item.get("confidence", 0.0)))
        out.append(message(5, body))
    return b"".join(out)
