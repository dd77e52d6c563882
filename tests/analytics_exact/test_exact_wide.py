"""Regions so large that 32-bit numbers overflow on the way, and tracks near and far from them."""

from __future__ import annotations

import random

import pytest
from exact_fuzz import World, config_text, to_tracks
from exact_oracle import Oracle

from countline.analytics.deepstream import DeepStreamAnalytics, DeepStreamRules
from countline.config import nvdsanalytics


@pytest.mark.parametrize("hostile", [False, True])
@pytest.mark.parametrize("size", [(30_000, 20_000), (200_000, 100_000), (3_000_000, 2_000_000)])
def test_engine_equals_the_model_where_the_picture_is_larger_than_any(size: tuple[int, int], hostile: bool) -> None:
    hits = 0
    for seed in range(12):
        rng = random.Random(seed)
        config = nvdsanalytics.parse(config_text(rng), "wide.txt")
        world = World(rng, hostile)
        oracle, engine = Oracle(config), DeepStreamRules(config)
        for number in range(40):
            frame = world.frame(number, 0)
            frame["width"], frame["height"] = size  # the rules are scaled to it, the objects stay where they were
            (analytics,) = engine.update([to_tracks(frame)])
            assert isinstance(analytics, DeepStreamAnalytics)
            expected = oracle.frame(frame)
            assert analytics.record() == expected, f"seed {seed}, frame {number}"
            hits += sum(expected["frame_meta"]["objInROIcnt"].values())
    assert hits > 0, "no object in any region: the input tests nothing"
