"""The vectorised engine equals a slow model of the description, on random and hostile input."""

from __future__ import annotations

import os

import pytest
from exact_fuzz import scenario, to_tracks
from exact_oracle import Oracle

from countline.analytics.deepstream import DeepStreamAnalytics, DeepStreamRules

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


@pytest.mark.parametrize("block", range(8))
def test_engine_equals_the_model_on_random_input(block: int) -> None:
    per_block = -(-SEEDS // 8)
    totals = [check(seed) for seed in range(FIRST + block * per_block, FIRST + (block + 1) * per_block)]
    assert sum(crossings for _, crossings in totals) > 0, "no crossing at all: the input tests nothing"
