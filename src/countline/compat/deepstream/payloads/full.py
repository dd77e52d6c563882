"""The full schema (payload type 0): one message per event, or per object in the dsmeta API."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from countline.compat.deepstream.files.msgconv import StaticDescription
from countline.compat.deepstream.payloads import meta as m
from countline.compat.deepstream.payloads.numbers import box, float32, integer, unsigned

__all__ = ["custom_messages", "dsmeta_scale", "event_sections", "full_dsmeta", "full_event", "sections"]

Json = dict[str, Any]
NextId = Callable[[], str]


def _location(values: tuple[float, float, float]) -> Json:
    return {"lat": values[0], "lon": values[1], "alt": values[2]}


def _coordinate(values: tuple[float, float, float]) -> Json:
    return {"x": values[0], "y": values[1], "z": values[2]}


def _place(static: StaticDescription, number: int, sub: tuple[str, str, str, str] | None) -> Json | None:
    """``sub``: name of the sub object and of its three fields; None leaves it out."""
    place = static.places.get(number)
    if place is None:
        return None
    result: Json = {
        "id": place.id,
        "name": place.name,
        "type": place.type,
        "location": _location(place.location),
    }
    if sub is not None:
        name, *keys = sub
        fields: Json = dict(zip(keys, (place.sub1, place.sub2, place.sub3)))
        fields["coordinate"] = _coordinate(place.coordinate)
        result[name] = fields
    return result


_AISLE = ("aisle", "id", "name", "level")
_PARKING = ("parkingSpot", "id", "type", "level")
_ENTRANCE = ("entrance", "name", "lane", "level")
_FIELD = ("place-sub-field", "id", "name", "level")


def _place_sub(event_type: int, object_type: int) -> tuple[str, str, str, str] | None:
    if event_type in (m.MOVING, m.STOPPED):
        return _AISLE
    if event_type in (m.EMPTY, m.PARKED):
        return _PARKING
    if event_type in (m.ENTRY, m.EXIT):
        return _AISLE if object_type == m.VEHICLE else _ENTRANCE
    return None


def sections(
    static: StaticDescription, place: int, sensor: int, module: int, sub: tuple[str, str, str, str] | None
) -> tuple[Json | None, Json | None, Json | None]:
    """The place, sensor and analyticsModule sections; None where the description has no such number."""
    s = static.sensors.get(sensor)
    a = static.analytics.get(module)
    described = (
        None
        if s is None
        else {
            "id": s.id,
            "type": s.type,
            "description": s.description,
            "location": _location(s.location),
            "coordinate": _coordinate(s.coordinate),
        }
    )
    maker = (
        None
        if a is None
        else {
            "id": a.id,
            "description": a.description,
            "source": a.source,
            "version": a.version,
        }
    )
    return _place(static, place, sub), described, maker


def event_sections(static: StaticDescription, meta: Mapping[str, Any]) -> tuple[Json | None, Json | None, Json | None]:
    """The three static sections for an event."""
    sub = _place_sub(meta.get("type", 0), meta.get("objType", 0))
    return sections(static, meta.get("placeId", 0), meta.get("sensorId", 0), meta.get("moduleId", 0), sub)


def _bbox(left: float, top: float, right: float, bottom: float) -> Json:
    return {
        "topleftx": integer(left),
        "toplefty": integer(top),
        "bottomrightx": integer(right),
        "bottomrighty": integer(bottom),
    }


_STRINGS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "vehicle": (
        ("type", "type"),
        ("make", "make"),
        ("model", "model"),
        ("color", "color"),
        ("licenseState", "region"),
        ("license", "license"),
    ),
    "person": tuple((k, k) for k in ("gender", "hair", "cap", "apparel")),
    "face": tuple((k, k) for k in ("gender", "hair", "cap", "glasses", "facialhair", "name", "eyecolor")),
    "product": tuple((k, k) for k in ("brand", "type", "shape")),
}


def _extension(name: str, meta: Mapping[str, Any]) -> Json:
    extension = meta.get("ext")
    result: Json = {}
    if name in ("person", "face"):
        result["age"] = int(extension.get("age") or 0) if extension is not None else 0
    for key, source in _STRINGS[name]:
        result[key] = extension.get(source) if extension is not None else ""
    if name != "product":
        result["confidence"] = float(meta.get("confidence", 0.0)) if extension is not None else 1.0
    return result


def _object(meta: Mapping[str, Any]) -> Json:
    result: Json = {"id": unsigned(meta.get("trackingId", 0)), "speed": 0.0, "direction": 0.0, "orientation": 0.0}
    kind = meta.get("objType", m.VEHICLE)
    if kind in m.EXTENSIONS:
        result[m.EXTENSIONS[kind]] = _extension(m.EXTENSIONS[kind], meta)
    elif kind == m.UNKNOWN and meta.get("objectId") is not None:
        result[str(meta["objectId"])] = {}
    result["bbox"] = _bbox(*box(meta.get("bbox") or {}))
    outlines = m.masks(meta, (m.VEHICLE_EXT, m.PERSON_EXT, m.FACE_EXT))
    if outlines:
        result["maskoutline"] = outlines
    if meta.get("objSignature"):
        result["signature"] = [float(v) for v in meta["objSignature"]]
    location, coordinate = meta.get("location") or {}, meta.get("coordinate") or {}
    result["location"] = {k: float(location.get(k, 0.0)) for k in ("lat", "lon", "alt")}
    result["coordinate"] = {k: float(coordinate.get(k, 0.0)) for k in ("x", "y", "z")}
    result["pose"] = {
        name: {**dict(zip("xyz", map(integer, numbers))), "confidence": confidence}
        for name, numbers, confidence in m.joints(meta)
        if confidence > 0
    }
    if meta.get("embedding"):
        vector = [float32(v) for v in meta["embedding"]]
        result["embedding"] = {"embedding_length": len(vector), "embedding_vector": vector}
    if meta.get("sv3dt"):
        result["SV3DT"] = _sv3dt(meta)
    return result


def _sv3dt(meta: Mapping[str, Any]) -> Json:
    data = meta["sv3dt"]
    feet = [*(data.get("img") or (0, 0)), *(data.get("world") or (0, 0))]
    return {
        "visibility": float32(meta.get("visibility", data.get("visibility", 0.0))),
        # nvmsgconv puts the numbers of the foot in the world behind those in the picture; consumers rely on it.
        "footLocation2D": [float32(v) for v in feet],
        "footLocation3D": [],
        "convexHull": [float(int(v)) for v in data.get("hull") or ()],
    }


def full_event(meta: Mapping[str, Any], static: StaticDescription, next_id: NextId) -> Json:
    """The full payload of one event (an NvDsEventMsgMeta as a mapping). ``next_id`` is asked twice: for the message,
    then for the event."""
    message_id = next_id()
    place, sensor, module = event_sections(static, meta)
    event: Json = {"id": next_id()}
    kind = meta.get("type", 0)
    if 0 <= kind < len(m.EVENT_NAMES):
        event["type"] = m.EVENT_NAMES[kind]
    path = meta.get("videoPath")
    return {
        "messageid": message_id,
        "mdsversion": "1.0",
        "@timestamp": meta.get("ts"),
        "place": place,
        "sensor": sensor,
        "analyticsModule": module,
        "object": _object(meta),
        "event": event,
        "videoPath": "" if path is None else path,
    }


def dsmeta_scale(frame: Mapping[str, Any]) -> tuple[float, float]:
    """Factors for boxes, x and y: 1, or 0 where neither the source nor the pipeline has a size. (Meant to be source size
    over pipeline size in nvmsgconv, which computes this instead; boxes stay in pipeline pixels.)"""
    return (
        0.0 if not frame.get("source_frame_width") and not frame.get("pipeline_width") else 1.0,
        0.0 if not frame.get("source_frame_height") and not frame.get("pipeline_height") else 1.0,
    )


def custom_messages(frame: Mapping[str, Any]) -> list[str]:
    """Texts of the custom message blobs of a frame; a NUL ends one, as in C."""
    return [str(text).partition("\0")[0] for text in frame.get("custom") or ()]


def full_dsmeta(frame: Mapping[str, Any], static: StaticDescription, next_id: NextId, now: str | None) -> list[Json]:
    """The full payloads of a frame's objects, in the order of the objects; ``now`` becomes ``@timestamp``."""
    source = frame.get("source_id", 0)
    place, sensor, module = sections(static, source, source, source, _FIELD)
    scale = dsmeta_scale(frame)
    custom = custom_messages(frame)
    result: list[Json] = []
    for item in frame.get("objects") or ():
        label: Json = {"confidence": float32(item.get("confidence", 0.0))}
        for classifier in item.get("classifiers") or ():
            for text in classifier.get("labels") or ():
                if classifier.get("type"):
                    label[classifier["type"]] = text
        message: Json = {
            "messageid": next_id(),
            "mdsversion": "1.0",
            "@timestamp": now,
            "place": place,
            "sensor": sensor,
            "analyticsModule": module,
            "object": {
                "id": unsigned(item.get("object_id", 0)),
                "speed": 0.0,
                "direction": 0.0,
                "orientation": 0.0,
                item.get("obj_label") or "": label,
                "bbox": _bbox(*box(item.get("bbox") or {}, *scale)),
                "location": {},
                "coordinate": {},
            },
            "event": {"id": next_id(), "type": ""},
            "videoPath": "",
        }
        if custom:
            message["customMessage"] = custom
        result.append(message)
    return result
