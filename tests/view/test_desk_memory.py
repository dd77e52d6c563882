"""What is remembered of the last minutes is what came, within its bounds; and rules count over it what they counted live."""

from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from desks import CONFIG, LABELS, across, desk_at, frame, line
from hypothesis import given, settings
from hypothesis import strategies as st
from stepping import PAUSE

from countline.analysis.rules import RecordedRules
from countline.config import Config
from countline.types import Analytics, FrameTracks
from countline.view.desk import TrackMemory
from countline.view.desk import memory as module
from countline.view.desk.memory import direction_of
from countline.view.desk.trial import try_rules


def equal(one: FrameTracks, two: FrameTracks) -> bool:
    pairs = [
        (getattr(one.tracks, n), getattr(two.tracks, n)) for n in ("xyxy", "confidence", "class_id", "track_id", "ltwh")
    ]
    twins = [t.tracks.object_id() for t in (one, two)]
    return (
        one.info == two.info
        and np.array_equal(*twins)
        and all((a is None and b is None) or np.array_equal(a, b) for a, b in pairs)
    )


walks = st.lists(
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1), st.integers(1, 6)), max_size=4, unique_by=lambda b: b[2]),
    max_size=40,
)


@given(walks, st.integers(1, 7), st.booleans(), st.booleans())
def test_every_frame_that_is_remembered_is_as_it_came(boxes: list[Any], packed: int, twins: bool, ltwh: bool) -> None:
    given_frames = [frame(i, b, twins=twins and i % 2 == 0, ltwh=ltwh and i < 20) for i, b in enumerate(boxes)]
    memory = TrackMemory()
    before, module.FRAMES = module.FRAMES, packed
    try:
        for i, item in enumerate(given_frames):
            memory(None, Analytics(item.info, item.tracks, class_names=LABELS, anew=i % 5 == 0))
    finally:
        module.FRAMES = before
    found = list(memory.frames("gate"))
    assert len(found) == len(given_frames) == memory.count("gate")
    assert all(equal(a, b.frame) for a, b in zip(given_frames, found))
    assert [r.anew for r in found] == [i % 5 == 0 for i in range(len(found))]
    assert not memory.cut("gate")


def test_memory_is_bounded_in_time_and_in_bytes_and_forgets_the_oldest_first() -> None:
    short, small = TrackMemory(seconds=60), TrackMemory(max_bytes=100_000)
    for number in range(20_000):
        for name in ("gate", "yard") if number % 4 == 0 else ("gate",):
            item = frame(number, [(0.5, 0.5, 1), (0.4, 0.4, 2)], source=name)
            for memory in (short, small):
                memory(None, Analytics(item.info, item.tracks, class_names=LABELS))
    first, last = short.span()["gate"]
    assert 60 <= (last - first) / 1e9 <= 60 + 2 * module.FRAMES / 10
    assert small.bytes <= 100_000
    spans = small.span()
    assert spans["gate"][1] == spans["yard"][1] + 3 * 10**8
    assert abs(spans["gate"][0] - spans["yard"][0]) <= 4 * module.FRAMES * 10**8
    assert short.cut("gate")
    assert small.cut("yard")


def configured(*lines: Any, **more: Any) -> Config:
    return Config.model_validate({**CONFIG, "rules": {"lines": list(lines), **more}})


@st.composite
def ways(draw: st.DrawFn) -> list[list[tuple[float, float, int]]]:
    """Some objects that wander up and down, each for some time."""
    length = draw(st.integers(5, 60))
    frames: list[list[tuple[float, float, int]]] = [[] for _ in range(length)]
    for track in range(1, draw(st.integers(1, 5)) + 1):
        begin, y, x = draw(st.integers(0, length - 1)), draw(st.floats(0, 1)), draw(st.floats(0.05, 0.95))
        for number in range(begin, draw(st.integers(begin, length))):
            frames[number].append((x, y, track))
            y = min(max(y + draw(st.sampled_from([-0.12, -0.05, 0.0, 0.05, 0.12])), 0.0), 1.0)
    return frames


@settings(max_examples=60)
@given(ways(), ways(), st.floats(0.2, 0.8), st.floats(0.2, 0.8))
def test_a_preview_says_of_now_what_was_counted_live_and_of_then_what_counts_when_it_is_applied(
    gate: Any, yard: Any, y: float, other: float
) -> None:
    square = {"name": "r", "points": [[0, 0], [1, 0], [1, 0.5], [0, 0.5]]}
    old = configured(across("l", y), across("same", 0.4), regions=[square])
    new = configured(
        across("l", other),
        across("same", 0.4),
        across("n", other, source="yard", count="once"),
        regions=[{**square, "band": 0.5}],
    )
    memory, live = TrackMemory(), {}
    for side, config in (("now", old), ("would", new)):
        engine, counts = RecordedRules.of(config).make(LABELS), Counter[tuple[str, ...]]()
        for number in range(max(len(gate), len(yard))):
            for name, frames in (("gate", gate), ("yard", yard)):
                if number < len(frames):
                    (analytics,) = engine.update([frame(number, frames[number], source=name)])
                    counts.update((name, e.rule, e.kind, direction_of(e)) for e in analytics.events if e.rule != "same")
                    if side == "now":
                        memory(None, analytics)
        live[side] = counts
    trial = try_rules(old, new, memory)
    if old.rules.lines[0] == new.rules.lines[0]:
        return
    assert {key: n for key, n in trial.now.items() if n} == dict(live["now"])
    assert {key: n for key, n in trial.would.items() if n} == dict(live["would"])


