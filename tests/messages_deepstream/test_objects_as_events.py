"""The event API without an event trigger sends every object that is seen, as NVIDIA's test4 does on an interval of frames."""

from __future__ import annotations

import json

import numpy as np
import pytest

from countline.compat.deepstream.payloads import make_definition
from countline.config.messages import MessageConfig
from countline.types import Analytics, FrameInfo, SourceInfo, Tracks

SOURCE = SourceInfo("entrance", 0, device_id="device_test")
NAMES = ("car", "person", "bicycle")


def frame(number: int, classes: list[int]) -> Analytics:
    info = FrameInfo(SOURCE, number, number * 33_333_333, 1_700_000_000_123_456_789, 1920, 1080, stream="abc")
    boxes = np.array([[10 * i, 20, 10 * i + 30, 60] for i in range(len(classes))], np.float32).reshape(-1, 4)
    tracks = Tracks(
        boxes, np.full(len(classes), 0.5, np.float32), classes, np.arange(len(classes), dtype=np.uint64) + 7
    )
    return Analytics(info, tracks, class_names=NAMES)


def test_on_an_interval_of_frames_each_object_is_a_full_message() -> None:
    config = MessageConfig(name="test4", type="deepstream/full", api="event", on="frame", every=30)
    made = make_definition(config, rules=[], sources=[SOURCE], labels=NAMES)
    assert made.make(frame(29, [0])) == []
    messages = made.make(frame(30, [0, 1, 2]))
    values = [json.loads(message.value) for message in messages]
    assert [value["event"]["type"] for value in values] == ["moving", "entry", "moving"]
    assert values[0]["object"]["vehicle"]["type"] == "car"
    assert values[0]["object"]["id"] == "7"
    assert values[1]["object"]["person"]["confidence"] == 0.5
    assert values[0]["object"]["bbox"] == {"topleftx": 0, "toplefty": 20, "bottomrightx": 30, "bottomrighty": 60}
    assert len({message.id for message in messages}) == 3
    assert [m.id for m in made.make(frame(30, [0, 1, 2]))] == [m.id for m in messages], (
        "ids are the frame's and the object's"
    )
    assert made.make(frame(60, [])) == []


@pytest.mark.parametrize("kind", ["minimal", "protobuf"])
def test_one_message_holds_all_objects_of_the_frame(kind: str) -> None:
    config = MessageConfig(name="test4", type=f"deepstream/{kind}", api="event", on="frame", every=1)
    made = make_definition(config, rules=[], sources=[SOURCE], labels=NAMES)
    (message,) = made.make(frame(1, [0, 1]))
    assert b"Vehicle" in message.value
    assert b"Person" in message.value
    assert made.make(frame(2, [])) == []
