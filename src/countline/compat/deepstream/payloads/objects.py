"""From countline's analytics to what nvmsgconv takes: NvDsEventMsgMeta for events, frame metadata for objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from countline.compat.deepstream.files.msgconv import Sensor, StaticDescription
from countline.compat.deepstream.payloads import meta as m
from countline.messages.time import rfc3339
from countline.types import Analytics, Event, RuleInfo, SourceInfo

__all__ = ["all_named", "event_meta", "event_type", "object_type", "seen_objects", "static_of_sources"]

_TYPES: Mapping[str, int] = {
    **dict.fromkeys(("car", "truck", "bus", "vehicle", "van"), m.VEHICLE),
    **dict.fromkeys(("person", "pedestrian"), m.PERSON),
    "face": m.FACE,
    **dict.fromkeys(("bag", "backpack", "handbag", "suitcase"), m.BAG),
    **dict.fromkeys(("bicycle", "twowheeler", "motorcycle"), m.BICYCLE),
    **dict.fromkeys(("roadsign", "stop sign", "traffic sign"), m.ROADSIGN),
}


def object_type(label: str) -> int:
    """NvDsObjectType for a class name; unknown (with the name as its objectId) where there is none."""
    return _TYPES.get(label.lower(), m.UNKNOWN)


def event_type(event: Event, rules: Mapping[str, RuleInfo]) -> int:
    """NvDsEventType for an event: the first direction of a line (in) and entering a region are ``entry``, the second (out)
    and leaving are ``exit``, a long stay is ``stopped``, all else (no direction known, heading, speeding) ``moving``. A person
    that is only seen is ``entry``, as in NVIDIA's test4."""
    if event.kind == "crossing":
        direction = getattr(event, "direction", "")
        rule = rules.get(event.rule)
        names = rule.directions if rule is not None and len(rule.directions) == 2 else ("in", "out")
        return m.ENTRY if direction == names[0] else m.EXIT if direction == names[1] else m.MOVING
    if not event.kind:
        return m.ENTRY if object_type(event.class_name) == m.PERSON else m.MOVING
    return {"enter": m.ENTRY, "leave": m.EXIT, "dwell": m.STOPPED}.get(event.kind, m.MOVING)


_EXTENSION: Mapping[str, tuple[str, ...]] = {
    "vehicle": ("type", "make", "model", "color", "region", "license"),
    "person": ("gender", "hair", "cap", "apparel"),
    "face": ("gender", "hair", "cap", "glasses", "facialhair", "name", "eyecolor"),
}


def event_meta(event: Event, static: StaticDescription, rules: Mapping[str, RuleInfo]) -> dict[str, Any]:
    """An NvDsEventMsgMeta for one event. Sensor, place and module are those of the source's number; the confidence is the
    detector's; location and coordinate are 0. The extension says what is known: the class of a vehicle."""
    info = event.frame
    source = info.source
    label = event.class_name
    kind = object_type(label)
    left, top, right, bottom = event.box or (0.0, 0.0, 0.0, 0.0)
    meta: dict[str, Any] = {
        "type": event_type(event, rules),
        "objType": kind,
        "bbox": {"left": left, "top": top, "width": right - left, "height": bottom - top},
        "sensorId": source.index,
        "placeId": source.index,
        "moduleId": source.index,
        "frameId": info.number,
        "confidence": float(event.confidence),
        "trackingId": event.track_id or 0,
        "ts": rfc3339(info.time),
        "objClassId": event.class_id or 0,
        "objectId": label,
        "videoPath": "" if source.live else source.uri,
    }
    if kind in m.EXTENSIONS:
        meta["ext"] = dict.fromkeys(_EXTENSION[m.EXTENSIONS[kind]], "")
        if kind == m.VEHICLE:
            meta["ext"]["type"] = label
    if source.index not in static.sensors:
        meta["sensorStr"] = source.device_id
    return meta


def seen_objects(a: Analytics) -> list[Event]:
    """The tracked objects of a frame as events without a rule: what NVIDIA's test4 attaches every so many frames."""
    names, tracks = a.class_names, a.tracks
    rows = zip(tracks.track_id.tolist(), tracks.class_id.tolist(), tracks.confidence.tolist(), tracks.xyxy.tolist())
    return [
        Event(
            a.frame, "", number, track, klass, names[klass] if 0 <= klass < len(names) else str(klass), confidence,
            (left, top, right, bottom),
        )
        for number, (track, klass, confidence, (left, top, right, bottom)) in enumerate(rows)
    ]  # fmt: skip


def static_of_sources(static: StaticDescription | None, sources: Sequence[SourceInfo]) -> StaticDescription:
    """The description, or one made from the sources where there is none: a camera each, named by its device id."""
    if static is not None:
        return static
    return StaticDescription(sensors={s.index: Sensor(id=s.device_id, type="Camera") for s in sources})


def all_named(static: StaticDescription, sources: Sequence[SourceInfo]) -> StaticDescription:
    """The description with a sensor for each source; those it lacks are named by their device id."""
    missing = {s.index: Sensor(id=s.device_id, type="Camera") for s in sources if s.index not in static.sensors}
    return replace(static, sensors={**static.sensors, **missing}) if missing else static
