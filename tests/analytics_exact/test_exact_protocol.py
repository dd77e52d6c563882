"""The exact engine as a rule set: counters, events, memory, explanations."""

from __future__ import annotations

import numpy as np
import pytest

from countline.compat.deepstream.files import nvdsanalytics
from countline.compat.deepstream.rules import DeepStreamAnalytics, DeepStreamRules
from countline.types import (
    UNTRACKED,
    CounterKey,
    Crossing,
    Crowding,
    FrameInfo,
    FrameTracks,
    SourceInfo,
    Tracks,
)

HEAD = "[property]\nenable=1\nconfig-width=1000\nconfig-height=1000\n"
LINE = "[line-crossing-stream-0]\nenable=1\nline-crossing-gate=500;400;500;600;100;500;900;500\n"
SOURCE = SourceInfo("door", 0)


def engine(text: str = LINE, labels: tuple[str, ...] = ("person", "car")) -> DeepStreamRules:
    return DeepStreamRules(nvdsanalytics.parse(HEAD + text, "rules.txt"), [SOURCE], labels)


def frame(
    number: int, *objects: tuple[int, float, float, int], pts: int | None = None, source: SourceInfo = SOURCE
) -> FrameTracks:
    """Objects as (id, x of the centre, y of the foot, class), 20 x 40 pixels."""
    ltwh = np.array([(x - 10, y - 40, 20, 40) for _, x, y, _ in objects], np.float32).reshape(-1, 4)
    xyxy = ltwh.copy()
    xyxy[:, 2:] += xyxy[:, :2]
    ids = np.array([i for i, _, _, _ in objects], np.uint64)
    tracks = Tracks(xyxy, np.full(len(objects), 0.5), [c for _, _, _, c in objects], ids, ltwh)
    time = number * 40_000_000 if pts is None else pts
    return FrameTracks(FrameInfo(source, number, time, time, 1000, 1000), tracks)


def walk(
    rules: DeepStreamRules, start: float, step: float, count: int, track_id: int = 1, class_id: int = 0, first: int = 0
) -> list[DeepStreamAnalytics]:
    out = []
    for n in range(count):
        out += rules.update([frame(first + n, (track_id, 500, start + step * n, class_id))])
    assert all(isinstance(analytics, DeepStreamAnalytics) for analytics in out)
    return out  # type: ignore[return-value]


def test_a_crossing_is_an_event_a_state_and_a_delta() -> None:
    results = walk(engine(), 400, 10, 20, class_id=1)
    crossed = [a for a in results if a.events]
    assert len(crossed) == 1
    event = crossed[0].events[0]
    assert isinstance(event, Crossing)
    assert (event.rule, event.track_id, event.class_name, event.direction, event.sequence) == ("gate", 1, "car", "", 0)
    assert event.box is not None
    assert event.box[3] == 400 + 10 * event.frame.number
    assert [tuple(delta) for delta in crossed[0].deltas] == [(CounterKey("door", "gate", "total", "car"), 1)]
    assert (crossed[0].lines["gate"].current, crossed[0].lines["gate"].cumulative) == (1, 1)
    assert (results[-1].lines["gate"].current, results[-1].lines["gate"].cumulative) == (0, 1)
    assert results[-1].lines["gate"].classes["car"].cumulative == 1
    assert crossed[0].objects[0] is not None
    assert crossed[0].objects[0].text == " LC:gate "


def test_restored_counters_go_on_and_a_reset_begins_a_new_epoch() -> None:
    rules = engine()
    rules.restore(
        {CounterKey("door", "gate", "total", "car"): 40, CounterKey("door", "other", "total", "car"): 1},
        {("door", "gate"): (3, 77)},
    )
    state = walk(rules, 400, 10, 20)[-1].lines["gate"]
    assert (state.cumulative, state.epoch, state.reset_at) == (41, 3, 77)
    assert {name: count.cumulative for name, count in state.classes.items()} == {"car": 40, "person": 1}
    rules.reset("door", 99)
    state = walk(rules, 900, 0, 1, first=20)[-1].lines["gate"]
    assert (state.cumulative, state.epoch, state.reset_at, state.classes) == (0, 4, 99, {})


def test_forgetting_a_source_drops_its_tracks_and_keeps_its_counts() -> None:
    rules = engine()
    walk(rules, 400, 10, 20)
    other = SourceInfo("yard", 1)
    rules.update([frame(0, (9, 1, 1, 0), source=other)])
    rules.forget("door")
    assert walk(rules, 400, 10, 20)[-1].lines["gate"].cumulative == 2
    assert 9 in rules.streams[1].slots


def test_a_stopped_file_counts_nothing_with_enable_0() -> None:
    rules = DeepStreamRules(nvdsanalytics.parse(HEAD.replace("enable=1", "enable=0") + LINE, "r.txt"), [SOURCE], ())
    result = rules.update([frame(0, (1, 1, 1, 0))])[0]
    assert isinstance(result, DeepStreamAnalytics)
    assert result.record() == {"stream": 0, "frame": 0, "objects": [{"id": 1, "class_id": 0, "info": None}]}


def test_memory_is_bounded_by_the_tracks_of_the_last_eight_seconds() -> None:
    rules = engine()
    for n in range(3000):
        rules.update([frame(n, *((n * 5 + k, 100.0 * k, 300, 0) for k in range(5)))])
    live = len(rules.streams[0].slots)
    assert live <= 5 * (8000 + 1000) // 40 + 10
    assert rules.memory.capacity <= 4 * live
    assert len(rules.memory.pool) <= 4 * live + 64
    assert len(rules.past) <= 4096
    assert not rules.streams[0].counted


