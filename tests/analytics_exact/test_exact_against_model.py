"""The vectorised engine equals a slow model of the description, on random and hostile input."""

from __future__ import annotations

import os
from typing import Any

import pytest
from exact_fuzz import scenario, to_tracks
from exact_oracle import Oracle

from countline.compat.deepstream.files import nvdsanalytics
from countline.compat.deepstream.rules import DeepStreamAnalytics, DeepStreamRules

SEEDS = int(os.environ.get("COUNTLINE_FUZZ_SEEDS", "120"))
FIRST = int(os.environ.get("COUNTLINE_FUZZ_FIRST", "0"))


def check(seed: int) -> tuple[int, int]:
    config, frames = scenario(seed)
    oracle, engine = Oracle(config), DeepStreamRules(config)
    batch = (1, 5, 16)[seed % 3]
    crossings = 0
    for start in range(0, len(frames), batch):
        part = frames[start : start + batch]
        for frame, analytics in zip(part, engine.update([to_tracks(frame) for frame in part])):
            assert isinstance(analytics, DeepStreamAnalytics)
            expected = oracle.frame(frame)
            assert analytics.record() == expected, f"seed {seed}, stream {frame['stream']}, frame {frame['frame']}"
            assert sum(delta.amount for delta in analytics.deltas) == sum(
                expected["frame_meta"]["objLCCurrCnt"].values()
            ) or any(not line.enabled for rules in config.streams.values() for line in rules.lines)
            crossings += sum(expected["frame_meta"]["objLCCurrCnt"].values())
    return len(frames), crossings


@pytest.mark.seeded
@pytest.mark.parametrize("block", range(8))
def test_engine_equals_the_model_on_random_input(block: int) -> None:
    per_block = -(-SEEDS // 8)
    totals = [check(seed) for seed in range(FIRST + block * per_block, FIRST + (block + 1) * per_block)]
    assert sum(crossings for _, crossings in totals) > 0, "no crossing at all: the input tests nothing"


def run_both(text: str, frames: list[dict[str, Any]]) -> list[dict[str, Any]]:
    config = nvdsanalytics.parse(text, "rules.txt")
    oracle, engine = Oracle(config), DeepStreamRules(config)
    out = []
    for frame in frames:
        analytics = engine.update([to_tracks(frame)])[0]
        assert isinstance(analytics, DeepStreamAnalytics)
        out.append(analytics.record())
        assert out[-1] == oracle.frame(frame), frame
    return out


def still(number: int, pts: int, *objects: tuple[int | None, int, float, float]) -> dict[str, Any]:
    boxes = [{"id": i, "class_id": c, "left": x, "top": y, "width": 20, "height": 40} for i, c, x, y in objects]
    return {"stream": 0, "frame": number, "pts": pts, "width": 1000, "height": 1000, "objects": boxes}


HEAD = "[property]\nenable=1\nconfig-width=1000\nconfig-height=1000\n"


def test_a_track_that_expired_before_time_stepped_back_is_gone() -> None:
    ms = 1_000_000
    gate = HEAD + "[line-crossing-stream-0]\nenable=1\nline-crossing-A=500;400;500;600;100;500;900;500\n"
    walk = [still(n, n * ms, (1, 0, 500, 400 + 10 * n)) for n in range(20)]
    away = [still(20 + n, 19 * ms + n * 1000 * ms) for n in range(1, 9)]
    late = [still(29, 19 * ms + 8500 * ms), still(30, 19 * ms + 8000 * ms - 500 * ms)]
    again = [still(31 + n, 19 * ms + 7600 * ms + n * ms, (1, 0, 500, 400 + 10 * n)) for n in range(20)]
    assert run_both(gate, [*walk, *away, *again])[-1]["frame_meta"]["objLCCumCnt"] == {"A": 1}
    assert run_both(gate, [*walk, *away, *late, *again])[-1]["frame_meta"]["objLCCumCnt"] == {"A": 2}


def test_an_untracked_object_that_stands_still_switches_off_only_the_first_direction() -> None:
    ways = (
        "obj-cnt-win-in-ms=12\n[direction-detection-stream-0]\nenable=1\nclass-id=0\n"
        "direction-one=100;100;100;900\ndirection-two=200;100;200;900\n"
    )
    waiting = [still(n, n * 33_000_000, (None, 5, 100, 100)) for n in range(20)]
    seen = [still(20, 20 * 33_000_000, (None, 0, 100, 100))]
    walk = [still(21 + n, (21 + n) * 33_000_000, (1, 0, 500, 100 + 12 * n)) for n in range(30)]
    assert run_both(HEAD + ways, [*waiting, *walk])[-1]["objects"][0]["info"]["dirStatus"] == " DIR:one  DIR:two "
    assert run_both(HEAD + ways, [*waiting, *seen, *walk])[-1]["objects"][0]["info"]["dirStatus"] == " DIR:two "


@pytest.mark.parametrize(("arrow", "step"), [("500;400;500;600", 10), ("500;600;500;400", -10)])
@pytest.mark.parametrize(("first", "counted"), [(0, 0), (1, 1)])
def test_a_track_that_begins_on_a_loose_line_does_not_cross_it(arrow: str, step: int, first: int, counted: int) -> None:
    gate = HEAD + f"[line-crossing-stream-0]\nenable=1\nline-crossing-A={arrow};100;500;900;500\n"
    start = 460 - first * (1 if step > 0 else -1)
    frames = [still(n, n * 33_000_000, (1, 0, 500, start if n < 2 else start + step * n)) for n in range(20)]
    assert run_both(gate, frames)[-1]["frame_meta"]["objLCCumCnt"] == {"A": counted}


def test_two_lines_of_one_label_count_a_passage_once() -> None:
    line = "enable=1\nline-crossing-A=500;400;500;600;100;500;900;500\n"
    twice = HEAD + f"[line-crossing-stream-0]\n{line}[line-crossing-stream-00]\n{line}"
    frames = [still(n, n * 33_000_000, (1, 0, 500, 400 + 10 * n)) for n in range(20)]
    assert run_both(twice, frames)[-1]["frame_meta"]["objLCCumCnt"] == {"A": 1}
