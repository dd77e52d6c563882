"""Rules over recorded tracks count as if they had run live: to the event."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from recordings import BEGIN, HOUR, frame, record

from countline.analysis.replay import Findings, Spans, replay
from countline.analysis.rules import RecordedRules
from countline.analysis.tables import EVENT_COLUMNS, event_row, table
from countline.config import Config
from countline.errors import ConfigError, DataError, RuleError
from countline.pipeline.changes import refuse_unchangeable
from countline.pipeline.run import Run
from countline.testing import Scene, SceneSource, Walk
from countline.types import Frame, Seam

RULES: dict[str, Any] = {
    "lines": [
        {"name": "straight", "points": [[0.05, 0.5], [0.95, 0.5]], "classes": ["person"]},
        {"name": "across", "points": [[0.5, 0.1], [0.5, 0.5], [0.6, 0.9]], "count": "once"},
    ],
    "regions": [
        {"name": "yard", "points": [[0.2, 0.3], [0.8, 0.3], [0.8, 0.9], [0.2, 0.9]], "dwell": 2, "crowding": {"objects": 3, "seconds": 1}},
        {"name": "door", "points": [[0.0, 0.2], [0.2, 0.2], [0.2, 0.9], [0.0, 0.9]]},
    ],
    "directions": [{"name": "east", "points": [[0.1, 0.5], [0.9, 0.5]]}],
    "journeys": [{"name": "ways", "places": ["door", "yard"]}],
    "speeds": [
        {"name": "fast", "points": [[0.1, 0.3], [0.9, 0.3], [0.9, 0.95], [0.1, 0.95]], "width": 20, "length": 15, "limit": 3}
    ],
}  # fmt: skip


def walks(seed: int, count: int = 24, seconds: float = 40.0) -> list[Walk]:
    rng = random.Random(seed)
    found = []
    for _ in range(count):
        begin = rng.uniform(0, seconds - 6)
        ends = [(rng.uniform(0.05, 0.95), rng.uniform(0.3, 0.95)) for _ in range(2)]
        label = rng.choice(["person", "car"])
        found.append(Walk(*ends, label=label, begin=begin, until=begin + rng.uniform(3, 12), size=(0.05, 0.2)))
    return found


class Interrupted(SceneSource):
    """As if two recordings followed each other with a hole between them, in the middle of what people do."""

    def __iter__(self) -> Iterator[Frame]:
        for item in super().__iter__():
            yield (
                replace(item, seam=Seam("here", 0, 0, gap=item.info.number == 200)) if item.info.number == 200 else item
            )


class Reconnected(SceneSource):
    """As if a camera had been connected to anew: another stream."""

    def __iter__(self) -> Iterator[Frame]:
        for item in super().__iter__():
            yield replace(item, info=replace(item.info, stream="scene" if item.info.number < 150 else "anew"))


def live(path: Path, config: dict[str, Any], sources: list[SceneSource], scene: Scene) -> list[dict[str, Any]]:
    """Rows of all events of a live run that records."""
    rows: list[dict[str, Any]] = []

    def note(_: Frame | None, analytics: Any) -> None:
        rows.extend(event_row(event, analytics.frame.source) for event in analytics.events)

    given = {**config, "outbox": "memory", "record": {"path": str(path / "recorded"), "flush": 0.5}}
    summary = Run(given, sources=sources, detector=scene.detector(), consumers=[note]).execute()
    assert summary.error == ""
    assert summary.recorded["frames"] == summary.frames == len(sources) * len(scene)
    assert not summary.recorded["dropped_by"]
    return rows


def in_order(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    key = ("time", "source", "frame", "sequence")
    return sorted(table(rows, EVENT_COLUMNS).to_pylist(), key=lambda row: tuple(row[k] for k in key))


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any], list[dict[str, Any]]]:
    """A folder, a configuration and the events of the live run: four sources, of which one has a hole and one two streams."""
    path = tmp_path_factory.mktemp("live")
    scene = Scene(walks(7), seconds=40, time=1_795_337_980 * 10**9)  # over the full hour
    names = ["gate", "hole", "camera", "yard"]
    kinds = [SceneSource, Interrupted, Reconnected, SceneSource]
    sources = [kind(scene, scene.source(name, n).info) for n, (kind, name) in enumerate(zip(kinds, names))]
    config = {"sources": [{"name": n, "uri": "scene"} for n in names], "rules": RULES}
    return path / "recorded", config, live(path, config, sources, scene)


def test_analysis_finds_exactly_the_events_of_the_live_run(recorded: tuple[Path, dict[str, Any], list[Any]]) -> None:
    path, config, rows = recorded
    found = replay(config, path)
    assert found.events.to_pylist() == in_order(rows)
    kinds = {row["kind"] for row in rows}
    assert kinds >= {"crossing", "enter", "leave", "dwell", "crowding", "heading", "journey", "speeding"}
    assert found.frames == 4 * 400
    assert len(found.speeds) > 0


def test_several_processes_find_the_same(recorded: tuple[Path, dict[str, Any], list[Any]]) -> None:
    path, config, rows = recorded
    told: list[tuple[int, int]] = []
    found = replay(config, path, workers=2, progress=lambda done, whole: told.append((done, whole)))
    assert found.events.to_pylist() == in_order(rows)
    assert told[-1][0] == told[-1][1]
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_rules_alone_are_enough_and_other_rules_may_be_tried(recorded: tuple[Path, dict[str, Any], list[Any]]) -> None:
    path, _, rows = recorded
    one = {"lines": [RULES["lines"][0]]}
    wanted = [row for row in in_order(rows) if row["rule"] == "straight"]
    got = replay({"rules": one}, path).events.to_pylist()
    keys = ("source", "stream_id", "frame", "track_id", "direction", "left", "right")
    assert [[r[k] for k in keys] for r in got] == [[r[k] for k in keys] for r in wanted]


def test_a_time_range_takes_the_frames_in_it_and_opens_no_file_of_another_hour(
    recorded: tuple[Path, dict[str, Any], list[Any]],
) -> None:
    path, config, _ = recorded
    begin = 1_795_337_980 * 10**9
    noon = 1_795_338_000 * 10**9  # 09:00:00Z
    for file in path.rglob("*T08Z.parquet"):
        file.rename(file.with_suffix(".kept"))
        file.write_bytes(b"nothing that can be read")
    try:
        found = replay(config, path, since=noon, until=noon + 5 * 10**9)
    finally:
        for file in path.rglob("*.kept"):
            file.replace(file.with_suffix(".parquet"))
    assert (found.frames, found.faults) == (4 * 50, [])
    spans = found.spans.to_pylist()
    assert {(s["start"], s["end"]) for s in spans} == {(noon, noon + 4_900_000_000)}
    assert begin < spans[0]["start"]
    with pytest.raises(DataError, match="no recorded tracks in this time"):
        replay(config, path, since=begin + HOUR * 20)


def test_a_file_whose_run_was_cut_short_is_recorded_as_if_it_had_not_been(tmp_path: Path) -> None:
    scene = Scene(walks(3, 10, 20.0), seconds=20)
    config = {"sources": [{"name": "gate", "uri": "scene"}], "rules": RULES, "record": str(tmp_path / "recorded")}
    whole = {**config, "record": str(tmp_path / "whole"), "outbox": "memory"}

    def make(given: dict[str, Any]) -> Run:
        return Run(given, sources=[scene.source("gate")], detector=scene.detector(), state=tmp_path / "gate.outbox")

    make(whole).execute()
    first = make(config)
    first.add_consumer(lambda _, analytics: first.stop() if analytics.frame.number == 90 else None)
    assert first.execute().interrupted
    again = make(config).execute()
    assert again.recorded["dropped_by"]["recorded-before"] >= 91
    both = [replay(config, tmp_path / name) for name in ("whole", "recorded")]
    assert both[0].frames == both[1].frames == len(scene)
    assert both[0].events.to_pylist() == both[1].events.to_pylist()


def test_where_tracks_are_kept_cannot_be_changed_while_running() -> None:
    sources = [{"name": "gate", "uri": "scene"}]
    old, new = (
        Config.model_validate({"sources": sources, "record": r}) for r in ("one", {"path": "one", "keep": "1 d"})
    )
    refuse_unchangeable(old, Config.model_validate({"sources": sources, "record": {"path": "one"}}))
    with pytest.raises(ConfigError, match="the recording of tracks cannot be changed while running"):
        refuse_unchangeable(old, new)


def test_sources_that_the_configuration_does_not_name_are_left_out_and_told(
    recorded: tuple[Path, dict[str, Any], list[Any]],
) -> None:
    path, _, rows = recorded
    config = {"sources": [{"name": "gate", "uri": "x", "device_id": "g"}], "rules": RULES}
    found = replay(config, path)
    assert found.unknown == ["camera", "hole", "yard"]
    assert len(found.events) == len([row for row in rows if row["source"] == "gate"])
    assert set(found.events.column("device_id").to_pylist()) == {"g"}


def test_a_damaged_file_is_told_and_is_a_gap_not_a_zero(tmp_path: Path) -> None:
    record(tmp_path, [frame(n, time=BEGIN + n * HOUR // 100) for n in range(300)])
    (tmp_path / "entrance" / "2026-11-22T08Z.parquet").write_bytes(b"PAR1 and no more")
    found = replay({"lines": []}, tmp_path)
    assert found.frames == 200
    assert ["2026-11-22T08Z.parquet" in fault for fault in found.faults] == [True]
    spans = found.spans.to_pylist()
    assert [(s["end"] - s["start"]) // 10**9 for s in spans] == [99 * 36] * 2


def test_files_of_others_are_read_too_and_a_fault_in_them_ends_it(tmp_path: Path) -> None:
    from countline.record import TracksWriter

    items = [frame(n, time=BEGIN + n * 10**8, stream="") for n in range(60)]
    for name in ("t.jsonl", "t.parquet"):
        with TracksWriter(tmp_path / name) as writer:
            for item in items:
                writer.write(item)
    rules = {"regions": [{"name": "all", "points": [[0, 0], [1, 0], [1, 1], [0, 1]]}]}
    totals = [replay(rules, tmp_path / name).totals() for name in ("t.jsonl", "t.parquet")]
    assert totals[0] == totals[1] == {("entrance", "all", "enter", ""): 2}
    (tmp_path / "t.jsonl").write_text("{}\n")
    with pytest.raises(DataError, match="'frame' is missing"):
        replay(rules, tmp_path / "t.jsonl")


def test_what_is_wrong_with_the_rules_is_told_before_anything_starts(tmp_path: Path) -> None:
    record(tmp_path, [frame(0)])
    with pytest.raises(RuleError, match="giraffe"):
        replay({"lines": [{"name": "a", "points": [[0, 0], [1, 1]], "classes": ["giraffe"]}]}, tmp_path, workers=2)
    with pytest.raises(ConfigError, match="takes its rules from a file"):
        replay({"engine": "deepstream"}, tmp_path)
    with pytest.raises(DataError, match="no recorded tracks"):
        replay({"lines": []}, tmp_path / "nothing")


def test_spans_end_where_frames_stop_coming_and_know_slow_cameras() -> None:
    spans = Spans()
    for second in [*range(10), *range(100, 110)]:
        spans.see("quick", second * 10**9)
    for minute in range(5):
        spans.see("slow", minute * 60 * 10**9)
    rows = spans.close()
    assert [(r["source"], r["frames"]) for r in rows] == [("quick", 10), ("quick", 10), ("slow", 5)]


def test_an_event_has_one_name_for_ever(recorded: tuple[Path, dict[str, Any], list[Any]]) -> None:
    path, config, _ = recorded
    found: Findings = replay(Config.model_validate(config), path)
    names = ("source", "stream_id", "frame", "sequence")
    keys = list(zip(*(found.events.column(name).to_pylist() for name in names)))
    assert len(set(keys)) == len(keys) > 0
    assert isinstance(RecordedRules.of(config), RecordedRules)
    assert np.all(np.diff(found.events.column("time").to_numpy()) >= 0)
