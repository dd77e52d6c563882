"""A state of a source is told: in messages of its own, and by a mark in those that carry counts."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import countline as cl
from countline.config.messages import MessageConfig
from countline.demo import clip_path
from countline.errors import ConfigError, MessageError
from countline.messages import make
from countline.pipeline.states import StateWatch
from countline.source_status import SourceStats
from countline.types import Analytics, FrameInfo, Message, SourceInfo, Tracks
from ports import free_port

SECOND = 10**9


def nothing(images: list[Any]) -> list[cl.Detections]:
    return [cl.Detections.empty() for _ in images]


def wait(condition: Callable[[], object], seconds: float = 40) -> None:
    until = time.monotonic() + seconds
    while not condition() and time.monotonic() < until:
        time.sleep(0.02)
    assert condition()


def messages(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_each_state_of_a_source_is_a_message_also_of_one_that_was_never_seen(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    value = {"source": "{source}", "at": "{time}", "id": "{id}", "status": "{status}", "state": "{status.state}"}
    config = {
        "sources": [
            {"name": "street", "uri": str(clip_path()), "live": True},
            {"name": "gate", "uri": f"rtsp://127.0.0.1:{free_port()}/cam"},
        ],
        "messages": [
            {"name": "state", "on": "status", "key": "{device_id}", "value": value},
            {"name": "gate", "on": "status", "sources": ["gate"], "if": "status.state == 'refused'", "value": "{uri}"},
        ],
        "outputs": [{"file": {"path": str(out)}}],
        "outbox": "memory",
    }
    with cl.Run(config, detector=nothing) as run:
        runner = threading.Thread(target=run.execute)
        runner.start()
        wait(lambda: {"live", "refused"} <= {m["state"] for m in messages(out) if isinstance(m, dict)})
        run.stop()
        runner.join(40)
    told = [m for m in messages(out) if isinstance(m, dict)]
    refused = next(m for m in told if m["state"] == "refused")
    assert refused["source"] == "gate"
    assert refused["status"]["reason"] == "connection refused"
    assert refused["status"]["connections"] == 0
    live = next(m for m in told if m["state"] == "live")
    assert (live["source"], live["status"]["connections"]) == ("street", 1)
    assert live["status"]["before"] in ("", "connecting")
    assert len({m["id"] for m in told}) == len(told)
    assert [m for m in messages(out) if isinstance(m, str)] == [config["sources"][1]["uri"]]


def test_a_state_is_told_once_and_again_after_another() -> None:
    stats = SourceStats()
    source: Any = SimpleNamespace(info=SourceInfo("a"), stats=stats)
    watch = StateWatch()
    told = []
    for state, reason in [("connecting", ""), ("live", ""), ("live", ""), ("stalled", "no packet"), ("live", "")]:
        stats.enter(state, reason)  # type: ignore[arg-type]
        told += [(c.before, c.state, c.reason) for _, c in watch.look([source])]
    assert told == [
        ("", "connecting", ""),
        ("connecting", "live", ""),
        ("live", "stalled", "no packet"),
        ("stalled", "live", ""),
    ]
    source.stats = SourceStats()  # another source in its place
    assert [(c.before, c.state) for _, c in watch.look([source])] == [("", "connecting")]


@pytest.mark.parametrize(
    ("more", "words"),
    [({"attach": {"what": "snapshot"}}, "'on: status' has none"), ({"rules": ["l"]}, "chooses among events")],
)
def test_what_belongs_to_frames_is_refused_with_states(more: dict[str, Any], words: str) -> None:
    data = {"messages": [{"name": "m", "on": "status", "value": "{status.state}", **more}]}
    data["sources"] = [{"name": "a", "uri": "a.mp4"}]  # type: ignore[list-item]
    with pytest.raises(ConfigError, match=words):
        cl.Run(data)


@pytest.mark.parametrize("value", ["{frame}", "{lines.l.cumulative}", "{degraded}"])
def test_fields_of_frames_are_none_of_a_state(value: str) -> None:
    config = MessageConfig(name="m", on="status", value=value)
    with pytest.raises(MessageError, match="there is no"):
        make([config], rules=[], sources=[SourceInfo("a")], labels=[])


def frame(second: float, degraded: str = "") -> Analytics:
    at = int(second * SECOND)
    return Analytics(
        FrameInfo(SourceInfo("a", live=True), int(second * 10), at, at, 4, 4, degraded=degraded), Tracks.empty()
    )


def told(config: MessageConfig, frames: list[Analytics]) -> list[Any]:
    (definition,) = make([config], rules=[], sources=[SourceInfo("a")], labels=[])
    made: list[Message] = [m for f in frames for m in definition.make(f)]
    return [json.loads(m.value) for m in made]


def test_a_frame_whose_counts_may_be_wrong_is_marked() -> None:
    config = MessageConfig(name="m", on="frame", value="{degraded}")
    assert told(config, [frame(0), frame(1, "damaged on the way"), frame(2)]) == [None, "damaged on the way", None]


def test_an_interval_is_marked_if_any_of_its_frames_was() -> None:
    config = MessageConfig(name="m", on="interval 1s", value="{degraded}")
    seconds = [0.1, 0.3, 0.9, 1.1, 1.5, 2.1, 2.5, 3.1, 4.1]
    doubts = {0.3: "late", 2.1: "damaged"}
    assert told(config, [frame(s, doubts.get(s, "")) for s in seconds]) == ["late", None, "damaged", None]
