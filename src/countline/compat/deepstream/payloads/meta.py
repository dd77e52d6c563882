"""What nvmsgconv's events are made of: type numbers, names, and the fields of the extension structs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from countline.compat.deepstream.payloads.numbers import float32

__all__ = [
    "BAG",
    "BICYCLE",
    "DUMMY",
    "ENTRY",
    "EVENT_NAMES",
    "EXIT",
    "EXTENSIONS",
    "FACE",
    "MOVING",
    "PERSON",
    "POSE_NAMES",
    "ROADSIGN",
    "STOPPED",
    "UNKNOWN",
    "VEHICLE",
    "joints",
    "masks",
    "object_type_name",
]

VEHICLE, PERSON, FACE, BAG, BICYCLE, ROADSIGN = range(6)
VEHICLE_EXT, PERSON_EXT, FACE_EXT = 6, 7, 8
DUMMY = 10
PRODUCT, PRODUCT_EXT = 11, 12
CUSTOM, UNKNOWN = 0x101, 0x102

ENTRY, EXIT, MOVING, STOPPED, EMPTY, PARKED, RESET = range(7)
EVENT_NAMES = ("entry", "exit", "moving", "stopped", "empty", "parked", "reset")

_TYPE_NAMES = {
    VEHICLE: "Vehicle",
    PERSON: "Person",
    FACE: "Face",
    BAG: "Bag",
    BICYCLE: "Bicycle",
    ROADSIGN: "RoadSign",
    PRODUCT: "Product",
    CUSTOM: "Custom",
}

EXTENSIONS: Mapping[int, str] = {
    VEHICLE: "vehicle",
    VEHICLE_EXT: "vehicle",
    PERSON: "person",
    PERSON_EXT: "person",
    FACE: "face",
    FACE_EXT: "face",
    PRODUCT: "product",
    PRODUCT_EXT: "product",
}
"""Object types that carry an extension struct, and the name under which the full payload shows it."""

_POSE_2D = [
    "nose",
    "neck",
    "right-shoulder",
    "right-elbow",
    "right-hand",
    "left-shoulder",
    "left-elbow",
    "left-hand",
    "right-hip",
    "right-knee",
    "right-foot",
    "left-hip",
    "left-knee",
    "left-foot",
    "right-eye",
    "left-eye",
    "right-ear",
    "left-ear",
]
_POSE_3D = [
    "pelvis",
    "left-hip",
    "right-hip",
    "torso",
    "left-knee",
    "right-knee",
    "neck",
    "left-ankle",
    "right-ankle",
    "left-big-toe",
    "right-big-toe",
    "left-small-toe",
    "right-small-toe",
    "left-heel",
    "right-heel",
    "nose",
    "left-eye",
    "right-eye",
    "left-ear",
    "right-ear",
    "left-shoulder",
    "right-shoulder",
    "left-elbow",
    "right-elbow",
    "left-wrist",
    "right-wrist",
    "left-pinky-knuckle",
    "right-pinky-knuckle",
    "left-middle-tip",
    "right-middle-tip",
    "left-index-knuckle",
    "right-index-knuckle",
    "left-thumb-tip",
    "right-thumb-tip",
]
_JOINT_NAMES = (_POSE_2D, _POSE_3D, _POSE_3D)
POSE_NAMES = ("pose2D", "pose25D", "pose3D")


def object_type_name(meta: Mapping[str, Any]) -> str:
    """The word for an object's type in the minimal and the Protobuf payload."""
    kind = meta.get("objType", VEHICLE)
    if kind == UNKNOWN and meta.get("objectId") is not None:
        return str(meta["objectId"])
    return _TYPE_NAMES.get(kind, "Unknown")


def masks(meta: Mapping[str, Any], kinds: tuple[int, ...]) -> list[list[float]]:
    """Outline polygons of an object whose type is one of ``kinds``."""
    extension = meta.get("ext")
    if extension is None or meta.get("objType") not in kinds:
        return []
    return [[float(v) for v in polygon] for polygon in extension.get("mask") or ()]


def joints(meta: Mapping[str, Any]) -> Iterator[tuple[str, list[float], float]]:
    """Name, coordinates (2 or 3 numbers by the type of the pose, float32) and confidence of every joint. Joints beyond
    those that the pose has names for are left out; nvmsgconv reads past the end of its table there."""
    pose = meta.get("pose") or {}
    kind = pose.get("type", 0)
    if kind not in (0, 1, 2):
        return
    for name, (x, y, z, confidence) in zip(_JOINT_NAMES[kind], pose.get("joints") or ()):
        numbers = [float32(x), float32(y)] if kind == 0 else [float32(x), float32(y), float32(z)]
        yield name, numbers, float32(confidence)