def test_what_is_remembered_of_a_running_source_counts_as_the_run_did(tmp_path: Path) -> None:
    with desk_at(tmp_path) as at:
        at.stepping.step(3 * PAUSE)
        shown = at.desk.preview(at.digest, [line("door", 0.8, was="door")])
        rows = {(row["rule"], row["direction"]): (row["now"], row["would"]) for row in shown["counted"]}
        assert rows == {("door", "out"): (3, 3), ("door", "in"): (0, 0)}
        assert at.counts()["door"]["out"] == 3
        assert shown["seconds"] == pytest.approx(11.9)
        shown = at.desk.preview(
            at.digest, [{"op": "put", "kind": "line", "name": "door", "options": {"classes": ["0"]}}]
        )
        assert {row["would"] for row in shown["counted"]} == {0, 3}


def test_journeys_are_counted_anew_where_a_place_of_theirs_is_moved() -> None:
    area = {"name": "far", "points": [[0, 0.6], [1, 0.6], [1, 1], [0, 1]]}
    journey = {"name": "j", "places": ["l", "far"]}
    old = configured(across("l", 0.3), regions=[area], journeys=[journey])
    new = configured(across("l", 0.9), regions=[area], journeys=[journey])
    memory, engine = TrackMemory(), RecordedRules.of(old).make(LABELS)
    for number in range(30):
        memory(None, engine.update([frame(number, [(0.5, number / 30, 2)])])[0])
    trial = try_rules(old, new, memory)
    assert trial.now["gate", "j", "journey", "l>far"] == 1
    assert trial.would["gate", "j", "journey", "far>l"] == 1
    assert not any(key[1] == "far" for key in trial.now), "it was not changed"


def test_a_preview_that_would_take_long_goes_through_the_newest_part(monkeypatch: pytest.MonkeyPatch) -> None:
    from countline.view.desk import trial as trials

    monkeypatch.setattr(trials, "MOST_FRAMES", 400)
    old, new = configured(across("l", 0.3)), configured(across("l", 0.4))
    memory = TrackMemory()
    for number in range(1000):
        item = frame(number, [])
        memory(None, Analytics(item.info, item.tracks, class_names=LABELS))
    found = try_rules(old, new, memory)
    assert found.frames == pytest.approx(400, abs=3)
    assert found.seconds == pytest.approx(30, abs=0.5), "without the time in which nobody knows where objects came from"


def test_a_run_that_begins_anew_remembers_what_the_one_before_recorded(tmp_path: Path) -> None:
    import time

    from countline.config.record import RecordConfig
    from countline.record.recorder import Recorder
    from countline.view.desk.recorded import recall

    pytest.importorskip("pyarrow")
    old = configured(across("l", 0.5)).model_copy(update={"record": RecordConfig(path=str(tmp_path / "recorded"))})
    new = configured(across("l", 0.7))
    assert old.record is not None
    now = time.time_ns() // 10**8
    recorder, engine = Recorder(old.record), RecordedRules.of(old).make(LABELS)
    lived = []
    for number in range(400):  # for 40 s somebody walks down each 4 s
        item = frame(number, [(0.5, number % 40 / 40, number // 40 + 1)])
        moved = item._replace(info=dataclasses.replace(item.info, time=(now - 450 + number) * 10**8))
        lived.append(engine.update([moved])[0])
        recorder(None, lived[-1])
    recorder.close()
    memory = TrackMemory()
    for i, analytics in enumerate(lived[350:]):  # what is seen since overlaps what was recorded
        info = dataclasses.replace(analytics.frame, stream="later", number=i)
        memory(None, dataclasses.replace(analytics, frame=info, events=()))
    assert recall(memory, old, pause=lambda _: None) == 400
    found = [r.frame.info for r in memory.frames("gate")]
    times = [info.time for info in found]
    assert times == sorted(times)
    assert len(set(times)) == len(times), "nothing twice"
    assert len(times) == 400
    assert {info.stream for info in found} == {"s", "later"}
    assert times[0] == lived[0].frame.time
    trial = try_rules(old, new, memory)
    assert trial.now["gate", "l", "crossing", "out"] >= 5
    assert trial.seconds == pytest.approx(39.9 - 10, abs=0.2)
    assert recall(memory, new) == 0, "nothing is recorded there"
