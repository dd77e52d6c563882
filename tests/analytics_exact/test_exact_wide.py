"""Regions, lines, arrows and boxes so large that 32-bit numbers overflow on the way, and tracks near and far from them."""

from __future__ import annotations

import random

import pytest
from exact_fuzz import World, config_text, to_tracks
from exact_oracle import Oracle

from countline.compat.deepstream.files import nvdsanalytics
from countline.compat.deepstream.rules import DeepStreamAnalytics, DeepStreamRules


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


OVERFLOW = """[property]
enable=1
config-width=416
config-height=416
obj-cnt-win-in-ms=3
[line-crossing-stream-0]
line-crossing-Exit=169;63;179;221;145;74;53;279
enable=1
"""


def test_the_sum_behind_the_reference_point_wraps_as_nvidias_does() -> None:
    boxes = [(0, 0, 0, 0), (-140, 0, -1, 0), (0, 0, 0, 0), (0, 0, 290, 0)]
    engine = DeepStreamRules(nvdsanalytics.parse(OVERFLOW, "overflow.txt"))
    counts = []
    for number, box in enumerate(boxes):
        thing = dict(zip(("left", "top", "width", "height"), map(float, box)), id=504, class_id=0)
        frame = {
            "stream": 0,
            "frame": number,
            "pts": number * 33_333_333,
            "width": 333,
            "height": 1000,
            "objects": [thing],
        }
        (analytics,) = engine.update([to_tracks(frame)])
        counts.append(analytics.lines["Exit"].cumulative)
    assert counts == [0, 0, 0, 1], "what NVIDIA's engine counted"


EXTREMES = [-1.0, -140.0, 1e9, 2**31 - 128.0, -(2.0**31), 3e9, 4.29e9]


@pytest.mark.parametrize("window", [2, 3, 4, 5, 20])
def test_engine_equals_the_model_where_boxes_lie_at_the_ends_of_32_bits(window: int) -> None:
    crossed = 0
    for seed in range(40):
        rng = random.Random(seed)
        config = nvdsanalytics.parse(f"{config_text(rng)}[line-crossing-stream-0]\nenable=1\nextended={seed % 2}\n"
            "line-crossing-Z=100;10;100;90;0;50;200;50\n", "ends.txt")  # fmt: skip
        config.window = window
        oracle, engine = Oracle(config), DeepStreamRules(config)
        for number in range(30):
            things = [
                {"id": k, "class_id": 0, **{
                    side: rng.choice([0.0, 10.0, 90.0, 150.0, 290.0] if rng.random() < 0.9 else EXTREMES)
                    for side in ("left", "top", "width", "height")
                }}
                for k in range(3)
            ]  # fmt: skip
            frame = {
                "stream": 0,
                "frame": number,
                "pts": number * 33_333_333,
                "width": 333,
                "height": 1000,
                "objects": things,
            }
            (analytics,) = engine.update([to_tracks(frame)])
            expected = oracle.frame(frame)
            assert analytics.record() == expected, f"seed {seed}, frame {number}"
            crossed += sum(expected["frame_meta"]["objLCCurrCnt"].values())
    assert crossed > 0, "no line was crossed: the input tests nothing"
