"""The minimal schema (payload type 1): one message per frame, a line of text per object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from countline.compat.deepstream.files.msgconv import StaticDescription
from countline.compat.deepstream.payloads import meta as m
from countline.compat.deepstream.payloads.full import custom_messages, dsmeta_scale
from countline.compat.deepstream.payloads.numbers import box, fixed, float32, general, unsigned

__all__ = ["dsmeta_sensor_id", "event_sensor_id", "hull_text", "minimal_dsmeta", "minimal_event"]

Json = dict[str, Any]

_FIELDS: Mapping[str, tuple[str, ...]] = {
    "vehicle": ("type", "make", "model", "color", "license", "region"),
    "person": ("gender", "age", "hair", "cap", "apparel"),
    # The empty field between name and eye colour is nvmsgconv's.
    "face": ("gender", "age", "hair", "cap", "glasses", "facialhair", "name", "", "eyecolor"),
    "product": ("brand", "type", "shape"),
}


def _attributes(meta: Mapping[str, Any]) -> str:
    extension = meta.get("ext")
    if extension is None:
        return "|#||||||"
    kind = meta.get("objType", m.VEHICLE)
    if kind not in m.EXTENSIONS:
        return ""
    values = []
    for key in _FIELDS[m.EXTENSIONS[kind]]:
        value = extension.get(key)
        values.append(str(int(value or 0)) if key == "age" else "" if value is None else str(value))
    text = "|#|" + "|".join(values)
    if kind == m.PERSON and (meta.get("pose") or {}).get("joints"):
        pose = meta["pose"].get("type", 0)
        if pose in (0, 1, 2):
            text += f"|#|{m.POSE_NAMES[pose]}|"
            for name, numbers, confidence in m.joints(meta):
                text += ",".join((name, *map(fixed, numbers), fixed(confidence))) + "|"
    return text


def hull_text(points: Sequence[float]) -> str:
    """Corners of a convex hull, which are integers, joined by commas."""
    return ",".join(str(int(v)) for v in points)


def _line(meta: Mapping[str, Any]) -> str:
    if meta.get("objType") == m.DUMMY:
        return ""
    sides = "|".join(map(general, box(meta.get("bbox") or {})))
    text = f"{unsigned(meta.get('trackingId', 0))}|{sides}|{m.object_type_name(meta)}"
    text += f"{_attributes(meta)}|{general(float(meta.get('confidence', 0.0)))}"
    if meta.get("embedding"):
        text += "|#|embedding|" + ",".join(general(float32(v)) for v in meta["embedding"]) + "|"
    if meta.get("sv3dt"):
        data = meta["sv3dt"]
        visibility = fixed(float32(meta.get("visibility", data.get("visibility", 0.0))))
        image = ",".join(fixed(float32(v)) for v in data.get("img") or (0, 0))
        world = ",".join(fixed(float32(v)) for v in data.get("world") or (0, 0))
        text += f"#|SV3DT|{visibility}|{image}|{world}|{hull_text(data.get('hull') or ())}|"
    return text


def _mask(meta: Mapping[str, Any]) -> str | None:
    outlines = m.masks(meta, (m.VEHICLE_EXT, m.PERSON_EXT, m.FACE_EXT, m.PRODUCT_EXT))
    if not outlines or meta.get("objType") == m.DUMMY:
        return None
    polygons = "|#".join("".join("|" + general(v) for v in polygon) for polygon in outlines)
    return f"{unsigned(meta.get('trackingId', 0))}|{len(outlines)}{polygons}"


def event_sensor_id(meta: Mapping[str, Any], static: StaticDescription | None) -> str:
    """The event's own sensor name, else the id in the description; '' where that has none, '0' without a description."""
    if meta.get("sensorStr") is not None:
        return str(meta["sensorStr"])
    if static is None:
        return "0"
    sensor = static.sensors.get(meta.get("sensorId", 0))
    return "" if sensor is None else sensor.id


def dsmeta_sensor_id(frame: Mapping[str, Any], static: StaticDescription | None) -> str:
    """The id in the description, '0' where there is none."""
    sensor = None if static is None else static.sensors.get(frame.get("source_id", 0))
    return "0" if sensor is None else sensor.id


def minimal_event(events: Sequence[Mapping[str, Any]], static: StaticDescription | None) -> Json | None:
    """The minimal payload of a frame's events; None where there are none. Frame id, time and sensor are the first's."""
    if not events:
        return None
    first = events[0]
    result: Json = {
        "version": "4.0",
        "id": str(int(first.get("frameId", 0))),
        "@timestamp": first.get("ts"),
        "sensorId": event_sensor_id(first, static),
        "objects": [_line(meta) for meta in events],
    }
    outlines = [text for text in map(_mask, events) if text is not None]
    if outlines:
        result["masks"] = outlines
    return result


def minimal_dsmeta(frame: Mapping[str, Any], static: StaticDescription | None, now: str | None) -> Json:
    """The minimal payload of a frame, objects or not."""
    scale = dsmeta_scale(frame)
    lines = []
    for item in frame.get("objects") or ():
        sides = "|".join(map(general, box(item.get("bbox") or {}, *scale)))
        text = f"{unsigned(item.get('object_id', 0))}|{sides}|{item.get('obj_label') or ''}"
        classifiers = item.get("classifiers") or ()
        if classifiers:
            words = [str(word) for c in classifiers for word in c.get("labels") or ()]
            text += "|#" + "".join("|" + word for word in words)
            text += "|" + general(float32(item.get("confidence", 0.0)))
        lines.append(text)
    result: Json = {
        "version": "4.0",
        "id": str(int(frame.get("frame_num", 0))),
        "@timestamp": now,
        "sensorId": dsmeta_sensor_id(frame, static),
        "objects": lines,
    }
    custom = custom_messages(frame)
    if custom:
        result["customMessage"] = custom
    return result