def test_a_long_history_costs_what_was_seen_and_not_its_length() -> None:
    rules = engine("obj-cnt-win-in-ms=1000000000\n" + LINE)
    assert walk(rules, 400, 10, 200)[-1].lines["gate"].cumulative == 1
    assert rules.memory.pool.nbytes < 10_000_000


def test_boxes_without_ltwh_are_taken_from_xyxy() -> None:
    rules, plain = engine(), engine()
    for n in range(20):
        item = frame(n, (1, 500, 400 + 10 * n, 0))
        bare = FrameTracks(
            item.info, Tracks(item.tracks.xyxy, item.tracks.confidence, item.tracks.class_id, item.tracks.track_id)
        )
        assert rules.update([item])[0].lines == plain.update([bare])[0].lines


def test_crowding_begins_and_ends_with_an_event() -> None:
    rules = engine("[overcrowding-stream-0]\nenable=1\nobject-threshold=2\nroi-square=0;0;1000;0;1000;1000;0;1000\n")
    events = []
    for n, count in enumerate((1, 2, 3, 2, 1, 0)):
        result = rules.update([frame(n, *((k + 1, 100.0 + 100 * k, 500, 0) for k in range(count)))])[0]
        assert result.regions["square"].occupancy == count
        assert result.regions["square"].crowded == (count >= 2)
        events += [(e.phase, e.occupancy, e.frame.number) for e in result.events if isinstance(e, Crowding)]
    assert events == [("begin", 2, 1), ("end", 1, 4)]


def test_rules_are_told_before_the_first_frame() -> None:
    rules = engine(
        LINE
        + "[overcrowding-stream-0]\nenable=1\nroi-c=0;0;500;0;500;1000\n[roi-filtering-stream-0]\nroi-off=0;0;1;0;1;1\n"
    )
    told = {(r.name, r.kind, r.source, r.crowding): r.points for r in rules.rules}
    assert told == {
        ("c", "region", "door", True): ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0)),
        ("gate", "line", "door", False): ((0.1, 0.5), (0.9, 0.5)),
    }


STRICT = LINE + "mode=strict\n"
CASES = {
    "counted": (LINE, (400, 10, 20), "counted in frame"),
    "slow": (LINE, (490, 0.4, 60), "loose needs more than 31.6 px"),
    "short": (STRICT, (400, 20, 12), "only 12 frames seen, strict needs more than 20"),
    "class": (LINE + "class-id=1\n", (400, 10, 20), "class 0 is filtered (class-id 1)"),
    "side": (LINE, (100, 10, 20), "never changed from one side to the other"),
    "arrow": (LINE.replace("500;400;500;600", "400;400;600;401") + "mode=balanced\n", (400, 10, 30), "not along the arrow"),
    "segment": (LINE.replace("100;500;900;500", "600;500;900;500") + "extended=0\n", (400, 10, 20), "outside the segment"),
}  # fmt: skip


@pytest.mark.parametrize("cause", CASES)
@pytest.mark.parametrize("gone", [False, True])
def test_it_explains_why_a_track_was_counted_or_not(cause: str, gone: bool) -> None:
    text, motion, words = CASES[cause]
    rules = engine(text)
    walk(rules, *motion)
    if gone:
        rules.update([frame(1000, pts=60_000_000_000)])
        assert 1 not in rules.streams[0].slots
    assert words in rules.explain("door", 1, "gate")
    assert rules.cause("door", 1, "gate") == cause


def test_it_explains_that_an_untracked_object_switched_the_line_off() -> None:
    rules = engine()
    rules.update([frame(0, (1, 500, 400, 0), (UNTRACKED, 10, 10, 0))])
    walk(rules, 410, 10, 20, first=1)
    assert "an untracked object switched the line off for good in frame 0" in rules.explain("door", 1, "gate")
    assert rules.cause("door", 1, "gate") == "untracked"


def test_it_says_what_it_does_not_know() -> None:
    rules = engine()
    assert "no frame of 'door'" in rules.explain("door", 1, "gate")
    walk(rules, 400, 1, 2)
    assert "never seen" in rules.explain("door", 8, "gate")
    assert "no rule 'nope'" in rules.explain("door", 1, "nope")


def test_an_untracked_object_that_switches_lines_off_is_told_once_and_counted_by_source() -> None:
    rules = engine()
    for number in range(3):
        rules.update([frame(number, (UNTRACKED, 500, 400, 0))])
    assert len(rules.notices) == 1
    assert "switched off for good" in rules.notices[0]
    assert (rules.untracked(SOURCE.name), rules.untracked("other")) == (3, 0)
    assert rules.metrics == {"untracked": 3, "switched_off": 1}


@pytest.mark.parametrize("before", [True, False])
def test_untracked_objects_can_be_left_out_and_switch_nothing_off(before: bool) -> None:
    config = nvdsanalytics.parse(HEAD + LINE, "rules.txt")
    strict, lenient = DeepStreamRules(config, [SOURCE]), DeepStreamRules(config, [SOURCE], ignore_untracked=True)
    alone = DeepStreamRules(config, [SOURCE])
    stranger = (UNTRACKED, 300, 300, 0)
    for number in range(40):
        walker = (7, 500, 400 + 10 * number, 0)
        both = [stranger, walker] if before else [walker, stranger]
        strict.update([frame(number, *both)])
        (found,) = lenient.update([frame(number, *both)])
        (wanted,) = alone.update([frame(number, walker)])
        assert found.lines == wanted.lines
        assert [e.track_id for e in found.events] == [e.track_id for e in wanted.events]
    assert found.lines["gate"].cumulative == 1
    assert strict.update([frame(40)])[0].lines["gate"].cumulative == 0, "switched off"
    assert lenient.untracked(SOURCE.name) == 40
    assert lenient.notices == []
