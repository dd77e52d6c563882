"""What is drawn of queues and wrong ways."""

import numpy as np
import pytest

from countline.analytics.native import NativeRules
from countline.config.rules import RulesConfig
from countline.types import FrameInfo, FrameTracks, SourceInfo, Tracks
from countline.view.overlay import FLASH, REGION, Overlay

CAMERA = SourceInfo("cam")
AREA = [[0.25, 0.25], [0.75, 0.25], [0.75, 0.75], [0.25, 0.75]]


def shown(rules, frames=12):
    """The picture of the last frame, in which somebody walks down the middle at ten frames a second, and its analytics."""
    engine = NativeRules(RulesConfig.model_validate(rules), [CAMERA], ["person"])
    overlay = Overlay(engine.rules, ["person"])
    for n in range(frames):
        info = FrameInfo(CAMERA, n, n * 10**8, n * 10**8, 800, 800)
        tracks = Tracks([[390, 220 + 15 * n, 410, 260 + 15 * n]], [0.9], [0], np.array([1], np.uint64))
        (analytics,) = engine.update([FrameTracks(info, tracks)])
        picture = overlay.draw(np.zeros((800, 800, 3), np.uint8), analytics)
    return engine, picture, analytics


@pytest.mark.parametrize(
    ("rules", "text"),
    [
        ({"queues": [{"name": "till", "points": AREA, "after": 0.5}]}, "till: 1 waiting, longest 1 s"),
        (
            {"queues": [{"name": "till", "points": AREA, "after": 0.5, "max_length": 0}]},
            "till: 1 waiting, longest 1 s  LONG",
        ),
        ({"wrong_ways": [{"name": "street", "points": AREA, "arrow": [[0, 1], [0, 0]]}]}, "street: 1 wrong (1 now)"),
        ({"wrong_ways": [{"name": "street", "points": AREA, "arrow": [[0, 0], [0, 1]]}]}, "street: 0 wrong"),
    ],
)
def test_the_area_is_closed_and_labelled_with_how_it_stands(rules, text):
    engine, picture, analytics = shown(rules)
    assert Overlay._count_text(engine.rules[0], analytics) == text
    left_edge = picture[450:590, 199:203].reshape(-1, 3)  # from the last corner back to the first
    assert any((left_edge == colour).all(axis=1).sum() > 100 for colour in (REGION, FLASH))


def test_the_arrow_of_a_wrong_way_stands_in_its_area():
    rule = {"name": "street", "points": AREA, "arrow": [[0.1, 0.5], [0.9, 0.5]]}
    _, with_arrow, _ = shown({"wrong_ways": [rule]}, frames=1)
    _, without, _ = shown({"queues": [{"name": "street", "points": AREA}]}, frames=1)
    middle = np.s_[380:420, 330:470]
    assert (with_arrow[middle] != without[middle]).any(axis=2).sum() > 100
