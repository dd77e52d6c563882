"""A source that is forgotten: its tracks are gone, its counts are not."""

from __future__ import annotations

import random

import pytest
from exact_fuzz import World, config_text, to_tracks
from exact_oracle import Oracle, OracleStream

from countline.compat.deepstream.files import nvdsanalytics
from countline.compat.deepstream.files.nvdsanalytics import StreamRules
from countline.compat.deepstream.rules import DeepStreamAnalytics, DeepStreamRules


@pytest.mark.parametrize("streams", [1, 2])
def test_a_source_that_is_forgotten_begins_anew_also_where_it_is_the_only_one(streams: int) -> None:
    for seed in range(12):
        rng = random.Random(seed)
        config = nvdsanalytics.parse(config_text(rng), "again.txt")
        worlds = [World(rng, hostile=False) for _ in range(streams)]
        engine, oracle = DeepStreamRules(config), Oracle(config)
        for number in range(60):
            if number == 30:
                engine.forget("stream-0")
                rules = config.streams.get(0) or StreamRules(0, 1920, 1080)
                fresh = OracleStream(config, rules, worlds[0].width, worlds[0].height)
                fresh.cumulative = oracle.streams[0].cumulative
                oracle.streams[0] = fresh
            frames = [world.frame(number, stream) for stream, world in enumerate(worlds)]
            for frame, analytics in zip(frames, engine.update([to_tracks(frame) for frame in frames])):
                assert isinstance(analytics, DeepStreamAnalytics)
                assert analytics.record() == oracle.frame(frame), f"seed {seed}, frame {number}"
