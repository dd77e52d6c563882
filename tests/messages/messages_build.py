"""Analytics, sources and rules for the tests of this room; all values are plain numbers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo
from typing import Any

import numpy as np

from countline import messages
from countline.config.loader import Document, validate
from countline.config.messages import MessageConfig
from countline.types import (
    UNTRACKED,
    Analytics,
    Count,
    Crossing,
    Crowding,
    DirectionState,
    Enter,
    Event,
    Frame,
    FrameInfo,
    Heading,
    Journey,
    Leave,
    LineState,
    ObjectStatus,
    RegionState,
    RuleInfo,
    SourceInfo,
    Speeding,
    TimeQuality,
    Tracks,
)

LABELS = ("person", "bicycle", "car", "traffic light")
ENTRANCE = SourceInfo("entrance", 0, "device_test", "street.mp4")
YARD = SourceInfo("yard", 1, "cam-2", "rtsp://cam/1", live=True)
SOURCES = (ENTRANCE, YARD)
RULES = (
    RuleInfo("straight", "line", "entrance", directions=("in", "out")),
    RuleInfo("north gate 2.0", "line", None, directions=("up", "down")),
    RuleInfo("lobby", "region", "entrance", crowding=True),
    RuleInfo("left turn", "direction", "entrance"),
    RuleInfo("through", "journey", None),
)
TIME = 1_700_000_000_123_456_789


def info(number: int = 7, *, source: SourceInfo = ENTRANCE, time: int = TIME, stream: str = "5ca1ab1e") -> FrameInfo:
    return FrameInfo(source, number, number * 33_333_333, time, 1920, 1080, TimeQuality.FILE_START, stream)


def crossing(frame: FrameInfo, sequence: int = 0, track: int = 5, **more: Any) -> Crossing:
    given: dict[str, Any] = {
        "rule": "straight",
        "class_id": 0,
        "class_name": "person",
        "confidence": 0.9,
        "box": (10.0, 20.0, 50.5, 120.0),
        "direction": "in",
    }
    return Crossing(frame, sequence=sequence, track_id=track, **{**given, **more})


def all_events(frame: FrameInfo) -> list[Event]:
    common: dict[str, Any] = {
        "track_id": 5,
        "class_id": 2,
        "class_name": "car",
        "confidence": 0.8,
        "box": (1.0, 2.0, 3.0, 4.0),
    }
    return [
        Crossing(frame, "straight", 0, **common, direction="out"),
        Enter(frame, "lobby", 1, **common),
        Leave(frame, "lobby", 2, **common, dwell=12.3456),
        Crowding(frame, "lobby", 3, phase="begin", occupancy=9),
        Heading(frame, "left turn", 4, **common, direction="left turn"),
        Speeding(frame, "radar", 5, **common, speed=61.239),
        Journey(frame, "through", 6, **common, origin="a", destination="b"),
    ]


def analytics(frame: FrameInfo | None = None, events: Sequence[Event] | None = None, **more: Any) -> Analytics:
    frame = info() if frame is None else frame
    tracks = Tracks(
        np.array([[10, 20, 50.5, 120], [100, 100, 180, 160], [7, 7, 9, 9]], np.float32),
        np.array([0.9, 0.75, 0.5], np.float32),
        np.array([0, 2, 3]),
        np.array([5, 6, UNTRACKED], np.uint64),
    )
    given: dict[str, Any] = {
        "lines": {
            "straight": LineState(
                2,
                12,
                {"in": Count(2, 10), "out": Count(0, 2)},
                {"person": Count(2, 11), "traffic light": Count(0, 1)},
                3,
                TIME,
            ),
            "north gate 2.0": LineState(0, 4, {"up": Count(0, 4), "down": Count()}),
        },
        "regions": {"lobby": RegionState(3, {"person": 3}, Count(1, 8), Count(0, 5), True, 42.123456)},
        "directions": {"left turn": DirectionState(1)},
        "journeys": {"through": {"a>b": 4, "b>a": 1}},
        "events": [crossing(frame), crossing(frame, 1, 6)] if events is None else events,
        "object_count": {0: 1, 2: 1, 3: 1},
        "objects": [ObjectStatus(regions=["lobby"], lines=["straight"]), None, None],
        "speeds": {5: 4.2},
        "class_names": LABELS,
    }
    return Analytics(frame, tracks, **{**given, **more})


def config(value: Any = "{id}", **more: Any) -> MessageConfig:
    data = {"name": "test", "value": value, **more}
    if any(word in more for word in ("type", "function")):
        del data["value"]
    return validate(MessageConfig, data, Document(data, {}, "test.yaml"))


def definition(
    value: Any = "{id}",
    *,
    tools: messages.Tools = messages.Tools(),
    destinations: Sequence[str] | None = None,
    zone: tzinfo | None = None,
    **more: Any,
) -> Any:
    configs = [config(value, **more)]
    return messages.make(
        configs, rules=RULES, sources=SOURCES, labels=LABELS, tools=tools, outputs=destinations, zone=zone
    )[0]


def from_function(function: Any, **more: Any) -> Any:
    return messages.make([], rules=RULES, sources=SOURCES, labels=LABELS, functions=[function], **more)[0]


def made(value: Any, data: Analytics | None = None, frame: Frame | None = None, **more: Any) -> list[Any]:
    """Values of the messages, decoded."""
    import orjson

    one = definition(value, **more)
    found = [orjson.loads(m.value) for m in one.make(analytics() if data is None else data, frame)]
    assert not one.failures, list(one.failures)
    return found
