"""Fixtures for DeepStream payloads."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, timestamp_pb2
from nvmsgconv_recordings import find_cases


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    chosen = {
        "case": lambda case: True,
        "json_case": lambda case: case.meta["payload_type"] in (0, 1),
        "protobuf_case": lambda case: (case.folder / "decoded.txt").exists(),
    }
    for name, wanted in chosen.items():
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, [c for c in find_cases() if wanted(c)], ids=lambda case: case.name)


@pytest.fixture(scope="session")
def frame_class() -> Any:
    """nv.Frame by the google.protobuf package, from a descriptor that is written here field by field."""
    kinds = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="nv.proto", package="nv", syntax="proto3")
    file.dependency.append("google/protobuf/timestamp.proto")

    def add(message: Any, name: str, number: int, kind: int, type_name: str = "", repeated: bool = False) -> None:
        label = kinds.LABEL_REPEATED if repeated else kinds.LABEL_OPTIONAL
        message.field.add(name=name, number=number, type=kind, type_name=type_name or None, label=label)

    s, f, m = kinds.TYPE_STRING, kinds.TYPE_FLOAT, kinds.TYPE_MESSAGE
    frame = file.message_type.add(name="Frame")
    add(frame, "version", 1, s)
    add(frame, "id", 2, s)
    add(frame, "timestamp", 3, m, ".google.protobuf.Timestamp")
    add(frame, "sensorId", 4, s)
    add(frame, "objects", 5, m, ".nv.Object", True)
    item = file.message_type.add(name="Object")
    add(item, "id", 1, s)
    add(item, "bbox", 2, m, ".nv.Bbox")
    add(item, "type", 3, s)
    add(item, "confidence", 4, f)
    add(item, "info", 5, m, ".nv.Object.InfoEntry", True)
    add(item, "embedding", 6, m, ".nv.Embedding")
    add(item, "pose", 7, m, ".nv.Pose")
    entry = item.nested_type.add(name="InfoEntry")
    entry.options.map_entry = True
    add(entry, "key", 1, s)
    add(entry, "value", 2, s)
    bbox = file.message_type.add(name="Bbox")
    for number, name in enumerate(("leftX", "topY", "rightX", "bottomY"), 1):
        add(bbox, name, number, f)
    add(file.message_type.add(name="Embedding"), "vector", 1, f, repeated=True)
    pose = file.message_type.add(name="Pose")
    add(pose, "type", 1, s)
    add(pose, "keypoints", 2, m, ".nv.Pose.Keypoint", True)
    point = pose.nested_type.add(name="Keypoint")
    add(point, "name", 1, s)
    add(point, "coordinates", 2, f, repeated=True)
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(timestamp_pb2.DESCRIPTOR.serialized_pb)
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("nv.Frame"))
