"""Each source is told of by the clock, also while no frame comes: a silent camera holds up nobody, a dead one is seen."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import countline as cl
from countline.config.messages import MessageConfig, trigger_of
from countline.demo import clip_path
from countline.errors import ConfigError, MessageError
from countline.messages import make
from countline.pipeline.heartbeats import GRACE, Heartbeats, complete_until
from countline.source_status import SourceStats
from countline.types import FrameInfo, SourceInfo, TimeQuality
from ports import free_port

SECOND = 10**9
VALUE = {
    "source": "{source}",
    "at": "{time}",
    "id": "{id}",
    "state": "{status.state}",
    "beat": "{heartbeat}",
    "until": "{heartbeat.until}",
}


def nothing(images: list[Any]) -> list[cl.Detections]:
    return [cl.Detections.empty() for _ in images]


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_each_source_has_its_heartbeat_also_one_that_is_dead(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    config = {
        "sources": [
            {"name": "street", "uri": str(clip_path()), "live": True, "loop": True},
            {"name": "gate", "uri": f"rtsp://127.0.0.1:{free_port()}/cam"},
        ],
        "messages": [
            {"name": "beat", "on": "heartbeat 1s", "key": "{source}", "value": VALUE},
            {"name": "frame", "on": "frame", "sources": ["street"], "value": {"frame": "{time}"}},
        ],
        "outputs": [{"file": {"path": str(out)}}],
        "outbox": "memory",
    }
    with cl.Run(config, detector=nothing) as run:
        runner = threading.Thread(target=run.execute)
        runner.start()
        until = time.monotonic() + 40
        while not _enough(read(out)) and time.monotonic() < until:
            time.sleep(0.05)
        run.stop()
        runner.join(40)
    told = read(out)
    assert _enough(told)
    beats = [m for m in told if "beat" in m]
    assert len({m["id"] for m in beats}) == len(beats)
    dead = [m for m in beats if m["source"] == "gate"]
    assert [m["beat"]["sequence"] for m in dead] == list(range(len(dead)))
    assert all(m["state"] in ("refused", "connecting") for m in dead[:-1])
    assert dead[-1]["state"] == "ended"  # once more at the end of the run
    assert dead[-1]["beat"]["last"] is None
    last = ""
    for message in told:  # all up to `until` stands before it in the file
        if "frame" in message:
            last = message["frame"]
        elif message["source"] == "street" and message["until"] is not None:
            assert message["until"] == message["beat"]["last"] == last
            assert message["beat"]["by"] == "frames"


def _enough(told: list[dict[str, Any]]) -> bool:
    beats = [m for m in told if "beat" in m]
    alive = [m for m in beats if m["source"] == "street" and m["until"] is not None]
    return len(alive) >= 3 and sum(m["source"] == "gate" for m in beats) >= 3


def frame(at: int, quality: TimeQuality = TimeQuality.ARRIVAL) -> FrameInfo:
    return FrameInfo(SourceInfo("a", live=True), 7, 0, at, 4, 4, quality)


def test_while_frames_come_all_is_told_up_to_the_last_one() -> None:
    stats = SourceStats(state="live", last_frame=100.0)
    assert complete_until(frame(5), stats, True, 130 * SECOND, 10**18) == (5, "frames")


@given(st.integers(0, 10**6), st.sampled_from(["connecting", "stalled", "refused", "waiting-for-key-frame", "failed"]))
def test_a_silent_camera_holds_up_nobody(seconds: int, state: Any) -> None:
    """Its clock goes on from its last frame, whatever it is off by."""
    stats = SourceStats(state=state, last_frame=100.0)
    until, by = complete_until(frame(5), stats, True, (100 + seconds) * SECOND, 10**18)
    assert until == 5 + max(0, seconds * SECOND - GRACE)
    assert by == ("clock" if seconds * SECOND > GRACE else "frames")


@pytest.mark.parametrize("quality", [TimeQuality.FILE_START, TimeQuality.FILE_MTIME, TimeQuality.NONE])
def test_times_of_files_do_not_go_on_with_the_clock(quality: TimeQuality) -> None:
    stats = SourceStats(state="stalled", last_frame=100.0)
    assert complete_until(frame(5, quality), stats, True, 900 * SECOND, 10**18) == (5, "frames")


def test_a_camera_that_was_never_seen_holds_up_nobody_after_some_seconds() -> None:
    stats = SourceStats(state="refused", since=1000.0)
    assert complete_until(None, stats, True, 0, 1001 * SECOND) == (None, "")
    assert complete_until(None, stats, True, 0, 1060 * SECOND) == (1060 * SECOND - GRACE, "clock")
    assert complete_until(None, stats, False, 0, 1060 * SECOND) == (None, "")


def test_one_that_is_late_is_left_out_not_made_up_for() -> None:
    now = [100.0]
    beats = Heartbeats(lambda: now[0])
    config = MessageConfig(name="m", on="heartbeat 10s", value="{source}")
    makers = [(d, None) for d in make([config], rules=[], sources=[SourceInfo("a")], labels=[])]
    fired = []
    for second in (100, 101, 109.9, 110, 145, 149, 150):
        now[0] = second
        fired.append(len(beats.due(makers)))
    assert fired == [1, 0, 0, 1, 1, 0, 1]


@pytest.mark.parametrize("value", ["{frame}", "{lines.l.cumulative}", "{window.end}"])
def test_fields_of_frames_are_none_of_a_heartbeat(value: str) -> None:
    config = MessageConfig(name="m", on="heartbeat 1s", value=value)
    with pytest.raises(MessageError, match="there is no"):
        make([config], rules=[], sources=[SourceInfo("a")], labels=[])


@pytest.mark.parametrize("on", ["heartbeat", "heartbeat 0s", "heartbeat 10", "heartbeat 200ms", "heartbeat -1s"])
def test_what_is_no_heartbeat_is_refused_with_an_example(on: str) -> None:
    data = {"sources": [{"name": "a", "uri": "a.mp4"}], "messages": [{"name": "m", "on": on, "value": 1}]}
    with pytest.raises(ConfigError, match="on: heartbeat 10s"):
        cl.Run(data)


def test_time_units_of_heartbeats() -> None:
    assert trigger_of("heartbeat 1.5 min") == ("heartbeat", (), 90 * SECOND)
