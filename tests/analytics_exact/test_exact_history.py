"""Histories too long for a table of their places are followed by arithmetic, with the same results."""

from __future__ import annotations

import pytest
from exact_fuzz import scenario, to_tracks
from exact_oracle import Oracle

from countline.compat.deepstream.rules import DeepStreamAnalytics, DeepStreamRules, memory


@pytest.mark.parametrize("block", range(4))
def test_results_are_the_same_without_the_table_of_places(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "WHEEL", 0)
    windows = set()
    for seed in range(block * 6, block * 6 + 6):
        config, frames = scenario(seed)
        windows.add(config.window)
        oracle, engine = Oracle(config), DeepStreamRules(config)
        assert engine.memory.turns is None
        for frame in frames:
            (analytics,) = engine.update([to_tracks(frame)])
            assert isinstance(analytics, DeepStreamAnalytics)
            assert analytics.record() == oracle.frame(frame), f"seed {seed}, frame {frame['frame']}"
    assert len(windows) > 1, "one length only: the input tests little"
