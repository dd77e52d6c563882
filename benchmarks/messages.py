"""µs per frame that has a message: countline's definitions beside a dict built by hand and ``json.dumps``, in one run.

    python benchmarks/messages.py [--rounds 25] [--json]

Each row makes the same message in both ways: the trigger, the value, its encoding, the deterministic id, the record key.
The other side does what a probe usually does: a dict literal, ``uuid.uuid4()``, ``datetime.isoformat`` and ``json.dumps``.
A figure is CPU time, the best of the rounds: other work on the machine can only make a round slower.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
import uuid
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import numpy as np

from countline import messages
from countline.config.messages import MessageConfig
from countline.types import (
    Analytics,
    Count,
    Crossing,
    FrameInfo,
    LineState,
    ObjectStatus,
    RegionState,
    RuleInfo,
    SourceInfo,
    Tracks,
)

SOURCE = SourceInfo("entrance", 0, "device_test", "street.mp4")
LABELS = ("person", "bicycle", "car")
RULES = (
    RuleInfo("straight", "line", "entrance", directions=("in", "out")),
    RuleInfo("lobby", "region", "entrance"),
)
RECIPE = {
    "messageid": "{id}",
    "@timestamp": "{time}",
    "deviceId": "{device_id}",
    "analyticsModule": {
        "stream_source_id": "{source_index}",
        "lc_curr_straight": "{lines.straight.current}",
        "lc_cum_straight": "{lines.straight.cumulative}",
    },
}
THIRTY = {
    **RECIPE,
    "frame": {
        "number": "{frame}",
        "pts": "{pts}",
        "width": "{width}",
        "height": "{height}",
        "quality": "{time_quality}",
    },
    "event": {
        "line": "{rule}",
        "kind": "{kind}",
        "to": "{direction}",
        "n": "{sequence}",
        "text": "{class} {track_id} {direction}",
    },
    "object": {"id": "{track_id}", "class": "{class}", "class_id": "{class_id}", "confidence": "{confidence|round(2)}"},
    "box": {"left": "{box.left}", "top": "{box.top}", "width": "{box.width}", "height": "{box.height}"},
    "counts": {
        "in": "{lines.straight.in.cumulative}",
        "out": "{lines.straight.out.cumulative}",
        "person": "{lines.straight.classes.person.cumulative}",
        "inside": "{regions.lobby.occupancy}",
        "entered": "{regions.lobby.entered.cumulative}",
        "left": "{regions.lobby.left.cumulative}",
    },
}
OBJECTS = {
    "id": "{id}",
    "time": "{time}",
    "objects": {
        "for": "objects",
        "do": {
            "id": "{track_id}",
            "class": "{class}",
            "confidence": "{confidence}",
            "box": "{box}",
            "lines": "{lines}",
            "regions": "{regions}",
        },
    },
}


def frames(count: int, objects: int, step: int = 1) -> list[Analytics]:
    """Frames with one crossing each; the numbers differ from frame to frame so that nothing can be remembered."""
    rng = np.random.default_rng(7)
    made = []
    for n in range(0, count * step, step):
        info = FrameInfo(
            SOURCE, n, n * 40_000_000, 1_700_000_000_000_000_000 + n * 40_000_000, 1920, 1080, stream="5ca1ab1e"
        )
        corner = rng.uniform(0, 900, (objects, 2)).astype(np.float32)
        boxes = np.concatenate([corner, corner + rng.uniform(20, 120, (objects, 2)).astype(np.float32)], axis=1)
        ids = np.arange(objects) + n
        tracks = Tracks(boxes, rng.uniform(0.4, 1, objects), ids % 3, ids)
        box = tuple(boxes[0].tolist())
        made.append(
            Analytics(
                info,
                tracks,
                lines={"straight": LineState(1, n, {"in": Count(1, n), "out": Count(0, 3)}, {"person": Count(1, n)})},
                regions={"lobby": RegionState(4, {"person": 4}, Count(1, n), Count(0, 3))},
                events=(Crossing(info, "straight", 0, n, 0, "person", 0.875, box, "in"),),
                object_count={0: objects},
                objects=[ObjectStatus(regions=["lobby"], lines=["straight"]) for _ in range(objects)],
                class_names=LABELS,
            )
        )
    return made


def stamp(ns: int) -> str:
    return datetime.fromtimestamp(ns / 1e9, timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def recipe_by_hand(a: Analytics) -> tuple[bytes, bytes]:
    line = a.lines["straight"]
    value = {
        "messageid": str(uuid.uuid4()),
        "@timestamp": stamp(a.frame.time),
        "deviceId": a.frame.source.device_id,
        "analyticsModule": {
            "stream_source_id": a.frame.source.index,
            "lc_curr_straight": line.current,
            "lc_cum_straight": line.cumulative,
        },
    }
    return json.dumps(value).encode(), a.frame.source.device_id.encode()


def thirty_by_hand(a: Analytics) -> tuple[bytes, bytes]:
    line, lobby, info = a.lines["straight"], a.regions["lobby"], a.frame
    e: Any = a.events[0]
    left, top, right, bottom = e.box
    value = {
        "messageid": str(uuid.uuid4()),
        "@timestamp": stamp(info.time),
        "deviceId": info.source.device_id,
        "analyticsModule": {
            "stream_source_id": info.source.index,
            "lc_curr_straight": line.current,
            "lc_cum_straight": line.cumulative,
        },
        "frame": {
            "number": info.number,
            "pts": info.pts,
            "width": info.width,
            "height": info.height,
            "quality": info.time_quality.value,
        },
        "event": {
            "line": e.rule,
            "kind": e.kind,
            "to": e.direction,
            "n": e.sequence,
            "text": f"{e.class_name} {e.track_id} {e.direction}",
        },
        "object": {
            "id": e.track_id,
            "class": e.class_name,
            "class_id": e.class_id,
            "confidence": round(e.confidence, 2),
        },
        "box": {
            "left": round(left, 2),
            "top": round(top, 2),
            "width": round(right - left, 2),
            "height": round(bottom - top, 2),
        },
        "counts": {
            "in": line.directions["in"].cumulative,
            "out": line.directions["out"].cumulative,
            "person": line.classes["person"].cumulative,
            "inside": lobby.occupancy,
            "entered": lobby.entered.cumulative,
            "left": lobby.left.cumulative,
        },
    }
    return json.dumps(value).encode(), info.source.device_id.encode()


def objects_by_hand(a: Analytics) -> tuple[bytes, bytes]:
    tracks = a.tracks
    found = []
    for i in range(len(tracks)):
        left, top, right, bottom = (round(float(v), 2) for v in tracks.xyxy[i])
        status = a.objects[i]
        assert status is not None
        found.append(
            {
                "id": int(tracks.track_id[i]),
                "class": a.class_names[tracks.class_id[i]],
                "confidence": round(float(tracks.confidence[i]), 4),
                "box": {"left": left, "top": top, "right": right, "bottom": bottom},
                "lines": status.lines,
                "regions": status.regions,
            }
        )
    value = {"id": str(uuid.uuid4()), "time": stamp(a.frame.time), "objects": found}
    return json.dumps(value).encode(), a.frame.source.device_id.encode()


@messages.message(on="crossing", key=lambda e: e.source.device_id)
def payload(event: Any) -> dict[str, Any]:
    return {"who": event.track_id, "line": event.rule, "to": event.direction, "at": event.time}


def payload_by_hand(a: Analytics) -> tuple[bytes, bytes]:
    e: Any = a.events[0]
    return json.dumps(payload(e), default=datetime.isoformat).encode(), e.source.device_id.encode()


def definition(**options: Any) -> Any:
    config = MessageConfig.model_validate({"name": "bench", "key": "{device_id}", **options})
    return messages.make([config], rules=RULES, sources=[SOURCE], labels=LABELS)[0]


def best(makers: list[Callable[[Analytics], Any]], data: list[Analytics], rounds: int) -> list[float]:
    """µs of CPU time a call for each maker, best of the rounds; they take turns, so that a slow moment hits all."""
    found = [float("inf")] * len(makers)
    for _ in range(rounds):
        for i, make in enumerate(makers):
            begin = time.process_time_ns()
            for a in data:
                make(a)
            found[i] = min(found[i], (time.process_time_ns() - begin) / len(data) / 1e3)
    return found


def rows() -> list[tuple[str, Any, Callable[[Analytics], Any] | None, int]]:
    made: list[tuple[str, Any, Callable[[Analytics], Any] | None, int]] = [
        ("the recipe's message", definition(value=RECIPE), recipe_by_hand, 1),
        ("30 fields of a crossing", definition(value=THIRTY), thirty_by_hand, 1),
        ("template over 20 objects", definition(value=OBJECTS, on="frame"), objects_by_hand, 1),
        (
            "Python function",
            messages.make([], rules=RULES, sources=[SOURCE], labels=LABELS, functions=[payload])[0],
            payload_by_hand,
            1,
        ),
        ("recipe as Avro", definition(value=RECIPE, encoding="avro"), None, 1),
        ("recipe as Protobuf", definition(value=RECIPE, encoding="protobuf"), None, 1),
        ("recipe as MessagePack", definition(value=RECIPE, encoding="msgpack"), None, 1),
        ("recipe in a CloudEvent", definition(value=RECIPE, cloudevents="structured"), None, 1),
    ]
    # DeepStream's payloads of frames are made every 30th frame; these rows see such frames only.
    for kind, on in (("full", "frame"), ("minimal", "frame"), ("protobuf", "frame"), ("analytics", "crossing")):
        made.append(
            (f"deepstream/{kind}, 20 objects", definition(type=f"deepstream/{kind}", on=on, key=None), None, 30)
        )
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--frames", type=int, default=500)
    parser.add_argument("--json", action="store_true", help="one JSON object")
    given = parser.parse_args()
    table = []
    for name, one, by_hand, step in rows():
        data = frames(given.frames, 20, step)
        sent = [m for a in data for m in one.make(a)]
        per_frame = len(sent) / len(data)
        ours, *theirs = best([one.make, by_hand] if by_hand else [one.make], data, given.rounds)
        size = sum(len(m.value) for m in sent) // len(sent)
        table.append(
            {
                "message": name,
                "us": ours,
                "json_us": theirs[0] if theirs else None,
                "messages": per_frame,
                "bytes": size,
            }
        )
    if given.json:
        print(json.dumps({"machine": platform.platform(), "python": platform.python_version(), "rows": table}))
        return
    print(
        f"{platform.platform()}, Python {platform.python_version()}, best of {given.rounds} rounds of {given.frames} frames"
    )
    print(f"{'':34}{'countline':>12}{'dict + json':>13}{'ratio':>8}{'messages':>10}{'bytes each':>12}")
    for row in table:
        other = f"{row['json_us']:10.1f} µs{row['json_us'] / row['us']:7.1f}x" if row["json_us"] else f"{'':21}"
        print(f"{row['message']:34}{row['us']:9.1f} µs{other}{row['messages']:10.0f}{row['bytes']:12}")


if __name__ == "__main__":
    main()
